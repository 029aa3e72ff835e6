"""NPY: NumPy's own files, mapped into memory so that a window reads only itself.

An image is written channels first: C H W or C D H W; two axes are one channel. NPY has no room for axes, names or
spacing, so a geometry is refused rather than lost. Pickled objects are never loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unetkit.errors import FileError
from unetkit.files import replacing
from unetkit.formats.content import check_channels_first, check_layout
from unetkit.formats.format import Format, Layout, Output, RawMask, Stored, Streamed, Window
from unetkit.formats.windows import window_as_stored
from unetkit.image import Array

MAGIC = b"\x93NUMPY"
ROWS = 256
"""Written at a time."""


def _open(path: Path) -> Array:
    """The array in the file, not read yet."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        # Version 3 differs from 2 only in the alphabet of record names, and records are refused anyway.
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = reader(file)
        offset = file.tell()
    if dtype.hasobject:
        raise FileError(
            "holds pickled Python objects, which can run programs when loaded",
            file=path,
            found=f"type {dtype}",
            expected="numbers",
            mend="save the array with a number type, such as array.astype(np.float32)",
        )
    check_layout(path, Layout(shape, dtype))
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran_order else "C")


def _layout(path: Path, array: Array) -> Layout:
    if not 2 <= array.ndim <= 4:
        raise FileError(
            "has a number of axes that no image has",
            file=path,
            found=f"shape {array.shape}",
            expected="H W, C H W or C D H W",
            mend="save one image a file",
        )
    shape = (1, *array.shape) if array.ndim == 2 else array.shape
    check_channels_first(path, shape)
    return Layout(shape, array.dtype.newbyteorder("="))


def header(path: Path) -> Layout:
    """What the file says about its pixels."""
    return _layout(path, _open(path))


def read(path: Path) -> Stored:
    """All numbers of the file."""
    array = _open(path)
    layout = _layout(path, array)
    return Stored(layout, np.array(array, layout.dtype).reshape(layout.shape))


def read_window(path: Path, window: Window) -> Stored:
    """The numbers of a window; nothing else is read from the disk."""
    array = _open(path)
    layout = _layout(path, array)
    part = array.reshape(layout.shape)[(slice(None), *window_as_stored(window, layout))]
    return Stored(layout, np.array(part, layout.dtype))


def read_mask(path: Path) -> RawMask:
    """The array as it stands: a mask needs no channel axis, so *S and *S 3 are what they are."""
    array = _open(path)
    return RawMask(np.array(array, array.dtype.newbyteorder("=")), path=path)


def write(path: Path, output: Output) -> None:
    """Store the array, whole or not at all: C *S for an image, *S or *S 3 for a mask.

    Raises:
        FileError: there is a geometry or palette, which NPY cannot hold.
    """
    _check_writable(path, output, palette=output.palette is not None)
    pixels = output.pixels
    if output.mask:
        pixels = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(pixels), allow_pickle=False)


def write_streamed(path: Path, output: Streamed) -> None:
    """The same file, of numbers that are never in memory together, some rows after the other.

    Raises:
        FileError: as for `write`, or the disk is full.
    """
    _check_writable(path, output)
    channels, *spatial = output.shape
    single, coloured = output.mask and channels == 1, output.mask and channels > 1
    shape = tuple(spatial) if single else (*spatial, channels) if coloured else output.shape
    with replacing(path) as temporary, temporary.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(np.empty(0, output.dtype)) | {"shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for group in [range(channels)] if coloured else [[channel] for channel in range(channels)]:
            for window in _bands(tuple(spatial)):
                sizes = [part.stop - part.start for part in window]
                numbers = [output.read(channel, window).reshape(sizes) for channel in group]
                file.write(np.ascontiguousarray(np.stack(numbers, -1), output.dtype).data)


def check_streamed(path: Path, output: Streamed) -> None:
    """Refuse what NPY cannot hold, before there is anything to be written.

    Raises:
        FileError: a geometry.
    """
    _check_writable(path, output)


def _bands(spatial: tuple[int, ...]) -> Iterator[Window]:
    """Some rows at a time, plane by plane: what lies side by side in the file."""
    *planes, rows, columns = spatial
    for plane in range(planes[0]) if planes else (None,):
        for row in range(0, rows, ROWS):
            band = (slice(row, min(row + ROWS, rows)), slice(0, columns))
            yield band if plane is None else (slice(plane, plane + 1), *band)


def _check_writable(path: Path, output: Output | Streamed, *, palette: bool = False) -> None:
    references = [key for key in output.geometry.extra if key != "nodata"]
    if output.geometry.spacing is not None or references or palette:
        raise FileError(
            "NPY holds numbers only",
            file=path,
            found="a palette" if palette else "a spacing or geo-reference",
            mend="write .tif, which keeps it, or pass geometry=None and palette=None to drop it",
        )


NPY = Format(
    name="npy",
    suffixes=(".npy",),
    matches=lambda head: head.startswith(MAGIC),
    header=header,
    read=read,
    read_window=read_window,
    read_mask=read_mask,
    write=write,
    write_streamed=write_streamed,
    check_streamed=check_streamed,
)
