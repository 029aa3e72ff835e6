"""How large objects are, and which of the true ones the prediction found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One true object, and how much of it the prediction covers.

    Args:
        id: its number in the instance mask.
        diameter: of the disc (ball) of equal area (volume), in the unit of the spacing.
        covered: share of its pixels that the prediction covers, 0 … 1.
        found: whether that share is large enough.
    """

    id: int
    diameter: float
    covered: float
    found: bool


def equivalent_diameters(
    instances: npt.NDArray[Any], *, spacing: Sequence[float] | None = None
) -> npt.NDArray[np.float64]:
    """The diameter of the disc of equal area (in 3D: of the ball of equal volume) of each object.

    Args:
        instances: *S integers, 0 for no object; gaps in the numbering are allowed.
        spacing: distance between pixel centres along each axis; None is 1 (diameters are then in pixels).

    Returns:
        float64, one an object, in ascending order of the objects' numbers.

    Raises:
        InputError: `spacing` has not one number an axis, or there are not two or three axes.

    Example:
        >>> equivalent_diameters(np.array([[1, 1], [0, 3]])).round(2).tolist()
        [1.6, 1.13]
    """
    ids, pixels = np.unique(instances, return_counts=True)
    return _diameters(pixels[ids != 0], instances.ndim, spacing)


def _diameters(
    pixels: npt.NDArray[np.integer[Any]], axes: int, spacing: Sequence[float] | None
) -> npt.NDArray[np.float64]:
    steps = np.ones(axes) if spacing is None else np.asarray(spacing, np.float64)
    if steps.shape != (axes,) or axes not in (2, 3):
        raise InputError("the spacing does not fit the mask", found=spacing, expected=f"{axes} numbers for {axes} axes")
    size = pixels * steps.prod()
    return np.asarray(2 * np.sqrt(size / np.pi) if axes == 2 else np.cbrt(6 * size / np.pi), np.float64)


def found_objects(
    truth_instances: npt.NDArray[Any],
    prediction: npt.NDArray[np.bool_],
    *,
    share: float = 0.5,
    spacing: Sequence[float] | None = None,
) -> tuple[FoundObject, ...]:
    """Every true object with its size, and whether the prediction covers at least `share` of it.

    This asks whether objects are seen at all, not whether touching ones are told apart.

    Args:
        truth_instances: *S integers, 0 for no object.
        prediction: bool *S, the predicted foreground.
        share: least covered share of an object that counts as found, above 0 and up to 1.
        spacing: distance between pixel centres along each axis; None is 1.

    Returns:
        The objects in ascending order of their numbers.

    Raises:
        InputError: the masks differ in size, or the spacing does not fit.

    Example:
        >>> found_objects(np.array([[1, 1, 0, 2]]), np.array([[True, False, True, False]]))[0].found
        True
    """
    if truth_instances.shape != prediction.shape:
        raise InputError("prediction and truth differ in size", found=prediction.shape, expected=truth_instances.shape)
    ids, index, pixels = np.unique(truth_instances, return_inverse=True, return_counts=True)
    covered = np.bincount(index.ravel(), weights=prediction.ravel(), minlength=len(ids)) / pixels
    diameters = _diameters(pixels, truth_instances.ndim, spacing)
    return tuple(
        FoundObject(int(i), float(d), float(c), bool(c >= share))
        for i, d, c in zip(ids, diameters, covered, strict=True)
        if i != 0
    )
