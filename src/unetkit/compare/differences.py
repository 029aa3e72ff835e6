"""Is a difference more than noise? Paired over the same test images, and over several trainings where there are some.

Two kinds of luck make two trained models differ: which images were there to test on, and which weights and patches the
training began with. The interval of a difference holds both,

    d ± √( (t_G · s_images)² + (t_S · s_seeds)² )

with s_images the standard error of the mean paired difference over G independent groups of images, s_seeds that of the
difference of two means over trainings, and t the quantiles of Student's distribution with G − 1 degrees of freedom and
with Welch's: two variants need not spread equally nor be trained equally often. Where one was trained once the second
part is unknown and left out: then a difference is never called a gain.

Sources: Student 1908 for t; Welch 1947, "The generalization of 'Student's' problem when several different population
variances are involved", and Satterthwaite 1946 for the degrees of freedom; Liang & Zeger 1986 for standard errors over
groups; Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021, for why both parts
belong in.
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

Verdict = Literal["better", "worse", "not shown", "unknown", "incomplete"]

SAID: dict[Verdict, str] = {
    "better": "better, outside noise",
    "worse": "worse, outside noise",
    "not shown": "no difference shown",
    "unknown": "trained once: luck not ruled out",
    "incomplete": "a training failed: not judged",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How much one variant scores above another on the same images.

    Args:
        mean: of the paired differences.
        low: lower end of the interval; None where there are too few images.
        high: upper end, or None likewise.
        verdict: "better" and "worse" only where the interval excludes 0 and both were trained twice or more; "unknown"
            where it excludes 0 and one was trained once; "incomplete" where a training of one of them failed.
    """

    mean: float
    low: float | None
    high: float | None
    verdict: Verdict


def difference(
    scores: Scores, reference: Scores, groups: Sequence[str], *, comparisons: int = 1, level: float = 0.95
) -> Difference | None:
    """The mean of `scores − reference` with an interval over images and trainings.

    Args:
        scores: S N.
        reference: T N, of the same images.
        groups: N: images of one group (patient, plate, scene) count as one observation.
        comparisons: how many intervals are read together; they hold together with `level` (Bonferroni).
        level: probability.

    Returns:
        The difference and what may be said of it; None where no image has a score in both.

    Example:
        >>> found = difference(np.array([[0.8, 0.9, 0.7]]), np.array([[0.7, 0.8, 0.6]]), "abc")
        >>> found.verdict
        'unknown'
    """
    paired = mean_over(scores) - mean_over(reference)
    known = ~np.isnan(paired)
    if not known.any():
        return None
    tables = [defined(scores, known), defined(reference, known)]
    mean = float(paired[known].mean())
    half = _half_width(paired[known], tables, _at(groups, known), 1 - (1 - level) / 2 / comparisons)
    if half is None:
        return Difference(mean, None, None, "not shown")
    low, high = mean - half, mean + half
    verdict: Verdict = "not shown"
    if low > 0 or high < 0:  # neither is true of NaN
        verdict = "unknown" if min(map(len, tables)) < 2 else "better" if low > 0 else "worse"
    return Difference(mean, low, high, verdict)


def difference_text(of: Difference) -> str:
    """A difference with its interval: "+0.012 [-0.003, +0.027]"."""
    if of.low is None or of.high is None:
        return f"{of.mean:+.3f}"
    return f"{of.mean:+.3f} [{of.low:+.3f}, {of.high:+.3f}]"


def score_interval(
    scores: Scores, groups: Sequence[str], *, level: float = 0.95
) -> tuple[float, float | None, float | None] | None:
    """(mean, low, high) of one variant's scores S N, cut to 0 … 1; without ends where there are too few images."""
    values = mean_over(scores)
    known = ~np.isnan(values)
    if not known.any():
        return None
    mean = float(values[known].mean())
    half = _half_width(values[known], [defined(scores, known)], _at(groups, known), 1 - (1 - level) / 2)
    return (mean, None, None) if half is None else (mean, max(0.0, mean - half), min(1.0, mean + half))


def on_same_images(tables: Sequence[Scores]) -> tuple[list[Scores], npt.NDArray[np.bool_]]:
    """Scores of several variants that all count the same images.

    Where truth and prediction are both empty the Dice is undefined. If such a score were left out, the image would have
    no pair, and a variant would not pay for what it paints on an empty image. So where any training has a score, to
    leave the image empty is right and counts 1; where none has, the image says nothing and goes.

    Args:
        tables: S N each, NaN where truth and prediction are both empty.

    Returns:
        S M each, without NaN; and bool N, which M of the N images are left.

    Example:
        >>> (a, b), kept = on_same_images([np.array([[np.nan, np.nan, 0.8]]), np.array([[0.0, np.nan, 0.9]])])
        >>> a.tolist(), b.tolist(), kept.tolist()
        ([[1.0, 0.8]], [[0.0, 0.9]], [True, False, True])
    """
    kept = np.any(~np.isnan(np.concatenate(tables)), axis=0)
    return [np.nan_to_num(table[:, kept], nan=1.0) for table in tables], kept


def mean_over(scores: Scores) -> Scores:
    """The mean over trainings of each image's score: S N -> N; NaN where none is defined."""
    known = ~np.isnan(scores)
    count = known.sum(0)
    total = np.where(known, scores, 0.0).sum(0)
    mean = np.full(scores.shape[1], np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def defined(scores: Scores, images: npt.NDArray[np.bool_]) -> Scores:
    """The scores S N of those images alone, without the trainings that have none there."""
    scores = scores[:, images]
    return scores[~np.isnan(scores).all(axis=1)]


def _at(groups: Sequence[str], images: npt.NDArray[np.bool_]) -> list[str]:
    return [group for group, known in zip(groups, images, strict=True) if known]


def _half_width(values: Scores, tables: Sequence[Scores], groups: Sequence[str], tail: float) -> float | None:
    """Half of the interval of the mean of values N that come from tables S N; None for one group of images."""
    _, code = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = int(code.max()) + 1
    if count < 2:
        return None
    deviations = np.bincount(code, weights=values - values.mean(), minlength=count)
    images = np.sqrt(count / (count - 1) * (deviations**2).sum()) / len(values) * stats.t.ppf(tail, count - 1)
    return float(np.hypot(images, _half_width_over_trainings(tables, tail)))


def _half_width_over_trainings(tables: Sequence[Scores], tail: float) -> float:
    """t times the standard error that the luck of training gives; 0 where it is unknown, one table having one row."""
    if min(map(len, tables)) < 2:
        return 0.0
    parts = np.array([np.var(np.nanmean(table, axis=1), ddof=1) / len(table) for table in tables])
    variance = float(parts.sum())
    if variance == 0:
        return 0.0
    shares = parts / variance
    freedom = 1 / float((shares**2 / [len(table) - 1 for table in tables]).sum())
    return float(stats.t.ppf(tail, freedom) * np.sqrt(variance))
