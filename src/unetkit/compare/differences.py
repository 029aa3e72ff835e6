"""Is a difference more than noise? Paired over the same test images, and over several trainings where there are some.

Two kinds of luck make two trained models differ: which images were there to test on, and which weights and patches the
training began with. The interval of a difference holds both,

    d ± √( (t_G · s_images)² + (t_S · s_seeds)² )

with s_images the standard error of the mean paired difference over G independent groups of images, s_seeds that of the
difference of two means over S trainings each, and t the quantiles of Student's distribution. One training each leaves
the second part unknown: then a difference is never called a gain.

Sources: Student 1908 for t; Liang & Zeger 1986 for standard errors over groups; Bouthillier et al., "Accounting for
Variance in Machine Learning Benchmarks", MLSys 2021, for why both parts belong in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

Scores = npt.NDArray[np.float64]
"""S N: a score for each training (seed) and test image; NaN where undefined."""

Verdict = Literal["better", "worse", "not shown", "unknown"]

SAID: dict[Verdict, str] = {
    "better": "better, outside noise",
    "worse": "worse, outside noise",
    "not shown": "no difference shown",
    "unknown": "one training each: luck not ruled out",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How much one variant scores above another on the same images.

    Args:
        mean: of the paired differences.
        low: lower end of the interval; None where there are too few images.
        high: upper end, or None likewise.
        verdict: "better" and "worse" only where the interval excludes 0 and there were two trainings or more each.
    """

    mean: float
    low: float | None
    high: float | None
    verdict: Verdict


def difference(
    scores: Scores, reference: Scores, groups: Sequence[str], *, comparisons: int = 1, level: float = 0.95
) -> Difference:
    """The mean of `scores − reference` with an interval over images and trainings.

    Args:
        scores: S N.
        reference: T N, of the same images.
        groups: N: images of one group (patient, plate, scene) count as one observation.
        comparisons: how many intervals are read together; they hold together with `level` (Bonferroni).
        level: probability.

    Returns:
        The difference and what may be said of it.

    Example:
        >>> difference(np.array([[0.8, 0.9, 0.7]]), np.array([[0.7, 0.8, 0.6]]), "abc").verdict
        'unknown'
    """
    paired = mean_over(scores) - mean_over(reference)
    tail = 1 - (1 - level) / 2 / comparisons
    mean, half = _mean_and_half_width(paired, (scores, reference), groups, tail)
    if half is None:
        return Difference(mean, None, None, "not shown")
    if abs(mean) <= half:
        verdict: Verdict = "not shown"
    elif min(len(scores), len(reference)) < 2:
        verdict = "unknown"
    else:
        verdict = "better" if mean > 0 else "worse"
    return Difference(mean, mean - half, mean + half, verdict)


def difference_text(of: Difference) -> str:
    """A difference with its interval: "+0.012 [-0.003, +0.027]"."""
    if of.low is None or of.high is None:
        return f"{of.mean:+.3f}"
    return f"{of.mean:+.3f} [{of.low:+.3f}, {of.high:+.3f}]"


def score_interval(
    scores: Scores, groups: Sequence[str], *, level: float = 0.95
) -> tuple[float, float | None, float | None] | None:
    """(mean, low, high) of one variant's scores S N, cut to 0 … 1; without ends where there are too few images."""
    mean, half = _mean_and_half_width(mean_over(scores), (scores,), groups, 1 - (1 - level) / 2)
    if half is None:
        return None if np.isnan(mean) else (mean, None, None)
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def mean_over(scores: Scores) -> Scores:
    """The mean over trainings of each image's score: S N -> N; NaN where none is defined."""
    known = ~np.isnan(scores)
    count = known.sum(0)
    total = np.where(known, scores, 0.0).sum(0)
    mean = np.full(scores.shape[1], np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _mean_and_half_width(
    values: Scores, tables: Sequence[Scores], groups: Sequence[str], tail: float
) -> tuple[float, float | None]:
    """The mean of values N that come from tables S N, and half of its interval; None for one group of images."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan"), None
    mean = float(values[known].mean())
    _, code = np.unique(np.asarray(list(groups), dtype=str)[known], return_inverse=True)
    count = int(code.max()) + 1
    if count < 2:
        return mean, None
    deviations = np.bincount(code, weights=values[known] - mean, minlength=count)
    images = np.sqrt(count / (count - 1) * (deviations**2).sum()) / known.sum() * stats.t.ppf(tail, count - 1)
    return mean, float(np.hypot(images, _half_width_over_trainings([t[:, known] for t in tables], tail)))


def _half_width_over_trainings(tables: Sequence[Scores], tail: float) -> float:
    """t times the standard error that the luck of training gives; 0 where it is unknown, one table having one row."""
    if min(map(len, tables)) < 2:
        return 0.0
    means = [np.nanmean(table, axis=1) for table in tables]
    variance = sum(float(np.var(mean, ddof=1)) / len(mean) for mean in means)
    return float(stats.t.ppf(tail, sum(len(mean) - 1 for mean in means)) * np.sqrt(variance))
