"""What programs other than ours write: PNG, JPEG and BMP in all their kinds, and what the notes say about them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps, PngImagePlugin

from unetkit.errors import FileError
from unetkit.formats import is_image_path, read_header, read_image, read_mask, read_window
from unetkit.image import Image

RNG = np.random.default_rng(3)


def read(path: Path) -> Image:
    """The image, with the header and a window held against it."""
    header, image = read_header(path), read_image(path)
    assert header.shape == image.pixels.shape
    assert header.dtype == image.pixels.dtype
    assert header.geometry == image.geometry
    window = tuple(slice(n // 3, n // 3 + max(1, n // 2)) for n in image.shape)
    part = read_window(path, window)
    np.testing.assert_array_equal(part.pixels, image.pixels[(slice(None), *window)])
    assert image.pixels.flags["C_CONTIGUOUS"]
    assert image.pixels.flags["OWNDATA"] or image.pixels.base is not None
    return image


def smooth(*shape: int) -> np.ndarray:
    ramp = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2)
    return np.stack([ramp + 20 * i for i in range(shape[2])], -1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_stays_16_bit(tmp_path: Path, channels: int) -> None:
    pixels = RNG.integers(0, 2**16, (6, 7, channels), np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels.squeeze()))
    image = read(tmp_path / "a.png")
    assert image.pixels.dtype == np.uint16
    colours = 1 if channels < 3 else 3
    np.testing.assert_array_equal(image.pixels, np.moveaxis(pixels, -1, 0)[:colours])
    assert any("alpha" in note for note in image.notes) == (channels in (2, 4))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_fill_the_range_of_an_image_and_stay_numbers_in_a_mask(tmp_path: Path, bits: int) -> None:
    numbers = RNG.integers(0, 2**bits, (5, 8)).astype(np.uint8)
    write_few_bits(tmp_path / "a.png", numbers, bits)
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels[0], numbers * (255 // (2**bits - 1)))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png").values, numbers)


def write_few_bits(path: Path, numbers: np.ndarray, bits: int) -> None:
    """A grey PNG with few bits, which Pillow and imagecodecs do not write."""
    rows = []
    for row in numbers:
        packed = np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:].reshape(-1))
        rows.append(b"\0" + packed.tobytes())
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", numbers.shape[1], numbers.shape[0], bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(rows))),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_the_note_on_alpha_says_whether_it_carried_information(tmp_path: Path) -> None:
    pixels = np.full((4, 5, 4), 255, np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").notes == (
        "alpha channel dropped; it was opaque everywhere and carried no information",
    )
    pixels[:2, :, 3] = 0
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    (note,) = read(tmp_path / "a.png").notes
    assert "50.0%" in note
    assert "carried information" in note
    mask = read_mask(tmp_path / "a.png")
    assert mask.values.shape == (4, 5)
    assert mask.notes == (note,)
    Pillow.fromarray(pixels[..., [0, 3]].copy(), "LA").save(tmp_path / "b.png")
    assert read(tmp_path / "b.png").pixels.shape == (1, 4, 5)


def test_transparent_palette_and_colour_key(tmp_path: Path) -> None:
    image = Pillow.fromarray(np.array([[0, 1], [1, 2]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "a.png", transparency=b"\x00\xff\x80")
    read_back = read(tmp_path / "a.png")
    np.testing.assert_array_equal(read_back.pixels[:, 0, 1], [40, 50, 60])
    assert "transparency of 2 palette colours dropped" in read_back.notes
    mask = read_mask(tmp_path / "a.png")
    np.testing.assert_array_equal(mask.values, [[0, 1], [1, 2]])
    assert mask.palette is not None
    assert mask.palette[:3] == ((10, 20, 30), (40, 50, 60), (70, 80, 90))
    Pillow.fromarray(smooth(4, 4, 3)).save(tmp_path / "b.png", transparency=(0, 20, 40))
    keyed = read(tmp_path / "b.png")
    assert keyed.pixels.shape == (3, 4, 4)
    assert any("marked as transparent" in note for note in keyed.notes)


def test_interlaced_and_animated_png(tmp_path: Path) -> None:
    pixels = smooth(9, 11, 3)
    frames = [Pillow.fromarray(pixels), Pillow.fromarray(255 - pixels)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    image = read(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, np.moveaxis(pixels, -1, 0))
    assert "animated PNG: only its still image is read" in image.notes


def test_physical_size_of_png_is_believed_only_where_no_device_writes_it(tmp_path: Path) -> None:
    picture = Pillow.fromarray(smooth(4, 5, 1)[..., 0])
    for dpi in (72, 96, 150, 300, 600, 1200):
        picture.save(tmp_path / "a.png", dpi=(dpi, dpi))
        assert read(tmp_path / "a.png").geometry.spacing is None
    picture.save(tmp_path / "a.png", dpi=(25400 / 0.5, 25400 / 0.25))
    geometry = read(tmp_path / "a.png").geometry
    assert geometry.spacing == pytest.approx((0.25, 0.5), rel=1e-5)
    assert geometry.unit == "um"
    info = PngImagePlugin.PngInfo()
    info.add_text("Spacing", "nonsense")
    picture.save(tmp_path / "a.png", pnginfo=info)
    assert read(tmp_path / "a.png").geometry.spacing is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_orientation_is_applied_to_images_and_masks_alike(tmp_path: Path, orientation: int, suffix: str) -> None:
    picture = Pillow.fromarray(smooth(24, 40, 3))
    exif = Pillow.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if suffix == ".tif" else {"exif": exif}
    picture.save(tmp_path / f"a{suffix}", **options)
    if suffix == ".tif":
        picture.getexif()[274] = orientation
        expected = np.asarray(ImageOps.exif_transpose(picture))
    else:
        with Pillow.open(tmp_path / f"a{suffix}") as opened:
            expected = np.asarray(ImageOps.exif_transpose(opened))
    image = read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(np.moveaxis(image.pixels, 0, -1), expected)
    np.testing.assert_array_equal(read_mask(tmp_path / f"a{suffix}").values, expected)
    assert any("orientation tag" in note for note in image.notes) == (orientation != 1)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" * 9]
)
def test_a_damaged_exif_block_counts_as_upright(tmp_path: Path, exif: bytes) -> None:
    Pillow.fromarray(smooth(8, 16, 3)).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").pixels.shape == (3, 8, 16)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_kinds(tmp_path: Path, mode: str, progressive: bool) -> None:
    Pillow.fromarray(smooth(20, 30, 3)).convert(mode).save(tmp_path / "a.jpg", quality=95, progressive=progressive)
    with Pillow.open(tmp_path / "a.jpg") as opened:
        expected = np.asarray(opened.convert("RGB") if mode == "CMYK" else opened)
    image = read(tmp_path / "a.jpg")
    found = image.pixels[0] if mode == "L" else np.moveaxis(image.pixels, 0, -1)
    assert np.abs(found.astype(int) - expected).max() <= (1 if mode == "CMYK" else 0)
    assert any("CMYK" in note for note in image.notes) == (mode == "CMYK")


def test_jpeg_of_12_bits(tmp_path: Path) -> None:
    pixels = (np.add.outer(np.arange(32), np.arange(40)) * 50).astype(np.uint16)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(pixels, bitspersample=12, level=98))
    image = read(tmp_path / "a.jpg")
    assert image.pixels.dtype == np.uint16
    assert np.abs(image.pixels[0].astype(int) - pixels).max() < 40


def test_a_jpeg_mask_is_read_and_warned_about(tmp_path: Path) -> None:
    Pillow.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "m.jpg")
    mask = read_mask(tmp_path / "m.jpg")
    assert (mask.values == 255).all()
    assert any("JPEG" in note for note in mask.notes)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp_kinds(tmp_path: Path, mode: str) -> None:
    picture = Pillow.fromarray(smooth(9, 13, 3)).convert(mode)
    picture.save(tmp_path / "a.bmp")
    image = read(tmp_path / "a.bmp")
    expected = np.asarray(picture.convert("RGB" if mode in ("P", "RGBA") else "L" if mode == "1" else mode))
    np.testing.assert_array_equal(np.moveaxis(image.pixels, 0, -1).squeeze(), expected)
    mask = read_mask(tmp_path / "a.bmp")
    assert (mask.palette is not None) == (mode == "P")
    if mode in ("1", "L", "P"):
        np.testing.assert_array_equal(mask.values, np.asarray(picture))


def test_masks_of_equal_channels_become_one(tmp_path: Path) -> None:
    values = RNG.integers(0, 4, (5, 6)).astype(np.uint8)
    Pillow.fromarray(np.stack([values] * 3, -1)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").values, values)


def test_16_bit_colour_masks_only_where_they_are_8_bit_colours(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, (5, 6, 3)).astype(np.uint16)
    (tmp_path / "m.png").write_bytes(imagecodecs.png_encode(colours * 257))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png").values, colours)
    (tmp_path / "m.png").write_bytes(imagecodecs.png_encode(colours + 1))
    with pytest.raises(FileError, match="not 8-bit"):
        read_mask(tmp_path / "m.png")


@pytest.mark.parametrize(("shape", "expected"), [((5, 6), (1, 5, 6)), ((2, 5, 6), (2, 5, 6)), ((2, 3, 5, 6),) * 2])
def test_npy_axes(tmp_path: Path, shape: tuple, expected: tuple) -> None:
    array = RNG.normal(size=shape)
    for order in "CF":
        np.save(tmp_path / "a.npy", np.asarray(array, order=order))
        np.testing.assert_array_equal(read(tmp_path / "a.npy").pixels, array.reshape(expected))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.npy").values, array)


def test_npy_with_channels_last_is_refused_with_the_line_to_type(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(FileError, match=r"np\.moveaxis\(array, -1, 0\)"):
        read_image(tmp_path / "a.npy")
    assert read_mask(tmp_path / "a.npy").values.shape == (64, 64, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".bmp", ".npy"])
def test_a_png_with_another_name_is_read_by_its_content(tmp_path: Path, suffix: str) -> None:
    buffer = io.BytesIO()
    Pillow.fromarray(smooth(5, 6, 3)).save(buffer, "PNG")
    (tmp_path / f"a{suffix}").write_bytes(buffer.getvalue())
    note = f"is called {suffix} but holds PNG; read as PNG"
    assert read(tmp_path / f"a{suffix}").notes == (note,)
    assert read_header(tmp_path / f"a{suffix}").notes == (note,)
    assert read_header(tmp_path / f"a{suffix}").format == "png"
    assert read_mask(tmp_path / f"a{suffix}").notes == (note,)


def test_paths_of_images() -> None:
    assert all(is_image_path(f"x/a{s}") for s in (".png", ".JPG", ".jpeg", ".bmp", ".tif", ".TIFF", ".npy"))
    assert not any(is_image_path(p) for p in ("a.txt", "a", ".png", "._a.png", ".a.1f.png", "a.png.part"))
