"""Intervals of differences: known answers, coverage by simulation, and what may be called a gain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from unetkit.compare.differences import Difference, Scores, difference, on_same_images, score_interval

NAN = float("nan")


def found_in(scores: Scores, reference: Scores, groups: Sequence[str], **options: float) -> Difference:
    """The difference, which is there."""
    found = difference(scores, reference, groups, **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_without_groups_and_seeds_it_is_the_paired_t_interval() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random((1, 9)), generator.random((1, 9))
    found = found_in(a, b, [str(i) for i in range(9)])
    expected = stats.ttest_rel(a[0], b[0]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_several_comparisons_widen_the_interval_to_the_adjusted_level() -> None:
    a, b = np.random.default_rng(1).random((2, 1, 12))
    names = [str(i) for i in range(12)]
    assert found_in(a, b, names, comparisons=5).high == pytest.approx(found_in(a, b, names, level=0.99).high)


def test_images_of_one_group_count_once() -> None:
    a = np.array([[0.8, 0.8, 0.6, 0.6, 0.7, 0.7]])
    b = np.zeros_like(a)
    apart = found_in(a[:, ::2], b[:, ::2], "xyz")
    assert found_in(a, b, "xxyyzz").high == pytest.approx(apart.high)


def test_one_group_has_no_interval_and_shows_nothing() -> None:
    found = found_in(np.array([[0.9, 0.8]]), np.array([[0.1, 0.1]]), ["a", "a"])
    assert (found.low, found.high, found.verdict) == (None, None, "not shown")
    assert found.mean == pytest.approx(0.75)


def test_one_training_each_is_never_called_a_gain() -> None:
    a, b = np.full((1, 20), 0.9), np.full((1, 20), 0.5)
    names = [str(i) for i in range(20)]
    assert found_in(a, b, names).verdict == "unknown"
    assert found_in(np.repeat(a, 2, 0), b, names).verdict == "unknown"
    assert found_in(np.repeat(a, 2, 0), np.repeat(b, 2, 0), names).verdict == "better"
    assert found_in(np.repeat(b, 2, 0), np.repeat(a, 2, 0), names).verdict == "worse"


def test_a_difference_within_the_luck_of_training_is_not_shown() -> None:
    names = [str(i) for i in range(50)]
    lucky = np.stack([np.full(50, 0.9), np.full(50, 0.5), np.full(50, 0.7)])
    steady = np.full((3, 50), 0.6)
    found = found_in(lucky, steady, names)
    assert found.mean == pytest.approx(0.1)
    assert found.verdict == "not shown"


def test_undefined_scores_are_left_out() -> None:
    a, b = np.array([[0.9, NAN, 0.7]]), np.array([[0.8, 0.1, 0.6]])
    assert found_in(a, b, "abc").mean == pytest.approx(0.1)
    assert difference(np.full((1, 3), NAN), b, "abc") is None


def test_trainings_without_a_score_count_as_none() -> None:
    names = [str(i) for i in range(20)]
    better, worse = np.full((2, 20), 0.9), np.full((2, 20), 0.5)
    better[1] = NAN
    assert found_in(better, worse, names).verdict == "unknown"
    assert score_interval(better, names) == pytest.approx((0.9, 0.9, 0.9))
    more = np.vstack([better, np.full((1, 20), 0.8)])
    assert found_in(more, worse, names).high == pytest.approx(found_in(more[[0, 2]], worse, names).high)


def test_a_score_that_is_no_number_yields_no_verdict() -> None:
    endless = np.array([[0.9, np.inf, 0.8]] * 2)
    with np.errstate(invalid="ignore"):
        assert found_in(endless, np.zeros((2, 3)), "abc").verdict == "not shown"


def test_false_alarms_on_empty_images_count_against_the_one_that_gave_them() -> None:
    names = [str(i) for i in range(20)]
    careful, alarmed = np.full((2, 20), 0.8), np.full((2, 20), 0.8)
    careful[:, 10:], alarmed[:, 10:18], alarmed[:, 18:] = NAN, 0.0, NAN
    (careful, alarmed), kept = on_same_images([careful, alarmed])
    assert kept.tolist() == [True] * 18 + [False] * 2
    assert careful.mean() == pytest.approx((10 * 0.8 + 8) / 18)
    found = found_in(alarmed, careful, [name for name, keep in zip(names, kept, strict=True) if keep])
    assert found.mean == pytest.approx(-8 / 18)
    assert found.verdict == "worse"


def test_one_training_that_alarms_keeps_the_image_for_all() -> None:
    tables, kept = on_same_images([np.array([[NAN, 0.7], [0.0, 0.7]]), np.array([[NAN, 0.6]]), np.zeros((0, 2))])
    assert [table.tolist() for table in tables] == [[[1.0, 0.7], [0.0, 0.7]], [[1.0, 0.6]], []]
    assert kept.all()


@pytest.mark.parametrize(
    ("one", "other", "between", "most"),
    [
        ((2, 0.03), (2, 0.03), 0.05, 0.05),  # (trainings, their spread), of images in one training, wrong verdicts
        ((3, 0.03), (3, 0.03), 0.05, 0.06),
        ((3, 0.06), (3, 0.0), 0.005, 0.08),
        ((2, 0.06), (2, 0.01), 0.005, 0.08),
        ((2, 0.03), (5, 0.03), 0.005, 0.09),
        ((2, 0.06), (5, 0.01), 0.005, 0.13),
    ],
)
def test_equal_variants_are_told_apart_about_as_rarely_as_promised(
    one: tuple[int, float], other: tuple[int, float], between: float, most: float
) -> None:
    generator = np.random.default_rng(2)
    names = [str(i) for i in range(15)]
    wrong = 0
    for _ in range(1000):
        images = generator.normal(0, 0.1, 15)
        a, b = (
            images + generator.normal(0, spread, (trainings, 1)) + generator.normal(0, between, (trainings, 15))
            for trainings, spread in (one, other)
        )
        wrong += found_in(a, b, names).verdict in ("better", "worse")
    assert 0 < wrong / 1000 < most


def test_a_true_gain_is_seen() -> None:
    generator = np.random.default_rng(3)
    names = [str(i) for i in range(15)]
    base = generator.normal(0.7, 0.1, 15)
    a = base + 0.05 + generator.normal(0, 0.005, (3, 15))
    b = base + generator.normal(0, 0.005, (3, 15))
    found = found_in(a, b, names)
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
