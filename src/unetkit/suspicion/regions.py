"""Connected regions whose label is in doubt, and how much each speaks against the mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.suspicion.doubt import JITTER, Labels, Mask, Probabilities, against, doubted

Window = tuple[slice, ...]

LEAST = 30.0
"""Evidence that a region must have to be reported."""

SMALLEST = 6
"""Pixels that a region must have."""

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
        evidence: against its label: sum of `against` × `beyond_jitter`.
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
    labels: Labels,
    probabilities: Probabilities,
    weight: npt.NDArray[np.float32],
    thresholds: npt.NDArray[np.float64],
) -> list[Region]:
    """The regions of an image whose label is in doubt.

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.
        weight: *S, how much each pixel counts, from `beyond_jitter`.
        thresholds: K, from `SelfConfidence`.

    Returns:
        Those that count most first, `MOST` of them at most.
    """
    seen = probabilities.argmax(0).astype(np.uint8)
    core = doubted(labels, probabilities, thresholds) & (weight > 0)
    counts = weight * against(labels, probabilities)
    pairs = np.unique(labels[core].astype(np.int64) * 256 + seen[core])
    found: list[Region] = []
    for pair in (divmod(int(pair), 256) for pair in pairs):
        for window, piece in _pieces(core & (labels == pair[0]) & (seen == pair[1])):
            evidence = float(counts[window][piece].sum())
            if evidence >= LEAST:
                found.append(_grown(window, piece, evidence, labels, seen, probabilities, pair))
    return sorted(found, key=lambda region: -region.evidence)[:MOST]


def _pieces(core: Mask) -> Iterator[tuple[Window, Mask]]:
    """The connected regions that are not too small to count."""
    numbered, _ = ndimage.label(core)
    sizes = np.bincount(numbered.ravel())
    for number, window in enumerate(ndimage.find_objects(numbered), 1):
        if sizes[number] >= SMALLEST:
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
    window = tuple(slice(part.start - low, part.stop + high) for part, (low, high) in zip(window, pads, strict=True))
    core = np.pad(core, pads)
    given_here, seen_here = labels[window] == given, seen[window] == proposed
    inside = ndimage.binary_dilation(core, iterations=by, mask=core | (given_here & seen_here))
    around = ndimage.binary_dilation(inside) & ~inside
    rim = float((labels[window][around] == proposed).mean()) if around.any() else 0.0
    tight = ndimage.find_objects(inside.astype(np.uint8))[0]
    sure = float(probabilities[proposed][window][inside].mean(dtype=np.float64))
    place = tuple(slice(part.start + cut.start, part.start + cut.stop) for part, cut in zip(window, tight, strict=True))
    return Region(given, proposed, place, inside[tight].copy(), evidence, sure, rim)
