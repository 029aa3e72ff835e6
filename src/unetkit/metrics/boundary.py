"""Boundary IoU: intersection over union of the two masks' inner rims.

A large object can be wrong all along its outline and still have an IoU of 0.95. The rim of a mask is the part of it
that erosion with a box of 2 d + 1 pixels takes away, so that only the outline counts.

As in the authors' code the image's border is an outline, and so are ignored pixels: what lies there is in no mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import minimum_filter

from unetkit.metrics.known import Mask, diagonal, known_masks, pixel_spacing

RIM_SHARE = 0.02
"""Width of the rim as a share of the diagonal of the labelled area: the paper's default."""


def boundary_iou(
    prediction: Mask,
    truth: Mask,
    valid: Mask,
    *,
    spacing: Sequence[float] | None = None,
    tolerance: float = 2.0,
    distance: float | None = None,
) -> float:
    """Intersection over union of the masks' rims, 0 … 1; NaN when both masks are empty.

    Args:
        prediction: bool *S.
        truth: bool *S.
        valid: bool *S, False where ignored.
        spacing: distance between pixel centres along each axis; None is 1.
        tolerance: not used; every metric takes the same arguments.
        distance: width of the rim in the unit of `spacing` (at least one pixel); None takes 2 % of the diagonal.

    Raises:
        InputError: shapes differ, a mask is not boolean, or the spacing does not fit.

    Source:
        Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR.

    Example:
        >>> square, shifted = np.zeros((50, 50), bool), np.zeros((50, 50), bool)
        >>> square[10:30, 10:30] = shifted[10:30, 11:31] = True
        >>> round(boundary_iou(square, shifted, np.ones((50, 50), bool)), 3)
        0.333
    """
    steps = pixel_spacing(spacing, truth.ndim)
    prediction, truth = known_masks(prediction, truth, valid)
    width = RIM_SHARE * diagonal(valid, spacing) if distance is None else distance
    reach = np.maximum(np.round(width / steps), 1).astype(int)
    predicted_rim, true_rim = (
        mask & ~minimum_filter(mask, size=tuple(2 * reach + 1), mode="constant", cval=False)
        for mask in (prediction, truth)
    )
    union = np.count_nonzero(predicted_rim | true_rim)
    return float(np.count_nonzero(predicted_rim & true_rim) / union) if union else float("nan")
