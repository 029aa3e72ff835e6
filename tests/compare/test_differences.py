"""Intervals of differences: known answers, coverage by simulation, and what may be called a gain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from unetkit.compare.differences import difference, score_interval

NAN = float("nan")


def test_without_groups_and_seeds_it_is_the_paired_t_interval() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random((1, 9)), generator.random((1, 9))
    found = difference(a, b, [str(i) for i in range(9)])
    expected = stats.ttest_rel(a[0], b[0]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_several_comparisons_widen_the_interval_to_the_adjusted_level() -> None:
    a, b = np.random.default_rng(1).random((2, 1, 12))
    names = [str(i) for i in range(12)]
    assert difference(a, b, names, comparisons=5).high == pytest.approx(difference(a, b, names, level=0.99).high)


def test_images_of_one_group_count_once() -> None:
    a = np.array([[0.8, 0.8, 0.6, 0.6, 0.7, 0.7]])
    b = np.zeros_like(a)
    apart = difference(a[:, ::2], b[:, ::2], "xyz")
    assert difference(a, b, "xxyyzz").high == pytest.approx(apart.high)


def test_one_group_has_no_interval_and_shows_nothing() -> None:
    found = difference(np.array([[0.9, 0.8]]), np.array([[0.1, 0.1]]), ["a", "a"])
    assert (found.low, found.high, found.verdict) == (None, None, "not shown")
    assert found.mean == pytest.approx(0.75)


def test_one_training_each_is_never_called_a_gain() -> None:
    a, b = np.full((1, 20), 0.9), np.full((1, 20), 0.5)
    names = [str(i) for i in range(20)]
    assert difference(a, b, names).verdict == "unknown"
    assert difference(np.repeat(a, 2, 0), b, names).verdict == "unknown"
    assert difference(np.repeat(a, 2, 0), np.repeat(b, 2, 0), names).verdict == "better"
    assert difference(np.repeat(b, 2, 0), np.repeat(a, 2, 0), names).verdict == "worse"


def test_a_difference_within_the_luck_of_training_is_not_shown() -> None:
    names = [str(i) for i in range(50)]
    lucky = np.stack([np.full(50, 0.9), np.full(50, 0.5), np.full(50, 0.7)])
    steady = np.full((3, 50), 0.6)
    found = difference(lucky, steady, names)
    assert found.mean == pytest.approx(0.1)
    assert found.verdict == "not shown"


def test_undefined_scores_are_left_out() -> None:
    a, b = np.array([[0.9, NAN, 0.7]]), np.array([[0.8, 0.1, 0.6]])
    assert difference(a, b, "abc").mean == pytest.approx(0.1)
    nothing = difference(np.full((1, 3), NAN), b, "abc")
    assert np.isnan(nothing.mean)
    assert nothing.verdict == "not shown"


def test_equal_variants_are_told_apart_about_as_rarely_as_promised() -> None:
    generator = np.random.default_rng(2)
    names = [str(i) for i in range(15)]
    wrong = 0
    for _ in range(1500):
        images = generator.normal(0, 0.1, 15)
        a, b = (images + generator.normal(0, 0.03, (3, 1)) + generator.normal(0, 0.05, (3, 15)) for _ in range(2))
        wrong += difference(a, b, names).verdict in ("better", "worse")
    assert 0.01 < wrong / 1500 < 0.06


def test_a_true_gain_is_seen() -> None:
    generator = np.random.default_rng(3)
    names = [str(i) for i in range(15)]
    base = generator.normal(0.7, 0.1, 15)
    a = base + 0.05 + generator.normal(0, 0.005, (3, 15))
    b = base + generator.normal(0, 0.005, (3, 15))
    found = difference(a, b, names)
    assert found.verdict == "better"
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.05 < found.high


def test_scores_have_an_interval_within_their_range() -> None:
    found = score_interval(np.array([[1.0, 0.9, 1.0]]), "abc")
    assert found is not None
    mean, low, high = found
    assert low is not None
    assert 0 <= low < mean < 0.97
    assert high == 1.0
    assert score_interval(np.array([[0.5]]), "a") == (0.5, None, None)
    assert score_interval(np.array([[NAN]]), "a") is None
