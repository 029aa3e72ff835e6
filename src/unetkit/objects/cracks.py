"""The borders between the pixels of different objects, followed into closed loops.

A loop runs along the edges of pixels, the object on its right hand (rows count downwards), so around an object
clockwise as one looks at the image and around a hole in it the other way. It is followed from corner to corner:

    runs ─ pieces           which pixels of an object hang together by their edges
    segments                straight stretches of border, each with its first and its last pixel
    turns                   at the end of each: left, where the object goes on beyond the corner, else right
    loops                   segments in the order in which they follow each other

Where two pixels of one piece meet only at a corner, the loops turn left: they touch there and never cross or visit a
point twice, so each is a valid ring, and each piece has one outer loop. All steps but the last are arithmetic on whole
arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ids = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

BAND = 1 << 22
"""Pixels that are compared with their neighbours at a time; it bounds the memory that takes."""

RIGHT, DOWN, LEFT, UP = range(4)
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""(rows, columns) of a step in each direction; `STEPS[d - 1]` leads out of the object, `STEPS[d - 3]` into it."""

CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Where a segment in each direction begins, from the upper left corner of its first pixel; it ends at the next one."""


@dataclass(frozen=True, slots=True)
class Loops:
    """Closed loops along the edges of pixels.

    Args:
        points: int32 P 2, the corners (column, row) of all loops, one after the other; none is repeated at its end.
        starts: where each loop begins in `points`, and after the last one their number.
        ids: of the object that each loop belongs to.
        pieces: a number that loops of one piece of an object share, rising in row-major order of the first pixel.
        areas: int64, pixels inside each loop; negative for holes.
    """

    points: npt.NDArray[np.int32]
    starts: Positions
    ids: Ids
    pieces: npt.NDArray[np.int32]
    areas: Positions


@dataclass(frozen=True, slots=True)
class _Pieces:
    starts: Positions  # of the runs: stretches of one object within a row
    numbers: npt.NDArray[np.int32]  # the piece of each run

    def at(self, pixels: Positions) -> npt.NDArray[np.int32]:
        return self.numbers[np.searchsorted(self.starts, pixels, "right") - 1]


@dataclass(frozen=True, slots=True)
class _Segments:
    first: Positions  # flat position of the pixel where each begins
    last: Positions


def follow_cracks(ids: Ids) -> Loops:
    """The loops around all objects of an image and around the holes in them.

    Args:
        ids: H W, 0 for no object.

    Returns:
        The loops, those of a piece in no order.

    Example:
        >>> follow_cracks(np.array([[0, 7]], np.uint32)).points.tolist()
        [[1, 0], [2, 0], [2, 1], [1, 1]]
    """
    pieces, segments = _look(ids)
    beginnings = [_keys(segments[d].first, CORNERS[d], ids.shape, d % 2 == 1) for d in range(4)]
    across = _next(ids, pieces, segments, beginnings, (RIGHT, LEFT))
    back = _next(ids, pieces, segments, beginnings, (DOWN, UP))
    order, starts = _walk(back[across])
    from_row, from_column = _ends(segments, "first", ids.shape[1])
    _, to_column = _ends(segments, "last", ids.shape[1])
    from_row, from_column, to_column = from_row[order], from_column[order], to_column[order]
    points = np.empty((2 * len(order), 2), np.int32)
    points[0::2, 0], points[1::2, 0] = from_column, to_column
    points[0::2, 1] = points[1::2, 1] = from_row
    pixels = np.concatenate([segments[RIGHT].first, segments[LEFT].first])[order[starts[:-1]]]
    areas = np.add.reduceat(from_row * (from_column - to_column), starts[:-1]) if len(order) else starts[:0]
    return Loops(points, 2 * starts, ids.reshape(-1)[pixels], pieces.at(pixels), areas)


def _look(ids: Ids) -> tuple[_Pieces, list[_Segments]]:
    """Compare all pixels with their neighbours, band by band."""
    height, width = ids.shape
    band = max(1, BAND // max(width, 1))
    begun: list[list[Positions]] = [[] for _ in STEPS]
    ended: list[list[Positions]] = [[] for _ in STEPS]
    runs, contacts = [], []
    for top in range(0, height, band):
        rows = np.zeros((min(band, height - top) + 2, width + 2), ids.dtype)
        above, below = max(top - 1, 0), min(top + band + 1, height)
        rows[above - top + 1 : below - top + 1, 1:-1] = ids[above:below]
        offset = top * width
        for direction, (down, right) in enumerate(STEPS[d - 1] for d in range(4)):
            border = np.zeros(rows.shape, bool)
            lead, trail = (slice(1, None), slice(None, -1)) if down + right < 0 else (slice(None, -1), slice(1, None))
            at, outside = ((lead,), (trail,)) if down else ((slice(None), lead), (slice(None), trail))
            border[at] = (rows[at] != rows[outside]) & (rows[at] != 0)
            along = (border.T, rows.T) if direction % 2 == 0 else (border, rows)
            begins, ends = _stretches(*along)
            if direction % 2 == 0:
                begins, ends = begins.T, ends.T
            begun[direction].append(np.flatnonzero(begins) + offset)
            ended[direction].append(np.flatnonzero(ends) + offset)
        # `border` is now that on the left hand of pixels, where runs begin
        inner, upper = border[1:-1, 1:-1], border[:-2, 1:-1]
        runs.append(np.flatnonzero(inner) + offset)
        together = (rows[1:-1, 1:-1] == rows[:-2, 1:-1]) & (inner | upper) & (rows[1:-1, 1:-1] != 0)
        contacts.append(np.flatnonzero(together) + offset)
    pieces = _join(_concatenated(runs), _concatenated(contacts), width)
    segments = []
    for direction in range(4):
        one, other = _concatenated(begun[direction]), _concatenated(ended[direction])
        if direction % 2 == 1:  # of segments that go down or up, the ends are paired column by column
            one, other = _by_column(one, ids.shape), _by_column(other, ids.shape)
        segments.append(_Segments(one, other) if direction in (RIGHT, DOWN) else _Segments(other, one))
    return pieces, segments


def _stretches(border: Mask, ids: Ids) -> tuple[Mask, Mask]:
    """Where stretches of border along the first axis begin and end; both arrays have a margin of one, which goes."""
    joined = border[1:] & border[:-1] & (ids[1:] == ids[:-1])
    inner = border[1:-1]
    begins, ends = inner & ~joined[:-1], inner & ~joined[1:]
    return begins[:, 1:-1], ends[:, 1:-1]


def _join(runs: Positions, contacts: Positions, width: int) -> _Pieces:
    """Number the pieces: runs that touch a run of the same object in the row above are one."""
    own = np.searchsorted(runs, contacts, "right") - 1
    upper = np.searchsorted(runs, contacts - width, "right") - 1
    links = coo_array((np.ones(len(own), bool), (own, upper)), (len(runs), len(runs)))
    numbers = connected_components(links, directed=False)[1] if len(runs) else np.zeros(0, np.int32)
    return _Pieces(runs, numbers.astype(np.int32))


def _next(
    ids: Ids, pieces: _Pieces, segments: list[_Segments], beginnings: list[Positions], directions: tuple[int, int]
) -> Positions:
    """The segment that follows each segment of two opposite directions, as an index into those across."""
    following = []
    for direction in directions:
        last = segments[direction].last
        corner = _keys(last, CORNERS[(direction + 1) % 4], ids.shape, direction % 2 == 0)
        left = _turns_left(ids, pieces, last, direction)
        found = np.empty(len(last), np.int64)
        for turned, there in ((left, (direction - 1) % 4), (~left, (direction + 1) % 4)):
            before = len(beginnings[there - 2]) if there in (LEFT, UP) else 0
            found[turned] = np.searchsorted(beginnings[there], corner[turned]) + before
        following.append(found)
    return np.concatenate(following)


def _turns_left(ids: Ids, pieces: _Pieces, last: Positions, direction: int) -> Mask:
    height, width = ids.shape
    row, column = np.divmod(last, width)
    (down, right), (out_down, out_right) = STEPS[direction], STEPS[direction - 1]
    own, flat = ids.reshape(-1)[last], ids.reshape(-1)
    row, column = row + down, column + right  # the pixel ahead
    ahead = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    ahead[ahead] = flat[row[ahead] * width + column[ahead]] == own[ahead]
    row, column = row + out_down, column + out_right  # the one to the left of it
    left = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    beside = row * width + column
    left[left] = flat[beside[left]] == own[left]
    pinched = np.flatnonzero(left & ~ahead)
    left[pinched] = pieces.at(last[pinched]) == pieces.at(beside[pinched])
    return np.asarray(left)


def _walk(following: Positions) -> tuple[Positions, Positions]:
    """Segments loop by loop, and where each loop begins, with the number of segments at the end."""
    after, seen = following.tolist(), bytearray(len(following))
    order: list[int] = []
    starts: list[int] = []
    for first in range(len(after)):
        if seen[first]:
            continue
        starts.append(len(order))
        at = first
        while not seen[at]:
            seen[at] = 1
            order.append(at)
            at = after[at]
    return np.array(order, np.int64), np.array([*starts, len(order)], np.int64)


def _ends(segments: list[_Segments], end: str, width: int) -> tuple[Positions, Positions]:
    """Row and column of one end of all segments that go right, then of those that go left."""
    rows, columns = [], []
    for direction in (RIGHT, LEFT):
        row, column = np.divmod(getattr(segments[direction], end), width)
        down, right = CORNERS[direction if end == "first" else (direction + 1) % 4]
        rows.append(row + down)
        columns.append(column + right)
    return np.concatenate(rows), np.concatenate(columns)


def _keys(pixels: Positions, corner: tuple[int, int], shape: tuple[int, ...], by_column: bool) -> Positions:
    """Numbers of corners of pixels, rising along rows or along columns."""
    row, column = np.divmod(pixels, shape[1])
    row, column = row + corner[0], column + corner[1]
    return column * (shape[0] + 1) + row if by_column else row * (shape[1] + 1) + column


def _by_column(pixels: Positions, shape: tuple[int, ...]) -> Positions:
    """Flat positions in the order of columns."""
    row, column = np.divmod(pixels, shape[1])
    column, row = np.divmod(np.sort(column * shape[0] + row), shape[0])
    return row * shape[1] + column


def _concatenated(parts: list[Any]) -> Positions:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
