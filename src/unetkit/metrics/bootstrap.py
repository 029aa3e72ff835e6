"""How sure a mean is: percentile bootstrap intervals over groups, or over images where there are no groups.

Images of one patient, plate or scene resemble each other, so whole groups are drawn (the cluster bootstrap): resampling
single images would pretend to more evidence than there is. The interval says how the mean would vary over other images
of the same kind, not over other trainings. With fewer than about ten groups it is too narrow.

Sources: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13; Davison and Hinkley 1997,
"Bootstrap Methods and their Application", section 3.8 (clusters).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError

Values = npt.NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval.

    Args:
        mean: over the defined values; NaN when there are none.
        low: lower end, or None when fewer than two groups have a value.
        high: upper end, or None likewise.
        n: how many values were defined.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    def record(self, total: int) -> dict[str, float | int | None]:
        """The interval as JSON has it, with how many of the `total` values were undefined."""
        return {
            "mean": number(self.mean),
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "undefined": total - self.n,
        }


def number(value: float) -> float | None:
    """A score as JSON has it: None where it is undefined."""
    return None if np.isnan(value) else float(value)


def mean_intervals(
    table: Values,
    groups: Sequence[str] | None = None,
    *,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[Interval, ...]:
    """The mean of each column with its bootstrap interval; all columns see the same resamples.

    Args:
        table: float n M, one row an image, one column a quantity; NaN where undefined.
        groups: the group of each row; None makes every row a group of its own.
        generator: where the randomness comes from.
        resamples: how many times the groups are drawn.

    Returns:
        M intervals.

    Raises:
        InputError: `groups` does not have one entry a row.

    Example:
        >>> mean_intervals(np.array([[0.5], [0.7]]), ["a", "a"], generator=np.random.default_rng(0))
        (Interval(mean=0.6, low=None, high=None, n=2),)
    """
    rows = len(table)
    if groups is not None and len(groups) != rows:
        raise InputError("not every value has a group", found=f"{len(groups)} groups", expected=f"{rows}, one a value")
    code = np.arange(rows) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    count = int(code.max()) + 1 if rows else 0
    known = ~np.isnan(table)
    sums, sizes = np.zeros((count, table.shape[1])), np.zeros((count, table.shape[1]))
    np.add.at(sums, code, np.where(known, table, 0.0))
    np.add.at(sizes, code, known)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=resamples) if count else np.zeros((0, 0))
    weights = drawn.astype(np.float64)  # resamples × groups: how often each group was drawn
    top, bottom = weights @ sums, weights @ sizes
    means = np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
    return tuple(
        _interval(sums[:, column].sum(), sizes[:, column], means[:, column]) for column in range(table.shape[1])
    )


def _interval(total: float, sizes: Values, means: Values) -> Interval:
    n = int(sizes.sum())
    mean = float(total / n) if n else float("nan")
    if np.count_nonzero(sizes) < 2:
        return Interval(mean, None, None, n)
    # A resample that drew only groups without a value has no mean.
    low, high = np.quantile(means[~np.isnan(means)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high), n)


def mean_interval(
    values: Values,
    groups: Sequence[str] | None = None,
    *,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """The mean of `values` (float n, NaN where undefined) with its bootstrap interval; see `mean_intervals`."""
    return mean_intervals(values[:, None], groups, generator=generator, resamples=resamples)[0]


def paired_difference(
    a: Values,
    b: Values,
    groups: Sequence[str] | None = None,
    *,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """How much better `a` is than `b` on the same images: the mean of a − b with its bootstrap interval.

    Args:
        a: float n, one score an image; NaN where undefined.
        b: float n, the other model's scores of the same images, in the same order.
        groups: the group of each image; None makes every image a group of its own.
        generator: where the randomness comes from.
        resamples: how many times the groups are drawn.

    Returns:
        The interval over the images where both are defined. It excludes 0 where the two differ beyond chance.

    Raises:
        InputError: `a` and `b` differ in length, or `groups` does.

    Example:
        >>> paired_difference(np.array([0.8, 0.9]), np.array([0.7, 0.8]), generator=np.random.default_rng(0)).n
        2
    """
    if a.shape != b.shape:
        raise InputError("the scores to compare are not of the same images", found=a.shape, expected=b.shape)
    return mean_interval(a - b, groups, generator=generator, resamples=resamples)
