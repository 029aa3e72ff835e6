"""Rasters through predict: the result lies where the image lies, and is nodata where the image is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.formats.test_geo import mosaic, place, raster
from tests.pipeline.test_encodings import STEPS, dataset
from unetkit.formats import read_header, read_mask
from unetkit.pipeline import infer, predict, train
from unetkit.pipeline.infer import load_predictor
from unetkit.prediction import Predictor

PIXELS = np.random.default_rng(2).integers(1, 250, (1, 600, 620)).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps."""
    root = tmp_path_factory.mktemp("geo")
    return train(dataset(root / "data", lambda labels: (labels, None)), STEPS, out=root / "run").path


@pytest.mark.parametrize("in_memory", [0, 2**30])
@pytest.mark.parametrize("form", [None, "tif", "cog"])
@pytest.mark.parametrize("how", ["nodata", "mask"])
def test_the_result_lies_where_the_image_lies(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, form: str | None, how: str
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", in_memory)
    pixels, path = PIXELS.copy(), tmp_path / "a.tif"
    tiled = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    missing = np.zeros(pixels.shape[1:], bool)
    missing[:200], missing[300:340, 7:99] = True, True
    if how == "nodata":
        pixels[0, missing] = 0
        raster(path, pixels, nodata=0, **tiled)
    else:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            raster(path, pixels, **tiled)
            with rasterio.open(path, "r+") as dataset_:
                dataset_.write_mask(~missing)
    passes: list[int] = []
    logits = Predictor._logits
    monkeypatch.setattr(Predictor, "_logits", lambda self, *rest: passes.append(1) or logits(self, *rest))
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
    (done,) = predict(run, [path], tmp_path / "out", save=("labels", "probabilities"), form=form, predictor=predictor)
    assert done.fault is None
    labels, probabilities = done.written
    crs, transform, _, shape = place(path)
    for one in done.written:
        assert place(one)[:2] == (crs, transform)
        assert place(one)[3] == shape
    with rasterio.open(labels) as result:
        assert result.nodata == 255
        assert np.array_equal(result.read_masks(1) == 0, missing)
    with rasterio.open(probabilities) as result:
        assert np.isnan(result.nodata)
        assert np.array_equal(np.isnan(result.read(1)), missing)
        assert result.descriptions == predictor_names(run)
    if in_memory == 0:
        assert len(passes) == 10 * 7  # the three rows of empty tiles are passed over


def predictor_names(run: Path) -> tuple[str, ...]:
    return infer.read_classes(run / "classes.yaml").names


def test_rasters_of_gdal_give_a_geotiff(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiles").mkdir()
    raster(tmp_path / "tiles" / "a.tif")
    mosaic(tmp_path / "a.vrt")
    raster(tmp_path / "b.jp2", PIXELS, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    written = []
    for limit in (2**30, 0):
        monkeypatch.setattr(infer, "IN_MEMORY", limit)
        predictor = load_predictor(run, augment=False, tile=96, runtime="torch")
        images, out = [tmp_path / "a.vrt", tmp_path / "b.jp2"], tmp_path / str(limit)
        for image, done in zip(images, predict(run, images, out, predictor=predictor), strict=True):
            assert done.fault is None
            assert done.written[0].suffix == ".tif"
            assert place(done.written[0])[:2] == place(image)[:2]
            written.append(read_mask(done.written[0]).values)
    assert np.array_equal(written[0], written[2])
    assert np.array_equal(written[1], written[3])
    assert read_header(tmp_path / "b.jp2").format == "jpeg2000"
