"""Which pixels' labels a model that never saw them doubts: confident learning, for segmentation.

A model gives pixel x the probabilities p(x), and somebody labelled it k. How sure the model usually is of a class is
found from the labels themselves, though some of them are wrong:

    t_k = mean of p_k(x) over the pixels labelled k

The model is confident of class j at x where p_j(x) ≥ t_j; where the surest of these classes is not the label, the label
is in doubt. A model that is timid with a class, or too bold, so does not doubt all of its labels, or none.

Northcutt, Jiang & Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 2021. The quality of a
whole mask is that of Lad & Mueller, Estimating Label Quality and Errors in Semantic Segmentation Data via Any Model, 2023.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE

Labels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.floating]

TEMPERATURE = 0.1
"""Of the soft minimum: the lower, the more the worst pixels alone decide."""

NOWHERE = -1
"""In place of a class: the label is not in doubt."""


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


def doubted(
    labels: Labels, probabilities: Probabilities, thresholds: npt.NDArray[np.float64]
) -> npt.NDArray[np.int16]:
    """The class that each pixel should rather have.

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.
        thresholds: K, from `SelfConfidence`.

    Returns:
        *S: a class index, or `NOWHERE` where the label is not in doubt.

    Example:
        >>> doubted(np.zeros((1, 2), np.uint8), np.array([[[0.9, 0.2]], [[0.1, 0.8]]]), np.array([0.9, 0.7])).tolist()
        [[-1, 1]]
    """
    surest = np.zeros(labels.shape, np.float32)
    found = np.full(labels.shape, NOWHERE, np.int16)
    for index, (own, threshold) in enumerate(zip(probabilities, thresholds, strict=True)):
        better = (own >= threshold) & (own > surest)
        found[better] = index
        surest[better] = own[better]
    found[(found == labels) | (labels == IGNORE)] = NOWHERE
    return found


def of_label(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float32]:
    """Probability of each pixel's own label: *S, NaN where ignored."""
    found = np.full(labels.shape, np.nan, np.float32)
    for index, own in enumerate(probabilities):
        np.copyto(found, own, where=labels == index, casting="same_kind")
    return found


def label_quality(labels: Labels, probabilities: Probabilities) -> float:
    """How well a mask fits what a model sees, mostly where it fits worst: a soft minimum over its pixels.

    With l the probability of a pixel's label, the mean of l weighted by exp((1 − l) / 0.1).

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.

    Returns:
        0 to 1, 1 where the model agrees with every pixel; NaN where nothing is labelled.

    Source:
        Lad & Mueller 2023, whose experiments found the soft minimum best among such scores.

    Example:
        >>> round(label_quality(np.array([[0, 1]], np.uint8), np.array([[[1.0, 0.5]], [[0.0, 0.5]]])), 3)
        0.503
    """
    own = of_label(labels, probabilities)
    own = own[~np.isnan(own)].astype(np.float64)
    if not own.size:
        return float("nan")
    weight = np.exp((1 - own) / TEMPERATURE)
    return float((own * weight).sum() / weight.sum())
