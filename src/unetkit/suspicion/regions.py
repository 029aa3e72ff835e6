"""Connected regions whose label is in doubt, and how much each speaks against the mask.

Nobody draws an outline to the pixel, so a thin seam along one is no error. A pixel labelled i and taken for j counts by
how far the outline would have to move to explain it:

    d(x) = the larger of: the distance from x to the nearest label j, the distance to where the model sees i

In a seam d is the seam's width or less; in an object that is missing, or that is not there, it is large even though the
object be thin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.suspicion.doubt import NOWHERE, Labels, Probabilities, doubted

Mask = npt.NDArray[np.bool_]
Window = tuple[slice, ...]

JITTER = 2
"""Pixels that an outline may be off without being suspicious."""

RAMP = 4
"""Pixels beyond these until a pixel counts whole."""

LEAST = 6.0
"""Whole pixels that a region must count for to be reported."""

MOST = 40
"""Regions of an image that are kept: those that count most."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A place where the label is in doubt.

    Args:
        given: class index that is labelled there.
        proposed: the one the model is confident of.
        window: bounding box in the image.
        inside: bool, of the window's shape.
        evidence: how many whole pixels it counts for: sum of (p_proposed − p_given) × the weight of their distance.
        sure: mean probability of the proposed class, 0 to 1.
        rim: share of the pixels around it that are labelled with the proposed class, 0 to 1.
    """

    given: int
    proposed: int
    window: Window
    inside: Mask
    evidence: float
    sure: float
    rim: float

    @property
    def pixels(self) -> int:
        """Its area."""
        return int(self.inside.sum())


def find_regions(
    labels: Labels, probabilities: Probabilities, thresholds: npt.NDArray[np.float64]
) -> list[Region]:
    """The regions of an image whose label is in doubt.

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.
        thresholds: K, from `SelfConfidence`.

    Returns:
        Those that count most first, `MOST` of them at most.
    """
    proposed = doubted(labels, probabilities, thresholds)
    seen = probabilities.argmax(0).astype(np.uint8)
    pairs = np.unique(labels[proposed != NOWHERE].astype(np.int64) * 256 + proposed[proposed != NOWHERE])
    found: list[Region] = []
    for given, other in (divmod(int(pair), 256) for pair in pairs):
        doubt = (labels == given) & (proposed == other)
        far = np.maximum(_distance(labels == other), _distance(seen == given))
        weight = ((far - JITTER) / RAMP).clip(0, 1) * doubt
        gain = weight * (probabilities[other].astype(np.float32) - probabilities[given])
        for window, core in _pieces(weight > 0):
            evidence = float(gain[window][core].sum())
            if evidence >= LEAST:
                found.append(_grown(window, core, evidence, labels, seen, probabilities, (given, other)))
    return sorted(found, key=lambda region: -region.evidence)[:MOST]


def _distance(there: Mask) -> npt.NDArray[np.float32]:
    """From every pixel to the nearest one that is there, in pixels."""
    if not there.any():
        return np.full(there.shape, np.inf, np.float32)
    distance: npt.NDArray[np.float32] = ndimage.distance_transform_edt(~there).astype(np.float32)
    return distance


def _pieces(core: Mask) -> Iterator[tuple[Window, Mask]]:
    """The connected regions that are not too small to count."""
    numbered, _ = ndimage.label(core)
    sizes = np.bincount(numbered.ravel())
    for number, window in enumerate(ndimage.find_objects(numbered), 1):
        if sizes[number] >= LEAST:
            yield window, numbered[window] == number


def _grown(
    window: Window,
    core: Mask,
    evidence: float,
    labels: Labels,
    seen: Labels,
    probabilities: Probabilities,
    pair: tuple[int, int],
) -> Region:
    """The region with the seam around it that did not count: what would have to be painted anew."""
    given, proposed = pair
    by = JITTER + 1
    pads = [
        (min(by, part.start), min(by, extent - part.stop)) for part, extent in zip(window, labels.shape, strict=True)
    ]
    window = tuple(
        slice(part.start - low, part.stop + high) for part, (low, high) in zip(window, pads, strict=True)
    )
    core = np.pad(core, pads)
    given_here, seen_here = labels[window] == given, seen[window] == proposed
    inside = ndimage.binary_dilation(core, iterations=by, mask=core | (given_here & seen_here))
    around = ndimage.binary_dilation(inside) & ~inside
    rim = float((labels[window][around] == proposed).mean()) if around.any() else 0.0
    tight = ndimage.find_objects(inside.astype(np.uint8))[0]
    sure = float(probabilities[(proposed, *window)][inside].mean(dtype=np.float64))
    place = tuple(
        slice(part.start + cut.start, part.start + cut.stop) for part, cut in zip(window, tight, strict=True)
    )
    return Region(given, proposed, place, inside[tight].copy(), evidence, sure, rim)
