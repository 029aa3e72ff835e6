"""Touching objects from training to files: learnt, tuned, predicted alike in memory and streamed, and scored."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from unetkit.classes import Classes
from unetkit.dataset.folder import open_dataset
from unetkit.demo import write_cells
from unetkit.errors import RunError, UnknownName
from unetkit.export import Subject, html
from unetkit.export.write import Exported
from unetkit.formats import read_image, read_mask, write_image
from unetkit.image import Image
from unetkit.metrics.instances import find_overlaps, match
from unetkit.objects import instance_mask
from unetkit.pipeline import Options, infer, load_predictor, predict, shipping, train
from unetkit.pipeline.numbering import InMemory, numbering_of
from unetkit.pipeline.tuning import tune
from unetkit.prediction import WHOLE, Predictor
from unetkit.training import RunFolder

SETTINGS = ("model.width=4", "model.depth=2", "training.patch=[64, 64]", "training.batch=4")


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("apart") / "cells"
    write_cells(root)
    return root


@pytest.fixture(scope="session")
def run(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(steps=60, model="unet", settings=(*SETTINGS, "objects.separate=distance"))
    return train(cells, options, out=tmp_path_factory.mktemp("runs") / "distance").path


def test_the_run_says_how_objects_come_apart_and_how_well(run: Path) -> None:
    chosen = json.loads((run / "objects.json").read_text())
    predictor = load_predictor(run)
    assert (predictor.decoding.seed, predictor.decoding.least) == (chosen["seed"], chosen["least"])
    assert 0 < chosen["ap"] < 1
    assert "objects: " in (run / "log.txt").read_text()
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert summary["objects"]["images"] == summary["images"]
    assert (run / "test" / "per_image_objects.csv").is_file()
    pictures = {path.stem for path in (run / "test" / "object_errors").iterdir()}
    assert pictures == {path.stem for path in (run / "test" / "overlays").iterdir()}
    with (run / "test" / "objects_summary.csv").open() as file:
        whole = {row["of"]: int(row["objects"]) for row in csv.DictReader(file) if row["scope"] == "all"}
    counts = summary["objects"]["counts"]
    assert whole == {"true": counts["true_objects"], "predicted": counts["predicted_objects"]}
    report = (run / "report.html").read_text()
    assert "Objects one by one" in report
    assert 'data-layer="objects"' in report
    assert predictor.models[0].num_classes == 3


def test_objects_are_better_apart_than_connected(run: Path, cells: Path) -> None:
    predictor, scores = load_predictor(run), []
    for path in sorted((cells / "images").iterdir())[:6]:
        image, truth = read_image(path), read_mask(cells / "masks" / path.name).values
        connected = instance_mask(predictor.labels(image) == 1)
        scores.append([match(find_overlaps(ids, truth)).ap for ids in (predictor.objects(image).ids, connected)])
    apart, merged = np.mean(scores, axis=0)
    assert apart > merged + 0.05


@pytest.mark.usefixtures("narrow_tiles")
@pytest.mark.parametrize("tile", [32, 64])
def test_streamed_in_tiles_gives_the_objects_of_one_pass(
    run: Path, cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    images = [read_image(one).pixels[:, :, :250] for one in sorted((cells / "images").iterdir())[:3]]
    pixels = np.concatenate(images, axis=1)
    write_image(tmp_path / "tall.tif", pixels)
    whole = load_predictor(run, augment=False, tile=WHOLE, runtime="torch").objects(Image(pixels))
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    predictor = load_predictor(run, augment=False, tile=tile, runtime="torch")
    (done,) = predict(run, [tmp_path / "tall.tif"], tmp_path / "out", predictor=predictor)
    streamed = read_mask(done.written[0]).values
    # tiles this narrow give one pass's numbers but for rounding, which may turn a pixel or a seed on the verge
    assert match(find_overlaps(streamed, whole.ids), 0.9).ap > 0.97
    monkeypatch.undo()
    monkeypatch.setattr("unetkit.prediction.predictor.LEAST", {2: 0, 3: 0})
    (memory,) = predict(run, [tmp_path / "tall.tif"], tmp_path / "memory", predictor=predictor)
    assert (read_mask(memory.written[0]).values == streamed).all()


def test_flipped_views_turn_directions_with_the_image(cells: Path, tmp_path: Path) -> None:
    options = Options(steps=2, model="unet", settings=(*SETTINGS, "objects.separate=flow", "augmentation=flips"))
    run = train(cells, options, out=tmp_path / "run").path
    predictor = load_predictor(run, augment=True)
    image = read_image(cells / "images" / "cells_01.png")
    outputs = predictor.labels_and_outputs(image)[1]
    mirrored = predictor.labels_and_outputs(Image(image.pixels[..., ::-1].copy()))[1][..., ::-1]
    assert np.abs(mirrored[:3] - outputs[:3]).max() < 1e-4  # classes, and the direction along the rows' axis
    assert np.abs(mirrored[3] + outputs[3]).max() < 1e-4  # that along the columns turns round


def test_connected_regions_teach_where_masks_hold_classes(discs: Path, tmp_path: Path) -> None:
    options = Options(steps=3, model="unet", settings=(*SETTINGS, "objects.separate=boundary"))
    run = train(discs, options, out=tmp_path / "run").path
    assert json.loads((run / "test" / "summary.json").read_text())["objects"]["images"] > 0
    predictor: Predictor = load_predictor(run)
    image = read_image(discs / "images" / "disc_0.png")
    assert predictor.probabilities(image).shape == (2, *image.shape)


def test_no_validation_object_leaves_the_beginning(run: Path, cells: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    said: list[str] = []
    chosen = tune(RunFolder(tmp_path / "run"), open_dataset(cells), (), said.append)
    assert json.loads((tmp_path / "run" / "objects.json").read_text())["ap"] is None
    assert (chosen.seed > 0, said) == (True, [])


def test_what_is_wrong_is_said(run: Path, cells: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no way of separating objects is called 'distances'"):
        train(cells, Options(steps=1, settings=("objects.separate=distances",)), out=tmp_path / "other")
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "objects.json").write_text('{"seed": "high"}')
    with pytest.raises(RunError, match=r"objects\.json: does not say how objects are told apart"):
        load_predictor(tmp_path / "run")


def test_other_pixels_than_trained_on_change_the_sizes_of_objects(run: Path, cells: Path) -> None:
    predictor = load_predictor(run)
    labels, outputs = predictor.labels_and_outputs(read_image(cells / "images" / "cells_01.png"))
    half = InMemory(labels[::2, ::2], outputs[:, ::2, ::2])
    cell = Classes(names=("background", "cell"))
    coarse = numbering_of(predictor, cell, half.all_labels.shape, labels.shape).of(half)
    whole = predictor.apart(labels, outputs)
    assert abs(coarse.count - whole.count) <= 0.2 * whole.count


def test_exports_say_that_they_do_not_tell_objects_apart(run: Path, tmp_path: Path) -> None:
    said: list[str] = []
    subjects = []

    def kept(subject: Subject, *rest: object, **options: object) -> tuple[Exported, ...]:
        subjects.append(subject)
        return ()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shipping, "write_exports", kept)
        patched.setattr(shipping, "require_formats", dict.fromkeys)
        patched.setattr(shipping, "require_free", lambda *rest, **options: None)
        shipping.export(run, ["html"], tmp_path, say=said.append)
    assert any("left out: what tells touching objects apart (objects.separate: distance)" in line for line in said)
    facts = html.page_facts(subjects[0])["facts"]
    assert "objects that touch count as one" in facts["objects"]
    assert "what tells touching objects apart" in subjects[0].facts["left_out"]
