"""Soft clDice: Dice of centre lines, for vessels, roads, roots and membranes, where a gap matters more than a width.

With S(·) the soft skeleton (what successive erosions remove that an opening does not give back), p predicted, y true:

    precision = (Σ S(p)·y + s) / (Σ S(p) + s)      the predicted centre line lies in the truth
    sensitivity = (Σ S(y)·p + s) / (Σ S(y) + s)    the true centre line is predicted
    L = 1 − 2·precision·sensitivity / (precision + sensitivity)

(Shit et al., clDice: a novel topology-preserving loss function for tubular structure segmentation, CVPR 2021.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import inf, isfinite
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unetkit.losses.loss import Pixels, Term, check_option


class _Greatest(torch.autograd.Function):
    """Greatest of each pixel and its two neighbours along one axis, the gradient going to the one that was.

    The result and gradient of max_pool, which takes three times as long for such small windows on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int) -> Tensor:
        """x of any shape."""
        size = x.shape[axis]
        padded = F.pad(x, [0, 0] * (x.ndim - 1 - axis) + [1, 1], value=-inf)
        before, here, after = (padded.narrow(axis, start, size) for start in range(3))
        greatest = torch.maximum(torch.maximum(before, here), after)
        if ctx.needs_input_grad[0]:
            from_here = here == greatest
            ctx.save_for_backward(from_here, (before == greatest) & ~from_here)
            ctx.axis = axis
        return greatest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Each gradient moves to the pixel its value came from: here, before or after."""
        (gradient,), axis = gradients, ctx.axis
        from_here, from_before = ctx.saved_tensors
        moved, to_before = gradient * from_here, gradient * from_before
        to_after = gradient - moved - to_before
        rest = gradient.shape[axis] - 1
        moved.narrow(axis, 0, rest).add_(to_before.narrow(axis, 1, rest))
        moved.narrow(axis, 1, rest).add_(to_after.narrow(axis, 0, rest))
        return moved, None


def _greatest(x: Tensor, axis: int) -> Tensor:
    greatest: Tensor = _Greatest.apply(x, axis)  # type: ignore[no-untyped-call]
    return greatest


def soft_erode(x: Tensor) -> Tensor:
    """Least of each pixel and its neighbours across faces; N C *S. Nothing beyond the image erodes it."""
    return -reduce(torch.maximum, (_greatest(-x, axis) for axis in range(2, x.ndim)))


def soft_dilate(x: Tensor) -> Tensor:
    """Greatest of each pixel and all its neighbours, corners too; N C *S."""
    for axis in range(2, x.ndim):
        x = _greatest(x, axis)
    return x


def soft_skeleton(x: Tensor, iterations: int) -> Tensor:
    """Differentiable skeleton.

    Args:
        x: N C *S in [0, 1].
        iterations: erosions; structures up to 2·iterations + 1 pixels wide are thinned to their centre line.

    Returns:
        N C *S in [0, 1], never above `x`.
    """
    skeleton = torch.zeros_like(x)
    for _ in range(iterations + 1):
        eroded = soft_erode(x)
        ridge = F.relu(x - soft_dilate(eroded))
        skeleton = skeleton + F.relu(ridge - skeleton * ridge)
        x = eroded
    return skeleton


@dataclass(frozen=True)
class ClDice:
    """1 − soft clDice of the batch as if it were one image, averaged over the foreground classes.

    Ignored pixels count as background of prediction and truth alike.

    Args:
        iterations: erosions, from 0 up; at least half the width in pixels of the thickest structure.
        smooth: s, pixels; above 0.
    """

    iterations: int = 5
    smooth: float = 1.0

    takes_weight: ClassVar[bool] = False

    def __post_init__(self) -> None:
        right = isinstance(self.iterations, int) and self.iterations >= 0
        check_option("iterations", self.iterations, right, "a whole number from 0 up")
        check_option("smooth", self.smooth, isfinite(self.smooth) and self.smooth > 0, "a number above 0")

    def __call__(self, pixels: Pixels) -> Tensor:
        """A scalar, 0 … 1."""
        p = pixels.labelled(pixels.p[:, 1:])
        truth = pixels.truth(1).to(p.dtype)
        p_lines, truth_lines = soft_skeleton(p, self.iterations), soft_skeleton(truth, self.iterations)
        precision = self._share(p_lines, truth)
        sensitivity = self._share(truth_lines, p)
        return torch.mean(1 - 2 * precision * sensitivity / (precision + sensitivity))

    def _share(self, lines: Tensor, region: Tensor) -> Tensor:
        all_but_class = [0, *range(2, lines.ndim)]
        return ((lines * region).sum(all_but_class) + self.smooth) / (lines.sum(all_but_class) + self.smooth)


def cldice(*, iterations: int = 5, smooth: float = 1.0) -> Term:
    """Soft clDice: unbroken centre lines of thin structures; best beside Dice, as it hardly sees widths."""
    return ClDice(iterations, smooth)
