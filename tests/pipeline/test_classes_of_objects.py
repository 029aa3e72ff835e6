"""Numbered objects of several classes, from the masks to files, scores and tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unetkit.cli import app
from unetkit.dataset.check import check
from unetkit.dataset.encoding import infer_classes
from unetkit.dataset.folder import open_dataset, read_objects
from unetkit.errors import InputError, UnetkitError
from unetkit.export.html import mask_facts
from unetkit.formats import read_image, read_mask, write_image, write_mask
from unetkit.measuring import Settings, files, measure_files
from unetkit.objects import read_table
from unetkit.pipeline import ObjectOptions, Options, infer, load_predictor, predict, train
from unetkit.pipeline.whole import write_labels
from unetkit.scoring import score_folders

STATED = "names: [ground, road, live, dead]\nencoding: instances\nlabel_divisor: 1000\nvalues: [0, 7, 24, 26]\n"
SETTINGS = ("model.width=4", "model.depth=2", "training.patch=[48, 48]", "training.batch=4")


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels H W and numbers of class and object: touching squares of two classes, and a road that has no number."""
    random = np.random.default_rng(seed)
    numbers = np.zeros((72, 72), np.int32)
    numbers[66:70] = 7
    for spot in random.permutation(16)[:10]:
        row, column = 16 * (spot // 4) + random.integers(0, 4), 18 * (spot % 4) + random.integers(0, 4)
        for half, kind in enumerate(random.choice([24, 26], 2)):
            here = (slice(row, row + 12), slice(column + 7 * half, column + 7 * half + 7))
            numbers[here] = kind * 1000 + 2 * spot + half
    shade = np.select([numbers == 7, numbers // 1000 == 24, numbers // 1000 == 26], [90, 200, 150], 20)
    return (shade + random.normal(0, 4, shade.shape)).clip(0, 255).astype(np.uint8), numbers


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("city")
    for seed in range(8):
        pixels, numbers = draw(seed)
        write_image(root / "images" / f"{seed}.png", pixels[None])
        write_mask(root / "masks" / f"{seed}.tif", numbers)
    (root / "classes.yaml").write_text(STATED)
    return root


@pytest.fixture(scope="session")
def run(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(steps=80, model="unet", settings=(*SETTINGS, "objects.separate=boundary"))
    return train(city, options, out=tmp_path_factory.mktemp("runs") / "city").path


def test_the_check_says_what_was_found(city: Path) -> None:
    report = check(city)
    facts = dict(report.facts)
    assert report.ok
    assert facts["objects"] == "160, 20 to 20 an image"
    assert {"class road", "class live", "class dead"} <= facts.keys()


def test_objects_are_read_with_their_classes(city: Path) -> None:
    dataset = open_dataset(city)
    numbers = read_mask(dataset.samples[0].mask).values  # type: ignore[arg-type]
    objects = read_objects(dataset, dataset.samples[0])
    assert objects.count == 21  # 20 squares and the road, a region of a class alone
    for one in range(1, 21):
        (number,) = np.unique(numbers[objects.ids == one])
        assert dataset.classes.values[objects.classes[one - 1]] == number // 1000
    assert (numbers[objects.ids == 21] == 7).all()


def test_training_ends_in_files_and_scores_by_class(run: Path, city: Path, tmp_path: Path) -> None:
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert set(summary["objects"]["classes"]) == {"road", "live", "dead"}
    image = city / "images" / "3.png"
    (done,) = predict(run, [image], tmp_path / "out")
    written = read_mask(done.written[0]).values
    objects = load_predictor(run).objects(read_image(image))
    assert objects.count >= 4
    assert len(set(objects.classes.tolist())) >= 2
    values = np.array([0, 7, 24, 26])
    for one in range(1, objects.count + 1):
        (number,) = np.unique(written[objects.ids == one])
        assert number // 1000 == values[objects.classes[one - 1]]
    assert len(np.unique(written)) == objects.count + 1


def test_streamed_files_hold_the_numbers_of_those_in_memory(
    run: Path, city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load_predictor(run, augment=False, runtime="torch")
    image = read_image(city / "images" / "3.png")
    write_image(tmp_path / "a.tif", np.concatenate([image.pixels] * 3, axis=1))
    save = ("labels", "objects")
    (memory,) = predict(run, [tmp_path / "a.tif"], tmp_path / "memory", save=save, predictor=predictor)
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    (streamed,) = predict(run, [tmp_path / "a.tif"], tmp_path / "streamed", save=save, predictor=predictor)
    for here, there in zip(memory.written[:2], streamed.written[:2], strict=True):
        assert (read_mask(here).values == read_mask(there).values).all()
    columns = [read_table(done.written[2]).columns for done in (memory, streamed)]
    assert columns[0].keys() == columns[1].keys()
    for name in ("id", "class", "area_px"):
        assert columns[0][name].tolist() == columns[1][name].tolist()


@pytest.mark.parametrize("separate", ["boundary", "components"])
def test_each_object_has_a_row_with_its_class(run: Path, city: Path, tmp_path: Path, separate: str) -> None:
    if separate == "components":
        settings = (*SETTINGS, "objects.separate=components")
        run = train(city, Options(steps=20, model="unet", settings=settings), out=tmp_path / "run").path
    options = ObjectOptions(Settings(rules=("area_px > 12",)), formats=("tiff", "qupath"))
    (done,) = predict(run, [city / "images" / "3.png"], tmp_path, save=("labels", "objects"), objects=options)
    assert done.fault is None
    assert done.objects is not None
    labels, ids, path, tiff, qupath = done.written
    in_file, numbered, table = read_mask(labels).values, read_mask(ids).values, read_table(path)
    kept = table["removed_by"] == ""
    seen = dict.fromkeys(("road", "live", "dead"), 0)
    assert sum(done.objects.kept.values()) == kept.sum() > 0
    for number, kind, here in zip(table["id"].astype(int), table["class"], kept, strict=True):
        seen[kind] += 1  # the k-th row of a class is its number k in the label file
        written = {"road": 7, "live": 24, "dead": 26}[kind] * 1000 + seen[kind]
        assert ((in_file == written) == (numbered == number)).all() or not here
        assert (numbered == number).any() == here
    assert (read_mask(tiff).values == np.where(numbered > 0, in_file, 0)).all()
    features = json.loads(qupath.read_text())["features"]
    kinds = {int(one["properties"]["name"]): one["properties"]["classification"]["name"] for one in features}
    assert kinds == dict(zip(table["id"][kept].astype(int).tolist(), table["class"][kept].tolist(), strict=True))


def test_objects_of_another_class_are_no_partners(city: Path, tmp_path: Path) -> None:
    for mask in (city / "masks").iterdir():
        numbers = read_mask(mask).values
        first = numbers == numbers.max()
        other = 24 + 26 - numbers.max() // 1000
        write_mask(tmp_path / "predicted" / mask.name, np.where(first, 1000 * other + 999, numbers).astype(np.int32))
    done = score_folders(tmp_path / "predicted", city / "masks")
    assert done.summary["numbered"] == "objects are scored"
    counts = done.summary["objects"]
    assert counts["counts"]["found"] == counts["counts"]["true_objects"]  # whatever the class
    by_class = [counts["classes"][name]["counts"] for name in ("live", "dead")]
    assert sum(one["true_objects"] - one["found"] for one in by_class) == 8
    assert counts["classes"]["road"]["counts"]["found"] == 8
    truth = score_folders(city / "masks", city / "masks").summary["objects"]["classes"]
    assert all(scores["mean"]["ap"]["mean"] == 1 for scores in truth.values())


def test_predictions_of_classes_alone_are_scored_by_pixels(city: Path, tmp_path: Path) -> None:
    dataset = open_dataset(city)
    for sample in dataset.labelled:
        write_mask(tmp_path / f"{sample.name}.png", dataset.read_labels(sample).labels)
    done = score_folders(tmp_path, city / "masks")
    assert (done.summary["predictions"], done.summary["mean"]["dice"]["mean"]) == ("indices", 1)
    assert "classes alone" in done.summary["numbered"]


@pytest.mark.parametrize("large", [False, True])
def test_measured_with_class_and_number(
    city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(files, "LARGE", 0)
        monkeypatch.setattr(files.measure_streamed, "__kwdefaults__", {"band": 720})
    measured = measure_files(city / "masks" / "3.tif", classes=city / "classes.yaml")
    assert "live" in measured.read_as
    table, numbers = measured.table, read_mask(city / "masks" / "3.tif").values
    assert sorted(table["id"].tolist()) == sorted(np.unique(numbers[numbers > 0]).tolist())
    names = {7: "road", 24: "live", 26: "dead"}
    for number, name, area in zip(table["id"], table["class"], table["area_px"], strict=True):
        assert name == names[number // 1000 or number]
        assert area == (numbers == number).sum()


def test_exported_with_their_classes(city: Path, tmp_path: Path) -> None:
    arguments = ["objects", str(city / "masks"), "--format", "coco", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    names = {one["id"]: one["name"] for one in coco["categories"]}
    kinds = [names[one["category_id"]] for one in coco["annotations"]]
    assert kinds.count("road") == 8
    assert kinds.count("live") + kinds.count("dead") == 160


def test_more_objects_than_a_number_has_room_for(city: Path, tmp_path: Path) -> None:
    dataset = open_dataset(city)
    classes = dataset.classes.model_copy(update={"label_divisor": 27})
    image = dataset.read_image(dataset.samples[0])
    labels = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((6, 6))).astype(np.uint8) * 2
    with pytest.raises(InputError, match=r"more objects of the class 'live'.*larger label_divisor"):
        write_labels(tmp_path / "a.png", labels, classes, image)
    assert not (tmp_path / "a.png").exists()


def test_connected_regions_of_each_class_are_objects_where_masks_hold_classes(tmp_path: Path) -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[2:8, 2:8], labels[2:8, 8:14] = 1, 2  # touching
    labels[np.arange(12, 18), np.arange(12, 18)] = 1  # a slanted line
    write_image(tmp_path / "images" / "a.png", labels[None])
    write_mask(tmp_path / "masks" / "a.png", labels)
    dataset = open_dataset(tmp_path, classes=infer_classes([tmp_path / "masks" / "a.png"]))
    objects = read_objects(dataset, dataset.samples[0])
    assert (objects.count, sorted(objects.classes.tolist())) == (3, [1, 1, 2])


def test_the_page_refuses_what_it_cannot_write(city: Path) -> None:
    with pytest.raises(UnetkitError, match=r"numbers of class and object.*another format"):
        mask_facts(open_dataset(city).classes)
