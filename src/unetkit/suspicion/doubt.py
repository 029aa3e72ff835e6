"""Which labels a model that never saw them doubts: confident learning, for segmentation.

A model gives pixel x the probabilities p(x), and somebody labelled it k. How sure the model usually is of a class is
found from the labels themselves, though some of them are wrong:

    t_k = mean of p_k(x) over the pixels labelled k

Where the most probable class j is not the label, and p_j(x) ≥ t_j, the label is in doubt. A model that is timid with a
class, or too bold, so does not doubt all of its labels, or none.

Northcutt, Jiang & Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 2021. The quality of a
whole mask is Lad & Mueller's: Estimating Label Quality and Errors in Semantic Segmentation Data via Any Model, 2023.
Neither knows of outlines, which nobody draws to the pixel. So a pixel that is labelled i and seen as j counts by how
far an outline would have to move to explain it:

    d(x) = the larger of: the distance from x to the nearest label j, the distance to where the model sees i

In a seam along an outline d is the seam's width or less; in an object that is missing, or that is not there, it is
large even though the object be thin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import IGNORE

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Probabilities = npt.NDArray[np.floating]

TEMPERATURE = 0.1
"""The lower, the more the pixels alone decide whose labels the model gives the least probability."""

UNLIKELY = 1e-4
"""Probabilities below count as this: no network is as sure as it says."""

JITTER = 2
"""Pixels that an outline may be off without being suspicious."""

RAMP = 4
"""Pixels beyond these until a pixel counts whole."""


class SelfConfidence:
    """How sure models are, on average, of the class a pixel is labelled with; image after image is added.

    Args:
        num_classes: K.

    Example:
        >>> confidence = SelfConfidence(2)
        >>> confidence.add(np.array([[0, 1]], np.uint8), np.array([[[0.9, 0.2]], [[0.1, 0.8]]]))
        >>> confidence.thresholds.tolist()
        [0.9, 0.8]
    """

    def __init__(self, num_classes: int) -> None:
        self.sums = np.zeros(num_classes)
        self.counts = np.zeros(num_classes, np.int64)

    def add(self, labels: Labels, probabilities: Probabilities) -> None:
        """Count an image: labels *S, 255 where ignored; probabilities K *S."""
        for index, own in enumerate(probabilities):
            labelled = labels == index
            self.sums[index] += own[labelled].sum(dtype=np.float64)
            self.counts[index] += labelled.sum()

    @property
    def thresholds(self) -> npt.NDArray[np.float64]:
        """Of each class; infinity for one that no pixel is labelled with, of which nothing can be known."""
        found = np.full(len(self.sums), np.inf)
        np.divide(self.sums, self.counts, out=found, where=self.counts > 0)
        return found


def doubted(labels: Labels, probabilities: Probabilities, thresholds: npt.NDArray[np.float64]) -> Mask:
    """Where the label is in doubt.

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.
        thresholds: K, from `SelfConfidence`.

    Returns:
        bool *S.

    Example:
        >>> doubted(np.zeros((1, 2), np.uint8), np.array([[[0.9, 0.2]], [[0.1, 0.8]]]), np.array([0.9, 0.7])).tolist()
        [[False, True]]
    """
    seen = probabilities.argmax(0)
    sure = probabilities.max(0) >= thresholds[seen]
    found: Mask = sure & (seen != labels) & (labels != IGNORE)
    return found


def of_label(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float32]:
    """Probability of each pixel's own label: *S, 1 where ignored."""
    found = np.ones(labels.shape, np.float32)
    for index, own in enumerate(probabilities):
        np.copyto(found, own, where=labels == index, casting="same_kind")
    return found


def beyond_jitter(labels: Labels, seen: Labels) -> npt.NDArray[np.float32]:
    """How much each pixel counts, should its label be wrong.

    Args:
        labels: *S, 255 where ignored.
        seen: *S, the model's labels.

    Returns:
        *S, from 0, where moving an outline by `JITTER` pixels explains that the two differ, to 1; 1 where they agree.

    Example:
        >>> seen = np.zeros((1, 9), np.uint8)
        >>> seen[0, 3:] = 1
        >>> beyond_jitter(np.zeros((1, 9), np.uint8), seen)[0, :5].tolist()  # nothing is labelled 1: no outline to move
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    differ = (seen != labels) & (labels != IGNORE)
    far = np.full(labels.shape, np.inf, np.float32)
    for index in np.unique(seen[differ]):
        here = differ & (seen == index)
        far[here] = _distance(labels == index)[here]
    for index in np.unique(labels[differ]):
        here = differ & (labels == index)
        far[here] = np.maximum(far[here], _distance(seen == index)[here])
    weight: npt.NDArray[np.float32] = ((far - JITTER) / RAMP).clip(0, 1)
    return weight


def _distance(there: Mask) -> npt.NDArray[np.float32]:
    """From every pixel to the nearest one that is there, in pixels; infinite where there is none."""
    if not there.any():
        return np.full(there.shape, np.inf, np.float32)
    distance: npt.NDArray[np.float32] = ndimage.distance_transform_edt(~there).astype(np.float32)
    return distance


def against(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float32]:
    """How much more likely the model finds what it sees than the label: ln of the ratio, *S, 0 to 9.3; 0 if ignored.

    The sum over a region is the weight of evidence against its label, as if pixels told independently.

    Example:
        >>> said = against(np.array([[0, 0]], np.uint8), np.array([[[0.9, 0.2]], [[0.1, 0.8]]]))
        >>> [round(float(one), 2) for one in said[0]]
        [0.0, 1.39]
    """
    ratio = np.log(probabilities.max(0)) - np.log(of_label(labels, probabilities).clip(UNLIKELY))
    found: npt.NDArray[np.float32] = np.where(labels == IGNORE, 0, ratio.clip(0)).astype(np.float32)
    return found


def doubt(own: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How much a pixel counts by the probability of its label: exp(−p / 0.1), 1 at 0, and 0.007 where undecided."""
    counts: npt.NDArray[np.float32] = np.exp(-own / TEMPERATURE)
    return counts


def label_quality(labels: Labels, probabilities: Probabilities, weight: npt.NDArray[np.float32]) -> float:
    """How well a mask fits what a model sees, mostly where it fits worst: a soft minimum over its pixels.

    With l the probability of a pixel's label, raised to 1 as far as the pixel does not count, the mean of l weighted by
    exp(−l / 0.1).

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.
        weight: *S, how much each pixel counts, 0 to 1, from `beyond_jitter`.

    Returns:
        0 to 1, 1 where the model agrees with every pixel; NaN where nothing is labelled.

    Source:
        Lad & Mueller 2023, whose experiments found the soft minimum best among such scores.

    Example:
        >>> half = np.array([[[1.0, 0.5]], [[0.0, 0.5]]])
        >>> round(label_quality(np.array([[0, 1]], np.uint8), half, np.ones((1, 2), np.float32)), 3)
        0.503
    """
    labelled = labels != IGNORE
    own = 1 - (1 - of_label(labels, probabilities)[labelled]) * weight[labelled]
    if not own.size:
        return float("nan")
    counts = doubt(own).astype(np.float64)
    return float((own * counts).sum() / counts.sum())
