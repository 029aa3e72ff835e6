"""What 2 × 2 (× 2) neighbourhoods say: Euler number, perimeter, surface, and who touches whom.

Each is a sum over the neighbourhoods that an object shares with something else, so parts of an image add up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import marching_cubes, mesh_surface_area

from unetkit.objects.measuring.runs import Floats, Integers

DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""The four directions of lines in the plane, as (rows, columns) from one pixel of a line to the next."""


def shared_corners(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The 2 × 2 (× 2) neighbourhoods of an array that do not hold one id alone, as m 2^d ids.

    Args:
        ids: *S, with the border of zeros that its first and last pixels need.
    """
    axes = ids.ndim
    cells = [
        ids[tuple(slice(step, size - 1 + step) for step, size in zip(steps, ids.shape, strict=True))]
        for steps in itertools.product((0, 1), repeat=axes)
    ]
    mixed = cells[0] != cells[1]
    for cell in cells[2:]:
        mixed |= cells[0] != cell
    return np.stack([cell[mixed] for cell in cells], axis=1)


def count_corners(corners: Integers, count: int, table: Floats) -> Floats:
    """The sum of a table's rows over the patterns that each object makes in neighbourhoods.

    Args:
        corners: m 2^d, 0 for no object, else 1 … n.
        count: n.
        table: one row for each of the 2^(2^d) patterns (bit k: cell k is the object's), one column a quantity.

    Returns:
        n × columns.
    """
    cells = corners.shape[1]
    sums = np.zeros((count + 1, table.shape[1]))
    for k in range(cells):
        own = corners[:, k]
        pattern = np.full(len(own), 1 << k, np.int64)
        seen = own == 0
        for j in range(cells):
            if j != k:
                alike = corners[:, j] == own
                pattern |= alike.astype(np.int64) << j
                if j < k:
                    seen |= alike
        own, pattern = own[~seen], pattern[~seen]
        for column in range(table.shape[1]):
            sums[:, column] += np.bincount(own, weights=table[pattern, column], minlength=count + 1)
    return sums[1:]


def touching_pairs(corners: Integers) -> Integers:
    """Pairs (smaller, larger) of different objects that share a neighbourhood, p 2, ascending."""
    found = [np.zeros((0, 2), np.int64)]
    for j, k in itertools.combinations(range(corners.shape[1]), 2):
        one, other = corners[:, j], corners[:, k]
        both = (one != other) & (one > 0) & (other > 0)
        pair = np.sort(np.stack([one[both], other[both]], axis=1).astype(np.int64), axis=1)
        found.append(unique_pairs(pair))
    return unique_pairs(np.concatenate(found))


def unique_pairs(pairs: Integers) -> Integers:
    """Each different row of p 2 once, ascending."""
    base = int(pairs.max()) + 1 if pairs.size else 1
    keys = np.unique(pairs[:, 0] * base + pairs[:, 1])
    return np.stack([keys // base, keys % base], axis=1)


@cache
def pattern_table(axes: int, spacing: tuple[float, ...] | None) -> Floats:
    """What each pattern of a neighbourhood adds.

    In the plane: to the Euler number, and to the lines that leave the object in each of `DIRECTIONS`. In space: to
    the Euler number, to the surface in pixels and, where there is a spacing, in its unit.
    """
    patterns = [_cells(pattern, axes) for pattern in range(1 << (1 << axes))]
    euler = [_euler(cells) for cells in patterns]
    if axes == 2:
        leaving = [[_leaving(cells, direction) for direction in DIRECTIONS] for cells in patterns]
        return np.column_stack([euler, leaving])
    surfaces = [[_surface(cells, steps) for cells in patterns] for steps in ((1.0, 1.0, 1.0), spacing) if steps]
    return np.column_stack([euler, *surfaces])


def _cells(pattern: int, axes: int) -> npt.NDArray[np.bool_]:
    return np.array([pattern >> k & 1 for k in range(1 << axes)], bool).reshape((2,) * axes)


def _euler(cells: npt.NDArray[np.bool_]) -> float:
    """A neighbourhood's share of the Euler number: each of its cells' faces counts by how many share it.

    The object is the union of closed cells around pixels that touch at corners too (8 and 26 neighbours). Around the
    corner in the middle: vertices − edges + faces (− solids), of which it holds 1, 1/2, 1/4 (, 1/8).
    """
    axes = cells.ndim
    total = float(cells.any())
    for axis_count in range(1, axes + 1):
        for axes_out in itertools.combinations(range(axes), axis_count):
            others = tuple(axis for axis in range(axes) if axis not in axes_out)
            pieces = cells.any(axis=others) if others else cells
            total += (-0.5) ** axis_count * float(pieces.sum())
    return total


def _leaving(cells: npt.NDArray[np.bool_], direction: tuple[int, int]) -> float:
    """Lines along a direction that leave the object in this neighbourhood."""
    if direction == (0, 1):
        return float(cells[0, 0] & ~cells[0, 1])
    if direction == (1, 0):
        return float(cells[0, 0] & ~cells[1, 0])
    if direction == (1, 1):
        return float(cells[0, 0] & ~cells[1, 1])
    return float(cells[0, 1] & ~cells[1, 0])


def _surface(cells: npt.NDArray[np.bool_], spacing: Sequence[float]) -> float:
    if cells.all() or not cells.any():
        return 0.0
    volume = cells.astype(np.float32)
    vertices, faces, _, _ = marching_cubes(volume, 0.5, spacing=tuple(spacing))  # type: ignore[no-untyped-call]
    return float(mesh_surface_area(vertices, faces))  # type: ignore[no-untyped-call]


def perimeter(leaving: Floats, spacing: tuple[float, ...]) -> Floats:
    """Length of outlines by Crofton's formula: lines that leave, times their distance, times the angle they stand for.

    Args:
        leaving: n 4, lines that leave each object in `DIRECTIONS`.
        spacing: distance between rows and between columns.

    Returns:
        n, in the unit of the spacing.

    Source: Lehmann and Legland 2012, "Efficient N-dimensional surface estimation using Crofton formula and run-length
    encoding"; of square pixels it is scikit-image's `perimeter_crofton` of four directions.
    """
    row, column = spacing
    slant = np.arctan2(row, column)
    apart = np.array([row, column, *[row * column / np.hypot(row, column)] * 2])
    angle = np.array([slant, np.pi / 2 - slant, np.pi / 4, np.pi / 4])
    length: Floats = leaving @ (apart * angle)
    return length
