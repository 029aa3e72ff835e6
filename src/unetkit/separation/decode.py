"""From what a network gives to numbered objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from unetkit.objects import Confidence, ObjectMap
from unetkit.objects.band import Relief
from unetkit.objects.basins import Basins
from unetkit.separation.separator import Floats, Labels, Separator

BAND = 2**20
"""Pixels (voxels) that are decoded at a time."""

MOST_HELD = 2**22
"""Pixels whose basins are kept in memory between two looks."""


TRUNCATE = 3.0
"""Standard deviations at which the Gaussian ends."""

Outputs = Callable[[int, int], tuple[Labels, Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How objects are made of outputs; tuned on the validation images.

    Args:
        seed: height above which connected pixels are one object.
        smoothing: standard deviation of the Gaussian that the height is smoothed with, px; 0 for none.
        least: objects of fewer pixels are left out.
    """

    seed: float
    smoothing: float = 1.0
    least: int = 1


def rescaled(decoding: Decoding, own: Sequence[int], seen: Sequence[int]) -> Decoding:
    """The same for pixels of another size than those it was tuned for.

    Args:
        decoding: for the pixels that the network sees.
        own: *S, how many pixels the image has itself.
        seen: *S, how many of them the network sees.

    Example:
        >>> rescaled(Decoding(0.5, smoothing=1.0, least=10), (200, 200), (100, 100))
        Decoding(seed=0.5, smoothing=2.0, least=40)
    """
    growth = math.prod(own) / math.prod(seen)
    linear = growth ** (1 / len(own))
    return Decoding(decoding.seed, decoding.smoothing * linear, max(round(decoding.least * growth), 1))


def halo_of(smoothing: float) -> int:
    """Rows (planes) around a band that its relief depends on: those of the Gaussian, and one for a slope."""
    return int(TRUNCATE * smoothing + 0.5) + 1


def band_of(shape: Sequence[int]) -> int:
    """Rows (planes) of an image that are decoded at a time: 16 or more in the plane, where a row is a thin thing."""
    return max(BAND // max(math.prod(shape[1:]), 1), 16 if len(shape) == 2 else 1)


def basins_of(separator: Separator, outputs: Outputs, shape: Sequence[int], smoothing: float) -> Basins:
    """The basins of an image whose outputs are read band by band.

    Args:
        separator: what the network was trained with.
        outputs: (start, stop) along the first axis -> labels *S, probability of background *S, extra outputs E *S.
        shape: *S of the image.
        smoothing: see `Decoding`.
    """
    extent, band = shape[0], band_of(shape)
    halo = halo_of(smoothing)

    def read(start: int, stop: int) -> Relief:
        low, high = max(start - halo, 0), min(stop + halo, extent)
        labels, background, extra = outputs(low, high)
        relief = separator.relief(labels, np.nan_to_num(background, nan=1.0), np.nan_to_num(extra))  # NaN is no data
        height = ndimage.gaussian_filter(relief.height, smoothing, truncate=TRUNCATE) if smoothing else relief.height
        inner = slice(start - low, stop - low)
        flow = None if relief.flow is None else relief.flow[:, inner]
        return Relief(height[inner], relief.labels[inner], flow)

    return Basins(read, extent, band, hold=MOST_HELD // max(math.prod(shape[1:]) * band, 1) + 1)


def decode(separator: Separator, labels: Labels, probabilities: Floats, extra: Floats, decoding: Decoding) -> ObjectMap:
    """The objects of an image in memory.

    Args:
        separator: what the network was trained with.
        labels: uint8 *S, the class of each pixel, 255 for nothing.
        probabilities: float32 K *S, of the classes; may be NaN where labels are 255.
        extra: float32 E *S, the outputs beside the classes; likewise.
        decoding: how.

    Returns:
        Objects, each of one class, with the mean probability of their class as confidence.
    """

    def outputs(start: int, stop: int) -> tuple[Labels, Floats, Floats]:
        return labels[start:stop], probabilities[0, start:stop], extra[:, start:stop]

    cut = basins_of(separator, outputs, labels.shape, decoding.smoothing).cut(seed=decoding.seed, least=decoding.least)
    ids = cut.whole()
    confidence = Confidence(cut.count)
    confidence.add(ids, labels, lambda index: probabilities[index])
    return ObjectMap(ids, cut.classes, confidence.mean())
