"""How the score grows with annotated images, and what the next ones would buy.

The error of a learner falls about as a power of the number of examples (Hestness et al. 2017, "Deep Learning Scaling is
Predictable, Empirically"), down to a floor that no number of examples gets under:

    1 − score = a + b · (n / most)^(−c)

Fitted here by least squares on logarithms, once without a floor (a = 0, which promises more) and once with the floor
between 0 and the least error that fits best. The interval of the gain covers both fits, made again and again with mean
scores drawn about those measured: by Student's t over groups of images, and by t over trainings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from unetkit.compare.differences import Scores, defined, mean_over

NEXT = 10
"""Images more that the forecast is for where nobody says otherwise."""

DRAWS = 1000

NO_FLOOR = (0.0,)
FLOORS = tuple(float(share) for share in np.linspace(0, 0.99, 100))
"""Floors that are tried, in shares of the least error."""

LEAST_ERROR = 1e-6


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """A power law through mean scores.

    Args:
        most: the most annotated images that were tried.
        floor: a, the error that more images do not take away.
        scale: b, the error above the floor with `most` images.
        power: c; 0 where more images do not help.
        trainings: with each number of images; the fewest where they differ.
        gain: expected rise of the mean score by `more` images than `most`; None with two numbers of images, which a
            power law meets whatever they are.
        low: lower end of its 95 % interval; None with one training, or with too few images to score.
        high: upper end, or None likewise.
        more: images that the gain is of.
    """

    most: int
    floor: float
    scale: float
    power: float
    trainings: int
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    more: int = NEXT

    def at(self, images: float) -> float:
        """The fitted mean score with so many images."""
        return float(1 - self.floor - self.scale * (images / self.most) ** -self.power)


def forecast_text(curve: LearningCurve) -> str:
    """What the next images would buy, in words; a rise whose interval includes zero is no promise."""
    if curve.gain is None:
        return "two numbers of annotated images make no forecast, three or more do"
    rise = f"{curve.more} more annotated images: {curve.gain:+.3f}"
    if curve.low is None or curve.high is None:
        return f"{rise} Dice, {'luck not ruled out' if curve.trainings < 2 else 'too few images for an interval'}"
    sure = "" if curve.low > 0.0005 else ", which may be nothing"
    return f"{rise} [{curve.low:+.3f}, {curve.high:+.3f}] Dice{sure}"


def learning_curve(
    scores: Mapping[int, Scores], groups: Sequence[str], *, generator: np.random.Generator, more: int = NEXT
) -> LearningCurve | None:
    """Fit the curve.

    Args:
        scores: number of annotated images → S N, a score for each training and test image; NaN where undefined.
        groups: N: the group of each test image.
        generator: for the interval.
        more: images that the forecast is for.

    Returns:
        The curve; None with fewer than two numbers of images that have a score on the same test images.

    Example:
        >>> few, many = np.array([[0.6, 0.6]]), np.array([[0.8, 0.8]])
        >>> curve = learning_curve({2: few, 8: many}, "ab", generator=np.random.default_rng(0))
        >>> round(curve.at(8), 3)
        0.8
    """
    numbers = sorted(n for n, table in scores.items() if not np.isnan(table).all())
    if len(numbers) < 2:
        return None
    every = np.stack([mean_over(scores[n]) for n in numbers])  # K N
    known = np.all(~np.isnan(every), axis=0)
    if not known.any():
        return None
    every, tables = every[:, known], [defined(scores[n], known) for n in numbers]
    most, trainings = numbers[-1], min(map(len, tables))
    shares = np.log(np.array(numbers) / most)
    measured = _errors(every.mean(axis=1)[None])
    steep, level = (_not_worse(_fit(shares, measured, floors), shares) for floors in (NO_FLOOR, FLOORS))
    floor, offset, slope = (steep if len(numbers) == 2 else level)[0]
    curve = LearningCurve(most, float(floor), float(np.exp(offset)), -float(slope), trainings, more=more)
    if len(numbers) == 2:
        return curve
    curve = replace(curve, gain=float(_gain(level, most, more)[0]))
    _, code = np.unique(np.asarray(list(groups), dtype=str)[known], return_inverse=True)
    if trainings < 2 or code.max() < 1:
        return curve
    drawn = _errors(_drawn_means(every, tables, code, generator))
    gains = [_gain(_fit(shares, drawn, floors), most, more) for floors in (NO_FLOOR, FLOORS)]
    ends = [_gain(steep, most, more), _gain(level, most, more)]
    ends += [np.quantile(some, (0.025, 0.975)) for some in gains]
    return replace(curve, low=float(np.min(np.concatenate(ends))), high=float(np.max(np.concatenate(ends))))


def _drawn_means(
    every: Scores, tables: Sequence[Scores], code: npt.NDArray[np.intp], generator: np.random.Generator
) -> Scores:
    """Mean scores R K that images (in groups by code) and trainings (rows of the tables) could as well have given."""
    means, count = every.mean(axis=1), int(code.max()) + 1
    deviations = np.stack([np.bincount(code, weights=row - row.mean(), minlength=count) for row in every])  # K G
    spread = np.sqrt(count / (count - 1)) / len(code) * deviations
    # one t for all numbers of images, which are scored on the same test images; one each for their trainings
    chi = generator.chisquare(count - 1, size=(DRAWS, 1)) / (count - 1)
    images = generator.normal(size=(DRAWS, count)) @ spread.T / np.sqrt(chi)
    errors = [float(np.std(np.nanmean(table, axis=1), ddof=1)) / np.sqrt(len(table)) for table in tables]
    luck = [generator.standard_t(len(t) - 1, size=DRAWS) * e for t, e in zip(tables, errors, strict=True)]
    drawn: Scores = means + images + np.stack(luck, axis=1)
    return drawn


def _errors(means: Scores) -> Scores:
    """1 − score, within what a score can be."""
    return np.clip(1 - means, LEAST_ERROR, 1)


def _fit(shares: Scores, errors: Scores, floors: Sequence[float]) -> Scores:
    """The fit with the best floor: log(n / most) of K numbers and errors R K -> a, log b and −c, R 3."""
    best, least = np.zeros((len(errors), 3)), np.full(len(errors), np.inf)
    for share in floors:
        floor = share * errors.min(axis=1)
        slope, offset = np.polyfit(shares, np.log(errors - floor[:, None]).T, 1)
        fitted = floor[:, None] + np.exp(offset[:, None] + slope[:, None] * shares)
        misfit = (np.log(fitted / errors) ** 2).sum(axis=1)
        better = misfit < least - 1e-12
        best[better] = np.stack([floor, offset, slope], axis=1)[better]
        least = np.where(better, misfit, least)
    return best


def _not_worse(fits: Scores, shares: Scores) -> Scores:
    """The fits R 3, flat where more images seem to do harm."""
    floor, offset, slope = fits.T
    flat = slope > 0
    return np.stack([floor, offset + np.where(flat, slope * shares.mean(), 0), np.where(flat, 0, slope)], axis=1)


def _gain(fits: Scores, most: int, more: int) -> Scores:
    """How much the error falls from `most` images to so many more: R 3 -> R, below 0 where it rises."""
    _, offset, slope = fits.T
    now, then = offset, offset + slope * np.log(1 + more / most)
    gain: Scores = np.exp(np.minimum(now, 0)) - np.exp(np.minimum(then, 0))  # no error is above 1
    return gain
