"""Objects of volumes, apart in every way, from training to files, scores, tables and other programs' formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unetkit.cli import app
from unetkit.dataset.folder import open_dataset, read_objects
from unetkit.errors import UsageError
from unetkit.formats import read_image, read_mask, write_image, write_mask
from unetkit.image import Geometry
from unetkit.measuring import Settings, measure_files
from unetkit.objects import Table, label_components, read_table
from unetkit.pipeline import ObjectOptions, Options, infer, load_predictor, predict, train
from unetkit.pipeline.infer import Prediction
from unetkit.scoring import score_folders
from unetkit.separation import SEPARATORS
from unetkit.vector import OBJECT_FORMATS

SPACING = Geometry((2.0, 0.5, 0.5), "um")
SETTINGS = ("model.width=4", "model.depth=1", "training.patch=[8, 16, 16]", "training.batch=1", "augmentation=flips")


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six volumes of numbered balls, some of which touch."""
    root = tmp_path_factory.mktemp("balls")
    for number in range(6):
        random = np.random.default_rng(number)
        places = np.indices((10, 20, 22))
        ids = np.zeros(places.shape[1:], np.uint16)
        for one in range(1, 5 + number):
            middle = random.integers((2, 3, 3), (8, 17, 19))
            near = sum((p - m) ** 2 for p, m in zip(places, middle, strict=True)) < 9
            ids[near & (ids == 0)] = one
        ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.uint16)
        pixels = (60 + 120 * (ids > 0) + random.normal(0, 10, ids.shape)).clip(0, 255).astype(np.uint8)
        write_image(root / "images" / f"{number}.tif", pixels[None], geometry=SPACING)
        write_mask(root / "masks" / f"{number}.tif", ids, geometry=SPACING)
    (root / "classes.yaml").write_text("encoding: instances")
    return root


@pytest.mark.parametrize("name", SEPARATORS)
def test_objects_of_volumes_from_training_to_tables(
    balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    options = Options(steps=3, model="unet", settings=(*SETTINGS, f"objects.separate={name}"))
    run = train(balls, options, out=tmp_path / "run").path
    assert json.loads((run / "test" / "summary.json").read_text())["objects"]["images"] > 0
    image = balls / "images" / "0.tif"
    predictor = load_predictor(run, augment=False, runtime="torch")
    (done,) = predict(run, [image], tmp_path / "labels", predictor=predictor)
    written = read_mask(done.written[0])
    if predictor.plan.separates:
        assert (written.values == predictor.objects(read_image(image)).ids).all()
    else:
        assert (written.values == label_components(predictor.labels(read_image(image)))).all()
    assert written.geometry.spacing == SPACING.spacing
    measured = measure_files(tmp_path / "labels", balls / "images", numbered=True).table
    assert {"volume_um3", "surface_um2", "mean_0"} <= set(measured.columns)
    assert measured["volume_um3"].sum() == pytest.approx((written.values > 0).sum() * 0.5)
    predict_it = partial(predict, run, [image], predictor=predictor)
    objects_are_those_of_the_label_file(predict_it, tmp_path / "memory", written.values, measured)
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    objects_are_those_of_the_label_file(predict_it, tmp_path / "streamed", written.values, measured)


def objects_are_those_of_the_label_file(
    predict_it: Callable[..., Iterator[Prediction]], out: Path, labels: np.ndarray, measured: Table
) -> None:
    options = ObjectOptions(Settings(rules=("volume_um3 > 2",)), formats=("tiff",))
    (done,) = predict_it(out, save=("objects", "overlay"), objects=options)
    assert done.fault is None
    ids, found = read_mask(out / "0_objects.tif"), read_table(out / "0_objects.csv")
    assert ids.geometry.spacing == SPACING.spacing
    assert found["id"].tolist() == measured["id"].tolist()
    np.testing.assert_allclose(found["volume_um3"], measured["volume_um3"])
    np.testing.assert_allclose(found["mean_0"], measured["mean_0"], rtol=1e-6)
    assert ((found["confidence"] > 0) & (found["confidence"] <= 1)).all()
    kept = found["id"][found["removed_by"] == ""]
    assert (ids.values == np.where(np.isin(labels, kept), labels, 0)).all()
    assert (read_mask(out / "0.objects.tif").values == ids.values).all()
    assert read_image(out / "0_overlay.png").pixels.shape == (3, *labels.shape[1:])
    with pytest.raises(UsageError, match="cannot hold the objects of volumes"):
        next(predict_it(out / "other", save=("objects",), objects=ObjectOptions(formats=("qupath",))))


def test_true_objects_of_volumes_score_one_and_have_their_size(balls: Path) -> None:
    scored = score_folders(balls / "masks", balls / "masks").summary["objects"]
    assert scored["mean"]["ap"]["mean"] == scored["mean"]["aji"]["mean"] == 1
    dataset = open_dataset(balls)
    objects = read_objects(dataset, dataset.samples[2])
    table = measure_files(balls / "masks" / "2.tif", settings=Settings(), numbered=True).table
    assert len(table) == objects.count
    volumes = np.bincount(objects.ids.reshape(-1))[1:] * 0.5
    np.testing.assert_allclose(table["volume_um3"], volumes)


@pytest.mark.parametrize("name", OBJECT_FORMATS)
def test_formats_hold_volumes_or_say_that_they_cannot(balls: Path, tmp_path: Path, name: str) -> None:
    arguments = ["objects", str(balls / "masks"), "--as", "ids", "--format", name, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    if name == "tiff":
        assert done.exit_code == 0
        assert (
            read_mask(tmp_path / "out" / "1.objects.tif").values == read_mask(balls / "masks" / "1.tif").values
        ).all()
    else:
        assert done.exit_code == 1
        assert "volume" in done.output
        assert "tiff" in done.output
        assert "Traceback" not in done.output
        assert not [*(tmp_path / "out").rglob("*.*")]
