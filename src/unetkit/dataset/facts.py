"""A dataset in a few rows of words and numbers, for the screen and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import prod

import numpy as np

from unetkit.classes import Classes
from unetkit.dataset.encoding import count_labels
from unetkit.dataset.findings import Case, listed
from unetkit.dataset.marked import WHOLE_KINDS
from unetkit.dataset.records import MaskFacts
from unetkit.dataset.rules_objects import object_numbers
from unetkit.dataset.rules_splits import given_parts
from unetkit.errors import FileError

Row = tuple[str, str]
"""A label and its value."""


def fact_rows(case: Case) -> tuple[Row, ...]:
    """Describe a dataset.

    Args:
        case: the facts of all files and, where it could be opened, the dataset.

    Returns:
        Rows of label and value; rows of which nothing is known are left out.
    """
    survey = case.survey
    images = survey.readable_images
    marked = f", {len(case.marked)} with marks" if case.marked else ""
    rows: list[Row] = [("images", f"{len(survey.images)}, {len(survey.pairs)} of them with a mask{marked}")]
    rows += _label_rows(case)
    if images:
        rows.append(("formats", _tally(image.format for image in images)))
        rows.append(("size", _sizes([image.shape for image in images])))
        rows.append(("channels", _tally(str(image.channels) for image in images)))
        rows.append(("numbers", _tally(image.dtype for image in images)))
        rows.append(("brightness", f"{min(i.low for i in images):g} to {max(i.high for i in images):g}"))
        spacings = Counter((i.geometry.spacing, i.geometry.unit) for i in images if i.geometry.spacing is not None)
        if spacings:
            spacing, unit = spacings.most_common(1)[0][0]
            more = f" ({len(spacings)} different ones)" if len(spacings) > 1 else ""
            rows.append(("pixel spacing", " x ".join(f"{step:g}" for step in spacing or ()) + f" {unit}{more}"))
    rows += _class_rows(case)
    parts = {part: names for part, names in given_parts(case).items() if names}
    if parts:
        rows.append(("given split", ", ".join(f"{part} {len(names)}" for part, names in parts.items())))
    if case.dataset is not None:
        groups = {sample.group for sample in case.dataset.samples if sample.group is not None}
        count = f"{len(groups)} from {case.dataset.grouped_by}" if groups else "none given"
        rows.append(("groups", count))
    return tuple(rows)


def _label_rows(case: Case) -> list[Row]:
    """How many images are labelled in which way, where not all have whole masks."""
    if case.dataset is None:
        return []
    counts = {kind: len(names) for kind, names in case.kinds.items()}
    if not counts.keys() - {WHOLE_KINDS[0]}:
        return []
    bare = len(case.dataset.samples) - len(case.dataset.labelled)
    counts |= {"none": bare} if bare else {}
    return [("labels", ", ".join(f"{kind} ({count})" for kind, count in counts.items()))]


def _class_rows(case: Case) -> list[Row]:
    if case.dataset is not None and case.marked:
        total = sum(case.pixels) or 1
        shares = zip(case.dataset.classes.names, case.pixels, strict=False)  # no pixels where a label cannot be read
        told = [(f"class {name}", f"{count / total:.2%} of the labelled pixels") for name, count in shares]
        return [("classes", case.dataset.classes.evidence), *told]
    masks = [mask for mask in case.survey.readable_masks if mask.pixels]
    if not masks:
        return []
    if case.dataset is None:
        return [("values in masks", listed(sorted({v for mask in masks for v in mask.values.tolist()}), 12))]
    classes = case.dataset.classes
    rows: list[Row] = [("masks", f"{classes.evidence} (read as {classes.encoding})")]
    if classes.encoding == "instances":
        objects = [int(object_numbers(mask.values, classes).sum()) for mask in masks]
        rows.append(("objects", f"{sum(objects)}, {min(objects)} to {max(objects)} an image"))
        covers = _covered_by_objects(masks, classes)
    else:
        keys: Sequence[int] = classes.values
        if classes.encoding == "colours":
            keys = [r << 16 | g << 8 | b for r, g, b in classes.colours]
        covers = [(name, [m.count(key) for m in masks]) for name, key in zip(classes.names, keys, strict=True)]
    labelled = sum(sum(counts) for _, counts in covers) or 1
    for name, counts in covers:
        share, where = sum(counts) / labelled, sum(count > 0 for count in counts)
        rows.append((f"class {name}", f"{share:.2%} of the labelled pixels, in {where} of {len(masks)} masks"))
    total = sum(mask.pixels for mask in masks)
    if labelled < total:
        rows.append(("not labelled", f"{1 - labelled / total:.2%} of the pixels"))
    return rows


def _covered_by_objects(masks: Sequence[MaskFacts], classes: Classes) -> list[tuple[str, list[int]]]:
    """By class, how many pixels of each mask it has; none of a mask whose numbers stand for no class."""
    covers: list[tuple[str, list[int]]] = [(name, []) for name in classes.names]
    for mask in masks:
        counts = np.zeros(256, np.int64)
        if mask.census is not None:
            with suppress(FileError):
                counts = count_labels(mask.census, classes)
        for index, (_, pixels) in enumerate(covers):
            pixels.append(int(counts[index]))
    return covers


def _tally(values: Iterable[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common())


def _sizes(shapes: Sequence[tuple[int, ...]]) -> str:
    ordered = sorted(shapes, key=lambda shape: (len(shape), prod(shape)))
    smallest, largest = (" x ".join(map(str, shape)) for shape in (ordered[0], ordered[-1]))
    if smallest == largest and len(set(shapes)) == 1:
        return smallest
    middle = " x ".join(map(str, ordered[len(ordered) // 2]))
    return f"{smallest} to {largest}, in the middle {middle}"
