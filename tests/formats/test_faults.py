"""Every fault is one clear error that names the file, what was found and what to do, and nothing else ever escapes."""

from __future__ import annotations

import gc
import io
import os
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from unetkit.errors import FileError
from unetkit.formats import FORMATS, SUFFIXES, read_header, read_image, read_mask, read_window

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (24, 30, 3)).astype(np.uint8)
READERS = (read_image, read_header, read_mask, lambda path: read_window(path, (slice(0, 1), slice(0, 1))))


def pillow(mode: str, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(NOISE).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def jpeg2000() -> bytes:
    with MemoryFile() as file:
        about = {"width": 30, "height": 24, "count": 3, "dtype": "uint8", "transform": Affine(1, 0, 0, 0, -1, 24)}
        with file.open(driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", **about) as out:
            out.write(STACK)
        return bytes(file.read())


STACK = np.moveaxis(NOISE, -1, 0)
SAMPLES = {
    "8-bit.png": pillow("RGB", "PNG"),
    "grey.png": pillow("L", "PNG"),
    "palette.png": pillow("P", "PNG"),
    "16-bit.png": bytes(imagecodecs.png_encode(NOISE.astype(np.uint16) * 200)),
    "baseline.jpg": pillow("RGB", "JPEG"),
    "progressive.jpg": pillow("RGB", "JPEG", progressive=True),
    "cmyk.jpg": pillow("CMYK", "JPEG"),
    "rgb.bmp": pillow("RGB", "BMP"),
    "palette.bmp": pillow("P", "BMP"),
    "plain.tif": tiff(NOISE),
    "zlib.tif": tiff(NOISE, compression="zlib"),
    "tiled.tif": tiff(NOISE[..., 0], compression="lzw", tile=(16, 16)),
    "imagej.tif": tiff(STACK, imagej=True, metadata={"axes": "ZYX"}),
    "imagej-zlib.tif": tiff(STACK, imagej=True, metadata={"axes": "ZYX"}, compression="zlib"),
    "ome.tif": tiff(STACK, ome=True, metadata={"axes": "ZYX"}, photometric="minisblack", compression="zlib"),
    "pages.tif": tiff(STACK, metadata=None, photometric="minisblack", compression="zlib"),
    "big.tif": tiff(NOISE, bigtiff=True, compression="zlib"),
    "float.npy": npy(NOISE.astype(np.float32)),
    "sentinel.jp2": jpeg2000(),
    "empty.vrt": b'<VRTDataset rasterXSize="30" rasterYSize="24"><VRTRasterBand band="1"/></VRTDataset>',
}


def check(error: FileError, path: Path) -> None:
    assert error.file == path
    assert error.found is not None
    assert error.expected is not None
    assert error.mend is not None
    assert "\n" not in str(error)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_themselves_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SAMPLES[name])
    assert read_image(tmp_path / name).pixels.size >= 24 * 30


@pytest.mark.parametrize("name", SAMPLES)
def test_cut_files_are_errors_and_never_half_an_image(tmp_path: Path, name: str) -> None:
    content, path = SAMPLES[name], tmp_path / name
    path.write_bytes(content)
    whole = read_image(path).pixels
    lengths = {
        *range(1, 40),
        *np.linspace(40, len(content) - 1, 40, dtype=int),
        *range(len(content) - 16, len(content)),
    }
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        try:
            pixels = read_image(path).pixels
        except FileError as error:
            check(error, path)
        else:  # what is missing did not matter: padding, or the directories of pages that ImageJ's own text describes
            np.testing.assert_array_equal(pixels, whole)
            assert length > 0.8 * len(content)


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_bytes_never_escape_as_anything_but_a_file_error(tmp_path: Path, name: str) -> None:
    rng, path = np.random.default_rng(1), tmp_path / name
    outcomes = set()
    for _ in range(60):
        content = bytearray(SAMPLES[name])
        for position in rng.integers(0, min(len(content), 600), rng.integers(1, 4)):
            content[position] = rng.integers(0, 256)
        path.write_bytes(content)
        for function in (read_header, read_image, read_mask):
            try:
                outcomes.add(type(function(path)).__name__)
            except FileError as error:
                outcomes.add(str(error.file))
    assert str(path) in outcomes


@pytest.mark.parametrize("name", ["8-bit.png", "16-bit.png", "palette.png"])
def test_any_damage_to_the_pixels_of_a_png_is_found(tmp_path: Path, name: str) -> None:
    for position in range(60, len(SAMPLES[name]) - 12, 97):
        content = bytearray(SAMPLES[name])
        content[position] ^= 4
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError):
            read_image(tmp_path / name)


CONTENTS = {
    "empty": (b"", "0 bytes"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git-lfs pointer"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "HTML page"),
    "text": ("näme;value\n1;2\n".encode(), "text: 'näme;value'"),
    "long text": (("ä" * 5000).encode(), "text: 'ä"),
    "blank": (b"  \n \n", "blank text"),
    "zeros": (bytes(5000), "zeros"),
    "gif": (b"GIF89a" + bytes(50), "GIF"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(50), "WebP"),
    "zip": (b"PK\x03\x04" + bytes(50), "ZIP"),
    "dicom": (bytes(128) + b"DICM\1\0", "DICOM"),
    "pickle": (b"\x80\x04\x95" + bytes(50), "pickle"),
    "unknown": (b"\x17\x99\xfe" * 40, "17 99 fe"),
}


@pytest.mark.parametrize("case", CONTENTS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_things_in_place_of_an_image(tmp_path: Path, case: str, suffix: str) -> None:
    content, found = CONTENTS[case]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    for function in READERS:
        with pytest.raises(FileError) as error:
            function(path)
        check(error.value, path)
        assert found in str(error.value.found)
    if case == "git-lfs":
        assert "git lfs pull" in str(error.value.mend)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "plate_01.png").write_bytes(SAMPLES["grey.png"])
    (tmp_path / "folder.png").mkdir()
    for function in READERS:
        with pytest.raises(FileError, match=r"did you mean plate_01\.png"):
            function(tmp_path / "plate_1.png")
        with pytest.raises(FileError, match=r"does not exist.*check the path"):
            function(tmp_path / "nowhere" / "a.png")
        with pytest.raises(FileError, match="is a folder"):
            function(tmp_path / "folder.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(SAMPLES["grey.png"])
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(FileError, match="rights"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.part", "a.xyz"])
def test_unknown_suffixes_name_what_the_file_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SAMPLES["grey.png"])
    with pytest.raises(FileError, match=r"PNG file.*rename it to") as error:
        read_image(tmp_path / name)
    check(error.value, tmp_path / name)


def huge_png() -> bytes:
    data = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", data), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )


def test_decompression_bombs_are_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    jpeg = bytearray(SAMPLES["baseline.jpg"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    bmp = bytearray(SAMPLES["rgb.bmp"])
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    for name, content in {"a.png": huge_png(), "a.jpg": bytes(jpeg), "a.bmp": bytes(bmp)}.items():
        (tmp_path / name).write_bytes(content)
        for function in READERS:
            with pytest.raises(FileError, match="more pixels"):
                function(tmp_path / name)


def test_what_is_too_large_to_decode_as_png_may_be_saved_as_tiff_or_npy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unetkit.formats.content.MAX_PIXELS", 100)
    for name in ("8-bit.png", "plain.tif", "float.npy"):
        (tmp_path / name).write_bytes(SAMPLES[name])
    with pytest.raises(FileError, match=r"cut it into smaller files; or save it as TIFF or NPY, if memory holds"):
        read_image(tmp_path / "8-bit.png")
    assert read_image(tmp_path / "plain.tif").shape == (24, 30)
    read_image(tmp_path / "float.npy")


def test_a_png_too_small_for_what_it_claims(tmp_path: Path) -> None:
    content = bytearray(huge_png())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FileError, match="compressed bytes for"):
        read_image(tmp_path / "a.png")


def test_images_beyond_pillows_own_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    for name in ("8-bit.png", "baseline.jpg", "rgb.bmp"):
        (tmp_path / name).write_bytes(SAMPLES[name])
        assert read_image(tmp_path / name).shape == (24, 30)


def test_arrays_that_are_no_images(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for array, found in (
        (np.zeros((4, 4), np.complex64), "complex64"),
        (np.zeros((4, 4), "M8[s]"), "datetime64"),
        (np.array([["a", "b"]]), "<U1"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.zeros((2, 2), [("a", "u1"), ("b", "u1")]), "'a'"),
    ):
        np.save(path, array)
        for function in (read_image, read_header, read_mask):
            with pytest.raises(FileError, match=found) as error:
                function(path)
            assert error.value.file == path
    for shape in ((), (5,), (2, 2, 2, 2, 2)):
        np.save(path, np.zeros(shape))
        with pytest.raises(FileError, match="number of axes"):
            read_image(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "harm"),)

    np.save(tmp_path / "a.npy", np.array([[Harm(), 1]], object), allow_pickle=True)
    for function in READERS:
        with pytest.raises(FileError, match="pickled"):
            function(tmp_path / "a.npy")
    assert not (tmp_path / "harm").exists()


def test_complex_tiffs_and_masks_of_many_channels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(FileError, match="complex64"):
        read_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((5, 4, 4), np.uint8), planarconfig="separate", photometric=1)
    with pytest.raises(FileError, match="5 channels"):
        read_mask(tmp_path / "b.tif")


@pytest.mark.parametrize("tag", [50000, 339])
def test_damaged_tags_are_notes_unless_the_pixels_hang_on_them(
    tmp_path: Path, tag: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE[..., :3], metadata=None, extratags=[(50000, "B", 7, b"strange", True)])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        entry = file.pages[0].tags[50000].offset
    content[entry : entry + 2] = struct.pack("<H", tag)
    content[entry + 8 : entry + 12] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    if tag == 50000:
        image = read_image(path)
        assert image.pixels.shape == (3, 24, 30)
        assert any(note.startswith("tifffile:") and "50000" in note for note in image.notes)
    else:
        with pytest.raises(FileError, match="TiffTag 339"):
            read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("name", SAMPLES)
def test_no_file_stays_open(tmp_path: Path, name: str) -> None:
    for cut in (0, 5, len(SAMPLES[name]) // 2):
        (tmp_path / name).write_bytes(SAMPLES[name][: len(SAMPLES[name]) - cut])
        before = set(Path("/proc/self/fd").iterdir())
        for function in READERS[:3]:
            try:
                function(tmp_path / name)
            except FileError as error:
                error.__traceback__ = None
        gc.collect()
        assert set(Path("/proc/self/fd").iterdir()) <= before


def test_every_format_is_among_the_samples() -> None:
    suffixes = {Path(name).suffix for name in SAMPLES}
    assert all(suffixes & set(format.suffixes) for format in FORMATS.values() if format.suffixes and not format.folder)
