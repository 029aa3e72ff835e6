"""Which class was taken for which, over all pixels of all images together."""

from __future__ import annotations

from os import PathLike

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE
from unetkit.errors import InputError

BLOCK = 2**22
"""Pixels counted at a time: counting makes eight bytes of each."""

Labels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.int64]


def confusion_matrix(
    prediction: Labels, truth: Labels, num_classes: int, *, file: str | PathLike[str] | None = None
) -> Matrix:
    """Count the pixels of every pair of true and predicted class; matrices of several images may be added.

    Args:
        prediction: *S uint8, values 0 … K-1 wherever the truth is labelled.
        truth: *S uint8, values 0 … K-1, or 255 where ignored.
        num_classes: K.
        file: named in the errors.

    Returns:
        int64 K K: row is the true class, column the predicted one.

    Raises:
        InputError: the two differ in shape, or hold a value that is no class.

    Example:
        >>> confusion_matrix(np.array([[0, 1, 1]], np.uint8), np.array([[0, 0, 255]], np.uint8), 2).tolist()
        [[1, 1], [0, 0]]
    """
    if prediction.shape != truth.shape:
        raise InputError("prediction and truth differ in size", file=file, found=prediction.shape, expected=truth.shape)
    known = truth != IGNORE
    predicted, true = prediction[known], truth[known]
    for name, labels in (("prediction", predicted), ("truth", true)):
        if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
            strange = labels[(labels < 0) | (labels >= num_classes)]
            raise InputError(
                f"{name} holds labels that are no class, where the truth is labelled",
                file=file,
                found=f"{', '.join(map(str, np.unique(strange)[:8]))} on {strange.size} pixels",
                expected=f"0 … {num_classes - 1}",
            )
    pairs = np.zeros(num_classes**2, np.int64)
    for start in range(0, true.size, BLOCK):
        rows, columns = (labels[start : start + BLOCK].astype(np.int64) for labels in (true, predicted))
        pairs += np.bincount(rows * num_classes + columns, minlength=len(pairs))
    return pairs.reshape(num_classes, num_classes)


def pooled_iou(confusion: Matrix) -> npt.NDArray[np.float64]:
    """Intersection over union of every class, over all counted pixels; NaN where a class is in neither mask.

    Args:
        confusion: int64 K K, from `confusion_matrix`.

    Returns:
        float64 K, 0 … 1.

    Source:
        Everingham et al. 2010, "The Pascal Visual Object Classes Challenge"; the mean over the classes is "mean IoU".

    Example:
        >>> pooled_iou(np.array([[3, 1], [0, 4]])).tolist()
        [0.75, 0.8]
    """
    both = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - both
    result = np.full(len(both), np.nan)
    np.divide(both, union, out=result, where=union > 0)
    return result
