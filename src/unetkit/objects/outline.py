"""The exact outlines of objects, along the edges of their pixels, one object after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError
from unetkit.objects.cracks import Ids, Loops, follow_cracks
from unetkit.objects.object_map import ObjectMap

Ring = npt.NDArray[np.int32]
"""P 2: the corners (column, row) of a closed line, the first not repeated; (0, 0) is the image's upper left one."""

Polygon = tuple[Ring, ...]
"""One piece of an object: its outer ring, then the rings of its holes."""

BATCH = 1 << 26
"""Pixels of the largest image whose objects are outlined all at once; larger ones go band by band."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Where an object lies, exactly: filling the rings by the even-odd rule gives its pixels back.

    Args:
        id: the object's number.
        polygons: its pieces, in row-major order of their first pixel. Outer rings run clockwise as one looks at the
            image, holes the other way. No ring crosses or touches itself; rings may touch each other at single points.
        area: its pixels.
    """

    id: int
    polygons: tuple[Polygon, ...]
    area: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Columns and rows it lies in: left, top, right, bottom; the last two are past the end."""
        outer = np.concatenate([polygon[0] for polygon in self.polygons])
        (left, top), (right, bottom) = outer.min(0).tolist(), outer.max(0).tolist()
        return left, top, right, bottom


def outlines(objects: ObjectMap) -> Iterator[Outline]:
    """Outline every object; memory is needed for those of a part of the image only, however large it is.

    Pixels of an object that meet at a corner only belong to different pieces.

    Args:
        objects: of an image.

    Yields:
        The outlines, by number; in images above 67 megapixels by band, and within a band by number. Numbers that no
        pixel has are passed over.

    Raises:
        InputError: a volume: it has surfaces, no outlines.

    Example:
        >>> objects = ObjectMap(np.array([[0, 1, 1]], np.uint32), np.array([1], np.uint8))
        >>> next(outlines(objects)).polygons[0][0].tolist()
        [[1, 0], [3, 0], [3, 1], [1, 1]]
    """
    ids = objects.ids
    if ids.ndim != 2:
        raise InputError("only objects of images have outlines", found=f"{ids.ndim} axes", expected="row, column")
    if ids.size <= BATCH:
        yield from _grouped(follow_cracks(ids))
        return
    first, last = _rows(objects)
    band = first // max(1, BATCH // 4 // ids.shape[1])
    numbers = np.unique(band[first >= 0])
    for number in numbers:
        members = (band == number) & (first >= 0)
        top, bottom = first[members].min(), last[members].max() + 1
        part = ids[top:bottom]
        own = part * members[part] if len(numbers) > 1 else part
        yield from _grouped(follow_cracks(own), int(top))


def _grouped(loops: Loops, top: int = 0) -> Iterator[Outline]:
    """Loops as objects."""
    order = np.lexsort((loops.areas < 0, loops.pieces, loops.ids))
    ids, areas = loops.ids[order], loops.areas[order]
    changes = np.flatnonzero(np.diff(ids)) + 1
    bounds = [0, *changes.tolist(), len(ids)] if len(ids) else [0]
    points = loops.points + np.array((0, top), np.int32) if top else loops.points
    starts = loops.starts.tolist()
    totals = np.add.reduceat(areas, bounds[:-1]).tolist() if len(ids) else []
    rings = [points[starts[loop] : starts[loop + 1]] for loop in order.tolist()]
    outer = (areas > 0).tolist()
    for begin, end, total in zip(bounds[:-1], bounds[1:], totals, strict=True):
        heads = [at for at in range(begin, end) if outer[at]]
        polygons = tuple(tuple(rings[a:b]) for a, b in zip(heads, [*heads[1:], end], strict=True))
        yield Outline(int(ids[begin]), polygons, total)


def _rows(objects: ObjectMap) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first and the last row of each number, from 0 for no object on; -1 for numbers that no pixel has."""
    first, last = (np.full(objects.count + 1, -1, np.int64) for _ in range(2))
    for row, line in enumerate(objects.ids):
        present = _present(line)
        last[present] = row
        first[present[first[present] < 0]] = row
    first[0] = -1
    return first, last


def _present(line: Ids) -> Ids:
    """The numbers in a row, some of them more than once."""
    return line[np.flatnonzero(np.diff(line, prepend=line[:1] + 1))]
