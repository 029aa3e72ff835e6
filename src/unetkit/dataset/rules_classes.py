"""Rules about what the masks say: classes that hardly occur, masks without anything, swapped polarity, classes.yaml."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unetkit.classes import read_classes, read_stated
from unetkit.dataset.census import colour_of
from unetkit.dataset.encoding import states_all
from unetkit.dataset.findings import FIX, Case, Finding, listed, several
from unetkit.dataset.records import MaskFacts
from unetkit.dataset.rules_masks import clean_masks, instances, noisy_masks, stray_table
from unetkit.dataset.rules_objects import undeclared_classes_of_objects
from unetkit.errors import FileError

RARE = 1e-4
"""A class with less than this share of the labelled pixels is almost empty."""


def classes_file(case: Case) -> list[Finding]:
    """A classes.yaml that cannot be used, or that the masks contradict."""
    path = case.survey.root / "classes.yaml"
    if not path.exists():
        return []
    try:
        stated = read_stated(path)
        if states_all(stated):
            read_classes(path)
    except FileError as error:
        what = f"{path.name}: {error.what}" + (f" ({error.found})" if error.found is not None else "")
        why = "classes.yaml says what the masks mean and wins over what is found in them"
        mend = error.mend or "correct the field, or delete classes.yaml: what is found in the masks then counts"
        return [Finding("classes-file", "error", (path.name,), what, why, mend)]
    return []


def undeclared_values(case: Case) -> list[Finding]:
    """Values that stand for no class."""
    if case.dataset is None:
        return []
    classes = case.dataset.classes
    if classes.encoding == "instances":
        return undeclared_classes_of_objects(case, classes)
    colours = classes.encoding == "colours"
    known: set[int] = {*classes.values, *classes.ignore_values}
    if colours:
        known = {r << 16 | g << 8 | b for r, g, b in (*classes.colours, *classes.ignore_colours)}
    known |= set(stray_table(case))
    masks = [mask for mask in clean_masks(case) if mask.colours == colours]
    strange = {int(v) for mask in masks for v in mask.values if v not in known}
    if not strange:
        return []
    files = tuple(mask.file for mask in masks if np.isin(mask.values, list(strange)).any())
    shown = listed(sorted(colour_of(v) if colours else v for v in strange), 6)
    what = f"{several(len(files), 'mask')} with values that stand for no class: {shown}"
    why = "training stops at such a mask rather than guess what its pixels are"
    field = "colours, or ignore_colours" if colours else "values, or ignore_values"
    return [Finding("undeclared-values", "error", files, what, why, f"add them to classes.yaml ({field})")]


def rare_classes(case: Case) -> list[Finding]:
    """Classes that occur in one image or on hardly any pixels."""
    masks = clean_masks(case)
    mixed = len({mask.colours for mask in masks}) > 1
    if len(masks) < 3 or mixed or instances(case) or noisy_masks(case) or case.marked:
        return []
    names = _class_names(case)
    total = sum(mask.pixels for mask in masks)
    found = []
    for value in sorted({*_values(masks), *names} - set(stray_table(case)) - _ignored(case)):
        pixels = sum(mask.count(value) for mask in masks)
        holders = tuple(mask.file for mask in masks if mask.count(value))
        if not pixels or (len(holders) > 1 and pixels >= RARE * total):
            continue  # that none is labelled is another rule's
        name = names.get(value, str(value))
        what = f"class '{name}' occurs in {several(len(holders), 'image')}, on {pixels / total:.3%} of the pixels"
        why = "a class seen in one image cannot be trained and tested; one of so few pixels is hardly learnt"
        mend = "label more of it, or merge it with another class"
        found.append(Finding("rare-classes", "warning", holders, what, why, mend))
    return found


def all_empty(case: Case) -> list[Finding]:
    """All masks hold one and the same value."""
    masks = case.survey.readable_masks
    values = _values(masks) if all(len(mask.values) == 1 for mask in masks) else set()
    if len(values) != 1 or case.marked:
        return []
    what = f"all {len(masks)} masks hold nothing but {values.pop():g}"
    why = "there is nothing to learn: every pixel of every image is the same class"
    mend = "check the export of the masks; a mask needs 0 for background and another number for the objects"
    return [Finding("all-empty", "error", tuple(mask.file for mask in masks), what, why, mend)]


def flipped_polarity(case: Case) -> list[Finding]:
    """Masks of two classes with foreground and background swapped.

    A mask is taken for swapped only if three things are opposite to the other masks at once: which value covers more
    than half of the mask, which value covers most of its border, and which value lies on brighter pixels.
    """
    flipped = flipped_masks(case)
    if not flipped:
        return []
    what = f"{several(len(flipped), 'mask')} with foreground and background swapped, such as {flipped[0].file}"
    why = "the network is taught the opposite in these images"
    mend = f"look at them; '{FIX}' swaps the two values"
    return [Finding("flipped-polarity", "error", tuple(m.file for m in flipped), what, why, mend, fixable=True)]


def flipped_masks(case: Case) -> list[MaskFacts]:
    """The masks that `flipped_polarity` is about."""
    if instances(case):
        return []
    masks = [mask for mask in clean_masks(case) if not np.isin(mask.values, list(stray_table(case))).any()]
    values = sorted(_values(masks))
    both = [mask for mask in masks if len(mask.values) == 2 and len(mask.brightness) == 2]
    if len(values) != 2 or len(both) < 4 or any(mask.colours for mask in masks):
        return []
    share = np.array([mask.counts[1] / mask.pixels for mask in both])
    border = np.array([mask.border[1] / mask.border.sum() for mask in both])
    contrast = np.array([np.sign(mask.brightness[1] - mask.brightness[0]) for mask in both])
    mostly = np.median(share) > 0.5
    rest = (share > 0.5) == mostly
    sign = np.sign(contrast[rest].sum())
    if rest.mean() < 0.6 or sign == 0 or (contrast[rest] == sign).mean() < 0.7:
        return []
    usual_border = np.median(border[rest])
    opposite = (border < 0.2) & (usual_border > 0.5) if mostly else (border > 0.8) & (usual_border < 0.5)
    return [mask for mask, odd in zip(both, ~rest & opposite & (contrast == -sign), strict=True) if odd]


def _values(masks: Sequence[MaskFacts]) -> set[int]:
    return {value for mask in masks for value in mask.values.tolist()}


def _class_names(case: Case) -> dict[int, str]:
    if case.dataset is None:
        return {}
    classes = case.dataset.classes
    if classes.encoding == "colours":
        return {r << 16 | g << 8 | b: name for (r, g, b), name in zip(classes.colours, classes.names, strict=True)}
    return dict(zip(classes.values, classes.names, strict=True))


def _ignored(case: Case) -> set[int]:
    if case.dataset is None:
        return set()
    classes = case.dataset.classes
    return {*classes.ignore_values, *(r << 16 | g << 8 | b for r, g, b in classes.ignore_colours)}
