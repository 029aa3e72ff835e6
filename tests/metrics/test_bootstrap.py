"""Bootstrap intervals: hand-made cases, the plain loop, and how often they hold the true mean."""

from __future__ import annotations

import numpy as np
import pytest

from unetkit.errors import InputError
from unetkit.metrics import Interval, mean_interval, mean_intervals, paired_difference


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mean_counts_images_and_leaves_out_the_undefined() -> None:
    interval = mean_interval(np.array([0.2, np.nan, 0.6]), generator=rng())
    assert interval.mean == pytest.approx(0.4)
    assert interval.n == 2
    assert interval.low is not None
    assert interval.high is not None
    assert 0.2 <= interval.low <= 0.4 <= interval.high <= 0.6


def test_nothing_defined_and_nothing_at_all() -> None:
    for values in (np.array([np.nan, np.nan]), np.zeros(0)):
        interval = mean_interval(values, generator=rng())
        assert np.isnan(interval.mean)
        assert (interval.low, interval.high, interval.n) == (None, None, 0)


@pytest.mark.parametrize(
    ("values", "groups"),
    [([0.5], None), ([0.5, np.nan], None), ([0.4, 0.6], ["a", "a"]), ([0.4, 0.6, np.nan], ["a", "a", "b"])],
)
def test_one_group_has_no_interval(values: list[float], groups: list[str] | None) -> None:
    assert mean_interval(np.array(values), groups, generator=rng()) == Interval(
        pytest.approx(0.5), None, None, int(np.isfinite(values).sum())
    )


def test_groups_are_drawn_whole() -> None:
    """Two groups of different size: the only possible means are those of aa, ab and bb, weighted by images."""
    values, groups = np.array([0.0, 0.0, 0.0, 1.0]), ["a", "a", "a", "b"]
    interval = mean_interval(values, groups, generator=rng(), resamples=4000)
    assert interval == Interval(0.25, 0.0, 1.0, 4)


def test_against_the_plain_loop() -> None:
    """The vectorised draw equals drawing groups one by one, up to the chance of the draw."""
    generator = rng(5)
    groups = [f"g{i}" for i in generator.integers(0, 12, 60)]
    values = generator.normal(0.8, 0.1, 60)
    names = sorted(set(groups))
    rows = {name: [v for v, g in zip(values, groups, strict=True) if g == name] for name in names}
    means = []
    for _ in range(4000):
        drawn = [value for name in generator.choice(names, len(names)) for value in rows[name]]
        means.append(np.mean(drawn))
    interval = mean_interval(values, groups, generator=rng(), resamples=4000)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.003)


def test_seeded_and_the_same_whatever_columns_stand_beside() -> None:
    table = rng(1).random((20, 3))
    together = mean_intervals(table, generator=rng(7))
    assert together == mean_intervals(table, generator=rng(7))
    alone = mean_interval(table[:, 1], generator=rng(7))
    assert (together[1].low, together[1].high) == pytest.approx((alone.low, alone.high))
    assert together[1] != mean_interval(table[:, 1], generator=rng(8))


def test_coverage_of_a_known_mean() -> None:
    """Of 300 samples of 40 normal values, about 95 % of the intervals hold the true mean (93 to 94 % by theory)."""
    samples = rng(11).normal(0.7, 0.1, (40, 300))
    intervals = mean_intervals(samples, generator=rng(12))
    held = np.mean([i.low <= 0.7 <= i.high for i in intervals if i.low is not None and i.high is not None])
    assert 0.90 <= held <= 0.98


def test_coverage_needs_the_groups() -> None:
    """With ten alike images a patient, intervals over images are far too narrow; over patients not."""
    generator = rng(21)
    patients = generator.normal(0.7, 0.1, (30, 1, 200))
    samples = (patients + generator.normal(0, 0.02, (30, 10, 200))).reshape(300, 200)
    groups = [str(row // 10) for row in range(300)]
    held = {}
    for name, given in (("groups", groups), ("images", None)):
        intervals = mean_intervals(samples, given, generator=rng(22))
        held[name] = np.mean([i.low <= 0.7 <= i.high for i in intervals if i.low is not None and i.high is not None])
    assert held["groups"] > 0.88
    assert held["images"] < 0.6


def test_paired_difference_sees_what_intervals_side_by_side_cannot() -> None:
    hard = rng(2).random(40)
    better = paired_difference(hard + 0.02, hard, generator=rng())
    assert better.mean == pytest.approx(0.02)
    assert better.low == pytest.approx(0.02)
    alone = mean_interval(hard, generator=rng())
    assert alone.low is not None
    assert alone.high is not None
    assert alone.high - alone.low > 0.1
    undefined = paired_difference(np.array([0.5, np.nan, 0.7]), np.array([0.4, 0.3, np.nan]), generator=rng())
    assert undefined.n == 1


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="not every value has a group"):
        mean_interval(np.zeros(3), ["a"], generator=rng())
    with pytest.raises(InputError, match="not of the same images"):
        paired_difference(np.zeros(3), np.zeros(2), generator=rng())
