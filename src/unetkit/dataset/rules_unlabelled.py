"""A rule about images without a label: do they look like those with one?"""

from __future__ import annotations

import math

import numpy as np

from unetkit.dataset.findings import Case, Finding, listed, several
from unetkit.dataset.records import ImageFacts

OTHER_SKEW = 1.25
OTHER_ROUGHNESS = 0.6
"""So far an image's skewness, or the logarithm of its roughness, lies from that of every labelled image before it
counts as of another kind. With one image in six labelled, no street, field, membrane or fundus image was such among
its own, two of 24 photographs of tiles, and 8 of 24 images of nuclei, which are of six kinds; of another set's images
7 in 10 were (measured on six sets, from none of the fundus photographs among tiles to all membranes among streets)."""


def unlike_labelled(case: Case) -> list[Finding]:
    """Images without a label that look unlike all with one."""
    bare = {image.name for image in case.unlabelled}
    seen = [image for image in case.survey.readable_images if image.small.size]
    labelled = np.array([_look(image) for image in seen if image.name in case.labelled])
    if not labelled.size:
        return []
    odd = []
    for image in seen:
        if image.name in bare:
            apart = np.abs(labelled - _look(image)) / (OTHER_SKEW, OTHER_ROUGHNESS)
            if apart.max(axis=1).min() > 1:
                odd.append(image)
    if not odd:
        return []
    what = f"{several(len(odd), 'image')} without a label unlike all with one: {listed(image.name for image in odd)}"
    why = "a method that learns from unlabelled images may learn wrong labels from such"
    mend = "label one of them, or move them out of the dataset where they show something else"
    return [Finding("unlike-labelled", "warning", tuple(image.file for image in odd), what, why, mend)]


def _look(image: ImageFacts) -> tuple[float, float]:
    """Skewness of the grey values (dark on bright, bright on dark), and log of how rough they are (fine, coarse)."""
    grey = image.small.reshape(-1, image.small.shape[-1]).astype(np.float64)
    grey = (grey - grey.mean()) / max(float(grey.std()), 1e-9)
    steps = sum(float(np.square(np.diff(grey, axis=axis)).mean()) for axis in (0, 1) if grey.shape[axis] > 1)
    return float((grey**3).mean()), math.log(max(steps / 2, 1e-6)) / 2
