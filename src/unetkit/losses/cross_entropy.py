"""Cross-entropy and its kin: a penalty for every labelled pixel, averaged.

    L = Σ w(x) · −log p_t(x)  /  Σ w(x)          t: the true class at x; w = class weight × pixel weight

Focal loss multiplies each penalty by (1 − p_t)^γ, so that pixels that are right already count little
(Lin et al., Focal Loss for Dense Object Detection, ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor

from unetkit.errors import InputError
from unetkit.losses.loss import Pixels, Term, check_option


def true_log_p(pixels: Pixels) -> Tensor:
    """Log-probability of the true class, N *S."""
    return pixels.log_p.gather(1, pixels.target.unsqueeze(1)).squeeze(1)


def weighted_mean(penalty: Tensor, pixels: Pixels, weight: Tensor | None) -> Tensor:
    """Mean of `penalty` (N *S) over the labelled pixels, by weight where there is one; 0 where there are none."""
    if weight is None:
        return pixels.labelled(penalty).sum() / pixels.count
    total = weight.sum()
    return (penalty * weight).sum() / torch.where(total > 0, total, 1.0)


@dataclass(frozen=True)
class CrossEntropy:
    """Softmax cross-entropy; with γ > 0 focal loss.

    Args:
        class_weights: one weight a class, or None for equal ones.
        gamma: the focal exponent γ: 0 for plain cross-entropy, else from 1 up (below 1 its slope has no bound).
    """

    class_weights: tuple[float, ...] | None = None
    gamma: float = 0.0

    takes_weight: ClassVar[bool] = True

    def __post_init__(self) -> None:
        right = isfinite(self.gamma) and (self.gamma == 0 or self.gamma >= 1)
        check_option("gamma", self.gamma, right, "0, or a number from 1 up")

    def __call__(self, pixels: Pixels) -> Tensor:
        """The weighted mean penalty, in nats."""
        log_p = true_log_p(pixels)
        penalty = -log_p if self.gamma == 0 else -((1 - log_p.exp()) ** self.gamma) * log_p
        return weighted_mean(penalty, pixels, self._weight(pixels))

    def _weight(self, pixels: Pixels) -> Tensor | None:
        if self.class_weights is None:
            return pixels.weight
        of_class = torch.tensor(self.class_weights, dtype=pixels.log_p.dtype, device=pixels.log_p.device)
        weight = of_class[pixels.target]
        return pixels.labelled(weight) if pixels.weight is None else weight * pixels.weight


def ce() -> Term:
    """Cross-entropy, every labelled pixel alike."""
    return CrossEntropy()


def weighted_ce(*, class_weights: tuple[float, ...]) -> Term:
    """Cross-entropy with a weight for each class (see `automatic_class_weights`)."""
    return CrossEntropy(class_weights)


def focal(*, class_weights: tuple[float, ...] | None = None, gamma: float = 2.0) -> Term:
    """Focal loss: cross-entropy in which pixels that are right already count little."""
    return CrossEntropy(class_weights, gamma)


def automatic_class_weights(shares: Sequence[float], *, power: float = 0.5) -> tuple[float, ...]:
    """Class weights from how often the classes occur: rare ones count more.

    w_k ∝ share_k^−power, scaled to a mean of 1 over the pixels, so the learning rate means what it meant without.
    Power 1 makes all classes count the same however rare (the inverse frequency of Eigen & Fergus, ICCV 2015), at the
    price of noise and false alarms; 0.5, its square root, is the usual damping (Mahajan et al., ECCV 2018; as compared
    in Cui et al., Class-Balanced Loss, CVPR 2019); 0 is no weighting.

    Args:
        shares: share of each class among the labelled pixels, or its pixel count; from 0 up.
        power: damping, 0 … 1.

    Returns:
        One weight a class. A class that never occurs gets the weight of the rarest one that does.

    Raises:
        InputError: a negative or non-finite share, or no pixels at all.
        UsageError: a power outside 0 … 1.

    Example:
        >>> automatic_class_weights([0.9, 0.1], power=1)
        (0.5555555555555556, 5.0)
    """
    check_option("power", power, 0 <= power <= 1, "a number from 0 to 1")
    total = sum(shares)
    if not isfinite(total) or total <= 0 or min(shares) < 0:
        raise InputError(
            "these are no class shares", found=list(shares), expected="numbers from 0 up, not all of them 0"
        )
    rarest = min(share for share in shares if share > 0)
    raw = [max(share, rarest) ** -power for share in shares]
    mean = sum(share * weight for share, weight in zip(shares, raw, strict=True)) / total
    return tuple(weight / mean for weight in raw)
