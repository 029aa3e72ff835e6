"""One mask after the other is held against what a model sees that has not learnt from it.

A mask is suspicious by its quality, and by what shifting it or exchanging two of its classes would bring:

    suspicion = 1 − quality × (1 − gain of each move)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes, has_background
from unetkit.suspicion.doubt import Labels, Probabilities, beyond_jitter, label_quality
from unetkit.suspicion.findings import Finding, of_move, of_region
from unetkit.suspicion.moves import Move, exchanged, find_exchange, find_shift, shifted
from unetkit.suspicion.regions import find_regions

HALF = 24.0
"""Whole pixels that make a region of one half's suspicion."""

NOTABLE = 0.25
"""Suspicion from which on a region is told."""


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


def examine(
    name: str,
    labels: Labels,
    objects: npt.NDArray[np.integer],
    probabilities: Probabilities,
    thresholds: npt.NDArray[np.float64],
    classes: Classes,
) -> Verdict:
    """Hold one mask against a model's probabilities.

    Args:
        name: of the image.
        labels: *S, 255 where ignored.
        objects: *S, 0 for none, else the number of the labelled object.
        probabilities: K *S, of a model that has not seen the labels.
        thresholds: K, from `SelfConfidence` over all images.
        classes: what the labels mean.

    Returns:
        The verdict. Regions are looked for in the mask as it is once shifted and exchanged.
    """
    shape, seen = labels.shape, probabilities.argmax(0).astype(np.uint8)
    weight = beyond_jitter(labels, seen)
    quality = label_quality(labels, probabilities, weight)
    moves: list[Move] = []
    if classes.encoding != "instances" and (move := find_exchange(labels, probabilities)):
        moves.append(move)
        labels = exchanged(labels, move.classes)
    foreground = range(1 if has_background(classes) else 0, len(classes))
    if move := find_shift(labels, probabilities, foreground):
        moves.append(move)
        labels, objects = shifted(labels, move.offset, IGNORE), shifted(objects, move.offset, 0)
    if moves:
        weight = beyond_jitter(labels, seen)
    findings = [of_move(move, shape, classes) for move in moves]
    sizes = np.bincount(objects.ravel())
    sizes[0] = 0
    for region in find_regions(labels, probabilities, weight, thresholds):
        score = region.evidence / (region.evidence + HALF)
        if score >= NOTABLE:
            area = int(sizes[np.unique(objects[region.window][region.inside])].sum())
            findings.append(of_region(region, score, area, classes))
    right = 0.0 if isnan(quality) else float(quality * np.prod([1 - move.gain for move in moves]))
    return Verdict(name, 0.0 if isnan(quality) else 1 - right, quality, tuple(findings))
