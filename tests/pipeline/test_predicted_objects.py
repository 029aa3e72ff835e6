"""predict --save objects: numbers, table, files for other programs and summary, in memory and streamed alike."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipeline.test_encodings import STEPS, dataset
from tests.pipeline.test_large import ENCODINGS, raster
from unetkit.errors import FileError, UnknownName, UsageError
from unetkit.formats import read_header, read_image, read_mask, write_image
from unetkit.image import Geometry
from unetkit.measuring import Settings, measure_files
from unetkit.objects import Table, read_table
from unetkit.pipeline import ObjectOptions, infer, load_predictor, object_files, predict, train
from unetkit.pipeline.infer import Prediction
from unetkit.prediction import Predictor

SAVE = ("labels", "probabilities", "objects")

SEPARATED = "separated"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A run of three steps on masks of that encoding, or one that learnt to separate objects of two classes."""
    made: dict[str, Path] = {}

    def run(kind: str) -> Path:
        if kind not in made:
            root = tmp_path_factory.mktemp(kind)
            encode = ENCODINGS["values" if kind == SEPARATED else kind]
            data = dataset(root / "data", lambda labels: (encode(labels), None))
            if kind == "instances":
                (data / "classes.yaml").write_text("names: [background, cell]\nencoding: instances\n")
            options = STEPS
            if kind == SEPARATED:
                options = replace(STEPS, settings=(*STEPS.settings, "objects.separate=distance"))
            made[kind] = train(data, options, out=root / "run").path
        return made[kind]

    return run


def place(path: Path, side: int = 96) -> Path:
    """A grey image with a pixel size and a place on the map."""
    return raster(path, (1, side, side + 14), geometry=Geometry((0.5, 0.5), "um"))


def one(run: Path, image: Path, out: Path, **options: Any) -> Prediction:
    predictor = options.pop("predictor", None) or load_predictor(run, augment=False, tile=48, runtime="torch")
    (done, *_) = predict(run, [image], out, predictor=predictor, **{"save": SAVE, **options})
    if done.fault is not None:
        raise done.fault
    return done


def same(one: Table, other: Table, *, but: tuple[str, ...] = ()) -> None:
    assert list(one.columns) == list(other.columns)
    for name, values in one.columns.items():
        if name.startswith(but or ("never",)):
            continue
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, other[name], rtol=1e-4, atol=1e-6, err_msg=name)
        else:
            assert values.tolist() == other[name].tolist(), name


@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_the_table_is_what_measuring_the_labels_gives(
    runs: Callable[[str], Path], tmp_path: Path, encoding: str
) -> None:
    run, image = runs(encoding), place(tmp_path / "images" / "a.tif")
    done = one(run, image, tmp_path / "out", save=("labels", "objects"))
    labels, ids, table = done.written
    assert [path.name for path in done.written] == ["a.tif", "a_objects.tif", "a_objects.csv"]
    stated = None if encoding == "instances" else run / "classes.yaml"
    numbered = True if encoding == "instances" else None
    settings = Settings(spacing=(0.5,), unit="um")
    measured = measure_files(labels, image, settings=settings, classes=stated, numbered=numbered).table
    found = read_table(table)
    assert len(found) > 3
    assert list(found.columns)[-2:] == ["confidence", "removed_by"]
    assert set(found.columns) - {"confidence"} == set(measured.columns)
    for name in ("id", "area_um2", "mean_0", "median_0", "solidity", "neighbours", "perimeter_px"):
        np.testing.assert_allclose(found[name], measured[name], rtol=1e-6, err_msg=name)
    if encoding == "instances":
        assert (read_mask(ids).values == read_mask(labels).values).all()
    else:
        assert found["class"].tolist() == measured["class"].tolist()
    areas = np.bincount(read_mask(ids).values.reshape(-1))[1:]
    assert areas.tolist() == found["area_px"].tolist()
    assert done.objects is not None
    assert sum(done.objects.kept.values()) == len(found)


def test_confidence_is_the_mean_probability_of_the_class(runs: Callable[[str], Path], tmp_path: Path) -> None:
    done = one(runs("values"), place(tmp_path / "a.tif"), tmp_path / "out")
    files = {path.name: path for path in done.written}
    ids = read_mask(files["a_objects.tif"]).values
    probabilities = read_image(files["a_probabilities.tif"]).pixels
    names = read_header(files["a_probabilities.tif"]).channels or ("background", "class 1", "class 2")
    table = read_table(files["a_objects.csv"])
    expected = [
        probabilities[names.index(kind)][ids == number].mean()
        for number, kind in zip(table["id"].astype(int), table["class"], strict=True)
    ]
    np.testing.assert_allclose(table["confidence"], expected, rtol=1e-4)


@pytest.mark.usefixtures("narrow_tiles")
@pytest.mark.parametrize("kind", ["values", "instances", SEPARATED])
@pytest.mark.parametrize("band", [2**25, 110 * 40])
def test_streamed_gives_what_memory_gives(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, band: int
) -> None:
    monkeypatch.setattr(object_files, "BAND", band)
    image, wanted = place(tmp_path / "a.tif"), (*SAVE, "overlay")
    options = ObjectOptions(Settings(rules=("area_px > 3",)), formats=("qupath", "coco", "imagej", "tiff"))
    predictor = load_predictor(runs(kind), augment=False, tile=48, runtime="torch")
    whole = one(runs(kind), image, tmp_path / "whole", predictor=predictor, save=wanted, objects=options)
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    streamed = one(runs(kind), image, tmp_path / "streamed", predictor=predictor, save=wanted, objects=options)
    assert whole.objects == streamed.objects
    assert whole.objects is not None
    assert whole.objects.removed > 0
    tables = [read_table(out / "a_objects.csv") for out in (tmp_path / "whole", tmp_path / "streamed")]
    same(*tables)
    for name in ("a.tif", "a_objects.tif", "a.objects.tif", "a_overlay.png"):
        here, there = (read_mask(tmp_path / out / name).values for out in ("whole", "streamed"))
        assert (here == there).all(), name
    for name in ("a.qupath.geojson", "coco.json", "a.rois.zip"):
        here, there = ((tmp_path / out / name).read_bytes() for out in ("whole", "streamed"))
        assert len(here) == pytest.approx(len(there), rel=0.01), name  # confidences may differ in their last digit
    assert [path.name for path in (tmp_path / "streamed").iterdir() if path.name.startswith(".")] == []


def test_bands_leave_empty_what_cannot_be_added_up_and_say_so(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_files, "BAND", 110 * 10)
    done = one(runs("values"), place(tmp_path / "a.tif"), tmp_path / "out")
    assert np.isnan(read_table(tmp_path / "out" / "a_objects.csv")["median_0"]).any()
    assert any("in several bands" in note for note in done.notes)


def test_learnt_objects_come_apart_where_masks_hold_classes(runs: Callable[[str], Path], tmp_path: Path) -> None:
    image = place(tmp_path / "a.tif")
    done = one(runs(SEPARATED), image, tmp_path / "out")
    objects = load_predictor(runs(SEPARATED), augment=False, tile=48, runtime="torch").objects(read_image(image))
    assert (read_mask(done.written[2]).values == objects.ids).all()
    table = read_table(tmp_path / "out" / "a_objects.csv")
    np.testing.assert_allclose(table["confidence"], objects.confidence, rtol=1e-5)
    labels = read_mask(done.written[0]).values
    assert set(np.unique(labels)) <= {0, 50, 100}  # classes still


def test_what_a_rule_removes_stays_in_the_table_and_in_no_file(runs: Callable[[str], Path], tmp_path: Path) -> None:
    rule = "area_um2 > 5 and solidity > 0.7"
    options = ObjectOptions(Settings(rules=(rule, "not touches_border")), formats=("qupath",))
    done = one(runs("values"), place(tmp_path / "a.tif"), tmp_path / "out", objects=options)
    table = read_table(tmp_path / "out" / "a_objects.csv")
    gone = table["removed_by"] != ""
    assert set(table["removed_by"]) == {"", rule, "not touches_border"}
    kept = {int(number) for number in table["id"][~gone]}
    assert set(np.unique(read_mask(tmp_path / "out" / "a_objects.tif").values)) == {0, *kept}
    features = json.loads((tmp_path / "out" / "a.qupath.geojson").read_text())["features"]
    assert {int(feature["properties"]["name"]) for feature in features} == kept
    areas = {int(f["properties"]["name"]): f["properties"]["measurements"]["area_um2"] for f in features}
    right = dict(zip(table["id"].astype(int).tolist(), table["area_um2"].tolist(), strict=True))
    assert areas == {number: right[number] for number in kept}
    assert done.objects is not None
    assert (sum(done.objects.kept.values()), done.objects.removed) == (len(kept), int(gone.sum()))


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"save": ("labels",), "objects": ObjectOptions()}, UsageError, "without objects"),
        ({"objects": ObjectOptions(Settings(rules=("area_mm2 > 3",)))}, UsageError, "a column 'area_mm2'"),
        ({"objects": ObjectOptions(Settings(rules=("class == 'cells'",)))}, UsageError, "a class 'cells'"),
        ({"objects": ObjectOptions(Settings(thin_classes=("vein",)))}, UsageError, "there is no class 'vein'"),
        ({"objects": ObjectOptions(formats=("kml",))}, UnknownName, "no object format is called 'kml'"),
        ({"objects": ObjectOptions(table="xlsx")}, UsageError, "a table cannot be written so"),
    ],
)
def test_what_cannot_be_is_refused_before_predicting(
    runs: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    told: str,
) -> None:
    monkeypatch.setattr(Predictor, "_logits", lambda *rest: pytest.fail("predicted"))
    with pytest.raises(error, match=told):
        one(runs("values"), place(tmp_path / "a.tif"), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_image_without_a_place_has_no_map_of_objects(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "_logits", lambda *rest: pytest.fail("predicted"))
    with pytest.raises(FileError, match="no geo-reference"):
        one(runs("values"), place(tmp_path / "a.tif"), tmp_path / "out", objects=ObjectOptions(formats=("geojson",)))


def test_a_folder_has_a_summary_with_groups_also_of_images_passed_over(
    runs: Callable[[str], Path], tmp_path: Path
) -> None:
    run, out = runs("values"), tmp_path / "out"
    for name in "abc":
        place(tmp_path / "data" / "images" / f"{name}.tif", 40 + ord(name) - ord("a"))
    (tmp_path / "data" / "groups.csv").write_text("image,group\na,one\nb,one\nc,two\n")
    predictor = load_predictor(run, augment=False, runtime="torch")
    work = {"save": ("objects",), "predictor": predictor}
    images = tmp_path / "data" / "images"
    *each, last = predict(run, [images], out, **work)
    assert [done.name for done in each] == ["a", "b", "c"]
    assert [path.name for path in last.written] == ["summary.csv", "summary.json"]
    with (out / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for done in each:
        assert done.objects is not None
        own = {row["class"]: int(row["objects"]) for row in rows if row["image"] == done.name}
        assert own == done.objects.kept
    overall = json.loads((out / "summary.json").read_text())
    assert (overall["images"], overall["groups"], list(overall["by_group"])) == (3, 2, ["one", "two"])
    assert "objects_per_um2" in next(iter(overall["classes"].values()))["per_image"]
    with pytest.raises(UsageError, match="exists already"):
        list(predict(run, [images], out, **work))
    for path in (*each[1].written, *last.written):
        path.unlink()
    again = list(predict(run, [images], out, skip_existing=True, **work))
    assert [done.name for done in again] == ["b", ""]
    renewed = json.loads((out / "summary.json").read_text())
    assert renewed["by_group"].keys() == overall["by_group"].keys()
    for kind, numbers in overall["classes"].items():
        assert renewed["classes"][kind]["per_image"] == numbers["per_image"]
        assert renewed["classes"][kind]["medians"]["area_um2"] == numbers["medians"]["area_um2"]
    each[0].written[1].write_text("a,b\n1,2\n")
    (broken, _) = predict(run, [images], out, skip_existing=True, **work)
    assert isinstance(broken.fault, FileError)
    assert "is no table of this image's objects" in str(broken.fault)


def test_a_file_of_all_images_is_never_of_some(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run, out = runs("values"), tmp_path / "out"
    images = [place(tmp_path / f"{name}.tif", 40) for name in "ab"]
    predictor = load_predictor(run, augment=False, runtime="torch")
    work = {"save": ("objects",), "predictor": predictor, "objects": ObjectOptions(formats=("coco", "yolo"))}
    list(predict(run, images[:1], out, **work))
    with pytest.raises(UsageError, match=r"coco\.json is of all images together"):
        list(predict(run, images, out, skip_existing=True, **work))
    assert list(predict(run, images[:1], out, skip_existing=True, **work)) == []
    *_, last = predict(run, images, out, overwrite=True, **work)
    assert {path.name for path in last.written} == {"summary.csv", "summary.json", "coco.json", "data.yaml"}
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.tif", "b.tif"]
    assert len(coco["annotations"]) == sum(len(read_table(out / f"{name}_objects.csv")) for name in "ab")


def test_parquet_zarr_volumes_and_no_object_at_all(runs: Callable[[str], Path], tmp_path: Path) -> None:
    image = place(tmp_path / "a.tif")
    pytest.importorskip("pyarrow")
    done = one(runs("values"), image, tmp_path / "out", form="zarr", objects=ObjectOptions(table="parquet"))
    assert [path.name for path in done.written[2:]] == ["a_objects.zarr", "a_objects.parquet"]
    table = read_table(done.written[3])
    assert int(read_mask(done.written[2]).values.max()) == len(table)
    nothing = ObjectOptions(Settings(rules=("area_px < 0",)), formats=("qupath", "coco"))
    empty = one(runs("values"), image, tmp_path / "empty", objects=nothing)
    assert empty.objects is not None
    assert sum(empty.objects.kept.values()) == 0
    assert not read_mask(tmp_path / "empty" / "a_objects.tif").values.any()


def test_grey_is_measured_once_and_overlays_show_objects(runs: Callable[[str], Path], tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", lambda labels: (labels, None), channels=3)
    run = train(data, replace(STEPS, steps=1), out=tmp_path / "run").path
    write_image(tmp_path / "a.png", read_image(place(tmp_path / "a.tif")).pixels)
    plain = one(run, tmp_path / "a.png", tmp_path / "plain", save=("overlay",))
    done = one(run, tmp_path / "a.png", tmp_path / "out", save=("overlay", "objects"))
    assert [path.name for path in done.written] == ["a_overlay.png", "a_objects.tif", "a_objects.csv"]
    columns = read_table(done.written[2]).columns
    assert "mean_0" in columns
    assert "mean_1" not in columns
    assert (read_image(plain.written[0]).pixels != read_image(done.written[0]).pixels).any()
