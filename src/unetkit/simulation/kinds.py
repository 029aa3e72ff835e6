"""Kinds of labels that a simulated person makes, and what each takes: the cost model of `unetkit.labels.simulated`.

dense       a whole mask: an outline for each object
scribbles   strokes over a share of the pixels of each class: `scribbles:0.05`
boxes       the tightest box around each object
points      a point deep inside of each object
regions     a whole mask in a part of an image, of at most so many pixels a side: `regions:256`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.active.candidates import Place
from unetkit.classes import IGNORE, Classes
from unetkit.dataset import Dataset
from unetkit.dataset.folder import read_labels_and_objects
from unetkit.errors import UsageError
from unetkit.labels import Marks
from unetkit.labels.simulated import OUTLINE, SIMULATED, Effort, marking_effort, painting_effort
from unetkit.registry import lookup

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Truth:
    """All there is to know of an image.

    Args:
        labels: *S class indices, of the whole mask.
        ids: *S, its objects by number; None where touching objects are not told apart.
    """

    labels: Labels
    ids: npt.NDArray[np.integer[Any]] | None = None

    @classmethod
    def of(cls, dataset: Dataset, name: str) -> Truth:
        """What the mask of an image says.

        Raises:
            FileError: it cannot be read.
        """
        sample = dataset.sample(name)
        if dataset.classes.encoding != "instances":
            return cls(dataset.read_labels(sample).labels)
        said, objects = read_labels_and_objects(dataset, sample)
        return cls(said.labels, objects.ids)


KINDS: dict[str, float | None] = {"dense": None, "scribbles": 0.05, "boxes": None, "points": None, "regions": 256.0}
"""Kinds of labels, each with its number where nobody says another; None for those without one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of label.

    Args:
        name: in `KINDS`.
        number: share of scribbled pixels, above 0 up to 1; or side of regions in pixels.
    """

    name: str
    number: float | None = None

    @classmethod
    def parse(cls, text: str) -> Kind:
        """The kind that somebody typed.

        Raises:
            UnknownName: no such kind.
            UsageError: a number that cannot be used, or that this kind does not take.

        Example:
            >>> Kind.parse("scribbles:0.1")
            Kind(name='scribbles', number=0.1)
        """
        name, colon, said = text.strip().partition(":")
        usual = lookup(KINDS, name, "kind of label")
        if not colon:
            return cls(name, usual)
        try:
            number = float(said)
        except ValueError:
            number = 0.0
        most = 1 if name == "scribbles" else float("inf")
        least = 8 if name == "regions" else 0
        if usual is None or not least < number <= most:
            raise UsageError(
                "the kind of label is not understood",
                found=repr(text),
                expected="dense, boxes, points, scribbles:SHARE (such as 0.05) or regions:SIDE (such as 256)",
            )
        return cls(name, number)

    @property
    def text(self) -> str:
        """As it is typed."""
        return self.name if self.number is None else f"{self.name}:{self.number:g}"

    @property
    def side(self) -> int | None:
        """Side of its regions in pixels; None where whole images are labelled."""
        return int(self.number) if self.name == "regions" and self.number is not None else None

    @property
    def marked(self) -> bool:
        """Whether it is made of marks, not of a mask."""
        return self.name in SIMULATED

    def marks(self, truth: Truth, classes: Classes, seed: int) -> Marks:
        """The marks that a person would make of an image.

        Args:
            truth: of the whole image.
            classes: what its labels mean.
            seed: of where strokes begin.
        """
        if self.name == "scribbles":
            return SIMULATED[self.name](truth.labels, classes.names, seed=seed, share=self.number)
        if not _foreground(truth.labels).any():
            return Marks(complete=True)
        return SIMULATED[self.name](truth.labels, classes.names, seed=seed, ids=truth.ids)

    def effort(self, truth: Truth, place: Place, classes: Classes, seed: int) -> Effort:
        """What it takes to label a place.

        Args:
            truth: of the whole image.
            place: which part.
            classes: what its labels mean.
            seed: as for `marks`.
        """
        if self.marked:
            return marking_effort(self.marks(truth, classes, seed), len(classes))
        labels = truth.labels[place.slices]
        if not _foreground(labels).any():
            return marking_effort(Marks(complete=True), len(classes))
        if truth.ids is None:
            return painting_effort(labels)
        count = len(np.unique(truth.ids[place.slices][_foreground(labels)]))
        return Effort(count, OUTLINE * count)


def _foreground(labels: Labels) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (labels > 0) & (labels != IGNORE)
    return inside


def masked(labels: Labels, windows: list[Place]) -> Labels:
    """The labels within some places, 255 around them."""
    if any(place.whole for place in windows):
        return labels
    kept = np.full(labels.shape, IGNORE, np.uint8)
    for place in windows:
        kept[place.slices] = labels[place.slices]
    return kept
