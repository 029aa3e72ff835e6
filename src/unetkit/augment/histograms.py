"""Histogram matching: patches take on the intensities of another image.

    rank of a pixel among those of its own image ──▶ the intensity with that rank in the other image

Where the other image is more like the negative of the own one, dark on bright instead of bright on dark, it is the
negative that is matched: ranks are counted from the other end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Quantiles = npt.NDArray[np.float64]

RANKS = 65
"""Evenly spaced ranks, from the darkest pixel to the brightest, whose intensities describe an image."""

STEPS = 1024
"""Intensities between the darkest and the brightest that a patch can have are told apart in so many steps."""


def quantiles(pixels: npt.NDArray[np.floating]) -> Quantiles:
    """The intensities C R at the ranks, of pixels C *S.

    Example:
        >>> quantiles(np.arange(65.0).reshape(1, 5, 13))[0, [0, 32, 64]].tolist()
        [0.0, 32.0, 64.0]
    """
    found: Quantiles = np.quantile(pixels.reshape(len(pixels), -1), np.linspace(0, 1, RANKS), axis=1).T
    return found


def match_histogram(
    pixels: npt.NDArray[np.float32], own: Quantiles, other: Quantiles, strength: float
) -> npt.NDArray[np.float32]:
    """The patch as it might look in another image.

    Args:
        pixels: C *S, normalised.
        own: `quantiles` of the image that the patch is from.
        other: those of the other image.
        strength: 1 matches the histogram; 0 changes the mean alone, and bright for dark if the other image is so.

    Returns:
        C *S.

    Source:
        As augmentation: Ma, "Histogram matching augmentation for domain adaptation with application to multi-centre,
        multi-vendor and multi-disease cardiac image segmentation", STACOM 2020. The negatives are our addition.

    Example:
        >>> own, other = np.linspace(0, 1, RANKS)[None], np.linspace(0, 1, RANKS)[None] ** 0.5  # mostly dark, bright
        >>> match_histogram(np.array([[0.0, 0.25, 1.0]], np.float32), own, other, 1.0).round(1).tolist()
        [[0.0, 0.5, 1.0]]
    """
    negative = -own[:, ::-1]
    way = 1
    if _distance(negative, other) < _distance(own, other):
        own, way = negative, -1
    changed = np.empty_like(pixels)
    for channel, (here, there) in enumerate(zip(own, other, strict=True)):
        reach = max(here[-1] - here[0], 1e-6)
        levels = np.linspace(here[0], here[-1], STEPS)
        distinct, place = np.unique(here, return_inverse=True)  # pixels of one intensity get the middle of their ranks
        matched = np.interp(levels, distinct, np.bincount(place, there) / np.bincount(place))
        table = strength * matched + (1 - strength) * (levels + there.mean() - here.mean())
        level = ((way * pixels[channel] - here[0]) * ((STEPS - 1) / reach)).clip(0, STEPS - 1)
        changed[channel] = table.astype(np.float32).take(level.astype(np.int32))
    return changed


def _distance(one: Quantiles, other: Quantiles) -> float:
    """How much intensity has to be moved from one histogram to the other, their means being the same."""
    apart = (one - one.mean(1, keepdims=True)) - (other - other.mean(1, keepdims=True))
    return float(np.abs(apart).mean())
