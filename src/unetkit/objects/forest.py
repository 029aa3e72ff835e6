"""Basins of an image and the passes between them, joined into objects: a watershed on a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Trees(NamedTuple):
    """Basins, an entry each.

    Args:
        peaks: height of the highest pixel that the band shows.
        classes: of the pixels.
        areas: pixels.
        tops: the first pixel in the image, as a flat index.
    """

    peaks: Floats
    classes: npt.NDArray[np.uint8]
    areas: Ints
    tops: Ints


class Passes(NamedTuple):
    """Pairs of basins and the height at which they meet."""

    one: Ints
    other: Ints
    height: Floats

    def shifted(self, first: int) -> Passes:
        """The same of basins that are numbered from there on."""
        return Passes(self.one + first, self.other + first, self.height)


def highest(passes: Sequence[Passes]) -> Passes:
    """The highest of the passes between every two basins."""
    one, other, height = (np.concatenate(parts) for parts in zip(*passes, strict=True))
    if not len(one):
        return Passes(one, other, height)
    low, high = np.minimum(one, other), np.maximum(one, other)
    pair = low * (int(high.max()) + 1) + high  # one number a pair: sorting by one key is fast
    order = np.argsort(pair)
    pair = pair[order]
    first = np.flatnonzero(np.append(True, pair[1:] != pair[:-1]))
    return Passes(low[order[first]], high[order[first]], np.maximum.reduceat(height[order], first))


class Forest:
    """Collects basins and passes band by band, and joins them in the end."""

    def __init__(self) -> None:
        self._trees: list[Trees] = []
        self._passes: list[Passes] = []
        self._links: list[tuple[Ints, Ints]] = []
        self._count = 0

    def add(self, trees: Trees) -> int:
        """More basins; returns the number of the first."""
        first, self._count = self._count, self._count + len(trees.peaks)
        self._trees.append(trees)
        return first

    def link(self, one: Ints, other: Ints) -> None:
        """Basins that are one, cut by a seam."""
        self._links.append((one, other))

    def passes(self, passes: Passes) -> None:
        """More passes."""
        self._passes.append(passes)

    def objects(self, seed: float, least: int) -> tuple[Ints, npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Join the basins.

        Args:
            seed: basins that meet above this height are one object; two that reach above it never are otherwise.
            least: objects of fewer pixels are left out.

        Returns:
            Areas and classes of the objects, in the order of their first pixels; and of each basin its object's number,
            0 for none.
        """
        if not self._count:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        trees = Trees(*(np.concatenate(parts) for parts in zip(*self._trees, strict=True)))
        passes = Passes(*(np.concatenate(parts) for parts in zip(*self._passes, strict=True)))
        high = passes.height > seed
        joined = [(passes.one[high], passes.other[high]), *self._links]
        group = _components(self._count, *(np.concatenate(ends) for ends in zip(*joined, strict=True)))
        low = Passes(group[passes.one[~high]], group[passes.other[~high]], passes.height[~high])
        group = _flooded(trees, group, low, seed)[group]
        areas = np.bincount(group, weights=trees.areas).astype(np.int64)
        tops = _first(trees, group, len(areas))
        classes = np.zeros(len(areas), np.uint8)
        classes[group] = trees.classes
        kept = np.flatnonzero(areas >= least)
        kept = kept[np.argsort(tops[kept])]
        numbers = np.zeros(len(areas), np.uint32)
        numbers[kept] = np.arange(1, len(kept) + 1)
        return areas[kept], classes[kept], numbers[group]


def _flooded(trees: Trees, group: Ints, passes: Passes, seed: float) -> Ints:
    """Groups below the seed height given to the neighbour they meet first from above: for each group the one it is in.

    The order is by height; of equals, by where in the image the groups begin, so that it does not depend on bands.
    """
    count = int(group.max()) + 1
    peaks = np.full(count, -np.inf, np.float32)
    np.maximum.at(peaks, group, trees.peaks)
    tops = _first(trees, group, count)
    parent, seeded = np.arange(count), peaks > seed
    apart = (passes.one != passes.other) & ~(seeded[passes.one] & seeded[passes.other])
    one, other, height = passes.one[apart], passes.other[apart], passes.height[apart]
    pair = np.sort(np.stack([tops[one], tops[other]]), axis=0)
    order = np.lexsort((pair[1], pair[0], -height))
    for a, b in zip(one[order].tolist(), other[order].tolist(), strict=True):
        a, b = root(parent, a), root(parent, b)
        if a != b and not (seeded[a] and seeded[b]):
            parent[b], seeded[a] = a, seeded[a] or seeded[b]
    while not np.array_equal(following := parent[parent], parent):
        parent = following
    return _components(count, np.arange(count), parent)


def _first(trees: Trees, group: Ints, count: int) -> Ints:
    """The first pixel of each group."""
    tops = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(tops, group, trees.tops)
    return tops


def root(parent: Ints, number: int) -> int:
    """The number that stands for the set of a number; the way to it is made shorter."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = int(parent[number])
    return number


def _components(count: int, one: Ints, other: Ints) -> Ints:
    """Number the connected parts of a graph: int64 count."""
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    groups: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups
