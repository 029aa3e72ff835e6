"""From what a network gives to numbered objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from unetkit.classes import IGNORE
from unetkit.objects import Confidence, ObjectMap
from unetkit.objects.band import Relief
from unetkit.objects.basins import Basins, Cut
from unetkit.separation.separator import Floats, Labels, Separator

BAND = 2**20
"""Pixels (voxels) that are decoded at a time."""

MOST_HELD = 2**24
"""Pixels whose basins are kept in memory between two looks, 4 bytes each."""


DEEPEST = 16
"""Pixels from the edge of its class beyond which a pixel counts as no deeper."""

TRUNCATE = 3.0
"""Standard deviations at which the Gaussian ends."""

Outputs = Callable[[int, int], tuple[Labels, Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How objects are made of outputs; tuned on the validation images.

    Args:
        seed: height above which connected pixels are one object; with `deep`, by how much a peak has to stand out, px.
        smoothing: standard deviation of the Gaussian that the height is smoothed with, px; 0 for none.
        least: objects of fewer pixels are left out.
        deep: whether the height is multiplied by the depth inside the class, px, so that necks part what the network
            leaves in one, and seeds are peaks that stand out.
    """

    seed: float
    smoothing: float = 1.0
    least: int = 1
    deep: bool = False


def rescaled(decoding: Decoding, own: Sequence[int], seen: Sequence[int]) -> Decoding:
    """The same for pixels of another size than those it was tuned for.

    Args:
        decoding: for the pixels that the network sees.
        own: *S, how many pixels the image has itself.
        seen: *S, how many of them the network sees.

    Example:
        >>> rescaled(Decoding(0.5, smoothing=1.0, least=10), (200, 200), (100, 100))
        Decoding(seed=0.5, smoothing=2.0, least=40, deep=False)
    """
    growth = math.prod(own) / math.prod(seen)
    linear = growth ** (1 / len(own))
    seed = decoding.seed * linear if decoding.deep else decoding.seed
    least = max(round(decoding.least * growth), 1)
    return replace(decoding, seed=seed, smoothing=decoding.smoothing * linear, least=least)


def halo_of(decoding: Decoding) -> int:
    """Rows (planes) around a band that its relief depends on: those of the Gaussian, of the depth, one for a slope."""
    return int(TRUNCATE * decoding.smoothing + 0.5) + 1 + (DEEPEST + 1 if decoding.deep else 0)


def band_of(shape: Sequence[int]) -> int:
    """Rows (planes) of an image that are decoded at a time: 16 or more in the plane, where a row is a thin thing."""
    return max(BAND // max(math.prod(shape[1:]), 1), 16 if len(shape) == 2 else 1)


def basins_of(separator: Separator, outputs: Outputs, shape: Sequence[int], decoding: Decoding) -> Basins:
    """The basins of an image whose outputs are read band by band.

    Args:
        separator: what the network was trained with.
        outputs: (start, stop) along the first axis -> labels *S, probability of background *S, extra outputs E *S.
        shape: *S of the image.
        decoding: its smoothing and depth count here, and the rest in `cut`.
    """
    extent, band, smoothing = shape[0], band_of(shape), decoding.smoothing
    halo = halo_of(decoding)

    def read(start: int, stop: int) -> Relief:
        low, high = max(start - halo, 0), min(stop + halo, extent)
        labels, background, extra = outputs(low, high)
        relief = separator.relief(labels, np.nan_to_num(background, nan=1.0), np.nan_to_num(extra))  # NaN is no data
        height = relief.height * depth(labels) if decoding.deep else relief.height
        height = ndimage.gaussian_filter(height, smoothing, truncate=TRUNCATE) if smoothing else height
        inner = slice(start - low, stop - low)
        flow = None if relief.flow is None else relief.flow[:, inner]
        return Relief(height[inner], relief.labels[inner], flow)

    return Basins(read, extent, band, hold=MOST_HELD // max(math.prod(shape[1:]) * band, 1) + 1)


def cut(basins: Basins, decoding: Decoding) -> Cut:
    """The objects that basins make."""
    return basins.cut(seed=decoding.seed, least=decoding.least, prominent=decoding.deep)


def depth(labels: Labels) -> Floats:
    """Distance of each pixel to the next one of another class, px, at most DEEPEST; 0 for background. *S."""
    deep = np.zeros(labels.shape, np.float32)
    for index in np.unique(labels[(labels > 0) & (labels != IGNORE)]):
        inside = labels == index
        if inside.all():
            return np.full(labels.shape, DEEPEST, np.float32)
        deep = np.where(inside, ndimage.distance_transform_edt(inside), deep).astype(np.float32)
    return np.minimum(deep, DEEPEST)


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

    made = cut(basins_of(separator, outputs, labels.shape, decoding), decoding)
    ids, confidence = made.whole(), Confidence(made.count)
    for rows in made.basins.bands():  # a band stays in the processor's memory
        confidence.add(ids[rows], labels[rows], probabilities[:, rows].__getitem__)
    return ObjectMap(ids, made.classes, confidence.mean())
