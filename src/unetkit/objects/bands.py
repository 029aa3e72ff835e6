"""Numbering connected regions of an image that is only ever seen band by band."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import generate_binary_structure, label

from unetkit.objects.components import Ids
from unetkit.objects.forest import root

Mask = npt.NDArray[np.bool_]


class BandedObjects:
    """The connected regions of a mask, numbered as `label_components` numbers them in one piece.

    The first look through the bands finds the regions and joins those that meet at a seam; after it, each band's
    numbers can be had in any order.

    Args:
        read: (start, stop) along the first axis -> bool (stop - start) *others.
        extent: of the first axis.
        band: rows (planes) that are looked at together.
        connectivity: as for `label_components`.

    Attributes:
        count: of regions; they are numbered 1 to that in row-major order of their first pixel.

    Example:
        >>> ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
        >>> BandedObjects(lambda start, stop: ring[start:stop], 3, 1).count
        1
    """

    def __init__(self, read: Callable[[int, int], Mask], extent: int, band: int, *, connectivity: int = 1) -> None:
        self._read, self._extent, self._band, self._connectivity = read, extent, band, connectivity
        self._before: list[int] = []  # regions in earlier bands
        parents = np.zeros(1, np.int64)  # of the regions as the bands know them; 0 is the background
        edge: Ids | None = None
        for start in range(0, extent, band):
            ids, found = self._label(start)
            first = len(parents) - 1
            self._before.append(first)
            parents = np.concatenate([parents, np.arange(first + 1, first + found + 1)])
            if edge is not None:
                for one, two in seam_neighbours(edge.shape, connectivity):
                    meeting = (edge[one] > 0) & (ids[0][two] > 0)
                    pairs = np.unique(np.stack([edge[one][meeting], ids[0][two][meeting] + first]), axis=1)
                    for above, below in pairs.T.tolist():
                        _join(parents, above, below)
            edge = np.where(ids[-1] > 0, ids[-1] + first, 0)
        roots = parents
        while not np.array_equal(roots, roots[roots]):
            roots = roots[roots]
        first_ones = np.unique(roots)
        self.count = len(first_ones) - 1
        self._numbers = np.searchsorted(first_ones, roots).astype(np.uint32)

    def ids(self, start: int) -> npt.NDArray[np.uint32]:
        """The numbers in the band that begins at `start`, a multiple of the band's height; 0 for no object."""
        ids, found = self._label(start)
        first = self._before[start // self._band]
        table = np.concatenate([np.zeros(1, np.uint32), self._numbers[first + 1 : first + found + 1]])
        numbered: npt.NDArray[np.uint32] = table[ids]
        return numbered

    def _label(self, start: int) -> tuple[Ids, int]:
        mask = self._read(start, min(start + self._band, self._extent))
        ids, found = label(mask, generate_binary_structure(mask.ndim, self._connectivity))
        return ids, int(found)


class BandedClasses:
    """The connected regions of each class of a label map, numbered as `label_components` numbers them in one piece.

    Args:
        read: (start, stop) along the first axis -> class indices (stop - start) *others.
        extent: of the first axis.
        band: rows (planes) that are looked at together.
        num_classes: K; class 0 is no object.
        connectivity: as for `label_components`.

    Attributes:
        classes: uint8, the class of each region; regions are numbered class by class.

    Example:
        >>> labels = np.array([[2, 1], [2, 0], [0, 1]], np.uint8)
        >>> regions = BandedClasses(lambda start, stop: labels[start:stop], 3, 1, 3)
        >>> regions.classes.tolist(), [regions.ids(row)[0].tolist() for row in range(3)]
        ([1, 1, 2], [[3, 1], [3, 0], [0, 2]])
    """

    def __init__(
        self,
        read: Callable[[int, int], npt.NDArray[np.uint8]],
        extent: int,
        band: int,
        num_classes: int,
        *,
        connectivity: int = 1,
    ) -> None:
        def of_class(index: int) -> Callable[[int, int], Mask]:
            return lambda start, stop: read(start, stop) == index

        self._found = [
            BandedObjects(of_class(index), extent, band, connectivity=connectivity) for index in range(1, num_classes)
        ]
        counts = [one.count for one in self._found]
        self.classes = np.repeat(np.arange(1, num_classes), counts).astype(np.uint8)
        self._before = [0, *np.cumsum(counts).tolist()]

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.classes)

    def ids(self, start: int) -> npt.NDArray[np.uint32]:
        """The numbers in the band that begins at `start`, a multiple of the band's height; 0 for no object."""
        ids = self._found[0].ids(start)
        for one, before in zip(self._found[1:], self._before[1:-1], strict=True):
            own = one.ids(start)
            ids[own > 0] = own[own > 0] + np.uint32(before)
        return ids


def seam_neighbours(shape: tuple[int, ...], connectivity: int) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Which pixels of the last row (plane) of a band are neighbours of which ones of the next band's first.

    Args:
        shape: of the row (plane).
        connectivity: along how many axes a step to a neighbour may go, 1 being the step across the seam alone.

    Yields:
        The part of the one, and the part of the other that lies beside it, for each of the steps.

    Example:
        >>> len(list(seam_neighbours((5,), 1))), len(list(seam_neighbours((5,), 2)))
        (1, 3)
    """
    for step in itertools.product((-1, 0, 1), repeat=len(shape)):
        if np.count_nonzero(step) < connectivity:
            both = zip(step, shape, strict=True)
            ends = [(max(move, 0), size + min(move, 0), max(-move, 0), size + min(-move, 0)) for move, size in both]
            yield tuple(slice(a, b) for a, b, _, _ in ends), tuple(slice(c, d) for _, _, c, d in ends)


def _join(parents: npt.NDArray[np.int64], one: int, other: int) -> None:
    """Let two regions be one: the earlier one's number stands for both."""
    one, other = root(parents, one), root(parents, other)
    parents[max(one, other)] = min(one, other)
