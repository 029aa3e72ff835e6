"""What is known: the two masks inside the labelled area, and how large that area is.

Every metric starts here. A pixel that nobody labelled belongs to neither mask, and neither does what lies outside the
image, so that padding an image with ignored pixels changes no score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError

Mask = npt.NDArray[np.bool_]


def known_masks(prediction: Mask, truth: Mask, valid: Mask) -> tuple[Mask, Mask]:
    """Both masks with the pixels that nobody labelled cleared; the caller's arrays are not changed.

    Args:
        prediction: bool *S, two or three axes.
        truth: bool *S.
        valid: bool *S, False where ignored.

    Returns:
        Prediction and truth, bool *S.

    Raises:
        InputError: the three differ in shape, or one of them is not boolean.
    """
    for name, mask in (("prediction", prediction), ("truth", truth), ("valid", valid)):
        if mask.dtype != np.bool_:
            raise InputError(
                f"{name} is not a boolean mask",
                found=mask.dtype,
                expected="bool",
                mend="compare the labels with a class first: labels == 1",
            )
        if mask.shape != truth.shape:
            raise InputError(f"{name} and truth differ in size", found=mask.shape, expected=truth.shape)
    return prediction & valid, truth & valid


def pixel_spacing(spacing: Sequence[float] | None, axes: int) -> npt.NDArray[np.float64]:
    """The distance between pixel centres along each axis: 1 where nobody stated it.

    Raises:
        InputError: not one finite, positive number an axis.
    """
    steps = np.ones(axes) if spacing is None else np.asarray(spacing, np.float64)
    if steps.shape != (axes,) or not np.isfinite(steps).all() or (steps <= 0).any():
        raise InputError(
            "the spacing does not fit the mask", found=spacing, expected=f"{axes} finite numbers above zero"
        )
    return steps


def diagonal(valid: Mask, spacing: Sequence[float] | None = None) -> float:
    """The diagonal of the smallest box around the labelled pixels, in the unit of `spacing`; 0 where there are none.

    Example:
        >>> diagonal(np.ones((3, 4), bool))
        5.0
    """
    steps = pixel_spacing(spacing, valid.ndim)
    sides = np.zeros(valid.ndim)
    for axis in range(valid.ndim):
        where = np.flatnonzero(valid.any(axis=tuple(other for other in range(valid.ndim) if other != axis)))
        if len(where):
            sides[axis] = where[-1] - where[0] + 1
    return float(np.linalg.norm(sides * steps))
