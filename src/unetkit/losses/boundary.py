"""Boundary loss: a pixel is paid for by how far it is from the true boundary.

    L = mean over labelled pixels and foreground classes of φ(x) · p(x)

φ is the signed distance to the class's boundary: positive outside, 0 on the innermost ring, negative deeper inside, so
L falls when probability moves into the object, and most when it leaves places far from it. L may be negative.
(Kervadec et al., Boundary loss for highly unbalanced segmentation, MIDL 2019; there added to a region loss.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from unetkit.losses.loss import Pixels, Term, check_option


def signed_distance(
    inside: npt.NDArray[np.bool_], outside: npt.NDArray[np.bool_], *, spacing: tuple[float, ...] | None = None
) -> npt.NDArray[np.float32]:
    """Signed distance to an object's boundary.

    Args:
        inside: *S, the object's pixels.
        outside: *S, the other labelled pixels. What is in neither is unknown, and no distance is measured to it.
        spacing: size of a pixel along each axis; None for 1.

    Returns:
        *S in units of the spacing: distance to the object outside, one pixel − the distance to the outside inside;
        zeros if either is empty, because then there is no boundary to measure from.

    Example:
        >>> signed_distance(np.array([0, 1, 1, 1, 0, 0]) == 1, np.array([1, 0, 0, 0, 1, 1]) == 1).tolist()
        [1.0, 0.0, -1.0, 0.0, 1.0, 2.0]
    """
    if not inside.any() or not outside.any():
        return np.zeros(inside.shape, np.float32)
    to_object = ndimage.distance_transform_edt(~inside, sampling=spacing)
    to_rest = ndimage.distance_transform_edt(~outside, sampling=spacing)
    pixel = min(spacing) if spacing else 1.0
    signed: npt.NDArray[Any] = np.where(inside, pixel - to_rest, to_object)
    return signed.astype(np.float32)


@dataclass(frozen=True)
class Boundary:
    """Boundary loss of the foreground classes; the distances are computed on the CPU at every call.

    Args:
        spacing: size of a pixel along each axis, for images whose planes lie further apart; None for 1.
    """

    spacing: tuple[float, ...] | None = None

    takes_weight: ClassVar[bool] = False

    def __post_init__(self) -> None:
        right = self.spacing is None or (len(self.spacing) in (2, 3) and min(self.spacing) > 0)
        check_option("spacing", self.spacing, right, "one size above 0 for each axis")

    def __call__(self, pixels: Pixels) -> Tensor:
        """A scalar, in units of the spacing."""
        if self.spacing is not None:
            axes = pixels.target.ndim - 1
            check_option("spacing", self.spacing, len(self.spacing) == axes, f"{axes} sizes for {axes} axes")
        distance = torch.from_numpy(self._distances(pixels)).to(pixels.p)
        return (pixels.p[:, 1:] * distance).sum() / (pixels.count * distance.shape[1])

    def _distances(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        truth, valid = pixels.truth(1).cpu().numpy(), pixels.valid.cpu().numpy()
        distances = np.empty(truth.shape, np.float32)
        for image, labelled in enumerate(valid):
            for channel, inside in enumerate(truth[image]):
                signed = signed_distance(inside, labelled & ~inside, spacing=self.spacing)
                distances[image, channel] = np.where(labelled, signed, 0)
        return distances


def boundary(*, spacing: tuple[float, ...] | None = None) -> Term:
    """Boundary loss: pixels weighed by their signed distance to the true boundary; best beside a region loss."""
    return Boundary(spacing if spacing is None else tuple(spacing))
