"""TIFF as other programs write it: axes, channels, spacing, geo-references, compressions; windows that read little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from unetkit.errors import FileError
from unetkit.formats import read_header, read_image, read_mask, read_window, write_image, write_mask
from unetkit.formats.tiff_metadata import GEO_TAGS
from unetkit.image import Geometry, Image

RNG = np.random.default_rng(11)
UTM = {
    "ModelPixelScale": (10.0, 20.0, 0.0),
    "ModelTiepoint": (0.0, 0.0, 0.0, 500000.0, 4649776.0, 0.0),
    "GeoKeyDirectory": (1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633, 3076, 0, 1, 9001),
    "GeoAsciiParams": "UTM 33N|",
}


def integers(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


def read(path: Path) -> Image:
    """The image, with the header and several windows held against it."""
    header, image = read_header(path), read_image(path)
    assert header.shape == image.pixels.shape
    assert header.dtype == image.pixels.dtype
    assert header.geometry == image.geometry
    assert header.channels == image.channels
    assert header.windowed
    for part in (0.0, 0.3, 0.6):
        window = tuple(slice(int(n * part), max(int(n * part) + 1, int(n * (part + 0.35)))) for n in image.shape)
        found = read_window(path, window)
        np.testing.assert_array_equal(found.pixels, image.pixels[(slice(None), *window)])
    return image


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("layout", ["grey", "rgb", "planar", "bands"])
def test_strips_and_tiles_of_any_compression(tmp_path: Path, compression: str | None, tile: Any, layout: str) -> None:
    pixels = integers({"grey": 1, "rgb": 3, "planar": 5, "bands": 6}[layout], 45, 53)
    options: dict[str, Any] = {"compression": compression, "tile": tile, "photometric": "minisblack"}
    if tile is None:
        options["rowsperstrip"] = 7
    stored = pixels[0] if layout == "grey" else pixels
    if layout == "planar":
        options["planarconfig"] = "separate"
    elif layout != "grey":
        stored = np.moveaxis(pixels, 0, -1)
        options |= {"planarconfig": "contig", "photometric": "rgb" if layout == "rgb" else "minisblack"}
    np.testing.assert_array_equal(read(save(tmp_path / "a.tif", stored, **options)).pixels, pixels)


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_predictors_bigtiff_and_byte_orders(tmp_path: Path, predictor: bool, bigtiff: bool, byteorder: str) -> None:
    for dtype in ("uint16", "float32", "float64"):
        pixels = integers(20, 31).astype(dtype)
        options = {"compression": "zlib", "predictor": predictor, "bigtiff": bigtiff, "byteorder": byteorder}
        np.testing.assert_array_equal(read(save(tmp_path / "a.tif", pixels, **options)).pixels[0], pixels)
        pages = integers(3, 20, 31).astype(dtype)
        options = {"byteorder": byteorder, "bigtiff": bigtiff, "metadata": None, "photometric": "minisblack"}
        np.testing.assert_array_equal(read(save(tmp_path / "b.tif", pages, **options)).pixels[0], pages)


def test_jpeg_in_tiff(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)
    pixels = np.stack([ramp, ramp + 20, ramp + 40], -1)
    options = {"compression": "jpeg", "compressionargs": {"level": 98}, "tile": (32, 32), "photometric": "rgb"}
    image = read(save(tmp_path / "a.tif", pixels, **options))
    assert np.abs(np.moveaxis(image.pixels, 0, -1).astype(int) - pixels).max() < 12


@pytest.mark.parametrize("bits", [1, 12])
def test_bits_that_fill_no_byte(tmp_path: Path, bits: int) -> None:
    if bits == 1:
        pixels = RNG.integers(0, 2, (13, 21)).astype(bool)
        path = save(tmp_path / "a.tif", pixels, photometric="minisblack")
        np.testing.assert_array_equal(read(path).pixels[0], pixels * 255)
        assert read_mask(path).values.dtype == bool
        np.testing.assert_array_equal(read_mask(path).values, pixels)
    else:
        pixels = RNG.integers(0, 2**bits, (13, 22)).astype(np.uint16)
        packed = imagecodecs.packints_encode(pixels, bits)
        write_packed(tmp_path / "a.tif", bytes(packed), pixels.shape, bits)
        np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels[0], pixels)


def write_packed(path: Path, packed: bytes, shape: tuple[int, ...], bits: int) -> None:
    """Write one strip of packed bits by hand: tifffile packs 1-bit pixels only."""
    tags = [
        (256, shape[1]), (257, shape[0]), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, shape[0]),
        (279, len(packed)),
    ]  # fmt: skip
    entries = b"".join(tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + v.to_bytes(4, "little") for tag, v in tags)
    body = packed + b"\0" * (len(packed) % 2)
    path.write_bytes(
        b"II*\0" + (8 + len(body)).to_bytes(4, "little") + body
        + len(tags).to_bytes(2, "little") + entries + b"\0\0\0\0"
    )  # fmt: skip


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "CYX", "ZCYX", "YXS", "ZYXS"])
def test_imagej_stacks(tmp_path: Path, axes: str, compression: str | None) -> None:
    sizes = {"Z": 4, "C": 2, "Y": 13, "X": 17, "S": 3}
    array = integers(*(sizes[a] for a in axes), dtype="uint8" if "S" in axes else "uint16")
    metadata = {"axes": axes, "spacing": 1.5, "unit": "micron"}
    path = save(tmp_path / "a.tif", array, imagej=True, metadata=metadata, resolution=(4, 2), compression=compression)
    image = read(path)
    np.testing.assert_array_equal(image.pixels, channels_first(array, axes))
    assert image.geometry == Geometry((1.5, 0.5, 0.25) if "Z" in axes else (0.5, 0.25), "um")
    assert image.notes == ()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "CYX", "CZYX", "ZCYX", "YXS", "ZYXS"])
def test_ome_stacks(tmp_path: Path, axes: str, compression: str | None) -> None:
    sizes = {"Z": 4, "C": 2, "Y": 13, "X": 17, "S": 3}
    array = integers(*(sizes[a] for a in axes), dtype="uint8" if "S" in axes else "float32".replace("float32", "int16"))
    metadata: dict[str, Any] = {"axes": axes}
    for axis, size in zip("ZYX", (1.5, 500, 250), strict=True):
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    if "C" in axes:
        metadata["Channel"] = {"Name": ["nuclei", "actin"]}
    photometric = "rgb" if "S" in axes else "minisblack"
    path = save(
        tmp_path / "a.tif", array, ome=True, metadata=metadata, photometric=photometric, compression=compression
    )
    image = read(path)
    np.testing.assert_array_equal(image.pixels, channels_first(array, axes))
    assert image.geometry == Geometry((1.5, 500.0, 250.0) if "Z" in axes else (500.0, 250.0), "nm")
    assert image.channels == (("nuclei", "actin") if "C" in axes else None)


def channels_first(array: np.ndarray, axes: str) -> np.ndarray:
    axes = axes.replace("S", "C")
    array = array if "C" in axes else array[None]
    axes = axes if "C" in axes else "C" + axes
    return array.transpose([axes.index(a) for a in ("CZYX" if "Z" in axes else "CYX")])


@pytest.mark.parametrize(
    ("axes", "kind", "found"),
    [
        ("TYX", "imagej", "3 time points of 8 × 9"),
        ("TZYX", "imagej", "3 time points, 4 planes"),
        ("TCYX", "ome", "3 time points, 2 channels"),
        ("QQYX", "shaped", "3 along axis Q, 4 along axis Q"),
        ("CYXS", "ome", "2 channels, 3 samples"),
    ],
)
def test_axes_that_an_image_does_not_have_are_named(tmp_path: Path, axes: str, kind: str, found: str) -> None:
    sizes = {"T": 3, "Z": 4, "C": 2, "S": 3, "Y": 8, "X": 9}
    shape = (3, 4, 8, 9) if axes == "QQYX" else tuple(sizes[a] for a in axes)
    options: dict[str, Any] = {"metadata": {"axes": axes}} if kind != "shaped" else {}
    path = save(
        tmp_path / "a.tif", np.zeros(shape, np.uint8), imagej=kind == "imagej", ome=kind == "ome",
        photometric="rgb" if "S" in axes else "minisblack", **options,
    )  # fmt: skip
    for function in (read_image, read_header, read_mask):
        with pytest.raises(FileError, match=found) as error:
            function(path)
        assert "one file for each" in str(error.value)


def test_unnamed_pages_are_planes_and_the_note_says_so(tmp_path: Path) -> None:
    array = integers(3, 8, 9)
    image = read(save(tmp_path / "a.tif", array, photometric="minisblack"))
    assert image.pixels.shape == (1, 3, 8, 9)
    assert any("taken for planes" in note for note in image.notes)


def test_three_or_four_columns_are_no_channels(tmp_path: Path) -> None:
    for shape in ((9, 3), (9, 4), (3, 9), (4, 4)):
        pixels = integers(*shape)
        np.testing.assert_array_equal(read(save(tmp_path / "a.tif", pixels)).pixels, pixels[None])


def test_alpha_only_where_the_file_says_so(tmp_path: Path) -> None:
    pixels = integers(8, 9, 4, dtype="uint8")
    bands = save(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    assert read(bands).pixels.shape == (4, 8, 9)
    for kind in ("unassalpha", "assocalpha"):
        image = read(save(tmp_path / "b.tif", pixels, photometric="rgb", extrasamples=[kind]))
        np.testing.assert_array_equal(image.pixels, np.moveaxis(pixels[..., :3], -1, 0))
        assert "carried information" in image.notes[0]


def test_images_of_several_sizes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(integers(40, 50), metadata=None)
        tiff.write(integers(7, 19), metadata=None)
    image = read(tmp_path / "a.tif")
    assert image.pixels.shape == (1, 40, 50)
    assert image.notes == ("1 further images in the file (previews, labels, transparency) left out",)
    with tifffile.TiffWriter(tmp_path / "b.tif") as tiff:
        tiff.write(integers(40, 50), metadata=None)
        tiff.write(integers(40, 49), metadata=None)
    with pytest.raises(FileError, match=r"more than one image.*40×50 uint16, 40×49 uint16"):
        read_image(tmp_path / "b.tif")


def test_transparency_masks_beside_a_raster_do_not_count(tmp_path: Path) -> None:
    pixels = integers(40, 50)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(pixels, metadata=None)
        tiff.write(np.ones((40, 50), bool), metadata=None, subfiletype=4, photometric="minisblack")
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels[0], pixels)
    assert "transparency" in image.notes[0]


def test_pyramids_give_their_finest_level(tmp_path: Path) -> None:
    pixels = integers(64, 64)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(pixels, tile=(16, 16), subifds=1)
        tiff.write(pixels[::2, ::2], tile=(16, 16), subfiletype=1)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels[0], pixels)


def test_white_is_zero_and_inks(tmp_path: Path) -> None:
    pixels = integers(8, 9, dtype="uint8")
    image = read(save(tmp_path / "a.tif", pixels, photometric="miniswhite"))
    np.testing.assert_array_equal(image.pixels[0], pixels)
    assert "0 as white" in image.notes[0]
    inks = np.zeros((8, 9, 4), np.uint8)
    inks[0, 0] = (255, 0, 0, 0)
    inks[0, 1] = (0, 0, 0, 255)
    image = read(save(tmp_path / "b.tif", inks, photometric="separated"))
    np.testing.assert_array_equal(image.pixels[:, 0, :3].T, [(0, 255, 255), (0, 0, 0), (255, 255, 255)])
    assert "CMYK" in image.notes[0]


def test_resolution_tags_are_believed_only_where_no_device_writes_them(tmp_path: Path) -> None:
    pixels = integers(8, 9)
    for resolution, unit in (((72, 72), "inch"), ((118.11, 118.11), "centimeter"), ((600, 600), "inch"), ((1, 1), 1)):
        path = save(tmp_path / "a.tif", pixels, resolution=resolution, resolutionunit=unit)
        assert read(path).geometry == Geometry()
    path = save(tmp_path / "a.tif", pixels, resolution=(20000, 40000), resolutionunit="centimeter")
    geometry = read(path).geometry
    assert (geometry.spacing, geometry.unit) == (pytest.approx((0.25, 0.5)), "um")
    path = save(tmp_path / "a.tif", pixels, imagej=True, resolution=(72, 72), metadata={"unit": "inch"})
    assert read(path).geometry == Geometry()


def test_spacing_is_turned_with_the_pixels(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.tif", integers(8, 9), resolution=(20000, 40000), resolutionunit="centimeter",
        extratags=[(274, "H", 1, 6, True)], metadata=None,
    )  # fmt: skip
    assert read(path).geometry.spacing == pytest.approx((0.5, 0.25))


def test_geo_tags_come_back_and_move_with_windows(tmp_path: Path) -> None:
    pixels = RNG.normal(size=(5, 30, 40))
    geometry = Geometry((20.0, 10.0), "m", {"geotiff": UTM})
    write_image(tmp_path / "a.tif", pixels, geometry=geometry)
    image = read(tmp_path / "a.tif")
    assert image.geometry == geometry
    np.testing.assert_array_equal(image.pixels, pixels)
    write_mask(tmp_path / "m.tif", np.zeros((30, 40), np.uint8), geometry=image.geometry, palette=((0, 0, 0),))
    assert read_mask(tmp_path / "m.tif").geometry == geometry
    window = read_window(tmp_path / "a.tif", (slice(4, 9), slice(7, 30)))
    write_image(tmp_path / "w.tif", window.pixels, geometry=window.geometry)
    placed = read(tmp_path / "w.tif").geometry
    assert placed.spacing == (20.0, 10.0)
    assert world(placed, 0, 0) == world(geometry, 4, 7)


def world(geometry: Geometry, row: float, column: float) -> tuple[float, float]:
    """Where a pixel lies, by the GeoTIFF standard's own formula."""
    tags = geometry.extra["geotiff"]
    if "ModelTransformation" in tags:
        matrix = np.reshape(tags["ModelTransformation"], (4, 4))
        x, y, *_ = matrix @ (column, row, 0, 1)
        return float(x), float(y)
    i, j, _, x, y, _ = tags["ModelTiepoint"]
    return x + (column - i) * tags["ModelPixelScale"][0], y - (row - j) * tags["ModelPixelScale"][1]


def test_rotated_rasters(tmp_path: Path) -> None:
    matrix = (6.0, -8.0, 0.0, 1000.0, 8.0, 6.0, 0.0, 2000.0, *(0.0,) * 7, 1.0)
    tags = {"ModelTransformation": matrix, "GeoKeyDirectory": UTM["GeoKeyDirectory"]}
    write_image(tmp_path / "a.tif", integers(1, 9, 9), geometry=Geometry(extra={"geotiff": tags}))
    image = read(tmp_path / "a.tif")
    assert (image.geometry.spacing, image.geometry.unit) == ((10.0, 10.0), "m")
    moved = read_window(tmp_path / "a.tif", (slice(2, 5), slice(3, 8))).geometry
    assert world(moved, 0, 0) == world(image.geometry, 2, 3)


@pytest.mark.parametrize(
    ("keys", "unit"),
    [((1, 32633, 9001), "m"), ((1, 2263, 9003), "us-ft"), ((1, 32733, None), "m"), ((2, 4326, None), None)],
)
def test_spacing_of_rasters(tmp_path: Path, keys: tuple[int, int, int | None], unit: str | None) -> None:
    entries = [(1024, keys[0]), (3072, keys[1]), *([(3076, keys[2])] if keys[2] else [])]
    directory = (1, 1, 0, len(entries), *(v for key, value in entries for v in (key, 0, 1, value)))
    tags = [(33550, "d", 3, (10.0, 20.0, 0.0), True), (34735, "H", len(directory), directory, True)]
    path = save(tmp_path / "a.tif", integers(8, 9), extratags=[*tags, (42113, "s", 0, "-9999", True)], metadata=None)
    geometry = read(path).geometry
    assert (geometry.spacing, geometry.unit) == (((20.0, 10.0), unit) if unit else (None, "px"))
    assert geometry.extra["nodata"] == -9999
    assert set(geometry.extra["geotiff"]) <= set(GEO_TAGS)


def test_orientation_does_not_turn_a_raster_away_from_its_place(tmp_path: Path) -> None:
    pixels = integers(8, 9)
    tags = [(33550, "d", 3, (1.0, 1.0, 0.0), True), (274, "H", 1, 6, True)]
    np.testing.assert_array_equal(
        read(save(tmp_path / "a.tif", pixels, extratags=tags, metadata=None)).pixels[0], pixels
    )


def test_segments_that_were_never_written_are_empty(tmp_path: Path) -> None:
    tiles = iter([np.full((16, 16), 5, np.uint8), None, None, None])
    tifffile.imwrite(
        tmp_path / "a.tif", tiles, shape=(32, 32), dtype=np.uint8, tile=(16, 16), compression="packbits", metadata=None
    )
    pixels = read(tmp_path / "a.tif").pixels[0]
    assert (pixels[:16, :16] == 5).all()
    assert pixels.sum() == 5 * 16 * 16


@pytest.mark.parametrize("orientation", range(1, 9))
def test_windows_of_turned_images(tmp_path: Path, orientation: int) -> None:
    path = save(
        tmp_path / "a.tif", integers(33, 47), tile=(16, 16), compression="zlib",
        extratags=[(274, "H", 1, orientation, True)], metadata=None,
    )  # fmt: skip
    read(path)
