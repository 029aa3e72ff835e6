"""Touching objects apart: a seeded watershed that can be taken band by band and gives the same objects as in one piece.

    height and class of every pixel (and a flow, where the network gives one)
      │  each points at the highest of its neighbours of its own class (at the one downstream): trees
      ▼
    basins ─ joined where they meet above the seed height: what is that high and connected is one object
      │    ─ the others, from the highest pass down, given to the neighbour they meet there; never two seeds to one
      ▼
    objects, numbered in row-major order of their first pixel

A pointer depends on neighbours alone and a pass on two pixels, so bands need one row of each other and no more. What is
held of an image grows with the number of basins, not of pixels.

Sources: Meyer, "Topographic distance and watershed lines", 1994, for steepest ascent; Cousty et al., "Watershed cuts:
minimum spanning forests and the drop of water principle", 2009, for why passes taken in order give the watershed, and a
spanning forest of them is enough; Edelsbrunner, Letscher & Zomorodian, "Topological persistence and simplification",
2002, for prominence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unetkit.objects.band import Band, Edge, Ints, Relief, sew
from unetkit.objects.forest import Forest

Numbers = npt.NDArray[np.int32]

Read = Callable[[int, int], Relief]
"""(start, stop) along the first axis -> those rows (planes)."""


class Basins:
    """The basins of an image that is only ever seen band by band; once found, they can be cut in several ways.

    Args:
        read: rows (planes) of the image.
        extent: of the first axis.
        band: rows (planes) that are looked at together, 1 or more.
        hold: bands whose basins are kept, 4 bytes a pixel, so that they need not be found once more.

    Example:
        >>> relief = Relief(np.array([[0.2, 0.9, 0.3, 0.8, 0.1]], np.float32), np.ones((1, 5), np.uint8))
        >>> basins = Basins(lambda start, stop: relief, 1, 1)
        >>> basins.cut(seed=0.5).ids(0).tolist(), basins.cut(seed=0.25).count
        ([[1, 1, 1, 2, 2]], 1)
    """

    def __init__(self, read: Read, extent: int, band: int, *, hold: int = 1) -> None:
        self._read, self._extent, self._band, self._hold = read, extent, band, hold
        self._firsts: list[int] = []  # the number of each band's first basin
        self._held: dict[int, Numbers] = {}  # of the first bands: who looks again begins there
        self._last = (-1, np.zeros(0, np.int32))
        self._forest = Forest()
        above: Edge | None = None
        for start in range(0, extent, band):
            part = self._look(start)
            first = self._forest.add(part.trees(start))
            self._firsts.append(first)
            self._forest.passes(part.passes().shifted(first))
            if above is not None:
                sew(self._forest, above, part, first)
            above = part.edge(first)
            if len(self._held) < hold:
                self._held[start] = part.basins
        self._firsts.append(first + part.count)

    def cut(self, *, seed: float, least: int = 1, prominent: bool = False) -> Cut:
        """The objects.

        Args:
            seed: connected pixels of one class above this height belong to one object, never joined to another such.
            least: objects of fewer pixels are left out.
            prominent: `seed` is no height but a prominence: peaks that rise so far above the highest pass to a higher
                one are an object each.
        """
        return Cut(self, *self._forest.objects(seed, least, prominent))

    def band(self, start: int) -> tuple[Numbers, slice]:
        """The basins in the band that begins at `start`, a multiple of the band's height, -1 for none.

        They are numbered from 0; the slice tells which of all basins they are.
        """
        if start not in self._held and start != self._last[0]:
            self._last = (start, self._look(start).basins)
        index = start // self._band
        numbers = self._held[start] if start in self._held else self._last[1]
        return numbers, slice(self._firsts[index], self._firsts[index + 1])

    def _look(self, start: int) -> Band:
        stop = min(start + self._band, self._extent)
        low, high = max(start - 1, 0), min(stop + 1, self._extent)
        return Band(self._read(low, high), slice(start - low, stop - low))

    def bands(self) -> Iterator[slice]:
        """The rows (planes) of each band."""
        for start in range(0, self._extent, self._band):
            yield slice(start, min(start + self._band, self._extent))


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Objects made of basins.

    Args:
        basins: of the image.
        areas: int64 n, pixels of each object.
        classes: uint8 n, the class of each.
        numbers: uint32, each basin's object, 0 for none.
    """

    basins: Basins
    areas: Ints
    classes: npt.NDArray[np.uint8]
    numbers: npt.NDArray[np.uint32]

    @property
    def count(self) -> int:
        """How many objects there are."""
        return len(self.areas)

    def ids(self, start: int) -> npt.NDArray[np.uint32]:
        """The objects in the band that begins at `start`, a multiple of the band's height; 0 for none."""
        numbers, which = self.basins.band(start)
        table = np.append(self.numbers[which], np.uint32(0))  # -1 is no basin
        ids: npt.NDArray[np.uint32] = table[numbers]
        return ids

    def whole(self) -> npt.NDArray[np.uint32]:
        """The objects of all bands: uint32 *S."""
        return np.concatenate([self.ids(rows.start) for rows in self.basins.bands()])
