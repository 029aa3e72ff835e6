"""Objects as runs: stretches of pixels of one object along the last axis. Twenty times fewer than pixels, and exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of an array of ids, in row-major order.

    Args:
        present: the ids that occur, ascending.
        index: which of `present` each run belongs to.
        at: where each run begins, one array an axis.
        length: of each run, in pixels.
    """

    present: Integers
    index: Integers
    at: tuple[Integers, ...]
    length: Integers


def find_runs(ids: npt.NDArray[Any]) -> Runs:
    """The runs of an array of ids, *S; 0 is no object.

    Example:
        >>> runs = find_runs(np.array([[5, 5, 0], [0, 9, 9]]))
        >>> runs.present.tolist(), runs.index.tolist(), runs.length.tolist()
        ([5, 9], [0, 1], [2, 2])
    """
    width = ids.shape[-1]
    flat = ids.reshape(-1)
    begins = np.ones(flat.size, bool)
    begins[1:] = flat[1:] != flat[:-1]
    begins[::width] = True
    start = np.flatnonzero(begins)
    length = np.diff(start, append=flat.size)
    labels = flat[start]
    inside = labels > 0
    start, length, labels = start[inside], length[inside], labels[inside]
    present, index = np.unique(labels, return_inverse=True)
    at = tuple(axis.astype(np.int64) for axis in np.unravel_index(start, ids.shape))
    return Runs(present.astype(np.int64), index.astype(np.int64), at, length.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Shape:
    """What pixels say of the shape of n objects, on d axes.

    Args:
        area: pixels, n.
        low: first row (plane, column) of each object, n d.
        high: last one plus one, n d.
        mean: centroid, n d.
        scatter: sums of products of deviations from the centroid, n d d.
    """

    area: Integers
    low: Integers
    high: Integers
    mean: Floats
    scatter: Floats


def shape_of_runs(runs: Runs) -> Shape:
    """Area, bounding box, centroid and second moments of every object that occurs."""
    count, axes = len(runs.present), len(runs.at)
    low = np.full((count, axes), np.iinfo(np.int64).max)
    high = np.zeros((count, axes), np.int64)
    for axis, first in enumerate(runs.at):
        last = first + (runs.length if axis == axes - 1 else 1)
        np.minimum.at(low[:, axis], runs.index, first)
        np.maximum.at(high[:, axis], runs.index, last)
    area = _sums(runs, runs.length)
    # coordinates count from the object's own corner, so that no digits cancel however large the image is
    length = runs.length.astype(np.float64)
    at = [(first - low[runs.index, axis]).astype(np.float64) for axis, first in enumerate(runs.at)]
    middle = [*at[:-1], at[-1] + (length - 1) / 2]
    first_moments = np.stack([_sums(runs, length * value) for value in middle], axis=1)
    mean = first_moments / area[:, None]
    scatter = np.empty((count, axes, axes))
    for i in range(axes):
        for j in range(i, axes):
            deviation = (middle[i] - mean[runs.index, i]) * (middle[j] - mean[runs.index, j]) * length
            if i == axes - 1:
                deviation += (length**3 - length) / 12  # of the pixels of a run around its own middle
            scatter[:, i, j] = scatter[:, j, i] = _sums(runs, deviation)
    return Shape(area.astype(np.int64), low, high, mean + low, scatter)


def merged(one: Shape, other: Shape) -> Shape:
    """The shape of objects of which `one` saw a part and `other` the rest.

    Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance", formula 2.1.
    """
    area = one.area + other.area
    weight = (one.area * (other.area / np.maximum(area, 1)))[:, None]
    apart = other.mean - one.mean
    mean = one.mean + apart * (other.area / np.maximum(area, 1))[:, None]
    scatter = one.scatter + other.scatter + weight[..., None] * apart[:, :, None] * apart[:, None, :]
    return Shape(area, np.minimum(one.low, other.low), np.maximum(one.high, other.high), mean, scatter)


def _sums(runs: Runs, values: npt.NDArray[Any]) -> Floats:
    return np.bincount(runs.index, weights=values, minlength=len(runs.present)).astype(np.float64)
