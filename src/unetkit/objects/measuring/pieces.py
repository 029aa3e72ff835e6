"""In how many pieces each object lies, in an image that is seen band by band."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from unetkit.objects.bands import seam_neighbours
from unetkit.objects.measuring.runs import Integers


class Pieces:
    """Connected parts of objects, corners counting as contact (8 neighbours in the plane, 26 in space)."""

    def __init__(self) -> None:
        self._owner: list[Integers] = []  # the object of each part, in the order of their numbers
        self._pairs: list[Integers] = []  # parts of one object that meet at a seam
        self._seam: tuple[npt.NDArray[Any], Integers] | None = None
        self._found = 0

    def add(self, ids: npt.NDArray[Any]) -> None:
        """The next band, *S, of ids."""
        numbered = label(ids, background=0, connectivity=ids.ndim)  # type: ignore[no-untyped-call]
        parts: Integers = numbered.astype(np.int64)
        count = int(parts.max(initial=0))
        owner = np.zeros(count + 1, np.int64)
        owner[parts.reshape(-1)] = ids.reshape(-1)
        self._owner.append(owner[1:])
        parts[parts > 0] += self._found
        if self._seam is not None:
            self._join(*self._seam, ids[0], parts[0])
        self._seam = (ids[-1].copy(), parts[-1].copy())
        self._found += count

    def _join(self, above_ids: npt.NDArray[Any], above: Integers, below_ids: npt.NDArray[Any], below: Integers) -> None:
        for one, two in seam_neighbours(above.shape, above.ndim + 1):
            meet = (above_ids[one] == below_ids[two]) & (above_ids[one] > 0)
            self._pairs.append(np.unique(np.stack([above[one][meet], below[two][meet]], axis=1), axis=0))

    def count(self, objects: int) -> Integers:
        """How many pieces each of the objects 1 … n has."""
        owner = np.concatenate([np.zeros(1, np.int64), *self._owner])
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self._pairs])
        graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(owner), len(owner)))
        found, piece = connected_components(graph, directed=False)
        of = np.zeros(found, np.int64)
        of[piece] = owner
        return np.bincount(of, minlength=objects + 1)[1:].astype(np.int64)
