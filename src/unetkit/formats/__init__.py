"""Image and mask files: one table of formats, and the functions that read and write through it.

To add a format: one file with a `Format`, and one line in `FORMATS`. The tests run over the table.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from unetkit.errors import FileError
from unetkit.formats.bmp import BMP
from unetkit.formats.cog import COG
from unetkit.formats.content import reading, recognise
from unetkit.formats.convert import as_header, as_image, as_mask, crop
from unetkit.formats.format import Format, Header, Layout, Output, Palette, RawMask, Stored, Streamed, Window
from unetkit.formats.jpeg import JPEG
from unetkit.formats.npy import NPY
from unetkit.formats.png import PNG
from unetkit.formats.raster import JPEG2000, VRT
from unetkit.formats.tiff import TIFF
from unetkit.formats.tiff_metadata import shift_geotiff
from unetkit.formats.windows import check_window, window_as_stored
from unetkit.formats.zarr import ZARR
from unetkit.image import Array, Geometry, Image
from unetkit.registry import lookup

FORMATS: dict[str, Format] = {
    "png": PNG,
    "jpeg": JPEG,
    "bmp": BMP,
    "tiff": TIFF,
    "cog": COG,
    "npy": NPY,
    "zarr": ZARR,
    "jpeg2000": JPEG2000,
    "vrt": VRT,
}

SUFFIXES: tuple[str, ...] = tuple(suffix for format in FORMATS.values() for suffix in format.suffixes)
"""File name endings of all formats, lower case."""

__all__ = [
    "FORMATS", "SUFFIXES", "Format", "Header", "Layout", "Output", "RawMask", "Stored", "Streamed",
    "check_streamed", "files_below", "is_image_path", "read_header", "read_image", "read_mask", "read_window",
    "write_image", "write_mask", "write_streamed",
]  # fmt: skip


def is_image_path(path: str | PathLike[str]) -> bool:
    """Whether the name has the suffix of a format here. Hidden files, such as macOS leaves beside images, have not.

    Example:
        >>> is_image_path("scan.TIF"), is_image_path("notes.txt"), is_image_path("._scan.tif")
        (True, False, False)
    """
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def files_below(folder: str | PathLike[str]) -> list[Path]:
    """All files below a folder but hidden ones, through links to folders too, in order; none where it is missing.

    A folder that is an image, such as a Zarr, counts as one file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "a.zarr" / "0").mkdir(parents=True)
        >>> [path.name for path in files_below(folder)]
        ['a.zarr']
    """
    images = tuple(suffix for format in FORMATS.values() if format.folder for suffix in format.suffixes)
    below: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        names += [name for name in folders if name.lower().endswith(images)]
        folders[:] = [name for name in folders if not name.lower().endswith(images)]
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        below += [Path(parent) / name for name in names if not name.startswith(".")]
    return sorted(below)


def read_header(path: str | PathLike[str]) -> Header:
    """Shape, type and geometry of the image in a file, without decoding its pixels.

    Args:
        path: an image file; its content decides the format, not its name.

    Returns:
        The header of what `read_image` would return.

    Raises:
        FileError: the file is missing, empty, no image, or its header is damaged.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> write_image(file, np.zeros((3, 4, 5), np.uint8))
        >>> read_header(file).shape
        (3, 4, 5)
    """
    path = Path(path)
    format, notes = recognise(path, FORMATS)
    with reading(path):
        header = as_header(format.header(path), windowed=format.read_window is not None, format=format.name)
    return replace(header, notes=notes + header.notes)


def read_image(path: str | PathLike[str]) -> Image:
    """The image in a file, as C *S in the file's own type and range.

    Turned upright as EXIF says; alpha dropped, palettes and CMYK turned to RGB, 1-bit pixels to 0 and 255, each with
    a note in `Image.notes`.

    Args:
        path: an image file; its content decides the format, not its name.

    Returns:
        The image.

    Raises:
        FileError: the file is missing, empty, cut off, damaged, no image, or has more axes than an image.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> write_image(file, np.full((1, 2, 2), 7, np.uint16))
        >>> read_image(file).pixels.tolist()
        [[[7, 7], [7, 7]]]
    """
    path = Path(path)
    format, notes = recognise(path, FORMATS)
    with reading(path):
        image = as_image(path, format.read(path))
    return replace(image, notes=notes + image.notes)


def read_window(path: str | PathLike[str], window: Sequence[slice]) -> Image:
    """A part of the image in a file; TIFF, Zarr and NPY read only what the window touches.

    Args:
        path: an image file.
        window: one slice a spatial axis (plane,) row, column of the upright image, without steps.

    Returns:
        The part, with the geo-reference shifted to it.

    Raises:
        FileError: as for `read_image`.
        UsageError: the window is empty, leaves the image or has the wrong number of axes.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.npy"
        >>> write_image(file, np.arange(12).reshape(1, 3, 4))
        >>> read_window(file, (slice(1, 3), slice(2, 4))).pixels.tolist()
        [[[6, 7], [10, 11]]]
    """
    path = Path(path)
    format, notes = recognise(path, FORMATS)
    with reading(path):
        if format.read_window is not None:
            stored = format.read_window(path, tuple(window))
        else:
            whole = format.read(path)
            stored = crop(whole, window_as_stored(window, whole.layout))
        upright = as_header(stored.layout, windowed=False, format=format.name).shape[1:]
        full = check_window(window, upright)
        image = as_image(path, stored)
    return replace(image, geometry=_shifted(image.geometry, full), notes=notes + image.notes)


def _shifted(geometry: Geometry, window: Window) -> Geometry:
    """The place of a window."""
    extra = dict(geometry.extra)
    if "geotiff" in extra:
        extra["geotiff"] = shift_geotiff(extra["geotiff"], window[-2].start, window[-1].start)
    if "translation" in extra:
        sizes = geometry.spacing or (1.0,) * len(window)
        moved = zip(extra["translation"], sizes, window, strict=True)
        extra["translation"] = tuple(at + size * part.start for at, size, part in moved)
    return replace(geometry, extra=extra)


def read_mask(path: str | PathLike[str]) -> RawMask:
    """The numbers or colours of a mask file, untouched: palette indices stay indices.

    Turned upright as EXIF says, like its image. Alpha is dropped with a note; three equal channels become one.

    Args:
        path: a mask file.

    Returns:
        Values *S, or *S 3 of uint8 colours, and the palette where the file has one.

    Raises:
        FileError: as for `read_image`, or more channels than a mask has.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> write_mask(file, np.eye(2, dtype=np.uint8), palette=((0, 0, 0), (0, 255, 0)))
        >>> read_mask(file).palette
        ((0, 0, 0), (0, 255, 0))
    """
    path = Path(path)
    format, notes = recognise(path, FORMATS)
    with reading(path):
        mask = as_mask(path, format.read(path)) if format.read_mask is None else format.read_mask(path)
    if format.name == "jpeg":
        notes += ("JPEG changes numbers near edges; a mask should be PNG or TIFF",)
    return replace(mask, notes=notes + mask.notes)


def write_image(
    path: str | PathLike[str],
    pixels: Array,
    *,
    geometry: Geometry | None = None,
    channels: tuple[str, ...] | None = None,
    format: str | None = None,
) -> None:
    """Write an image without loss, whole or not at all; the same pixels always give the same bytes.

    Args:
        path: where it shall stand; the suffix says the format (.png, .tif, .npy, .zarr).
        pixels: array (C, H, W) or (C, D, H, W).
        geometry: spacing and reference to keep, or None.
        channels: names of the channels; PNG and NPY leave them out.
        format: name of the format, where the suffix shall not say it.

    Raises:
        FileError: the format cannot hold this type, shape or geometry without loss; the message says what can.
    """
    path, pixels = Path(path), np.asarray(pixels)
    if pixels.ndim not in (3, 4) or pixels.size == 0:
        raise FileError(
            "an image cannot have this shape",
            file=path,
            found=f"shape {pixels.shape}",
            expected="channels first: (C, H, W) or (C, D, H, W), no axis empty",
            mend="add the channel axis with pixels[np.newaxis]" if pixels.ndim == 2 else None,
        )
    _write(path, Output(pixels, geometry or Geometry(), None, mask=False, channels=channels), format)


def write_mask(
    path: str | PathLike[str],
    values: Array,
    *,
    palette: Palette | None = None,
    geometry: Geometry | None = None,
    colours: bool | None = None,
    format: str | None = None,
) -> None:
    """Write a mask without loss, whole or not at all; the same values always give the same bytes.

    Args:
        path: where it shall stand; the suffix says the format (.png, .tif, .npy, .zarr).
        values: array *S of numbers, or H W 3 of uint8 colours.
        palette: colour of each value, for palette files.
        geometry: spacing and reference to keep, or None.
        colours: whether the last axis holds RGB; None: it does where it has three uint8 entries. A volume of labels
            that is three columns wide needs False.
        format: name of the format, where the suffix shall not say it.

    Raises:
        FileError: the format cannot hold this type, shape or geometry without loss; the message says what can.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "labels.tif"
        >>> write_mask(file, np.array([[0, 70000]], np.uint32))
        >>> read_mask(file).values.tolist()
        [[0, 70000]]
    """
    path, values = Path(path), np.asarray(values)
    if colours is None:
        colours = values.ndim in (3, 4) and values.shape[-1] == 3 and values.dtype == np.uint8
    pixels = np.moveaxis(values, -1, 0) if colours else values[np.newaxis]
    if pixels.ndim not in (3, 4) or pixels.size == 0:
        raise FileError(
            "a mask cannot have this shape",
            file=path,
            found=f"shape {values.shape}",
            expected="(H, W), (D, H, W), or (H, W, 3) of colours, no axis empty",
        )
    _write(path, Output(pixels, geometry or Geometry(), palette, mask=True), format)


def write_streamed(path: str | PathLike[str], output: Streamed, *, format: str | None = None) -> None:
    """Write an image or a mask that is never in memory as a whole; whole or not at all.

    Args:
        path: where it shall stand; the suffix says the format (.tif, .npy, .zarr).
        output: what to store; it is asked for one piece after the other.
        format: name of the format, where the suffix shall not say it.

    Raises:
        FileError: the format cannot be written so, or cannot hold this type, shape or geometry without loss.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "zeros.tif"
        >>> zeros = lambda channel, window: np.zeros([part.stop - part.start for part in window], np.uint8)
        >>> write_streamed(file, Streamed((1, 300, 400), np.dtype(np.uint8), zeros, Geometry(), mask=True))
        >>> read_header(file).shape
        (1, 300, 400)
    """
    path = Path(path)
    writer = _streaming(path, format)
    assert writer.write_streamed is not None
    writer.write_streamed(path, output)


def check_streamed(path: str | PathLike[str], output: Streamed, *, format: str | None = None) -> None:
    """Refuse what `write_streamed` would refuse, before there is anything to be written.

    Args:
        path: where it shall stand.
        output: what is to be stored; it is asked for nothing yet.
        format: as for `write_streamed`.

    Raises:
        FileError: as for `write_streamed`.
    """
    path = Path(path)
    writer = _streaming(path, format)
    if writer.check_streamed is not None:
        writer.check_streamed(path, output)


def _writer(path: Path, name: str | None) -> Format | None:
    """The format of that name or, without one, of the path's suffix."""
    if name is not None:
        return lookup(FORMATS, name, "format")
    return next((format for format in FORMATS.values() if path.suffix.lower() in format.suffixes), None)


def _streaming(path: Path, name: str | None) -> Format:
    format = _writer(path, name)
    if format is None or format.write_streamed is None:
        able = [suffix for one in FORMATS.values() if one.write_streamed for suffix in one.suffixes]
        raise FileError(
            "cannot be written piece by piece in this format",
            file=path,
            found=f"suffix '{path.suffix}'",
            expected=", ".join(able),
            mend=f"the image is too large for memory: predict --as tif, or name it {path.stem}{able[0]}, if it is one",
        )
    return format


def _write(path: Path, output: Output, name: str | None) -> None:
    format = _writer(path, name)
    writable = [suffix for one in FORMATS.values() if one.write for suffix in one.suffixes]
    if format is None or format.write is None:
        raise FileError(
            "cannot be written in this format" + (" without changing the pixels" if format else ""),
            file=path,
            found=f"suffix '{path.suffix}'",
            expected=", ".join(writable),
            mend=f"write {path.stem}.png, or {path.stem}.tif",
        )
    if output.pixels.dtype.kind not in "buif":
        raise FileError(
            "these numbers cannot be written",
            file=path,
            found=f"type {output.pixels.dtype}",
            expected="whole numbers, floats or booleans",
            mend="convert to real numbers, such as float32",
        )
    native = output.pixels.astype(output.pixels.dtype.newbyteorder("="), copy=False)
    format.write(path, replace(output, pixels=native))
