"""Rules about masks that number their objects: whether they do, objects in pieces or with holes, unknown classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes, class_numbers
from unetkit.dataset.census import Integers, MaskCount
from unetkit.dataset.findings import Case, Finding, listed, several
from unetkit.errors import UnclearMasks

Flags = npt.NDArray[np.bool_]


def ids_or_classes(case: Case) -> list[Finding]:
    """Numbers that may be those of objects or of classes, and nobody stated which."""
    if not isinstance(case.refusal, UnclearMasks):
        return []
    files = tuple(mask.file for mask in case.survey.readable_masks if np.count_nonzero(mask.values) > 1)
    what = f"{case.refusal.what}; found {case.refusal.found}"
    why = "read the wrong way, objects would be taken for classes, or classes for objects, and every score be wrong"
    return [Finding("ids-or-classes", "error", files, what, why, case.refusal.mend or "")]


def torn_objects(case: Case) -> list[Finding]:
    """Objects in several pieces."""
    files, objects = _objects_with(case, lambda census: census.pieces > 1)
    if not files:
        return []
    what = f"{several(objects, 'object')} in several pieces, in {several(len(files), 'mask')} such as {files[0]}"
    why = "two objects that share a number count as one; of an object in pieces every piece is predicted by itself, so "
    why += "that its score suffers. It is trained and measured as one"
    mend = "give each its own number, if they are several objects; join the pieces, if one was cut by mistake; if the "
    mend += "number means 'nobody labelled this', state it under ignore_values in classes.yaml"
    return [Finding("torn-objects", "warning", files, what, why, mend)]


def holed_objects(case: Case) -> list[Finding]:
    """Objects with holes."""
    files, objects = _objects_with(case, lambda census: census.holes > 0)
    if not files:
        return []
    what = f"{several(objects, 'object')} with holes, in {several(len(files), 'mask')} such as {files[0]}"
    why = "holes are background: they are trained, scored, measured and exported as such"
    mend = "fill them (scipy.ndimage.binary_fill_holes, object by object) if the objects are solid"
    return [Finding("holed-objects", "note", files, what, why, mend)]


def undeclared_classes_of_objects(case: Case, classes: Classes) -> list[Finding]:
    """Numbers of class and object whose class was not stated."""
    if not classes.label_divisor:
        return []
    strange: set[int] = set()
    files = []
    for mask in case.survey.readable_masks:
        kinds = class_numbers(mask.values[~np.isin(mask.values, classes.ignore_values)], classes.label_divisor)
        unknown = set(kinds.tolist()) - set(classes.values)
        if unknown:
            strange |= unknown
            files.append(mask.file)
    if not strange:
        return []
    what = f"{several(len(files), 'mask')} with objects of classes that were not stated: {listed(sorted(strange), 6)}"
    why = "training stops at such a mask rather than guess what its pixels are"
    mend = "add them to classes.yaml (names and values), or the numbers to ignore_values"
    return [Finding("undeclared-values", "error", tuple(files), what, why, mend)]


def _objects_with(case: Case, which: Callable[[MaskCount], Flags]) -> tuple[tuple[str, ...], int]:
    """The masks that number such objects, and how many such objects there are."""
    if case.dataset is None or case.dataset.classes.encoding != "instances":
        return (), 0
    classes, files, objects = case.dataset.classes, [], 0
    for mask in case.survey.readable_masks:
        if mask.census is None or not len(mask.census.pieces):
            continue
        found = int(np.count_nonzero(object_numbers(mask.census.values, classes) & which(mask.census)))
        objects += found
        if found:
            files.append(mask.file)
    return tuple(files), objects


def object_numbers(values: Integers, classes: Classes) -> Flags:
    """Which of a mask's numbers count an object."""
    return (values > 0) & (values >= classes.label_divisor) & ~np.isin(values, classes.ignore_values)
