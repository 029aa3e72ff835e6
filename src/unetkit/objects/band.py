"""Some rows of an image: to which tree each pixel belongs, and where trees meet."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE
from unetkit.objects.forest import Forest, Passes, Trees, highest

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

STILL = 0.4
"""A flow below this, along an axis, moves no pixel along it."""


class Relief(NamedTuple):
    """What is known of some rows (planes) of an image.

    Args:
        height: float32 *S, high inside objects, low where two of them meet.
        labels: uint8 *S, the class of each pixel; 0 (background) and 255 (nothing) are no object.
        flow: float32 d *S, for each axis how far a pixel's object draws it along it, -1 to 1; None to climb the height.
    """

    height: Floats
    labels: Labels
    flow: Floats | None = None


class Edge(NamedTuple):
    """The last row (plane) of a band: basins as the forest numbers them, and which of them point on, to where."""

    basins: Ints
    height: Floats
    labels: Labels
    pointing: Ints
    places: Ints


class Band:
    """The trees of some rows (planes), of which one more is seen on either side.

    Args:
        relief: of those rows too.
        inner: the rows that count.
    """

    def __init__(self, relief: Relief, inner: slice) -> None:
        labels = np.where(relief.labels == IGNORE, 0, relief.labels).astype(np.uint8)
        self.height, self.labels = relief.height[inner], labels[inner]
        self.row = self.labels[0].size
        towards = _steepest(relief.height, labels) if relief.flow is None else _downstream(relief.flow, labels)
        target = towards[inner].reshape(-1) - inner.start * self.row
        pixels = np.flatnonzero(self.labels)
        node = np.full(self.labels.size, -1)
        node[pixels] = np.arange(len(pixels))
        target = target[pixels]
        self._outside = (target < 0) | (target >= self.labels.size)
        root = _ends(np.where(self._outside, np.arange(len(pixels)), node[np.where(self._outside, 0, target)]))
        self._root_pixels = np.flatnonzero(root == np.arange(len(pixels)))
        number = np.full(len(pixels), -1)
        number[self._root_pixels] = np.arange(len(self._root_pixels))
        basins = np.full(self.labels.size, -1)
        basins[pixels] = number[root]
        self.basins: Ints = basins.reshape(self.labels.shape)
        self._circles = relief.flow is not None
        self._pixels, self._target, self.count = pixels, target, len(self._root_pixels)

    def trees(self, start: int) -> Trees:
        """The basins as the forest takes them, for a band that begins at row `start`."""
        basins = self.basins.reshape(-1)[self._pixels]
        at, shift = self._pixels[self._root_pixels], start * self.row
        tops = np.empty(self.count, np.int64)
        tops[basins[::-1]] = self._pixels[::-1]  # the first one is written last
        heights = self.height.reshape(-1)
        peaks = heights[at]
        if self._circles:  # else the root is the highest of its tree
            np.maximum.at(peaks, basins, heights[self._pixels])
        return Trees(
            peaks=peaks,
            classes=self.labels.reshape(-1)[at],
            areas=np.bincount(basins, minlength=self.count),
            tops=tops + shift,
        )

    def passes(self) -> Passes:
        """The highest pass between every two basins that meet in the band."""
        found = []
        for offset in product((-1, 0, 1), repeat=self.basins.ndim):
            if offset < (0,) * self.basins.ndim:
                here, there = neighbours(offset)
                sides = ((self.basins[w], self.height[w], self.labels[w]) for w in (here, there))
                found.append(_meeting(*sides))
        return highest(found)

    def pointing(self, place: int) -> tuple[Ints, Ints]:
        """The basins whose peak lies in the row before (-1) or after (1), and the places there that they point at."""
        roots = self._root_pixels[self._outside[self._root_pixels]]
        target = self._target[roots]
        wanted = target < 0 if place < 0 else target >= self.labels.size
        basins = self.basins.reshape(-1)[self._pixels[roots[wanted]]]
        return basins, target[wanted] % self.row

    def edge(self, first: int) -> Edge:
        """The last row, for a band whose first basin the forest has given that number."""
        basins, places = self.pointing(1)
        last = self.basins[-1]
        return Edge(np.where(last < 0, last, last + first), self.height[-1], self.labels[-1], basins + first, places)


def sew(forest: Forest, above: Edge, part: Band, first: int) -> None:
    """Join what a seam cut: trees that grow across it, and passes over it."""
    below = np.where(part.basins[0] < 0, -1, part.basins[0] + first)
    forest.link(above.pointing, below.reshape(-1)[above.places])
    basins, places = part.pointing(-1)
    forest.link(basins + first, above.basins.reshape(-1)[places])
    found = []
    for offset in product((-1, 0, 1), repeat=below.ndim):
        here, there = neighbours(offset)
        upper = above.basins[there], above.height[there], above.labels[there]
        found.append(_meeting((below[here], part.height[0][here], part.labels[0][here]), upper))
    forest.passes(highest(found))


Side = tuple[Ints, Floats, Labels]


def _meeting(one: Side, other: Side) -> Passes:
    """Where pixels of two basins of one class are neighbours: (basins, height, labels) of either side."""
    (here, low, label), (there, high, same) = one, other
    meet = (here != there) & (here >= 0) & (there >= 0) & (label == same)
    return Passes(here[meet], there[meet], np.minimum(low[meet], high[meet]))


def _steepest(height: Floats, labels: Labels) -> Ints:
    """The flat index of the highest pixel of the same class around each pixel, itself included; of equals, the last."""
    best = np.full(height.shape, -np.inf, np.float32)
    step = np.zeros(height.shape, np.int64)
    strides = [int(np.prod(height.shape[axis + 1 :])) for axis in range(height.ndim)]
    for offset in product((-1, 0, 1), repeat=height.ndim):
        here, there = neighbours(offset)
        better = (labels[there] == labels[here]) & (height[there] >= best[here])
        np.copyto(best[here], height[there], where=better)
        np.copyto(step[here], sum(o * stride for o, stride in zip(offset, strides, strict=True)), where=better)
    flat: Ints = step + np.arange(height.size).reshape(height.shape)
    return flat


def _downstream(flow: Floats, labels: Labels) -> Ints:
    """The flat index of the neighbour that draws each pixel; its own where that is of another class, or outside."""
    flat = np.arange(labels.size).reshape(labels.shape)
    target = flat.copy()
    for offset in product((-1, 0, 1), repeat=labels.ndim):
        here, there = neighbours(offset)
        drawn = labels[there] == labels[here]
        for axis, step in enumerate(offset):
            along = flow[axis][here]
            drawn &= np.abs(along) < STILL if step == 0 else along * step >= STILL
        np.copyto(target[here], flat[there], where=drawn)
    return target


def _ends(following: Ints) -> Ints:
    """Where each node's path ends: its last node or, where paths run in circles, the least node of the circle."""
    nodes = np.arange(len(following), dtype=np.int32)  # 4 bytes: this is a matter of memory's speed
    following = following.astype(np.int32)
    mutual = (following[following] == nodes) & (nodes < following)
    following = np.where(mutual, nodes, following)  # most circles are of two: cut at once
    least, end = np.minimum(nodes, following), following
    for _ in range(len(following).bit_length()):
        if np.array_equal(following[end], end):
            break
        least, end = np.minimum(least, least[end]), end[end]
    return least[end].astype(np.int64)


def neighbours(offset: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Windows of an array, the second of which shows the first's neighbours at that offset."""
    here = tuple(slice(max(-o, 0), -o if o > 0 else None) for o in offset)
    there = tuple(slice(max(o, 0), o if o < 0 else None) for o in offset)
    return here, there
