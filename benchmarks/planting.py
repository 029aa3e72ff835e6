"""Errors planted in a copy of a data set: where they are is known, so that looking for wrong labels can be measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, has_background
from unetkit.dataset import Dataset, Sample, open_dataset
from unetkit.dataset.folder import read_objects
from unetkit.formats import write_mask

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.uint8]

SHIFT = (5, 10)
"""Pixels that a shifted mask is off, along a direction drawn at random."""

LEAST = 0.01
"""Of the image that a class covers, if it is to be swapped with another."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask as a planter sees it.

    Args:
        values: *S numbers or *S 3 colours, as they stand in the file.
        labels: *S class indices, 255 where ignored.
        objects: *S, 0 for none, else 1 … n.
    """

    values: Array
    labels: Labels
    objects: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Planted:
    """An image whose mask was damaged, and how."""

    name: str
    kind: str


def shifted(mask: Mask, generator: np.random.Generator) -> Array:
    """The whole mask moved; what comes in repeats its edge."""
    far, angle = generator.uniform(*SHIFT), generator.uniform(0, 2 * np.pi)
    moved = mask.values
    for axis, way in ((-2, np.sin(angle)), (-1, np.cos(angle))):
        axis %= mask.labels.ndim
        extent = mask.labels.shape[axis]
        moved = moved.take((np.arange(extent) - round(far * way)).clip(0, extent - 1), axis)
    return moved


def missing(mask: Mask, generator: np.random.Generator) -> Array | None:
    """One object of the larger half painted over with background; None where there are none, or no background."""
    sizes = np.bincount(mask.objects.ravel())[1:]
    empty = mask.values[mask.labels == 0]
    if not sizes.size or not len(empty):
        return None
    larger = np.flatnonzero(sizes >= np.median(sizes)) + 1
    gone = mask.values.copy()
    gone[mask.objects == generator.choice(larger)] = empty[0]
    return gone


def swapped(mask: Mask, generator: np.random.Generator) -> Array | None:
    """Two foreground classes exchanged in the whole image; None where fewer than two are there to see."""
    shares = np.bincount(mask.labels.ravel(), minlength=256) / mask.labels.size
    seen = [index for index in np.flatnonzero(shares >= LEAST) if index not in (0, IGNORE)]
    if len(seen) < 2:
        return None
    one, other = (mask.labels == index for index in generator.choice(seen, 2, replace=False))
    exchanged = mask.values.copy()
    exchanged[one], exchanged[other] = mask.values[other][0], mask.values[one][0]
    return exchanged


KINDS: Mapping[str, Callable[[Mask, np.random.Generator], Array | None]] = {
    "shifted": shifted,
    "missing": missing,
    "swapped": swapped,
}


def kinds_for(dataset: Dataset) -> list[str]:
    """The errors that masks of such classes can have."""
    first = 1 if has_background(dataset.classes) else 0
    able = {"shifted": True, "missing": first == 1, "swapped": len(dataset.classes) - first > 1}
    return [kind for kind in KINDS if able[kind]]


def plant(data: Path, out: Path, *, share: float = 0.05, seed: int = 0) -> list[Planted]:
    """Copy a data set and damage some of its masks, one kind of error after the other.

    Args:
        data: folder with images/ and masks/.
        out: where the copy goes; it must not exist.
        share: of the labelled images that are damaged, at least one.
        seed: which images, and how; the same seed gives the same copy.

    Returns:
        What was damaged.
    """
    shutil.copytree(data, out, copy_function=shutil.copyfile)
    dataset, generator = open_dataset(out), np.random.default_rng(seed)
    kinds, wanted = kinds_for(dataset), max(1, round(share * len(dataset.labelled)))
    planted: list[Planted] = []
    for index in generator.permutation(len(dataset.labelled)):
        sample = dataset.labelled[index]
        kind = kinds[(len(planted) + seed) % len(kinds)]
        if damage(dataset, sample, kind, generator):
            planted.append(Planted(sample.name, kind))
        if len(planted) == wanted:
            break
    return planted


def damage(dataset: Dataset, sample: Sample, kind: str, generator: np.random.Generator) -> bool:
    """Damage one mask file; whether it could be damaged so: an image without any foreground cannot."""
    raw, labels = dataset.read_mask(sample), dataset.read_labels(sample).labels
    if not ((labels > 0) & (labels != IGNORE)).any() or sample.mask is None:
        return False
    changed = KINDS[kind](Mask(raw.values, labels, read_objects(dataset, sample).ids), generator)
    if changed is None or np.array_equal(changed, raw.values):
        return False
    coloured = dataset.classes.encoding == "colours"
    write_mask(sample.mask, changed, palette=raw.palette, geometry=raw.geometry, colours=coloured)
    return True
