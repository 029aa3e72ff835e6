"""The learning curve: a power law is found again, and its forecast is as unsure as the scores are."""

from __future__ import annotations

import numpy as np
import pytest

from unetkit.compare.curve import LearningCurve, forecast_text, learning_curve
from unetkit.compare.differences import Scores

GROUPS = [str(i) for i in range(12)]
NUMBERS = (2, 5, 10, 40)


def fitted(scores: dict[int, Scores], groups: list[str] = GROUPS) -> LearningCurve:
    curve = learning_curve(scores, groups, generator=np.random.default_rng(0))
    assert curve is not None
    return curve


def test_a_power_law_is_found_again() -> None:
    curve = fitted({n: np.full((2, 12), 1 - 0.5 * n**-0.4) for n in NUMBERS})
    assert (curve.floor, curve.scale, curve.power) == pytest.approx((0, 0.5 * 40**-0.4, 0.4))
    assert curve.gain == pytest.approx(0.5 * (40**-0.4 - 50**-0.4))
    assert (curve.low, curve.high) == pytest.approx((curve.gain, curve.gain))
    assert [curve.at(n) for n in NUMBERS] == pytest.approx([1 - 0.5 * n**-0.4 for n in NUMBERS])


def test_scores_that_level_off_are_promised_no_more_than_they_can_give() -> None:
    curve = fitted({n: np.full((2, 12), 0.8 - 0.5 / n) for n in NUMBERS})
    true = 0.5 * (1 / 40 - 1 / 50)
    assert curve.floor == pytest.approx(0.2, abs=0.002)
    assert curve.gain == pytest.approx(true, rel=0.05)
    assert curve.low is not None
    assert curve.high is not None
    assert curve.low < true * 1.05
    assert curve.high > 3 * true  # a law without a floor promises more, and three numbers cannot rule it out


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_the_interval_holds_the_true_gain_about_as_often_as_promised(floor: float) -> None:
    generator = np.random.default_rng(4)
    true = 0.5 * (10**-0.7 - 20**-0.7)
    held = 0
    for _ in range(25):
        images = generator.normal(0, 0.1, 12)
        curve = fitted(
            {
                n: 1
                - floor
                - 0.5 * n**-0.7
                + images
                + generator.normal(0, 0.02, (3, 1))
                + generator.normal(0, 0.03, 12)
                for n in (2, 5, 10)
            }
        )
        assert curve.low is not None
        assert curve.high is not None
        held += curve.low <= true <= curve.high
    assert held >= 22


def test_noise_makes_the_forecast_unsure() -> None:
    generator = np.random.default_rng(1)
    curve = fitted({n: generator.normal(0.7, 0.15, (3, 12)).clip(0, 1) for n in (2, 5, 10)})
    assert curve.low is not None
    assert curve.high is not None
    assert curve.low < -0.005  # an interval that ends at nothing would look as if harm were ruled out
    assert curve.high > 0.005
    assert "may be nothing" in forecast_text(curve)


def test_the_luck_of_two_trainings_is_wide() -> None:
    luck = np.array([[-0.01], [0.01]])
    steady = {n: np.full((1, 12), 1 - 0.5 * n**-0.4) for n in (2, 5, 10)}
    curve = fitted({n: table + luck for n, table in steady.items()})
    assert curve.low is not None
    assert curve.high is not None
    assert curve.high - curve.low > 0.05  # drawing the two rows again would give 0.02


def test_more_images_are_never_held_to_do_harm() -> None:
    curve = fitted({2: np.full((2, 12), 0.9), 4: np.full((2, 12), 0.8), 8: np.full((2, 12), 0.7)})
    assert curve.gain == 0
    assert curve.power == 0
    assert curve.low is not None
    assert curve.low < 0


def test_one_training_has_no_interval() -> None:
    scores = {n: np.full((2, 12), 1 - 0.5 * n**-0.4) for n in NUMBERS}
    curve = fitted({**scores, 10: scores[10][:1]})
    assert (curve.low, curve.high) == (None, None)
    assert curve.gain is not None
    assert "luck not ruled out" in forecast_text(curve)


def test_one_group_has_no_interval() -> None:
    curve = fitted({n: np.full((2, 12), 1 - 0.5 * n**-0.4) for n in NUMBERS}, ["a"] * 12)
    assert (curve.low, curve.high) == (None, None)
    assert "too few images for an interval" in forecast_text(curve)


def test_two_numbers_of_images_give_a_curve_and_no_forecast() -> None:
    curve = fitted({2: np.full((3, 12), 0.6), 8: np.full((3, 12), 0.8)})
    assert (curve.at(2), curve.at(8)) == pytest.approx((0.6, 0.8))
    assert (curve.gain, curve.low, curve.high) == (None, None, None)
    assert "no forecast" in forecast_text(curve)


def test_one_number_of_images_gives_no_curve() -> None:
    assert learning_curve({4: np.ones((1, 12))}, GROUPS, generator=np.random.default_rng(0)) is None


def test_numbers_close_to_each_other_and_perfect_scores_give_finite_curves() -> None:
    curve = fitted({n: np.full((2, 12), score) for n, score in ((100, 0.5), (101, 0.99), (102, 1.0))})
    assert np.isfinite([curve.scale, curve.power, curve.gain, curve.low, curve.high, curve.at(112)]).all()
