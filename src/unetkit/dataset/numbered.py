"""The numbers that masks give to objects: read, made 1 … n with a class each, and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import label as connected_components

from unetkit.classes import Classes, require_whole
from unetkit.dataset.census import LISTED, is_coloured
from unetkit.dataset.encoding import label_map
from unetkit.errors import FileError, InputError
from unetkit.formats import RawMask, read_mask
from unetkit.objects import ObjectMap, label_components, with_classes

Ids = npt.NDArray[np.uint32]

WHOLE = 0.5
"""Of the numbers of objects at least this share lies in one piece; a class as a rule lies in many."""


def compact_ids(
    values: npt.NDArray[Any], path: Path | None = None, ignore_values: Sequence[int] = ()
) -> tuple[Ids, npt.NDArray[Any]]:
    """Numbers of objects, of any size and with any gaps, as 1 … n, and what they were.

    Args:
        values: *S whole numbers, 0 for no object.
        path: named in the error.
        ignore_values: numbers of pixels that nobody labelled; they become 0.

    Returns:
        uint32 *S, and the n original numbers, ascending: int64, or uint64 where only that holds them.

    Raises:
        FileError: colours, fractions or negative numbers.

    Example:
        >>> ids, originals = compact_ids(np.array([[0, 2**60, 5]]))
        >>> ids.tolist(), originals.tolist()
        ([[0, 2, 1]], [5, 1152921504606846976])
    """
    if is_coloured(values):
        raise FileError("holds colours", file=path, found=f"shape {values.shape}", expected="numbers of objects")
    if ignore_values:
        values = np.where(np.isin(values, ignore_values), 0, values)
    require_whole(values, path)
    if values.dtype.kind not in "ui":
        values = values.astype(np.int64)
    highest = int(values.max(initial=0))
    if highest >= LISTED:
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
    """Numbers, rising, as int64; those that only uint64 holds as that."""
    return numbers.astype(np.int64) if numbers.size == 0 or numbers[-1] < 2**63 else numbers.astype(np.uint64)


def numbered_objects(raw: RawMask, classes: Classes) -> tuple[ObjectMap, npt.NDArray[Any]]:
    """The objects of a mask that numbers them, and their numbers there.

    Args:
        raw: the mask.
        classes: what it holds, encoding "instances". Where a number holds class and object, a connected region of a
            class's number alone is an object, too: all its pixels have that number.

    Returns:
        The objects in the order of their numbers, regions of a class alone after them; and the n numbers.

    Raises:
        FileError: numbers that cannot be those of objects, or that stand for no class.

    Example:
        >>> cars = Classes(names=("no", "road", "car"), encoding="instances", values=(0, 7, 26), label_divisor=1000)
        >>> objects, numbers = numbered_objects(RawMask(np.array([[7, 26001, 26002, 0, 7]])), cars)
        >>> objects.ids.tolist(), objects.classes.tolist(), numbers.tolist()
        ([[3, 1, 2, 0, 4]], [2, 2, 1, 1], [26001, 26002, 7, 7])
    """
    if not classes.label_divisor:
        ids, numbers = compact_ids(raw.values, raw.path, classes.ignore_values)
        return ObjectMap(ids, np.ones(len(numbers), np.uint8)), numbers
    labels = label_map(raw, classes).labels
    alone = raw.values < classes.label_divisor
    ids, numbers = compact_ids(np.where(alone, 0, raw.values), raw.path, classes.ignore_values)
    regions = label_components(np.where(alone, labels, 0), connectivity=labels.ndim)
    ids = np.where(regions > 0, regions + len(numbers), ids).astype(np.uint32)
    objects = with_classes(ids, labels)
    return objects, np.append(numbers, np.array(classes.values)[objects.classes[len(numbers) :]])


def regions_of_classes(labels: npt.NDArray[np.uint8]) -> ObjectMap:
    """The connected regions of each class of a mask, *S of class indices, as objects; corners connect, too.

    Lines of one pixel, such as the ends of vessels, would else fall apart wherever they are slanted.
    """
    return with_classes(label_components(labels, connectivity=labels.ndim), labels)


def objects_in(raw: RawMask, classes: Classes) -> ObjectMap:
    """The objects of a mask: as numbered there, else the connected regions of each class.

    Raises:
        FileError: numbers that cannot be those of objects, or that stand for no class.
    """
    if classes.encoding == "instances":
        return numbered_objects(raw, classes)[0]
    return regions_of_classes(label_map(raw, classes).labels)


def numbers_in_file(classes: Classes, kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """What a mask file that numbers its objects holds for each of them.

    Args:
        classes: of the file, encoding "instances".
        kinds: n, the class index of each object.

    Returns:
        uint32 n + 1: of no object and of each object. 0, 1 … n or, with a `label_divisor`, the class's number times
        that, plus 1, 2 … within the class.

    Raises:
        InputError: a class has more objects than a number has room for.

    Example:
        >>> cars = Classes(names=("no", "road", "car"), encoding="instances", values=(0, 7, 26), label_divisor=1000)
        >>> numbers_in_file(cars, np.array([2, 1, 2], np.uint8)).tolist()
        [0, 26001, 7001, 26002]
    """
    if not classes.label_divisor:
        return np.arange(len(kinds) + 1, dtype=np.uint32)
    numbers = np.zeros(len(kinds) + 1, np.int64)
    for index in range(1, len(classes)):
        own = np.flatnonzero(kinds == index)
        if len(own) >= classes.label_divisor:
            raise InputError(
                f"an image holds more objects of the class '{classes.names[index]}' than its numbers have room for",
                found=len(own),
                expected=f"fewer than the label_divisor {classes.label_divisor}",
                mend="state a larger label_divisor in the classes.yaml of the run, such as 1000000",
            )
        numbers[own + 1] = classes.values[index] * classes.label_divisor + np.arange(1, len(own) + 1)
    if numbers[-1:].size and numbers.max() > np.iinfo(np.uint32).max:
        raise InputError(
            "numbers of class and object are too large for 32 bits",
            found=int(numbers.max()),
            mend="state a smaller label_divisor in the classes.yaml of the run",
        )
    return numbers.astype(np.uint32)


def why_no_objects(paths: Sequence[Path], ignore_values: Sequence[int] = ()) -> str | None:
    """Why the numbers of these masks are rather classes than objects; None where they may well be objects.

    An object lies in one piece. A class lies in as many as it has objects.

    Args:
        paths: mask files.
        ignore_values: numbers of pixels that nobody labelled.

    Returns:
        What speaks against objects, in words.

    Raises:
        FileError: as `compact_ids`.
    """
    numbers, whole, most = 0, 0, 0
    for path in paths:
        ids, originals = compact_ids(read_mask(path).values, path, ignore_values)
        pieces, found = connected_components(ids, background=0, connectivity=ids.ndim, return_num=True)  # type: ignore[no-untyped-call]
        owners = np.zeros(found + 1, np.intp)
        owners[pieces.reshape(-1)] = ids.reshape(-1)
        count = np.bincount(owners[1:], minlength=len(originals) + 1)[1:]
        numbers, whole, most = numbers + len(count), whole + int((count == 1).sum()), max(most, len(count))
    if numbers and whole < WHOLE * numbers:
        return f"at most {most} numbers a mask, of which {whole / numbers:.0%} lie in one piece: rather classes"
    return None
