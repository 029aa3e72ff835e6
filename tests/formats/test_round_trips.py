"""What is written comes back: over every format that can be written, every type and shape it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unetkit.errors import FileError
from unetkit.formats import FORMATS, read_header, read_image, read_mask, read_window, write_image, write_mask
from unetkit.image import Geometry

RNG = np.random.default_rng(7)
WRITABLE = ("png", "tiff", "cog", "npy", "zarr")
TYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
OME_TYPES = [t for t in TYPES if t not in ("uint64", "int64", "float16")]


def numbers(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    if kind.kind == "f":
        return RNG.normal(size=shape).astype(kind)
    info = np.iinfo(kind)
    return RNG.integers(info.min, info.max, shape, kind, endpoint=True)


def check_image(path: Path, pixels: np.ndarray) -> None:
    header, image = read_header(path), read_image(path)
    assert image.pixels.dtype == header.dtype == pixels.dtype
    assert image.pixels.shape == header.shape
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.path == path


def test_the_table_says_what_can_be_written() -> None:
    assert {name for name, format in FORMATS.items() if format.write} == set(WRITABLE)
    assert all(format.name == name for name, format in FORMATS.items())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 5, 7), (2, 5, 7), (3, 5, 7), (4, 6, 5), (5, 1, 1), (1, 1, 9), (1, 9, 1)])
@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_images_of_any_type_and_number_of_channels(tmp_path: Path, dtype: str, shape: tuple, suffix: str) -> None:
    pixels = numbers(dtype, shape)
    write_image(tmp_path / f"a{suffix}", pixels)
    check_image(tmp_path / f"a{suffix}", pixels)


@pytest.mark.parametrize("dtype", OME_TYPES)
@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (2, 3, 5, 7), (3, 2, 4, 5), (4, 5, 1, 1)])
@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_volumes(tmp_path: Path, dtype: str, shape: tuple, suffix: str) -> None:
    pixels = numbers(dtype, shape)
    write_image(tmp_path / f"a{suffix}", pixels)
    check_image(tmp_path / f"a{suffix}", pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 5, 7), (1, 1, 1), (3, 1, 9)])
def test_png_images(tmp_path: Path, dtype: str, shape: tuple) -> None:
    pixels = numbers(dtype, shape)
    write_image(tmp_path / "a.png", pixels)
    check_image(tmp_path / "a.png", pixels)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(["uint8", "uint16"]), suffix=st.sampled_from([".png", ".tif", ".npy"]))
def test_any_mask_comes_back(
    data: st.DataObject, dtype: str, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = data.draw(array_shapes(min_dims=2, max_dims=2, max_side=9))
    values = data.draw(arrays(dtype, shape))
    path = tmp_path_factory.mktemp("mask") / f"m{suffix}"
    write_mask(path, values)
    mask = read_mask(path)
    assert mask.values.dtype == values.dtype
    assert mask.palette is None
    np.testing.assert_array_equal(mask.values, values)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".zarr"])
def test_masks_of_booleans_and_colours(tmp_path: Path, suffix: str) -> None:
    for values in (numbers("bool", (5, 11)), numbers("uint8", (5, 11, 3))):
        write_mask(tmp_path / f"m{suffix}", values)
        mask = read_mask(tmp_path / f"m{suffix}").values
        assert mask.dtype == values.dtype
        np.testing.assert_array_equal(mask, values)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64", "float32"])
@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_wide_masks(tmp_path: Path, dtype: str, suffix: str) -> None:
    values = numbers(dtype, (6, 5))
    write_mask(tmp_path / f"m{suffix}", values)
    np.testing.assert_array_equal(read_mask(tmp_path / f"m{suffix}").values, values)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "uint32"])
def test_mask_volumes(tmp_path: Path, dtype: str) -> None:
    values = numbers(dtype, (3, 5, 8))
    write_mask(tmp_path / "m.tif", values, geometry=Geometry((2.0, 0.5, 0.5), "um"))
    mask = read_mask(tmp_path / "m.tif")
    assert mask.values.dtype == values.dtype
    np.testing.assert_array_equal(mask.values, values)
    assert mask.geometry == Geometry((2.0, 0.5, 0.5), "um")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("count", [1, 2, 5, 256])
def test_palette_masks(tmp_path: Path, suffix: str, count: int) -> None:
    palette = tuple((i, 255 - i, i * 7 % 256) for i in range(count))
    values = RNG.integers(0, count, (6, 7)).astype(np.uint8)
    write_mask(tmp_path / f"m{suffix}", values, palette=palette)
    mask = read_mask(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(mask.values, values)
    assert mask.palette is not None
    assert mask.palette[:count] == palette
    image = read_image(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(np.moveaxis(image.pixels, 0, -1), np.array(palette, np.uint8)[values])
    assert "palette expanded to RGB" in image.notes


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_same_pixels_same_bytes(tmp_path: Path, suffix: str) -> None:
    pixels = numbers("uint8", (3, 20, 20))
    geometry = None if suffix == ".npy" else Geometry((0.5, 0.5), "um")
    for name in "ab":
        write_image(tmp_path / f"{name}{suffix}", pixels, geometry=geometry)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_the_callers_array_is_not_changed_and_may_be_a_view(tmp_path: Path, suffix: str) -> None:
    pixels = numbers("uint8", (8, 9, 3))[::-1, ::2]
    before = pixels.copy()
    write_image(tmp_path / f"a{suffix}", np.moveaxis(pixels, -1, 0))
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}").pixels, np.moveaxis(before, -1, 0))


def test_big_endian_arrays(tmp_path: Path) -> None:
    pixels = numbers("uint16", (1, 4, 5))
    for suffix in (".png", ".tif"):
        write_image(tmp_path / f"a{suffix}", pixels.astype(">u2"))
        check_image(tmp_path / f"a{suffix}", pixels)
    np.save(tmp_path / "a.npy", pixels.astype(">u2"))
    check_image(tmp_path / "a.npy", pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("geometry", [Geometry((0.325, 0.65), "um"), Geometry((1.5, 1.5), "mm")])
def test_spacing_comes_back(tmp_path: Path, suffix: str, geometry: Geometry) -> None:
    write_image(tmp_path / f"a{suffix}", numbers("uint8", (1, 4, 5)), geometry=geometry)
    assert read_header(tmp_path / f"a{suffix}").geometry == geometry
    assert read_image(tmp_path / f"a{suffix}").geometry == geometry
    assert read_window(tmp_path / f"a{suffix}", (slice(1, 3), slice(0, 2))).geometry == geometry


REFUSED = {
    "int64 to PNG": ("a.png", (np.zeros((1, 4, 4), np.int64),), {}, r"\.tif or \.npy"),
    "float to PNG": ("a.png", (np.zeros((1, 4, 4), np.float32),), {}, r"\.tif or \.npy"),
    "four channels to PNG": ("a.png", (np.zeros((4, 4, 4), np.uint8),), {}, r"write \.tif"),
    "volume to PNG": ("a.png", (np.zeros((1, 4, 4, 4), np.uint8),), {}, r"write \.tif"),
    "JPEG": ("a.jpg", (np.zeros((1, 4, 4), np.uint8),), {}, r"a\.png"),
    "BMP": ("a.bmp", (np.zeros((1, 4, 4), np.uint8),), {}, r"a\.png"),
    "unknown": ("a.xyz", (np.zeros((1, 4, 4), np.uint8),), {}, r"a\.png"),
    "complex": ("a.tif", (np.zeros((1, 4, 4), np.complex64),), {}, "real numbers"),
    "objects": ("a.npy", (np.full((1, 4, 4), None),), {}, "real numbers"),
    "no channel": ("a.tif", (np.zeros((4, 4)),), {}, "newaxis"),
    "empty": ("a.tif", (np.zeros((1, 0, 4)),), {}, "no axis empty"),
    "int64 volume": ("a.tif", (np.zeros((1, 2, 4, 4), np.int64),), {}, "int32"),
    "bool bands": ("a.tif", (np.zeros((2, 4, 4), bool),), {}, "uint8"),
    "spacing to NPY": ("a.npy", (np.zeros((1, 4, 4)),), {"geometry": Geometry((1.0, 1.0), "um")}, r"write \.tif"),
    "geo tags to PNG": (
        "a.png", (np.zeros((1, 4, 4), np.uint8),), {"geometry": Geometry(extra={"geotiff": {}})}, r"write \.tif",
    ),
    "unknown reference": (
        "a.tif", (np.zeros((1, 4, 4)),), {"geometry": Geometry(extra={"affine": 1})}, "spacing only",
    ),
    "unit unknown to TIFF": (
        "a.tif", (np.zeros((1, 4, 4), np.uint8),), {"geometry": Geometry((1.0, 1.0), "ell")}, "convert the spacing",
    ),
    "spacing of another dimension": (
        "a.tif", (np.zeros((1, 4, 4), np.uint8),), {"geometry": Geometry((1.0, 1.0, 1.0), "um")}, "convert the spacing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_lost_is_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    name, arguments, options, mend = REFUSED[case]
    with pytest.raises(FileError, match=mend) as error:
        write_image(tmp_path / name, *arguments, **options)
    assert error.value.found is not None
    assert error.value.file == tmp_path / name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palettes_that_do_not_fit_are_refused(tmp_path: Path, suffix: str) -> None:
    for values in (np.array([[0, 2]], np.uint8), np.array([[0, 1]], np.uint16)):
        with pytest.raises(FileError, match="palette does not fit"):
            write_mask(tmp_path / f"m{suffix}", values, palette=((0, 0, 0), (1, 1, 1)))
    with pytest.raises(FileError, match="cannot have this shape"):
        write_mask(tmp_path / f"m{suffix}", np.zeros(5, np.uint8))
    with pytest.raises(FileError, match="a palette"):
        write_mask(tmp_path / "m.npy", np.zeros((2, 2), np.uint8), palette=((0, 0, 0),))
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_refused_write(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", np.eye(3, dtype=np.uint8))
    with pytest.raises(FileError):
        write_mask(tmp_path / "m.png", np.eye(3, dtype=np.int64))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").values, np.eye(3))


def test_labels_are_compressed(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.tif", np.zeros((500, 500), np.uint16))
    assert (tmp_path / "m.tif").stat().st_size < 5000


def test_one_bit_masks_hold_true_bools(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", np.eye(9, dtype=bool))
    values = read_mask(tmp_path / "m.png").values
    assert values.dtype == bool
    assert set(np.unique(values.view(np.uint8))) == {0, 1}
