"""Which images look as no labelled one does: dark on bright instead of bright on dark, or much finer or coarser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from unetkit.dataset.folder import Dataset
    from unetkit.dataset.records import ImageFacts

OTHER_SKEW = 1.25
OTHER_ROUGHNESS = 0.6
"""So far an image's skewness, or the logarithm of its roughness, lies from that of every labelled image before it
counts as of another kind. With one image in six labelled, no street, field, membrane or fundus image was such among
its own, two of 24 photographs of tiles, and 8 of 24 images of nuclei, which are of six kinds; of another set's images
7 in 10 were (measured on six sets, from none of the fundus photographs among tiles to all membranes among streets)."""


def unlike(labelled: Sequence[ImageFacts], others: Sequence[ImageFacts]) -> list[ImageFacts]:
    """Those of the others that look unlike every labelled image; of blank ones and missing data nothing is said.

    Args:
        labelled: what is known; where there is nothing, nothing is unlike it.
        others: what is asked about.
    """
    known = np.array([_look(image) for image in labelled if _tells(image)])
    if not known.size:
        return []
    odd = []
    for image in others:
        if _tells(image):
            apart = np.abs(known - _look(image)) / (OTHER_SKEW, OTHER_ROUGHNESS)
            if apart.max(axis=1).min() > 1:
                odd.append(image)
    return odd


def unlike_names(dataset: Dataset, labelled: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The names of those of a dataset's images that `unlike` finds."""
    known, seen = ([dataset.look_at(dataset.sample(name)) for name in names] for names in (labelled, others))
    return tuple(image.name for image in unlike(known, seen))


def _tells(image: ImageFacts) -> bool:
    """Whether there is something to be seen, and the thumbnail shows nothing else."""
    return bool(image.small.size and np.ptp(image.small) > 0 and image.geometry.nodata is None)


def _look(image: ImageFacts) -> tuple[float, float]:
    """Skewness of the grey values (dark on bright, bright on dark), and log of how rough they are (fine, coarse)."""
    grey = image.small.reshape(-1, image.small.shape[-1]).astype(np.float64)
    grey = (grey - grey.mean()) / max(float(grey.std()), 1e-9)
    steps = sum(float(np.square(np.diff(grey, axis=axis)).mean()) for axis in (0, 1) if grey.shape[axis] > 1)
    return float((grey**3).mean()), math.log(max(steps / 2, 1e-6)) / 2
