"""Dice and Tversky: how much of what was predicted, and of what is true, is shared.

For a class with probabilities p and truth y ∈ {0, 1} at the labelled pixels, hit = Σ p·y, predicted = Σ p, true = Σ y:

    Dice     L = 1 − (2·hit + s) / (predicted + true + s)                     (Milletari et al., V-Net, 3DV 2016)
    Tversky  L = 1 − (hit + s) / (hit + α·(predicted − hit) + β·(true − hit) + s)      (Salehi et al., MLMI 2017)

averaged over the classes. s smooths: a class that is nowhere in the truth costs predicted / (predicted + s), which is 0
when it is not predicted either, so that an absent class is neither rewarded nor divided by zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor

from unetkit.losses.loss import Pixels, Term, check_option


def overlaps(pixels: Pixels, *, background: bool, per_image: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Per class: hit, predicted and true (see the top of the file).

    Args:
        pixels: the batch.
        background: whether class 0 is among the classes.
        per_image: sum over each image by itself rather than over the batch as if it were one.

    Returns:
        Three tensors, N C (1 C for the batch as a whole), in pixels.
    """
    first = 0 if background else 1
    p = pixels.p[:, first:]
    truth = pixels.truth(first).to(p.dtype)
    space = list(range(2, p.ndim))
    sums = ((p * truth).sum(space), pixels.labelled(p).sum(space), truth.sum(space))
    if per_image:
        return sums
    hit, predicted, true = (value.sum(0, keepdim=True) for value in sums)
    return hit, predicted, true


@dataclass(frozen=True)
class Dice:
    """1 − Dice, per image or per batch, averaged over the classes.

    Args:
        per_image: Dice of each image, averaged over the images with any label; else of the batch as if it were one
            image, which is steadier where a class is absent from most crops (nnU-Net's "batch Dice").
        smooth: s, pixels; above 0.
        background: whether class 0 is a class like the others; by default only the foreground counts.
    """

    per_image: bool = False
    smooth: float = 1.0
    background: bool = False

    takes_weight: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_smooth(self.smooth)

    def __call__(self, pixels: Pixels) -> Tensor:
        """A scalar, 0 … 1."""
        hit, predicted, true = overlaps(pixels, background=self.background, per_image=self.per_image)
        loss = 1 - (2 * hit + self.smooth) / (predicted + true + self.smooth)
        # An image without any label has a loss of exactly 0: it must not count among those averaged over.
        images = pixels.valid.flatten(1).any(1).sum().clamp(min=1) if self.per_image else 1
        return loss.mean(1).sum() / images


@dataclass(frozen=True)
class Tversky:
    """1 − Tversky index per batch, averaged over the classes.

    Args:
        alpha: price of a false positive, from 0 up.
        beta: price of a false negative, from 0 up; above alpha it favours finding everything.
        smooth: s, pixels; above 0.
        background: whether class 0 is a class like the others.
    """

    alpha: float = 0.3
    beta: float = 0.7
    smooth: float = 1.0
    background: bool = False

    takes_weight: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_smooth(self.smooth)
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            check_option(name, value, isfinite(value) and value >= 0, "a number from 0 up")
        check_option("beta", self.beta, self.alpha + self.beta > 0, "above 0 when alpha is 0")

    def __call__(self, pixels: Pixels) -> Tensor:
        """A scalar, 0 … 1."""
        hit, predicted, true = overlaps(pixels, background=self.background, per_image=False)
        missed = self.alpha * (predicted - hit) + self.beta * (true - hit)
        return torch.mean(1 - (hit + self.smooth) / (hit + missed + self.smooth))


def _check_smooth(smooth: float) -> None:
    check_option("smooth", smooth, isfinite(smooth) and smooth > 0, "a number above 0")


def dice(*, smooth: float = 1.0, background: bool = False) -> Term:
    """Dice of the whole batch, averaged over the foreground classes."""
    return Dice(False, smooth, background)


def dice_per_image(*, smooth: float = 1.0, background: bool = False) -> Term:
    """Dice of each image, averaged over the images and the foreground classes."""
    return Dice(True, smooth, background)


def tversky(*, alpha: float = 0.3, beta: float = 0.7, smooth: float = 1.0, background: bool = False) -> Term:
    """Tversky: Dice that weighs misses (beta) and false alarms (alpha) differently."""
    return Tversky(alpha, beta, smooth, background)
