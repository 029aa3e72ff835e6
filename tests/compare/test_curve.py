"""The learning curve: a power law is found again, and its forecast is as unsure as the scores are."""

from __future__ import annotations

import numpy as np
import pytest

from unetkit.compare.curve import forecast_text, learning_curve

GROUPS = [str(i) for i in range(12)]


def test_a_power_law_is_found_again() -> None:
    scores = {n: np.full((2, 12), 1 - 0.5 * n**-0.4) for n in (2, 5, 10, 40)}
    curve = learning_curve(scores, GROUPS, generator=np.random.default_rng(0))
    assert curve is not None
    assert (curve.scale, curve.power) == pytest.approx((0.5, 0.4))
    assert curve.gain == pytest.approx(0.5 * (40**-0.4 - 50**-0.4))
    assert (curve.low, curve.high) == pytest.approx((curve.gain, curve.gain))


def test_noise_makes_the_forecast_unsure() -> None:
    generator = np.random.default_rng(1)
    scores = {n: generator.normal(0.7, 0.15, (3, 12)).clip(0, 1) for n in (2, 5, 10)}
    curve = learning_curve(scores, GROUPS, generator=generator)
    assert curve is not None
    assert curve.low == pytest.approx(0, abs=1e-3)
    assert curve.high > curve.low
    assert "may be nothing" in forecast_text(curve)


def test_more_images_are_never_held_to_do_harm() -> None:
    curve = learning_curve(
        {2: np.full((1, 12), 0.9), 8: np.full((1, 12), 0.7)}, GROUPS, generator=np.random.default_rng(0)
    )
    assert curve is not None
    assert curve.gain == 0


def test_one_number_of_images_gives_no_curve() -> None:
    assert learning_curve({4: np.ones((1, 12))}, GROUPS, generator=np.random.default_rng(0)) is None
