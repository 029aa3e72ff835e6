"""A window reads only what it touches, is held to the image's edges, and large files are written so that it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from unetkit.errors import FileError, UsageError
from unetkit.formats import read_mask, read_window, write_image, write_mask

RNG = np.random.default_rng(11)


def integers(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize("options", [{"tile": (64, 64)}, {"rowsperstrip": 16}])
def test_a_window_decodes_only_what_it_touches(tmp_path: Path, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = integers(1024, 1024, dtype="uint8")
    path = save(tmp_path / "a.tif", pixels, compression="zlib", **options)
    fetched: list[int] = []
    original = tifffile.FileHandle.read

    def counting(self: tifffile.FileHandle, size: int = -1, /) -> bytes:
        data = original(self, size)
        fetched.append(len(data))
        return data

    monkeypatch.setattr(tifffile.FileHandle, "read", counting)
    part = read_window(path, (slice(100, 130), slice(200, 250)))
    np.testing.assert_array_equal(part.pixels[0], pixels[100:130, 200:250])
    assert sum(fetched) < path.stat().st_size / 20


def test_damage_outside_of_a_window_does_not_matter_and_inside_is_found(tmp_path: Path) -> None:
    pixels = integers(512, 512, dtype="uint8")
    path = save(tmp_path / "a.tif", pixels, compression="zlib", tile=(128, 128))
    with tifffile.TiffFile(path) as tiff:
        offsets, sizes = tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts
    content = bytearray(path.read_bytes())
    for number in range(16):
        if number != 5:  # the tile of rows and columns 128 to 255
            content[offsets[number] : offsets[number] + sizes[number]] = bytes(sizes[number])
    path.write_bytes(content)
    window = read_window(path, (slice(130, 250), slice(128, 256)))
    np.testing.assert_array_equal(window.pixels[0], pixels[130:250, 128:256])
    for reach in ((slice(127, 250), slice(128, 256)), (slice(0, 512), slice(0, 512))):
        with pytest.raises(FileError, match="damaged"):
            read_window(path, reach)


def test_large_files_are_written_in_tiles(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.tif", np.zeros((1030, 40), np.uint8))
    with tifffile.TiffFile(tmp_path / "m.tif") as tiff:
        assert tiff.pages[0].is_tiled
    assert read_mask(tmp_path / "m.tif").values.shape == (1030, 40)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".png"])
@pytest.mark.parametrize(
    "window",
    [
        (slice(0, 2),), (slice(0, 2), slice(0, 2), slice(0, 2)), (slice(0, 9), slice(0, 2)),
        (slice(-1, 2), slice(0, 2)), (slice(2, 2), slice(0, 2)), (slice(0, 4, 2), slice(0, 2)),
    ],
)  # fmt: skip
def test_windows_that_are_none(tmp_path: Path, suffix: str, window: tuple) -> None:
    write_image(tmp_path / f"a{suffix}", integers(1, 8, 8))
    with pytest.raises(UsageError, match="window"):
        read_window(tmp_path / f"a{suffix}", window)
