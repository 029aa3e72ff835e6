"""What could be labelled next: whole images, or regions that cut an image into equal parts, each with what the model
thinks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unetkit.active.look import Glimpse, look, source_for
from unetkit.active.voters import Voters
from unetkit.prediction import Predictor, Source, measure_source
from unetkit.prediction.tiles import Edges, Window

Floats = npt.NDArray[np.float32]

LEAST_DATA = 0.5
"""A region of which less has data is no candidate."""


@dataclass(frozen=True, slots=True)
class Place:
    """An image, or a region of one.

    Args:
        image: its name.
        path: its file.
        window: which part, as (start, stop) along each axis.
        shape: of the whole image.
    """

    image: str
    path: Path
    window: Edges
    shape: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether it is the whole image."""
        return self.window == tuple((0, extent) for extent in self.shape)

    @property
    def slices(self) -> Window:
        """The window as slices."""
        return tuple(slice(start, stop) for start, stop in self.window)

    def meets(self, other: Place) -> bool:
        """Whether the two share a pixel."""
        ranges = zip(self.window, other.window, strict=False)
        return self.path == other.path and all(a < d and c < b for (a, b), (c, d) in ranges)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that nobody labelled, and what the model thinks of it.

    Args:
        place: which.
        doubt: mean entropy over its pixels, 0 to 1.
        spread: mean of that part of it which comes from opinions that differ, 0 to 1.
        shares: K: on what share of its pixels the model sees each class.
        features: C: mean of the network's coarsest features.
    """

    place: Place
    doubt: float
    spread: float
    shares: Floats
    features: Floats

    @property
    def foreground(self) -> float:
        """The share of its pixels on which the model sees any class but the first."""
        return float(self.shares[1:].sum())


def cut(shape: Sequence[int], side: int | None) -> list[list[int]]:
    """Where an image is cut: into as few equal parts along each axis as keep within a side.

    Args:
        shape: *S.
        side: of the regions, in pixels; None for the whole image.

    Returns:
        For each axis the positions of the cuts, both ends included.

    Example:
        >>> cut((500, 100), 256)
        [[0, 250, 500], [0, 100]]
    """
    edges = []
    for extent in shape:
        parts = 1 if side is None else -(-extent // side)
        edges.append([round(extent * part / parts) for part in range(parts + 1)])
    return edges


def places_of(image: str, path: Path, shape: Sequence[int], side: int | None) -> Iterator[Place]:
    """The places that an image is cut into, row by row."""
    spans = [list(pairwise(axis)) for axis in cut(shape, side)]
    for window in product(*spans):
        yield Place(image, path, tuple(window), tuple(shape))


def candidates_of(
    image: str,
    path: Path,
    predictor: Predictor,
    voters: Voters,
    *,
    side: int | None,
    free: Callable[[Place], bool] = lambda place: True,
) -> list[Candidate]:
    """What the model thinks of the places of one image.

    Args:
        image: its name.
        path: its file.
        predictor: the networks.
        voters: who is asked.
        side: of the regions, in pixels; None for the whole image.
        free: whether nobody labelled a place.

    Returns:
        The free places, from top to bottom; those with hardly any data are left out.

    Raises:
        FileError: unreadable, wrong number of channels or dimensions, or NaN pixels.
    """
    source = source_for(path, predictor.plan)
    wanted = [place for place in places_of(image, path, source.shape, side) if free(place)]
    if not wanted:
        return []
    predictor.require_match(source)
    statistics = measure_source(source, predictor.ways)
    sums = _Sums(source, side, predictor)
    for glimpse in look(predictor, source, statistics, voters):
        sums.add(glimpse)
    return [found for place in wanted if (found := sums.candidate(place)) is not None]


class _Sums:
    """Sums over the regions of an image, filled part by part."""

    def __init__(self, source: Source, side: int | None, predictor: Predictor) -> None:
        self.edges = [np.array(axis) for axis in cut(source.shape, side)]
        grid = tuple(len(axis) - 1 for axis in self.edges)
        width = predictor.models[0].encoder.out_channels[-1]
        self.scores = np.zeros((*grid, 2))
        self.shares = np.zeros((*grid, predictor.plan.data.num_classes))
        self.features = np.zeros((*grid, width))
        self.cells = np.zeros(grid)

    def add(self, glimpse: Glimpse) -> None:
        """Add a part of the image to the regions that it meets."""
        count = self.shares.shape[-1]
        for cell in product(*(self._met(axis, part) for axis, part in enumerate(glimpse.window))):
            here = self._within(cell, glimpse.window)
            known = glimpse.known[here]
            self.scores[cell] += [glimpse.doubt[here][known].sum(), glimpse.spread[here][known].sum()]
            self.shares[cell] += np.bincount(glimpse.labels[here][known], minlength=count)
            coarse = tuple(slice(part.start // glimpse.stride, -(-part.stop // glimpse.stride)) for part in here)
            deep = glimpse.features[(slice(None), *coarse)].reshape(len(glimpse.features), -1)
            self.features[cell] += deep.sum(1)
            self.cells[cell] += deep.shape[1]

    def candidate(self, place: Place) -> Candidate | None:
        """A region's means; None where it has hardly any data."""
        cell = tuple(
            int(np.searchsorted(axis, start)) for axis, (start, _) in zip(self.edges, place.window, strict=True)
        )
        pixels = self.shares[cell].sum()
        if pixels < LEAST_DATA * np.prod([stop - start for start, stop in place.window]):
            return None
        doubt, spread = self.scores[cell] / pixels
        features = (self.features[cell] / self.cells[cell]).astype(np.float32)
        return Candidate(place, float(doubt), float(spread), (self.shares[cell] / pixels).astype(np.float32), features)

    def _met(self, axis: int, part: slice) -> range:
        """The regions along an axis that a part of the image meets."""
        first = int(np.searchsorted(self.edges[axis], part.start, side="right")) - 1
        return range(first, int(np.searchsorted(self.edges[axis], part.stop, side="left")))

    def _within(self, cell: tuple[int, ...], window: Window) -> Window:
        """Where a region lies in a part of the image, as far as it does."""
        slices = []
        for axis, index, part in zip(self.edges, cell, window, strict=True):
            start, stop = max(int(axis[index]), part.start), min(int(axis[index + 1]), part.stop)
            slices.append(slice(start - part.start, stop - part.start))
        return tuple(slices)
