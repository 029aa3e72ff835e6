"""How sure a network is of each object: the mean, over its pixels, of the probability of its class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Probability = Callable[[int], npt.NDArray[np.float32]]
"""Class index -> its probability in each pixel, *S."""


class Confidence:
    """The confidence of objects of an image that is seen band by band; a whole image is one band.

    Args:
        count: n; objects have the ids 1 … n.

    Example:
        >>> seen = Confidence(1)
        >>> labels = np.array([[0, 1, 1]], np.uint8)
        >>> seen.add(labels, labels, lambda index: np.array([[0.1, 0.7, 0.9]], np.float32))
        >>> seen.mean().round(3).tolist()
        [0.800000011920929]
    """

    def __init__(self, count: int) -> None:
        self._sums, self._pixels = np.zeros(count + 1), np.zeros(count + 1)

    def add(self, ids: npt.NDArray[np.integer], labels: npt.NDArray[np.uint8], probability: Probability) -> None:
        """Another band.

        Args:
            ids: *S, 0 for no object.
            labels: uint8 *S, the class of each pixel, for all pixels of an object the same.
            probability: of a class in these pixels; it is asked for those of objects alone.
        """
        count = len(self._sums)
        self._pixels += np.bincount(ids.ravel(), minlength=count)
        for index in np.unique(labels[ids > 0]).tolist():
            own = np.where(labels == index, ids, 0)
            self._sums += np.bincount(own.ravel(), weights=probability(index).ravel(), minlength=count)

    def mean(self) -> npt.NDArray[np.float32]:
        """The confidence of each of the n objects; 0 of those without a pixel."""
        mean: npt.NDArray[np.float32] = (self._sums / np.maximum(self._pixels, 1))[1:].astype(np.float32)
        return mean
