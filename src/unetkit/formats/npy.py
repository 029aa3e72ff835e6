"""NPY: NumPy's own files, mapped into memory so that a window reads only itself.

An image is written channels first: C H W or C D H W; two axes are one channel. NPY has no room for axes, names or
spacing, so a geometry is refused rather than lost. Pickled objects are never loaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unetkit.errors import FileError
from unetkit.files import replacing
from unetkit.formats.content import check_layout
from unetkit.formats.format import Format, Layout, Output, RawMask, Stored, Window
from unetkit.formats.windows import window_as_stored
from unetkit.image import Array

MAGIC = b"\x93NUMPY"


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
    if shape[-1] in (3, 4) and min(shape[:-1]) >= 32:  # nobody has images four pixels wide with so many channels
        raise FileError(
            "looks as if the channels came last",
            file=path,
            found=f"shape {array.shape}",
            expected="channels first: C H W or C D H W",
            mend="save np.moveaxis(array, -1, 0)",
        )
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
    geometry = output.geometry
    if geometry.spacing is not None or output.references or output.palette is not None:
        raise FileError(
            "NPY holds numbers only",
            file=path,
            found="a palette" if output.palette is not None else "a spacing or geo-reference",
            mend="write .tif, which keeps it, or pass geometry=None and palette=None to drop it",
        )
    pixels = output.pixels
    if output.mask:
        pixels = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(pixels), allow_pickle=False)


NPY = Format(
    name="npy",
    suffixes=(".npy",),
    matches=lambda head: head.startswith(MAGIC),
    header=header,
    read=read,
    read_window=read_window,
    read_mask=read_mask,
    write=write,
)
