"""How the score grows with annotated images, and what the next ten would buy.

The error of a learner falls about as a power of the number of examples (Hestness et al. 2017, "Deep Learning Scaling is
Predictable, Empirically"): 1 − score = b · n^(−c). Fitted here by least squares on logarithms; the interval of the gain
comes from fitting again and again with images and trainings drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unetkit.compare.differences import Scores

NEXT = 10
"""Images more that the forecast is for."""

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """A power law through mean scores.

    Args:
        scale: b, the error with one image.
        power: c; 0 where more images do not help.
        gain: expected rise of the mean score by `NEXT` more images than the most that were tried.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    scale: float
    power: float
    gain: float
    low: float
    high: float

    def at(self, images: float) -> float:
        """The fitted mean score with so many images."""
        return float(1 - self.scale * images**-self.power)


def forecast_text(curve: LearningCurve) -> str:
    """What the next images would buy, in words; a rise whose interval includes zero is no promise."""
    sure = "" if curve.low > 0.0005 else ", which may be nothing"
    return f"{NEXT} more annotated images: {curve.gain:+.3f} [{curve.low:+.3f}, {curve.high:+.3f}] Dice{sure}"


def learning_curve(
    scores: Mapping[int, Scores], groups: Sequence[str], *, generator: np.random.Generator
) -> LearningCurve | None:
    """Fit the curve.

    Args:
        scores: number of annotated images → S N, a score for each training and test image; NaN where undefined.
        groups: N: the group of each test image.
        generator: for the interval.

    Returns:
        The curve; None with fewer than two numbers of images that have a score.

    Example:
        >>> few, many = np.array([[0.6, 0.6]]), np.array([[0.8, 0.8]])
        >>> curve = learning_curve({2: few, 8: many}, "ab", generator=np.random.default_rng(0))
        >>> round(curve.at(8), 3)
        0.8
    """
    numbers = sorted(n for n, table in scores.items() if not np.isnan(table).all())
    if len(numbers) < 2:
        return None
    scale, power = _fit(numbers, [float(np.nanmean(scores[n])) for n in numbers])
    gain = _gain(numbers[-1], scale, power)
    _, code = np.unique(np.asarray(list(groups), dtype=str), return_inverse=True)
    gains = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(code.max() + 1, size=int(code.max()) + 1)
        weights = np.bincount(drawn, minlength=int(code.max()) + 1)[code].astype(float)
        means = [_weighted_mean(_redrawn(scores[n], generator), weights) for n in numbers]
        if not np.isnan(means).any():
            gains.append(_gain(numbers[-1], *_fit(numbers, means)))
    low, high = np.quantile(gains, (0.025, 0.975))
    return LearningCurve(scale, power, gain, float(low), float(high))


def _redrawn(table: Scores, generator: np.random.Generator) -> Scores:
    return table[generator.integers(len(table), size=len(table))]


def _weighted_mean(table: Scores, weights: Scores) -> float:
    known = ~np.isnan(table) * weights
    return float(np.nansum(table * weights) / known.sum()) if known.sum() else float("nan")


def _fit(numbers: Sequence[int], means: Sequence[float]) -> tuple[float, float]:
    """b and c, where c ≥ 0: more images are never held to do harm."""
    errors = np.log(np.maximum(1 - np.asarray(means), 1e-6))
    slope, offset = np.polyfit(np.log(numbers), errors, 1)
    if slope > 0:
        slope, offset = 0.0, float(errors.mean())
    return float(np.exp(offset)), -float(slope)


def _gain(most: int, scale: float, power: float) -> float:
    return float(scale * (most**-power - (most + NEXT) ** -power))
