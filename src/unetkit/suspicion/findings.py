"""What seems to be wrong with a mask, in words, with what would mend it; and how suspicious it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unetkit.classes import Classes, has_background
from unetkit.suspicion.moves import Move
from unetkit.suspicion.regions import Region, Window

KINDS: Mapping[str, str] = {
    "shifted": "the whole mask lies beside what it marks",
    "exchanged": "two classes stand for each other",
    "missing": "an object is there, and is labelled background",
    "invented": "an object is labelled where there is none",
    "outline": "an object reaches further, or less far, than its label",
    "class": "something is labelled with another class than it has",
}
"""What can be found, by the name that stands in suspicion.csv."""

SURROUNDED = 0.5
"""Share of a region's rim that has to have its class for it to belong to the object beside it."""

COVERED = 0.5
"""Share of an object that a region has to cover for the whole object to be called invented."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One thing that seems wrong with a mask.

    Args:
        kind: one of `KINDS`.
        score: suspicion, 0 to 1.
        what: what is wrong, in plain words.
        mend: what would mend it.
        window: bounding box in the image.
        pixels: how many are concerned.
        move: of kinds "shifted" and "exchanged", else None.
        region: of the other kinds, else None.
    """

    kind: str
    score: float
    what: str
    mend: str
    window: Window
    pixels: int
    move: Move | None = None
    region: Region | None = None

    @property
    def place(self) -> str:
        """The bounding box in words, counted from 0; the last row and column belong to it."""
        names = ("planes", "rows", "columns")[-len(self.window) :]
        return ", ".join(f"{name} {part.start}–{part.stop - 1}" for name, part in zip(names, self.window, strict=True))


def of_move(move: Move, score: float, shape: Sequence[int], classes: Classes) -> Finding:
    """An error of the whole mask.

    Args:
        move: what would mend it.
        score: its suspicion.
        shape: of the image, *S.
        classes: their names.
    """
    raised = f"agreement with the model rises from {move.before:.3f} to {move.after:.3f}"
    if move.offset:
        kind, far = "shifted", math.hypot(*move.offset)
        what = f"the mask lies {far:.0f} px off"
        mend = f"shift it by ({', '.join(f'{by:+d}' for by in move.offset)}) {_axes(len(shape))}: {raised}"
    else:
        kind, (one, other) = "exchanged", (classes.names[index] for index in move.classes)
        what, mend = f"{one} and {other} look exchanged", f"exchange them: {raised}"
    whole = tuple(slice(0, extent) for extent in shape)
    return Finding(kind, score, what, mend, whole, math.prod(shape), move=move)


def _axes(count: int) -> str:
    return "planes, rows and columns" if count == 3 else "rows and columns"


def of_region(region: Region, score: float, object_pixels: int, classes: Classes) -> Finding:
    """An error at one place.

    Args:
        region: the place.
        score: its suspicion.
        object_pixels: area of the labelled objects it lies in, 0 for none.
        classes: their names.
    """
    kind = kind_of(region, object_pixels, classes)
    given, seen = classes.names[region.given], classes.names[region.proposed]
    if kind == "missing":
        what, mend = f"an object of class {seen} is missing here", f"paint it {seen}"
    elif kind == "outline" and region.proposed:
        what, mend = f"the outline of {seen} leaves out a part", f"paint it {seen}"
    elif kind == "outline":
        what, mend = f"the outline of {given} reaches too far", f"paint the part {seen}"
    else:
        what, mend = f"the label says {given}", f"paint it {seen}"
    what = f"{what}; the model is {region.sure:.2f} sure of {seen} on {region.pixels} px"
    return Finding(kind, score, what, mend, region.window, region.pixels, region=region)


def kind_of(region: Region, object_pixels: int, classes: Classes) -> str:
    """One of `KINDS`; arguments as for `of_region`."""
    if not has_background(classes) or (region.given and region.proposed):
        return "class"
    if region.proposed:
        return "outline" if region.rim > SURROUNDED else "missing"
    return "invented" if region.pixels >= COVERED * object_pixels else "outline"
