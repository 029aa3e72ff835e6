"""Some rows of an image: to which tree each pixel belongs, and where trees meet."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import IGNORE
from unetkit.objects.forest import Forest, Passes, Trees, highest

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]

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
        target = towards[inner].reshape(-1) - np.int32(inner.start * self.row)
        outside = (target < 0) | (target >= target.size)
        pixels = np.arange(target.size, dtype=np.int32)
        inside = self.labels.reshape(-1) > 0
        root = _ends(np.where(outside | ~inside, pixels, target))
        self._root_pixels = np.flatnonzero((root == pixels) & inside)
        self.count = len(self._root_pixels)
        number = np.full(target.size, -1, np.int32)  # 4 bytes: this is a matter of memory's speed
        number[self._root_pixels] = np.arange(self.count)
        self.basins: Numbers = number[root].reshape(self.labels.shape)
        self._circles = relief.flow is not None
        self._beyond = target[self._root_pixels]  # of these, the targets outside the rows count

    def trees(self, start: int) -> Trees:
        """The basins as the forest takes them, for a band that begins at row `start`."""
        pixels = np.flatnonzero(self.labels)
        basins, heights = self.basins.reshape(-1)[pixels], self.height.reshape(-1)
        tops = np.empty(self.count, np.int64)
        tops[basins[::-1]] = pixels[::-1]  # the first one is written last
        peaks = heights[self._root_pixels]
        if self._circles:  # else the root is the highest of its tree
            np.maximum.at(peaks, basins, heights[pixels])
        return Trees(
            peaks=peaks,
            classes=self.labels.reshape(-1)[self._root_pixels],
            areas=np.bincount(basins, minlength=self.count),
            tops=tops + start * self.row,
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
        wanted = self._beyond < 0 if place < 0 else self._beyond >= self.basins.size
        return np.flatnonzero(wanted), self._beyond[wanted] % self.row

    def edge(self, first: int) -> Edge:
        """The last row, for a band whose first basin the forest has given that number."""
        basins, places = self.pointing(1)
        return Edge(_shifted(self.basins[-1], first), self.height[-1], self.labels[-1], basins + first, places)


def sew(forest: Forest, above: Edge, part: Band, first: int) -> None:
    """Join what a seam cut: trees that grow across it, and passes over it."""
    below = _shifted(part.basins[0], first)
    forest.link(above.pointing, below.reshape(-1)[above.places])
    basins, places = part.pointing(-1)
    forest.link(basins + first, above.basins.reshape(-1)[places])
    found = []
    for offset in product((-1, 0, 1), repeat=below.ndim):
        here, there = neighbours(offset)
        upper = above.basins[there], above.height[there], above.labels[there]
        found.append(_meeting((below[here], part.height[0][here], part.labels[0][here]), upper))
    forest.passes(highest(found))


def _shifted(basins: Numbers, first: int) -> Ints:
    """The numbers that the forest has for them."""
    return np.where(basins < 0, -1, basins.astype(np.int64) + first)


Side = tuple[npt.NDArray[np.signedinteger], Floats, Labels]


def _meeting(one: Side, other: Side) -> Passes:
    """Where pixels of two basins of one class are neighbours: (basins, height, labels) of either side."""
    (here, low, label), (there, high, same) = one, other
    meet = np.flatnonzero((here != there) & (label == same))  # where the class is background, neither has a basin
    one_end, other_end = (numbers.ravel().take(meet).astype(np.int64) for numbers in (here, there))
    return Passes(one_end, other_end, np.minimum(low.ravel().take(meet), high.ravel().take(meet)))


def _steepest(height: Floats, labels: Labels) -> Numbers:
    """The flat index of the highest pixel of the same class around each pixel, itself included; of equals, the last.

    Only what it says of objects counts.
    """
    target = np.arange(height.size, dtype=np.int32).reshape(height.shape)
    for index, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        inside = labels[box] == index
        best = np.where(inside, height[box], -np.inf).astype(np.float32)
        way = target[box].copy()
        for axis in reversed(range(height.ndim)):  # the highest along each axis of the highest along the one before
            best, way = _highest_along(axis, best, way)
        np.copyto(target[box], way, where=inside)
    return target


def _highest_along(axis: int, height: Floats, way: Numbers) -> tuple[Floats, Numbers]:
    """The highest of each pixel and its two neighbours along an axis, and the way that it has; of equals, the last."""
    best, chosen = height.copy(), way.copy()
    for step in (-1, 1):
        here, there = neighbours(tuple(step * (axis == other) for other in range(height.ndim)))
        better = height[there] > best[here] if step < 0 else height[there] >= best[here]
        np.copyto(best[here], height[there], where=better)
        np.copyto(chosen[here], way[there], where=better)
    return best, chosen


def _downstream(flow: Floats, labels: Labels) -> Numbers:
    """The flat index of the neighbour that draws each pixel; its own where that is of another class, or outside."""
    flat = np.arange(labels.size, dtype=np.int32).reshape(labels.shape)
    target = flat.copy()
    steps = np.where(np.abs(flow) < STILL, 0, np.sign(flow)).astype(np.int8)
    for offset in product((-1, 0, 1), repeat=labels.ndim):
        if not any(offset):
            continue
        here, there = neighbours(offset)
        drawn = labels[there] == labels[here]
        for along, step in zip(steps, offset, strict=True):
            drawn &= along[here] == step
        np.copyto(target[here], flat[there], where=drawn)
    back = target.reshape(-1)[target]
    return np.where((back == flat) & (flat < target), flat, target)  # most circles are of two: cut at once


def _ends(following: Numbers) -> Numbers:
    """Where each node's path ends: its last node or, where paths run in circles, the least node of the circle."""
    end, moving = following.copy(), np.arange(len(following))
    for _ in range(len(following).bit_length()):  # each look doubles how far everyone sees
        now = end.take(moving)
        moves = following.take(now, mode="clip") != now  # twice as fast as by brackets
        moving = moving[moves]
        if not len(moving):
            return end
        end[moving] = end.take(now[moves], mode="clip")
    circle = np.unique(end[moving])  # who moves still is in a circle, or on the way to one
    least, place = circle, np.searchsorted(circle, following[circle])
    for _ in range(len(circle).bit_length()):
        least, place = np.minimum(least, least[place]), place[place]
    end[moving] = least[np.searchsorted(circle, end[moving])]
    return end


def neighbours(offset: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Windows of an array, the second of which shows the first's neighbours at that offset."""
    here = tuple(slice(max(-o, 0), -o if o > 0 else None) for o in offset)
    there = tuple(slice(max(o, 0), o if o < 0 else None) for o in offset)
    return here, there
