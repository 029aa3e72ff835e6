"""Windows of a file are what the whole image has there, and statistics those of the whole image, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unetkit.dataset.normalize import NormalizationPlan, measure
from unetkit.errors import FileError
from unetkit.formats import read_image
from unetkit.image import Geometry, Image, without_data
from unetkit.prediction import measure_source, open_source, source_of
from unetkit.prediction import source as source_module

WAYS = {NormalizationPlan(), NormalizationPlan(per_channel=True), NormalizationPlan(kind="none")}


def files(folder: Path) -> dict[str, Path]:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 255, (301, 223, 3), np.uint8)
    volume = random.normal(size=(12, 60, 50)).astype(np.float32)
    made = {name: folder / name for name in ("tiled.tif", "strips.tif", "flat.tif", "bands.npy", "volume.tif")}
    tifffile.imwrite(made["tiled.tif"], rgb, tile=(64, 64), compression="zlib", photometric="rgb")
    tifffile.imwrite(made["strips.tif"], rgb, rowsperstrip=7, compression="zlib", photometric="rgb")
    tifffile.imwrite(made["flat.tif"], rgb[..., 0].astype(np.uint16))
    np.save(made["bands.npy"], random.normal(size=(5, 90, 110)))
    tifffile.imwrite(made["volume.tif"], volume, ome=True, metadata={"axes": "ZYX"}, compression="zlib")
    return made


@pytest.mark.parametrize("name", ["tiled.tif", "strips.tif", "flat.tif", "bands.npy", "volume.tif"])
@pytest.mark.parametrize("band_bytes", [2**30, 0])
def test_a_file_is_read_as_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, band_bytes: int
) -> None:
    monkeypatch.setattr(source_module, "BAND_BYTES", band_bytes)
    monkeypatch.setattr(source_module, "BLOCK", {2: (37, 50), 3: (5, 33, 21)})
    monkeypatch.setattr("unetkit.dataset.normalize.SAMPLED_PIXELS", 9_000)
    path = files(tmp_path)[name]
    image, source = read_image(path), open_source(path)
    assert not source.in_memory
    assert (source.channels, *source.shape) == image.pixels.shape
    random = np.random.default_rng(1)
    for _ in range(20):
        corners = [sorted(random.choice(extent + 1, 2, replace=False).tolist()) for extent in image.shape]
        window = tuple(slice(a, b) for a, b in corners)
        assert np.array_equal(source.read(window), image.pixels[(slice(None), *window)])
    shares: list[float] = []
    for way, found in measure_source(source, WAYS, progress=shares.append).items():
        expected = measure(image, way)
        for field in ("low", "high", "mean", "std"):
            assert np.array_equal(getattr(found, field), getattr(expected, field))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_small_images_are_read_whole(tmp_path: Path) -> None:
    path = files(tmp_path)["tiled.tif"]
    assert open_source(path, most=301 * 223 * 4, result_bytes=1).in_memory
    assert not open_source(path, most=301 * 223 * 4 - 1, result_bytes=1).in_memory


def test_a_pixel_that_is_no_number_is_named_before_anything_is_predicted(tmp_path: Path) -> None:
    pixels = np.zeros((1, 40, 50), np.float32)
    pixels[0, 31, 7] = np.nan
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(FileError, match=r"a\.npy: holds NaN or infinite pixels; found the first at \(31, 7\)"):
        measure_source(open_source(tmp_path / "a.npy"), WAYS)


@pytest.mark.parametrize("nodata", [-9999.0, float("nan")])
def test_missing_pixels_do_not_count(nodata: float) -> None:
    random = np.random.default_rng(0)
    pixels = random.normal(size=(2, 40, 30)).astype(np.float32)
    full = Image(pixels[:, :, :15].copy())
    pixels[:, :, 15:] = nodata
    holed = Image(pixels, Geometry(extra={"nodata": nodata}))
    for way in WAYS:
        found, expected = measure(holed, way), measure(full, way)
        assert np.allclose(found.mean, expected.mean)
        assert np.allclose(found.high, expected.high)
    assert measure_source(source_of(holed), {NormalizationPlan()}).keys() == {NormalizationPlan()}


@pytest.mark.parametrize(
    ("dtype", "nodata", "stands"),
    [
        ("int16", 9999, True), ("int16", 32767, True), ("int16", 40000, False), ("int8", 100, True),
        ("int32", 2147483647, True), ("uint8", 0, True), ("uint8", 256, False), ("uint8", 0.5, False),
        ("uint8", float("inf"), False), ("uint8", -1, False), ("float32", -3.40282346638529e38, True),
        ("float32", 0.5, True),
    ],
)  # fmt: skip
def test_what_can_stand_for_missing_data(dtype: str, nodata: float, stands: bool) -> None:
    pixels = np.zeros((2, 3), dtype)
    pixels[:, 1] = 7
    if stands:
        pixels[:, 2] = nodata
    missing = without_data(pixels, nodata)
    expected = [nodata == 0, False, True] if stands else None
    assert (missing is None) if expected is None else missing.tolist() == expected


def test_an_image_without_any_data_can_be_measured() -> None:
    empty = Image(np.full((1, 8, 8), -1, np.int16), Geometry(extra={"nodata": -1.0}))
    assert measure(empty, NormalizationPlan()).mean.tolist() == [0]
