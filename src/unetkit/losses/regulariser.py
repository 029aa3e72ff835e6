"""What pixels that nobody labelled can tell a network: neighbours that look alike are probably of one class.

For pixels x and y at most `radius` apart, with probabilities p and intensities I (normalised, mean over the channels),

    L = Σ k(x, y) · (1 − p(x)·p(y))  /  Σ k(x, y)        k = exp(−|x − y|² / 2σ² − |I(x) − I(y)|² / 2τ²)

which is 0 where alike neighbours agree and 1 where they never do: the energy of a conditional random field as a loss
(Tang et al., "On regularized losses for weakly-supervised CNN segmentation", ECCV 2018) over windows (Obukhov et al.,
"Gated CRF loss for weakly supervised semantic image segmentation", 2019, whose σ = 6, radius 5 and whole window these
are; there the sum is divided by the pixels). "sparse-crf" looks along eight directions at distances 1, 2 and 4 alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import exp

import torch
from torch import Tensor

from unetkit.errors import InputError
from unetkit.losses.loss import check_option

Regulariser = Callable[[Tensor, Tensor], Tensor]
"""(logits N K *S, images N C *S) -> a scalar to be made small."""

Offsets = Callable[[int], list[tuple[int, ...]]]


@dataclass(frozen=True)
class Crf:
    """How often neighbours that look alike are given different classes.

    Args:
        offsets: spatial dimensions -> the neighbours looked at, one of each pair of opposite ones.
        sigma: σ, pixels.
        tau: τ, in standard deviations of the image.
    """

    offsets: Offsets
    sigma: float
    tau: float

    def __call__(self, logits: Tensor, images: Tensor) -> Tensor:
        """The mean disagreement, 0 … 1.

        Args:
            logits: N K *S.
            images: N C *S, normalised.

        Returns:
            A scalar, float32.

        Raises:
            InputError: shapes that do not fit.
        """
        if logits.shape[0] != images.shape[0] or logits.shape[2:] != images.shape[2:]:
            raise InputError("images do not fit the logits", found=tuple(images.shape), expected=tuple(logits.shape))
        p, images = logits.float().softmax(1), images.float()
        disagreement, total = p.new_zeros(()), p.new_zeros(())
        for offset in self.offsets(p.ndim - 2):
            here, there = _pair(offset)
            with torch.no_grad():
                unlike = (images[here] - images[there]).square().mean(1)
                near = exp(-sum(step * step for step in offset) / (2 * self.sigma**2))
                weight = near * torch.exp(unlike / (-2 * self.tau**2))
                total += weight.sum()
            disagreement = disagreement + (weight * (1 - (p[here] * p[there]).sum(1))).sum()
        return disagreement / total.clamp(min=1e-6)


def _pair(offset: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The pixels that have a neighbour at an offset, and those neighbours, as slices of N C *S."""
    here = tuple(slice(max(-step, 0), -step if step > 0 else None) for step in offset)
    there = tuple(slice(max(step, 0), step if step < 0 else None) for step in offset)
    return (slice(None), slice(None), *here), (slice(None), slice(None), *there)


def _window(radius: int) -> Offsets:
    """Every offset up to a radius along each axis, of each pair of opposite ones the one that comes first."""
    return lambda dims: [o for o in product(range(-radius, radius + 1), repeat=dims) if o > (0,) * dims]


def _star(distances: tuple[int, ...]) -> Offsets:
    """The directions to all adjacent pixels, corners included, at each distance."""
    return lambda dims: [tuple(d * step for step in o) for o in _window(1)(dims) for d in distances]


def _crf(offsets: Offsets, sigma: float, tau: float) -> Crf:
    for name, value in (("sigma", sigma), ("tau", tau)):
        check_option(name, value, 0 < value < float("inf"), "a number above 0")
    return Crf(offsets, sigma, tau)


def gated_crf(*, radius: int = 5, sigma: float = 6.0, tau: float = 0.5) -> Crf:
    """Alike neighbours agree, in whole windows."""
    check_option("radius", radius, radius == int(radius) and radius >= 1, "a whole number from 1 up")
    return _crf(_window(int(radius)), sigma, tau)


def sparse_crf(*, sigma: float = 6.0, tau: float = 0.5) -> Crf:
    """Alike neighbours agree, along eight directions at distances 1, 2 and 4."""
    return _crf(_star((1, 2, 4)), sigma, tau)
