"""A file written piece by piece holds what one written at once holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unetkit.errors import FileError
from unetkit.formats import Streamed, check_streamed, read_header, read_image, read_mask, write_image, write_streamed
from unetkit.image import Array, Geometry

UTM = {
    "ModelPixelScale": (10.0, 10.0, 0.0),
    "ModelTiepoint": (0.0, 0.0, 0.0, 500000.0, 4000000.0, 0.0),
    "GeoKeyDirectory": (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633),
}


def streamed(pixels: Array, geometry: Geometry = Geometry(), *, mask: bool = False) -> Streamed:  # noqa: B008
    return Streamed(pixels.shape, pixels.dtype, lambda c, window: pixels[(c, *window)], geometry, mask=mask)


@pytest.mark.parametrize(
    ("shape", "dtype", "geometry"),
    [
        ((1, 300, 515), np.uint8, Geometry()),
        ((1, 1, 1), np.uint32, Geometry()),
        ((3, 256, 260), np.uint8, Geometry()),
        ((4, 270, 40), np.float32, Geometry()),
        ((1, 300, 270), np.uint16, Geometry((0.5, 0.25), "um")),
        ((2, 3, 40, 270), np.float32, Geometry((2.0, 0.5, 0.5), "um")),
        ((1, 280, 300), np.uint8, Geometry((10.0, 10.0), "m", {"geotiff": UTM, "nodata": 254.0})),
    ],
)
def test_it_holds_the_same(tmp_path: Path, shape: tuple[int, ...], dtype: type, geometry: Geometry) -> None:
    pixels = (np.random.default_rng(0).random(shape) * 250).astype(dtype)
    write_streamed(tmp_path / "pieces.tif", streamed(pixels, geometry))
    write_image(tmp_path / "once.tif", pixels, geometry=geometry)
    pieces, once = read_image(tmp_path / "pieces.tif"), read_image(tmp_path / "once.tif")
    assert np.array_equal(pieces.pixels, pixels)
    assert pieces.pixels.dtype == dtype
    assert pieces.geometry == once.geometry == geometry
    with tifffile.TiffFile(tmp_path / "pieces.tif") as one, tifffile.TiffFile(tmp_path / "once.tif") as other:
        assert one.pages.first.is_tiled
        assert one.series[0].axes == other.series[0].axes


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    pixels = np.arange(300 * 300, dtype=np.uint32).reshape(1, 300, 300)
    for name in ("a.tif", "b.tif"):
        write_streamed(tmp_path / name, streamed(pixels, Geometry((1.0, 1.0), "mm"), mask=True))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert np.array_equal(read_mask(tmp_path / "a.tif").values, pixels[0])


def test_a_large_one_is_a_big_tiff(tmp_path: Path) -> None:
    heads: list[bytes] = []

    def read(channel: int, window: object) -> Array:
        heads.append(next(tmp_path.glob(".large*")).read_bytes()[:4])
        raise _Enough  # nothing of 4 GB is written

    large = Streamed((1, 2**24, 257), np.dtype(np.uint8), read, Geometry(), mask=True)
    with pytest.raises(_Enough):
        write_streamed(tmp_path / "large.tif", large)
    write_streamed(tmp_path / "small.tif", streamed(np.zeros((1, 300, 300), np.uint8)))
    assert heads in ([b"II+\0"], [b""])  # nothing is flushed yet, or the head of a BigTIFF
    assert (tmp_path / "small.tif").read_bytes()[:4] == b"II*\0"
    assert [path.name for path in tmp_path.iterdir()] == ["small.tif"]


class _Enough(Exception):
    """Raised by a piece that is not to be had."""


def test_other_formats_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot be written piece by piece.*'\.png'.*\.tif"):
        write_streamed(tmp_path / "a.png", streamed(np.zeros((1, 4, 4), np.uint8)))
    with pytest.raises(FileError, match=r"cannot be written piece by piece"):
        check_streamed(tmp_path / "a.png", streamed(np.zeros((1, 4, 4), np.uint8)))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_found_out_before(tmp_path: Path) -> None:
    for pixels, geometry in [
        (np.zeros((1, 4, 4), np.int64), Geometry((1.0, 1.0), "um")),
        (np.zeros((1, 2, 4, 4), np.uint8), Geometry(extra={"geotiff": UTM})),
        (np.zeros((1, 4, 4), np.uint8), Geometry((1.0, 1.0), "furlong")),
    ]:
        for attempt in (check_streamed, write_streamed):
            with pytest.raises(FileError):
                attempt(tmp_path / "a.tif", streamed(pixels, geometry))


def test_its_header_is_read_without_its_pixels(tmp_path: Path) -> None:
    write_streamed(tmp_path / "a.tif", streamed(np.zeros((1, 700, 300), np.uint8)))
    header = read_header(tmp_path / "a.tif")
    assert header.shape == (1, 700, 300)
    assert header.windowed


@pytest.mark.parametrize("geometry", [Geometry(), Geometry((0.5, 0.25), "um"), Geometry(extra={"geotiff": UTM})])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_names_of_channels_come_back(tmp_path: Path, geometry: Geometry, dtype: type) -> None:
    pixels, names = np.ones((3, 40, 50), dtype), ("ground", "tree & bush", "Straße")
    write_image(tmp_path / "a.tif", pixels, geometry=geometry, channels=names)
    write_streamed(tmp_path / "b.tif", replace(streamed(pixels, geometry), channels=names))
    assert read_header(tmp_path / "a.tif").channels == read_header(tmp_path / "b.tif").channels == names
