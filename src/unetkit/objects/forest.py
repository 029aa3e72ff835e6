"""Basins of an image and the passes between them, joined into objects: a watershed on a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

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
    order = _ascending(pair)
    pair = pair[order]
    first = np.flatnonzero(np.append(True, pair[1:] != pair[:-1]))
    return Passes(low[order[first]], high[order[first]], np.maximum.reduceat(height[order], first))


def _ascending(keys: Ints) -> Ints:
    """The order in which keys, 0 or more, ascend."""
    bits = len(keys).bit_length()
    if int(keys.max()).bit_length() + bits >= 63:
        return np.argsort(keys)
    return np.sort(keys << bits | np.arange(len(keys))) & (1 << bits) - 1  # numbers alone sort twice as fast


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

    def objects(
        self, seed: float, least: int, prominent: bool = False
    ) -> tuple[Ints, npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Join the basins.

        Args:
            seed: basins that meet above this height are one object; two that reach above it never are otherwise.
            least: objects of fewer pixels are left out.
            prominent: `seed` is a prominence instead: two basins stay apart if both rise so far above where they meet.

        Returns:
            Areas and classes of the objects, in the order of their first pixels; and of each basin its object's number,
            0 for none.
        """
        if not self._count:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        trees = Trees(*(np.concatenate(parts) for parts in zip(*self._trees, strict=True)))
        passes = Passes(*(np.concatenate(parts) for parts in zip(*self._passes, strict=True)))
        high = passes.height > seed if not prominent else np.zeros(len(passes.height), bool)
        joined = [(passes.one[high], passes.other[high]), *self._links]
        group = _components(self._count, *(np.concatenate(ends) for ends in zip(*joined, strict=True)))
        low = Passes(group[passes.one[~high]], group[passes.other[~high]], passes.height[~high])
        group = _flooded(trees, group, low, seed, prominent)[group]
        areas = np.bincount(group, weights=trees.areas).astype(np.int64)
        tops = _first(trees, group, len(areas))
        classes = np.zeros(len(areas), np.uint8)
        classes[group] = trees.classes
        kept = np.flatnonzero(areas >= least)
        kept = kept[np.argsort(tops[kept])]
        numbers = np.zeros(len(areas), np.uint32)
        numbers[kept] = np.arange(1, len(kept) + 1)
        return areas[kept], classes[kept], numbers[group]


def _flooded(trees: Trees, group: Ints, passes: Passes, seed: float, prominent: bool) -> Ints:
    """Groups joined where they meet, from the highest pass down, but never two objects: for each the one it is in.

    A group is an object of its own if it rises above the seed height or, where that is a prominence, so far above the
    pass.
    """
    count = int(group.max()) + 1
    peaks = np.full(count, -np.inf, np.float32)
    np.maximum.at(peaks, group, trees.peaks)
    parent, level = np.arange(count), peaks.copy()
    spanning = _spanning(_first(trees, group, count), passes)
    for a, b, height in zip(*(part.tolist() for part in spanning), strict=True):
        a, b = root(parent, a), root(parent, b)
        lower, higher = (a, b) if level[a] <= level[b] else (b, a)
        if level[lower] <= (height + seed if prominent else seed):
            parent[lower] = higher
    while not np.array_equal(following := parent[parent], parent):
        parent = following
    return _components(count, np.arange(count), parent)


def _spanning(tops: Ints, passes: Passes) -> Passes:
    """The passes of the highest spanning forest of the groups, from the highest down.

    The others change nothing: each closes a circle of higher ones, and where one of these was not to be joined, both
    its sides are objects, here as there. Of equal heights that comes first whose groups begin first in the image, so
    that the order does not depend on bands.
    """
    apart = passes.one != passes.other
    one, other, height = passes.one[apart], passes.other[apart], passes.height[apart]
    pair = np.sort(np.stack([tops[one], tops[other]]), axis=0)
    order = np.lexsort((pair[1], pair[0], -height))
    _, first = np.unique(pair[0][order] * (int(pair.max(initial=0)) + 1) + pair[1][order], return_index=True)
    order = order[np.sort(first)]  # of the passes between two groups the highest
    rank = np.arange(1, len(order) + 1)
    count = len(tops)
    chosen = minimum_spanning_tree(coo_array((rank, (one[order], other[order])), shape=(count, count)).tocsr()).data
    kept = order[np.sort(chosen).astype(np.int64) - 1]
    return Passes(one[kept], other[kept], height[kept])


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
