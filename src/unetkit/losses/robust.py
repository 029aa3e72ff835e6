"""Generalised cross-entropy: a loss that some wrong labels do not lead astray.

    L = mean of (1 − p_t^q) / q          p_t: probability of the labelled class

Zhang & Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels, NeurIPS 2018. As q
falls to 0 it becomes cross-entropy, which pulls hardest where the network contradicts the label; q = 1 is the mean
absolute error, which learns slowly. In between, a pixel pulls the less the surer the network is of another class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unetkit.losses.cross_entropy import true_log_p, weighted_mean
from unetkit.losses.loss import Pixels, Sum, Term, check_option
from unetkit.losses.overlap import Dice


@dataclass(frozen=True)
class GeneralisedCrossEntropy:
    """(1 − p_t^q) / q of every labelled pixel, averaged.

    Args:
        q: above 0, up to 1: the higher, the less a wrong label counts.
    """

    q: float = 0.7

    takes_weight: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_option("q", self.q, 0 < self.q <= 1, "a number above 0, up to 1")

    def __call__(self, pixels: Pixels) -> Tensor:
        """The mean penalty, 0 to 1/q."""
        penalty = -torch.expm1(self.q * true_log_p(pixels)) / self.q
        return weighted_mean(penalty, pixels, pixels.weight)


def gce(*, q: float = 0.7) -> Term:
    """Generalised cross-entropy, which some wrong labels do not lead astray; q = 0.7 as its authors use it."""
    return GeneralisedCrossEntropy(q)


def gce_dice(*, q: float = 0.7, dice_factor: float = 1.0, smooth: float = 1.0, background: bool = False) -> Term:
    """Generalised cross-entropy + Dice of the batch, for wrong labels where the foreground is rare."""
    return Sum(((1.0, GeneralisedCrossEntropy(q)), (dice_factor, Dice(False, smooth, background))))
