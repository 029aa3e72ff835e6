"""The marks of a dataset beside its masks: what classes they name, and how each image is labelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from unetkit.classes import IGNORE, Classes, has_background, read_classes, read_stated
from unetkit.errors import DatasetError, FileError
from unetkit.labels import WHOLE, FoundMarks, Kind, Marks, find_marks

if TYPE_CHECKING:
    from unetkit.dataset.folder import Dataset, Sample

BACKGROUND = "background"


def marks_below(root: Path, sizes: Mapping[str, Sequence[int]], masks: Mapping[str, Path]) -> FoundMarks:
    """The marks of a dataset's images.

    Args:
        root: the dataset.
        sizes: spatial size of every image, by name.
        masks: the mask of each image that has one.

    Raises:
        DatasetError: marks on volumes, or an image that has marks and a mask.
        FileError: as `find_marks`.
    """
    found = find_marks(root / "marks", sizes)
    both = [name for name in found.of if name in masks]
    if both:
        raise DatasetError(
            f"image '{both[0]}' has a mask and marks",
            file=root,
            found=f"{masks[both[0]].name} and {found.files[both[0]].name}",
            mend="paint the marks into the mask, or delete one of the two",
        )
    if found.of and len(sizes[next(iter(found.of))]) != 2:
        raise DatasetError(
            "volumes are marked", file=root / "marks", expected="images", mend="paint some planes in a mask instead"
        )
    return found


def classes_of_marks(stated_in: Path, marks: Iterable[Marks]) -> Classes:
    """The classes of a dataset that has marks and no masks: those stated, else background and what is marked.

    Args:
        stated_in: a classes.yaml, which may be absent.
        marks: of all images.

    Raises:
        FileError: the classes.yaml cannot be used.
        DatasetError: nothing but background is marked.
    """
    stated = read_stated(stated_in) if stated_in.exists() else {}
    if "names" in stated:
        classes = read_classes(stated_in)
        return classes if classes.evidence else classes.model_copy(update={"evidence": f"stated in {stated_in.name}"})
    named = sorted({name for one in marks for name in one.names} - {BACKGROUND})
    if not named:
        raise DatasetError(
            "no object is marked in any image: there is nothing to learn",
            file=stated_in.parent,
            mend="mark some objects, or state all names in classes.yaml",
        )
    evidence = f"the marks name {', '.join(named)}; the rest is background"
    return Classes.model_validate({**stated, "names": (BACKGROUND, *named), "evidence": evidence})


def agreed_classes(classes: Classes, found: FoundMarks, *, stated: bool) -> Classes:
    """The classes, once it is known that the marks name no others.

    Where masks of two values left the foreground without a name and the marks have one name for it, that is taken.

    Args:
        classes: of the masks, or of the marks.
        found: the marks.
        stated: whether somebody stated the names.

    Raises:
        FileError: a mark of a class that is none, or marks that speak of a background where there is none.
    """
    named = {name for marks in found.of.values() for name in marks.names} - {BACKGROUND}
    if len(classes) == 2 and not stated and len(named) == 1:
        classes = classes.model_copy(update={"names": (classes.names[0], *named)})
    for name, marks in found.of.items():
        for mark in marks.marks:
            if mark.name not in classes.names:
                near = get_close_matches(mark.name, classes.names, 1)
                raise FileError(
                    f"marks a class that is none: '{mark.name}'",
                    file=found.files[name],
                    expected=f"one of {', '.join(classes.names)}",
                    mend=(f"'{near[0]}'? " if near else "") + "Or state all names in classes.yaml",
                )
            if mark.kind == "box" and mark.name == classes.names[0] and has_background(classes):
                raise FileError(
                    f"a box of '{mark.name}' says nothing, since a box encloses an object",
                    file=found.files[name],
                    mend="outline it as a region, or scribble on it",
                )
        if marks.complete and not has_background(classes):
            raise FileError(
                "says that all objects are marked, but no class is the background",
                file=found.files[name],
                found=f"the classes {', '.join(classes.names)}",
                mend='leave "complete" out',
            )
    return classes


WHOLE_KINDS = ("whole masks", "nothing in it")
PARTLY = "masks painted in part"
PLURALS: dict[Kind, str] = {"point": "points", "scribble": "scribbles", "box": "boxes", "region": "regions"}


def label_kind(dataset: Dataset, sample: Sample) -> str:
    """How an image is labelled, in words: "whole masks", "points", "boxes and scribbles", "nothing in it", …

    Args:
        dataset: the folder.
        sample: one of its labelled images.
    """
    if sample.marks is not None:
        return " and ".join(PLURALS[kind] for kind in sample.marks.kinds) or WHOLE_KINDS[1]
    pixels = dataset.count_labels(sample)
    return PARTLY if pixels[IGNORE] > (1 - WHOLE) * pixels.sum() else WHOLE_KINDS[0]


def label_kinds(dataset: Dataset) -> dict[str, list[str]]:
    """The names of the labelled images by how they are labelled."""
    kinds: dict[str, list[str]] = {}
    for sample in dataset.labelled:
        kinds.setdefault(label_kind(dataset, sample), []).append(sample.name)
    return kinds


def is_whole(dataset: Dataset, sample: Sample) -> bool:
    """Whether the labels of an image show it whole, but for some ignored pixels."""
    return label_kind(dataset, sample) in WHOLE_KINDS
