"""Lovász-Softmax: the convex extension of the Jaccard loss, so that IoU itself is descended.

Errors of a class, e = |y − p|, are sorted from large to small. Adding pixels to the set of mistakes in that order
lowers the IoU step by step; L = Σ e_i · (IoU lost by pixel i). With I true pixels not yet lost, U the union after i:

    a true pixel:   I falls by 1, U stays:   1 / U
    another pixel:  U grows by 1, I stays:   I / U_before − I / U = I / (U · (U − 1))

The differences are written out because subtracting neighbouring IoUs, as is usually done, loses all digits in float32
on some million pixels. (Berman, Rannen Triki & Blaschko, The Lovász-Softmax loss, CVPR 2018.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unetkit.losses.loss import Pixels, Term


def lovasz_extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Lovász extension of the Jaccard loss at `errors`, for each class.

    Args:
        errors: C P, in [0, 1].
        truth: C P bool, at least one pixel true in every class.

    Returns:
        C values in [0, 1].
    """
    errors, order = errors.sort(dim=1, descending=True)
    truth = truth.gather(1, order)
    steps = torch.arange(1, truth.shape[1] + 1, device=truth.device)
    lost = truth.cumsum(1)
    count = lost[:, -1:]
    intersection = (count - lost).to(errors.dtype)
    union = (count + steps - lost).to(errors.dtype)
    # At a pixel outside the truth the union is 2 or more, the truth not being empty; the clamp is for the true pixels,
    # whose branch is not taken but is computed.
    slope = torch.where(truth, 1 / union, intersection / (union * (union - 1).clamp(min=1)))
    return (errors * slope).sum(1)


@dataclass(frozen=True)
class Lovasz:
    """Lovász-Softmax over the batch as if it were one image, averaged over the classes present in its truth."""

    takes_weight: ClassVar[bool] = False

    def __call__(self, pixels: Pixels) -> Tensor:
        """A scalar, 0 … 1."""
        p, truth = pixels.p.movedim(1, 0).flatten(1), pixels.truth().movedim(1, 0).flatten(1)
        if not pixels.everywhere:
            chosen = pixels.valid.flatten()
            p, truth = p[:, chosen], truth[:, chosen]
        present = truth.any(1)
        p, truth = p[present], truth[present]
        if not len(p):
            return p.sum()  # nothing is labelled: 0, still part of the graph
        return lovasz_extension(torch.where(truth, 1 - p, p), truth).mean()


def lovasz() -> Term:
    """Lovász-Softmax: descends IoU itself, over the classes present."""
    return Lovasz()
