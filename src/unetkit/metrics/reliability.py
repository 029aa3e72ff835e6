"""Whether probabilities mean what they say: of the pixels given 80 %, four in five should be right.

A reliability table puts pixels into bins by the probability of their most probable class, the confidence, and compares
its mean in each bin with the share of pixels that are right. Their mean absolute difference, weighted by the pixels, is
the expected calibration error (ECE). A network is usually too sure of itself; dividing its logits by one number, the
temperature, mends most of that and changes no label.

Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Floats = npt.NDArray[np.floating[Any]]
Classes = npt.NDArray[np.integer[Any]]

BINS = 15

COLDEST, HOTTEST = 0.25, 8.0
"""Temperatures are looked for between these."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Pixels by their confidence, in bins of equal width from 0 to 1.

    Args:
        count: pixels in each bin.
        confidence: the sum of their confidences.
        right: how many of them are right.
    """

    count: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(self.count + other.count, self.confidence + other.confidence, self.right + other.right)

    @property
    def error(self) -> float:
        """The expected calibration error, 0 … 1; NaN without a pixel."""
        total = self.count.sum()
        return float(np.abs(self.confidence - self.right).sum() / total) if total else float("nan")

    def rows(self) -> list[dict[str, float]]:
        """The bins that hold pixels: share of all pixels, mean confidence, accuracy."""
        total = self.count.sum()
        filled = [one for one in zip(self.count, self.confidence, self.right, strict=True) if one[0]]
        return [
            {"share": float(n / total), "confidence": float(sure / n), "accuracy": float(right / n)}
            for n, sure, right in filled
        ]


def reliability(log_probabilities: Floats, truth: Classes, *, temperature: float = 1.0) -> Reliability:
    """The reliability table of labelled pixels.

    Args:
        log_probabilities: K N, natural logarithms, up to a constant for each pixel.
        truth: N, the true classes.
        temperature: to divide them by, above 0.

    Example:
        >>> round(reliability(np.log([[0.9, 0.9], [0.1, 0.1]]), np.array([0, 1])).error, 3)  # 90 % sure, half right
        0.4
    """
    probabilities = scaled(log_probabilities, temperature)
    confidence, right = probabilities.max(0), probabilities.argmax(0) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    sums = [np.bincount(bins, weights, minlength=BINS).astype(np.float64) for weights in (None, confidence, right)]
    return Reliability(*sums)


def scaled(log_probabilities: Floats, temperature: float) -> Floats:
    """Probabilities at another temperature, K *S: above 1 less sure, below 1 surer; the order of classes stays.

    Args:
        log_probabilities: K *S, natural logarithms, up to a constant for each pixel; NaN stays NaN.
        temperature: to divide them by, above 0.

    Example:
        >>> scaled(np.log(np.array([[0.8], [0.2]])), 2.0).round(3).tolist()
        [[0.667], [0.333]]
    """
    cooled = log_probabilities / temperature
    powers = np.exp(cooled - cooled.max(0))
    found: Floats = powers / powers.sum(0)
    return found


def calibrated(probabilities: Floats, temperature: float) -> Floats:
    """As `scaled`, from probabilities K *S; they are taken to be 1e-12 or more.

    Example:
        >>> calibrated(np.array([[0.8], [0.2]]), 2.0).round(3).tolist()
        [[0.667], [0.333]]
    """
    return scaled(np.log(probabilities.clip(1e-12)), temperature)


def fit_temperature(log_probabilities: Floats, truth: Classes) -> float:
    """The temperature under which labelled pixels are most likely.

    Args:
        log_probabilities: K N, natural logarithms.
        truth: N, the true classes.

    Returns:
        `COLDEST` to `HOTTEST`; 1 without a pixel, and where every pixel is right: none would be cold enough then.

    Example:
        >>> fit_temperature(np.log([[0.9] * 10, [0.1] * 10]), np.array([0] * 7 + [1] * 3)) > 2  # too sure by far
        True
    """
    if (log_probabilities.argmax(0) == truth).all():
        return 1.0
    own = np.take_along_axis(log_probabilities, truth[None].astype(np.int64), 0)[0]
    below = log_probabilities - log_probabilities.max(0)
    own = own - log_probabilities.max(0)

    def loss(cold: float) -> float:  # convex in 1 / temperature
        return float(np.mean(np.log(np.exp(below * cold).sum(0)) - own * cold))

    found = minimize_scalar(loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded")
    return float(1 / found.x)
