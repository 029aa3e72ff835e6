"""How much of the prediction and of the truth lies on the other: Dice, IoU, precision, recall.

With tp pixels in both masks, fp only in the prediction and fn only in the truth:

    dice = 2 tp / (2 tp + fp + fn)      precision = tp / (tp + fp)
    iou = tp / (tp + fp + fn)           recall = tp / (tp + fn)

A ratio of zero to zero is NaN, "undefined", and is counted apart, never averaged as 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unetkit.metrics.known import Mask, known_masks


class Counts(NamedTuple):
    """Pixels in both masks (tp), only in the prediction (fp), only in the truth (fn)."""

    tp: int
    fp: int
    fn: int


def counts(prediction: Mask, truth: Mask, valid: Mask) -> Counts:
    """Count the labelled pixels in both masks, only in the prediction, and only in the truth.

    Raises:
        InputError: shapes differ, or a mask is not boolean.

    Example:
        >>> counts(np.array([[True, True]]), np.array([[True, False]]), np.array([[True, True]]))
        Counts(tp=1, fp=1, fn=0)
    """
    prediction, truth = known_masks(prediction, truth, valid)
    both = int(np.count_nonzero(prediction & truth))
    return Counts(both, int(np.count_nonzero(prediction)) - both, int(np.count_nonzero(truth)) - both)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def dice(
    prediction: Mask, truth: Mask, valid: Mask, *, spacing: Sequence[float] | None = None, tolerance: float = 2.0
) -> float:
    """Dice similarity (F1 score of pixels), 0 … 1; NaN when both masks are empty.

    Args:
        prediction: bool *S.
        truth: bool *S.
        valid: bool *S, False where ignored.
        spacing: not used; every metric takes the same arguments.
        tolerance: not used.

    Source:
        Dice 1945, "Measures of the amount of ecologic association between species", Ecology 26(3).

    Example:
        >>> dice(np.array([[True, True]]), np.array([[True, False]]), np.array([[True, True]]))
        0.6666666666666666
    """
    tp, fp, fn = counts(prediction, truth, valid)
    return _ratio(2 * tp, 2 * tp + fp + fn)


def iou(
    prediction: Mask, truth: Mask, valid: Mask, *, spacing: Sequence[float] | None = None, tolerance: float = 2.0
) -> float:
    """Intersection over union (Jaccard index), 0 … 1; NaN when both masks are empty. Arguments as for `dice`.

    Example:
        >>> iou(np.array([[True, True]]), np.array([[True, False]]), np.array([[True, True]]))
        0.5
    """
    tp, fp, fn = counts(prediction, truth, valid)
    return _ratio(tp, tp + fp + fn)


def precision(
    prediction: Mask, truth: Mask, valid: Mask, *, spacing: Sequence[float] | None = None, tolerance: float = 2.0
) -> float:
    """Share of the predicted pixels that are right, 0 … 1; NaN when nothing is predicted. Arguments as for `dice`.

    Example:
        >>> precision(np.array([[True, True]]), np.array([[True, False]]), np.array([[True, True]]))
        0.5
    """
    tp, fp, _ = counts(prediction, truth, valid)
    return _ratio(tp, tp + fp)


def recall(
    prediction: Mask, truth: Mask, valid: Mask, *, spacing: Sequence[float] | None = None, tolerance: float = 2.0
) -> float:
    """Share of the true pixels that are found, 0 … 1; NaN when the truth is empty. Arguments as for `dice`.

    Example:
        >>> recall(np.array([[True, True]]), np.array([[True, False]]), np.array([[True, True]]))
        1.0
    """
    tp, _, fn = counts(prediction, truth, valid)
    return _ratio(tp, tp + fn)
