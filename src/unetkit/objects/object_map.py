"""The numbered objects of an image: what decoding gives, and what measuring, scoring and export take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """Every object by itself, each of one class.

    Args:
        ids: uint32 *S, 0 for no object, else 1 … n without gaps.
        classes: uint8 n, the class index of each object, 1 … K-1.
        confidence: float32 n, 0 to 1, how sure the network is of each object; None where nothing is known of it.

    Raises:
        InputError: the lengths do not fit, or an id has no class.

    Example:
        >>> ObjectMap(np.array([[0, 1], [2, 2]], np.uint32), np.array([1, 1], np.uint8)).count
        2
    """

    ids: npt.NDArray[np.uint32]
    classes: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        count = len(self.classes)
        if self.ids.size and int(self.ids.max()) > count:
            raise InputError("an object has no class", found=f"id {int(self.ids.max())}", expected=f"at most {count}")
        if self.confidence is not None and len(self.confidence) != count:
            raise InputError("confidence does not fit the objects", found=len(self.confidence), expected=count)

    @property
    def count(self) -> int:
        """How many objects there are."""
        return len(self.classes)


def with_classes(ids: npt.NDArray[np.integer[Any]], labels: npt.NDArray[np.uint8]) -> ObjectMap:
    """Numbered objects, each with the class of its pixels.

    Args:
        ids: *S, 0 for no object, else 1 … n without gaps; all pixels of an object are of one class.
        labels: *S class indices.

    Returns:
        The objects.

    Example:
        >>> with_classes(np.array([[0, 1], [2, 2]]), np.array([[0, 3], [1, 1]], np.uint8)).classes.tolist()
        [3, 1]
    """
    classes = np.zeros(int(ids.max(initial=0)) + 1, np.uint8)
    classes[ids.reshape(-1)] = labels.reshape(-1)
    return ObjectMap(ids.astype(np.uint32), classes[1:])
