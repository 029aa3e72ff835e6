"""Reading a region of a TIFF by touching only the strips and tiles that hold it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.formats.content import damaged
from unetkit.image import Array

JPEG_KINDS = (6, 7, 33007, 34892)  # compressions whose segments share tables kept in the page


def read_region(path: Path, series: Any, leading: tuple[int, ...], region: tuple[slice, ...]) -> Array:
    """The numbers of a region of a tifffile series.

    Args:
        path: named in errors.
        series: what tifffile found.
        leading: sizes of the axes that count pages.
        region: a slice with start and stop for each of `leading`, then for the five axes of a page (separate sample,
            plane, row, column, interleaved sample).

    Returns:
        Array with the sizes of the region, in the machine's byte order.

    Raises:
        FileError: the file ends early or a page is missing.
    """
    keyframe = series.keyframe
    native = series.dtype.newbyteorder("=")
    if series.dataoffset is not None:  # all pages lie in one piece, uncompressed
        shape = (*leading, *keyframe.shaped)
        return _mapped(keyframe.parent, series.dtype, series.dataoffset, shape, region).astype(native)
    pages, in_page = region[: len(leading)], region[len(leading) :]
    out = np.empty(tuple(part.stop - part.start for part in region), native)
    for index in product(*(range(part.start, part.stop) for part in pages)):
        number = int(np.ravel_multi_index(index, leading)) if leading else 0
        page = series[number] if number < len(series) else None
        if page is None:
            raise damaged(path, f"no page {number + 1}; it may lie in a second file that is missing")
        target = out[tuple(i - part.start for i, part in zip(index, pages, strict=True))]
        if page.is_final:  # uncompressed and in one piece
            target[...] = _mapped(page.parent, series.dtype, page.dataoffsets[0], keyframe.shaped, in_page)
        else:
            _decode_into(path, page, in_page, target)
    return out


def _mapped(tiff: Any, dtype: Any, offset: int, shape: tuple[int, ...], region: tuple[slice, ...]) -> Array:
    return np.memmap(tiff.filehandle.path, dtype.newbyteorder(tiff.byteorder), "r", offset, shape)[region]


def _decode_into(path: Path, page: Any, region: tuple[slice, ...], target: Array) -> None:
    """Decode the segments that a region of one page touches, each once, into the array of the region's sizes."""
    keyframe = page.keyframe
    tables: dict[str, Any] = {}
    if int(keyframe.compression) in JPEG_KINDS:
        tables = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
    for number in _touched(keyframe, region):
        encoded = _segment(path, page, number)
        decoded, position, shape = keyframe.decode(encoded, number, **tables)
        starts = (*position[:4], 0)
        sizes = (1, *(shape if decoded is None else decoded.shape))
        here, there = [], []
        for start, size, part in zip(starts, sizes, region, strict=True):
            low, high = max(start, part.start), min(start + size, part.stop)
            here.append(slice(low - part.start, high - part.start))
            there.append(slice(low - start, high - start))
        # A segment that was never written stands for pixels without data.
        target[tuple(here)] = keyframe.nodata if decoded is None else decoded[None][tuple(there)]


def _segment(path: Path, page: Any, number: int) -> bytes | None:
    if number >= len(page.dataoffsets):
        raise damaged(path, f"{len(page.dataoffsets)} strips or tiles, and a need for number {number + 1}")
    offset, size = page.dataoffsets[number], page.databytecounts[number]
    if size == 0:
        return None
    file = page.parent.filehandle
    file.seek(offset)
    encoded: bytes = file.read(size)
    if len(encoded) < size:
        raise damaged(path, f"{file.size} bytes, but a strip or tile needs {offset + size}")
    return encoded


def _touched(keyframe: Any, region: tuple[slice, ...]) -> Iterator[int]:
    """Numbers of the segments that a region touches, in the order in which TIFF counts them."""
    _, planes, rows, columns, _ = keyframe.shaped
    if keyframe.is_tiled:
        steps = (1, keyframe.tiledepth, keyframe.tilelength, keyframe.tilewidth)
    else:
        steps = (1, 1, keyframe.rowsperstrip, columns)
    counts = [ceil(size / step) for size, step in zip((1, planes, rows, columns), steps, strict=True)]
    touched = (range(part.start // step, ceil(part.stop / step)) for part, step in zip(region[:4], steps, strict=True))
    for sample, plane, row, column in product(*touched):
        yield ((sample * counts[1] + plane) * counts[2] + row) * counts[3] + column
