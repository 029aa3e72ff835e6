"""One mask after the other is held against what a model sees that has not learnt from it; then all are ranked.

What a model gets wrong in many images, it gets wrong in this one too. So a region is suspicious by how much it counts
beside what the worst region of an image usually counts for, among the same two classes:

    score = evidence / (evidence + BASE + usual)        usual: upper quartile over the images

and an image by its worst region and what is wrong with the mask as a whole: 1 − (1 − move) · (1 − worst region).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes, has_background
from unetkit.suspicion.doubt import Labels, Probabilities, label_quality
from unetkit.suspicion.findings import Finding, of_move, of_region
from unetkit.suspicion.moves import Move, exchanged, find_exchange, find_shift, shifted
from unetkit.suspicion.regions import Region, find_regions

BASE = 24.0
"""Whole pixels that make a region of one half's suspicion where the model is usually right."""

USUAL = 75
"""Percentile over the images that says what is usual: up to a quarter of the masks may be wrong."""

NOTABLE = 0.25
"""Suspicion from which on a finding is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What was found in one image, before all images are known.

    Args:
        name: of the image.
        shape: of the image, *S.
        quality: `label_quality` of the mask.
        moves: what is wrong with the mask as a whole.
        regions: where labels are in doubt, once the moves are made.
        object_pixels: of each region, the area of the labelled objects it lies in.
    """

    name: str
    shape: tuple[int, ...]
    quality: float
    moves: tuple[Move, ...]
    regions: tuple[Region, ...]
    object_pixels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """How suspicious the mask of an image is, and why.

    Args:
        name: of the image.
        score: suspicion, 0 to 1.
        quality: `label_quality` of the mask, 0 to 1; NaN where nothing is labelled.
        findings: what seems wrong, most suspicious first; may be empty.
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
) -> Examined:
    """Hold one mask against a model's probabilities.

    Args:
        name: of the image.
        labels: *S, 255 where ignored.
        objects: *S, 0 for none, else the number of the labelled object.
        probabilities: K *S, of a model that has not seen the labels.
        thresholds: K, from `SelfConfidence` over all images.
        classes: what the labels mean.

    Returns:
        What was found.
    """
    quality = label_quality(labels, probabilities)
    moves: list[Move] = []
    if classes.encoding != "instances" and (move := find_exchange(labels, probabilities)):
        moves.append(move)
        labels = exchanged(labels, move.classes)
    foreground = range(1 if has_background(classes) else 0, len(classes))
    if move := find_shift(labels, probabilities, foreground):
        moves.append(move)
        labels, objects = shifted(labels, move.offset, IGNORE), shifted(objects, move.offset, 0)
    regions = find_regions(labels, probabilities, thresholds)
    sizes = np.bincount(objects.ravel())
    sizes[0] = 0
    areas = [int(sizes[np.unique(objects[region.window][region.inside])].sum()) for region in regions]
    return Examined(name, labels.shape, quality, tuple(moves), tuple(regions), tuple(areas))


def rank(examined: Sequence[Examined], classes: Classes) -> list[Verdict]:
    """The verdicts on all images, most suspicious first.

    Args:
        examined: every image.
        classes: what the labels mean.

    Returns:
        One verdict an image; of equal suspicion, the mask of lower quality comes first.
    """
    usual = _usual(examined)
    verdicts = []
    for one in examined:
        found = [of_move(move, one.shape, classes) for move in one.moves]
        innocent = float(np.prod([1 - finding.score for finding in found]))
        scores = [_score(region, usual) for region in one.regions]
        for region, score, area in zip(one.regions, scores, one.object_pixels, strict=True):
            if score >= NOTABLE:
                found.append(of_region(region, score, area, classes))
        found.sort(key=lambda finding: -finding.score)
        verdicts.append(Verdict(one.name, 1 - innocent * (1 - max(scores, default=0.0)), one.quality, tuple(found)))
    return sorted(verdicts, key=lambda verdict: (-verdict.score, 2.0 if isnan(verdict.quality) else verdict.quality))


Pair = tuple[int, int]


def _score(region: Region, usual: dict[Pair, float]) -> float:
    return region.evidence / (region.evidence + BASE + usual[region.given, region.proposed])


def _usual(examined: Sequence[Examined]) -> dict[Pair, float]:
    """For two classes, what the worst region between them counts for in an image."""
    worst: dict[Pair, list[float]] = defaultdict(list)
    for one in examined:
        of_image: dict[Pair, float] = {}
        for region in one.regions:  # the one that counts most is first
            of_image.setdefault((region.given, region.proposed), region.evidence)
        for pair, evidence in of_image.items():
            worst[pair].append(evidence)
    absent = {pair: len(examined) - len(found) for pair, found in worst.items()}
    return {pair: float(np.percentile([*found, *[0.0] * absent[pair]], USUAL)) for pair, found in worst.items()}
