"""Losses that are sums of two, each covering what the other does not see."""

from __future__ import annotations

from unetkit.losses.border import BorderCrossEntropy
from unetkit.losses.boundary import Boundary
from unetkit.losses.cldice import ClDice
from unetkit.losses.cross_entropy import CrossEntropy
from unetkit.losses.loss import Sum, Term, check_option
from unetkit.losses.overlap import Dice


def ce_dice(*, dice_factor: float = 1.0, smooth: float = 1.0, background: bool = False) -> Term:
    """Cross-entropy + Dice of the batch: steady gradients and no bias against small classes; the default."""
    return Sum(((1.0, CrossEntropy()), (dice_factor, Dice(False, smooth, background))))


def weighted_ce_dice(
    *, class_weights: tuple[float, ...], dice_factor: float = 1.0, smooth: float = 1.0, background: bool = False
) -> Term:
    """Class-weighted cross-entropy + Dice of the batch."""
    return Sum(((1.0, CrossEntropy(class_weights)), (dice_factor, Dice(False, smooth, background))))


def border_ce_dice(
    *,
    class_weights: tuple[float, ...] | None = None,
    w0: float = 10.0,
    sigma: float = 5.0,
    dice_factor: float = 1.0,
    smooth: float = 1.0,
    background: bool = False,
) -> Term:
    """Border-weighted cross-entropy + Dice of the batch, for objects close to each other."""
    return Sum(((1.0, BorderCrossEntropy(class_weights, w0, sigma)), (dice_factor, Dice(False, smooth, background))))


def dice_boundary(*, boundary_factor: float = 0.01, spacing: tuple[float, ...] | None = None) -> Term:
    """Dice + a little boundary loss (Kervadec et al. start with 0.01 of it), for small objects with long outlines."""
    return Sum(((1.0, Dice()), (boundary_factor, Boundary(spacing if spacing is None else tuple(spacing)))))


def dice_cldice(*, share: float = 0.5, iterations: int = 5, smooth: float = 1.0) -> Term:
    """(1 − share) · Dice + share · clDice, as its authors train, for thin structures that must not break."""
    check_option("share", share, 0 <= share <= 1, "a number from 0 to 1")
    return Sum(((1 - share, Dice(smooth=smooth)), (share, ClDice(iterations, smooth))))
