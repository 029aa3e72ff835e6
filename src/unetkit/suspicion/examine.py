"""All masks are looked at; then each is held against what a model sees that has not learnt from it.

A mask is suspicious by the evidence E against its worst place, compared with what the model itself expects to get wrong
in the image, and by how far it lies off or what exchanging two of its classes would bring:

    suspicion = 1 − (1 − E / (E + 50 + wrong)) × (1 − suspicion of the move)
    wrong     = Σ 1 − probability of the likeliest class, over the labelled pixels

So an image in which the model is unsure needs more evidence than one it knows well. Models that find many masks shifted
cannot tell where masks lie, so a shift counts the less, the more masks are shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes, has_background
from unetkit.suspicion.doubt import Labels, Probabilities, SelfConfidence, beyond_jitter, label_quality
from unetkit.suspicion.findings import Finding, of_move, of_region
from unetkit.suspicion.moves import Move, exchanged, find_exchange, find_shift, shifted
from unetkit.suspicion.regions import find_regions

HALF = 50.0
"""Evidence that makes a region of one half's suspicion, where the model expects nothing to be wrong."""

NOTABLE = 0.25
"""Suspicion from which on a finding is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """How suspicious the mask of an image is, and why.

    Args:
        name: of the image.
        score: suspicion, 0 to 1; 0 where nothing is labelled.
        quality: `label_quality` of the mask, 0 to 1; NaN where nothing is labelled.
        findings: what seems wrong, with the mask as a whole first, then at places, the worst first; may be empty.
    """

    name: str
    score: float
    quality: float
    findings: tuple[Finding, ...]


class FirstLook:
    """What has to be known of all masks before one is judged.

    Args:
        classes: what the labels mean.

    Attributes:
        confidence: how sure the models are of each class.
        shifts: image to the shift with which its mask fits best, or None.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes, self.confidence = classes, SelfConfidence(len(classes))
        self.shifts: dict[str, Move | None] = {}

    def add(self, name: str, labels: Labels, probabilities: Probabilities) -> None:
        """Look at a mask.

        Args:
            name: of the image.
            labels: *S, 255 where ignored.
            probabilities: K *S, of a model that has not seen the labels.
        """
        self.confidence.add(labels, probabilities)
        foreground = range(1 if has_background(self.classes) else 0, len(self.classes))
        self.shifts[name] = find_shift(labels, probabilities, foreground)

    @property
    def trust(self) -> float:
        """How far shifts can be believed: 1 where no mask lies off, 0 where half of them or more do."""
        off = sum(move is not None for move in self.shifts.values())
        return max(0.0, 1 - 2 * off / max(len(self.shifts), 1))


def examine(
    name: str, labels: Labels, objects: npt.NDArray[np.integer], probabilities: Probabilities, first: FirstLook
) -> Verdict:
    """Hold one mask against a model's probabilities.

    Args:
        name: of the image.
        labels: *S, 255 where ignored.
        objects: *S, 0 for none, else the number of the labelled object.
        probabilities: K *S, of a model that has not seen the labels.
        first: a look at all masks, this one among them.

    Returns:
        The verdict. Places are looked for in the mask as it is once shifted, or its classes exchanged.
    """
    shape, seen = labels.shape, probabilities.argmax(0).astype(np.uint8)
    weight = beyond_jitter(labels, seen)
    quality = label_quality(labels, probabilities, weight)
    if isnan(quality):
        return Verdict(name, 0.0, quality, ())
    thresholds = first.confidence.thresholds
    regions = find_regions(labels, probabilities, weight, thresholds)
    worst = max((region.evidence for region in regions), default=0.0)
    others = probabilities.sum(0, dtype=np.float32) - probabilities.max(0)  # 1 - max is rounding noise in float16
    wrong = float(others[labels != IGNORE].sum(dtype=np.float64))
    findings, innocent = [], 1 - worst / (worst + HALF + wrong)
    exchange = None if first.classes.encoding == "instances" else find_exchange(labels, probabilities)
    move = exchange or first.shifts[name]
    score = 0.0 if move is None else move.suspicion * (1.0 if exchange else first.trust)
    if move is not None and score >= NOTABLE:
        findings.append(of_move(move, score, shape, first.classes))
        innocent *= 1 - score
        labels = exchanged(labels, move.classes) if exchange else shifted(labels, move.offset, IGNORE)
        objects = objects if exchange else shifted(objects, move.offset, 0)
        regions = find_regions(labels, probabilities, beyond_jitter(labels, seen), thresholds)
    sizes = np.bincount(objects.ravel())
    sizes[0] = 0
    for region in regions:
        score = region.evidence / (region.evidence + HALF)
        if score >= NOTABLE:
            area = int(sizes[np.unique(objects[region.window][region.inside])].sum())
            findings.append(of_region(region, score, area, first.classes))
    return Verdict(name, 1 - innocent, quality, tuple(findings))
