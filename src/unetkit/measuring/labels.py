"""What label files hold: objects with numbers of any size, or classes whose connected regions are objects."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.counting import Extent
from unetkit.dataset.census import is_coloured
from unetkit.errors import FileError, InputError, UsageError
from unetkit.image import Geometry
from unetkit.objects import ObjectMap, label_components, with_classes
from unetkit.objects.measuring import column_unit

Ids = npt.NDArray[np.uint32]

NAMES = ("background", "object")
"""Classes of files that hold numbers of objects."""

DENSE = 2**26
"""Ids up to this are looked up in a list, larger ones by sorting."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How objects in files are to be measured.

    Args:
        spacing: distance between pixel centres, one number for all axes or one an axis; None takes that of the files.
        unit: of the spacing.
        channel_names: of the images.
        thin_classes: names of the classes that get skeleton length and width.
        rules: what objects have to fulfil; see `apply_rule`.
    """

    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    channel_names: tuple[str, ...] | None = None
    thin_classes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def compact_ids(values: npt.NDArray[Any], path: Path | None = None) -> tuple[Ids, npt.NDArray[Any]]:
    """Ids of any size and with any gaps as 1 … n, and what they were.

    Args:
        values: *S whole numbers, 0 for no object.
        path: named in the error.

    Returns:
        uint32 *S, and the n original ids, ascending.

    Raises:
        FileError: colours, fractions or negative numbers.

    Example:
        >>> ids, originals = compact_ids(np.array([[0, 2**60, 5]]))
        >>> ids.tolist(), originals.tolist()
        ([[0, 2, 1]], [5, 1152921504606846976])
    """
    if is_coloured(values):
        raise FileError("holds colours, not numbers of objects", file=path, mend="leave out --ids")
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.array_equal(values, np.trunc(values)) or np.abs(values).max(initial=0) > 2**53:
            raise FileError("holds fractions, not numbers of objects", file=path, found=f"type {values.dtype}")
        values = values.astype(np.int64)
    lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
    if lowest < 0:
        raise FileError("holds a negative number of an object", file=path, found=lowest, expected="0 or more")
    if highest > DENSE:
        present, index = np.unique(values, return_inverse=True)
        first = int(present[0] == 0)
        return (index + 1 - first).reshape(values.shape).astype(np.uint32), whole_numbers(present[first:])
    number = np.zeros(highest + 1, np.uint32)
    number[values.reshape(-1)] = 1
    number[0] = 0
    originals = np.flatnonzero(number)
    number[originals] = np.arange(1, len(originals) + 1)
    return number[values], originals


def whole_numbers(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers as int64; those that only uint64 holds as that."""
    return numbers.astype(np.int64) if numbers.size == 0 or numbers[-1] < 2**63 else numbers.astype(np.uint64)


def objects_of_classes(labels: npt.NDArray[np.uint8]) -> ObjectMap:
    """The connected regions of each class of a mask, *S of class indices, as objects; corners connect, too.

    Lines of one pixel, such as the ends of vessels, would else fall apart wherever they are slanted.
    """
    return with_classes(label_components(labels, connectivity=labels.ndim), labels)


def spacing_of(
    path: Path, axes: int, geometry: Geometry, image: Geometry | None, settings: Settings
) -> tuple[tuple[float, ...] | None, str | None]:
    """Spacing and unit: what the user states, else what the label file, else what the image says.

    Raises:
        UsageError: as many numbers as there are neither one nor axes.
    """
    stated = settings.spacing
    if stated is not None:
        steps = stated * axes if len(stated) == 1 else stated
        if len(steps) != axes:
            raise UsageError("the spacing does not fit", found=f"{stated} for {path.name}", expected=f"{axes} numbers")
        return steps, settings.unit
    for one in (geometry, image):
        if one is not None and one.spacing is not None and one.unit != "px":
            return tuple(one.spacing), one.unit
    return None, None


def extent_of(shape: tuple[int, ...], spacing: tuple[float, ...] | None, unit: str | None) -> Extent:
    """How large an image of this shape is."""
    pixels = prod(shape)
    size = None if spacing is None else pixels * prod(spacing)
    return Extent(pixels, size, None if unit is None else column_unit(unit), len(shape))


def require_same_size(image: Path | None, found: tuple[int, ...] | None, expected: tuple[int, ...]) -> None:
    """Refuse an image that is not of the size of its labels.

    Raises:
        InputError: it is not.
    """
    if found is not None and found != expected:
        raise InputError("image and labels differ in size", file=image, found=found, expected=expected)
