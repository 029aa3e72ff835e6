"""From what a network gives to numbered objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.objects import ObjectMap
from unetkit.objects.band import Relief
from unetkit.objects.basins import Basins
from unetkit.separation.separator import Floats, Separator

BAND = {2: 256, 3: 16}
"""Rows (planes) that are decoded at a time: they fit the cache."""

MOST_HELD = 2**22
"""Pixels whose basins are kept in memory between two looks."""


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

    @property
    def halo(self) -> int:
        """Pixels around a window that its decoding depends on."""
        return int(3 * self.smoothing + 0.5) + 2


def relief_of(
    separator: Separator, probabilities: Floats, extra: Floats, labels: npt.NDArray[np.uint8], smoothing: float
) -> Relief:
    """What the watershed climbs, smoothed.

    Args:
        separator: what the network was trained with.
        probabilities: K *S.
        extra: E *S, the outputs beside the classes.
        labels: *S, the class of each pixel.
        smoothing: see `Decoding`.
    """
    relief = separator.relief(probabilities, extra, labels)
    if not smoothing:
        return relief
    return relief._replace(height=ndimage.gaussian_filter(relief.height, smoothing, truncate=3.0))


def decode(
    separator: Separator,
    probabilities: Floats,
    extra: Floats,
    decoding: Decoding,
    *,
    labels: npt.NDArray[np.uint8] | None = None,
) -> ObjectMap:
    """The objects of an image in memory.

    Args:
        separator: what the network was trained with.
        probabilities: K *S float32.
        extra: E *S float32, the outputs beside the classes.
        decoding: how.
        labels: uint8 *S, the class of each pixel; None for the most probable one.

    Returns:
        Objects, each of one class, with the mean probability of being an object as confidence.
    """
    if labels is None:
        labels = probabilities.argmax(0).astype(np.uint8)
    relief = relief_of(separator, probabilities, extra, labels, decoding.smoothing)
    extent, band = labels.shape[0], BAND[labels.ndim]

    def read(start: int, stop: int) -> Relief:
        flow = None if relief.flow is None else relief.flow[:, start:stop]
        return Relief(relief.height[start:stop], relief.labels[start:stop], flow)

    basins = Basins(read, extent, band, hold=MOST_HELD // max(labels[0].size * band, 1) + 1)
    cut = basins.cut(seed=decoding.seed, least=decoding.least)
    ids = cut.whole()
    sure = np.bincount(ids.reshape(-1), (1 - probabilities[0]).reshape(-1), cut.count + 1)[1:]
    return ObjectMap(ids, cut.classes, (sure / np.maximum(cut.areas, 1)).astype(np.float32))
