"""Calibration: the temperature that made the logits is found again, labels stay, and the error counts what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetkit.metrics.reliability import COLDEST, HOTTEST, calibrated, fit_temperature, reliability, scaled


def drawn(classes: int, pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and truths drawn from them: calibrated by their making."""
    rng = np.random.default_rng(seed)
    probabilities = scaled(rng.normal(size=(classes, pixels)) * 2, 1.0)
    truth = (probabilities.cumsum(0) < rng.random(pixels)).sum(0).clip(0, classes - 1)
    return np.log(probabilities), truth


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_that_made_them_is_found(temperature: float, classes: int) -> None:
    logs, truth = drawn(classes, 40_000, 0)
    found = fit_temperature(logs * temperature, truth)
    assert found == pytest.approx(temperature, rel=0.06)
    before, after = (reliability(logs * temperature, truth, temperature=one).error for one in (1.0, found))
    assert after < 0.01
    assert after <= before + 1e-3


def test_where_nothing_can_be_learnt_nothing_is_scaled() -> None:
    logs = np.log(np.array([[0.9] * 10, [0.1] * 10]))
    assert fit_temperature(logs, np.zeros(10, int)) == 1.0
    assert fit_temperature(logs, np.ones(10, int)) == pytest.approx(HOTTEST, rel=1e-2)
    assert fit_temperature(logs[:, :0], np.zeros(0, int)) == 1.0
    assert np.isnan(reliability(logs[:, :0], np.zeros(0, int)).error)
    assert reliability(logs[:, :0], np.zeros(0, int)).rows() == []


@given(st.floats(COLDEST, HOTTEST), st.integers(2, 6), st.integers(0, 2**16))
def test_scaling_changes_no_label_and_sums_to_one(temperature: float, classes: int, seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet([0.3] * classes, 50).T.clip(1e-6).astype(np.float32)
    other = calibrated(probabilities, temperature)
    assert other.dtype == np.float32
    np.testing.assert_array_equal(other.argmax(0), probabilities.argmax(0))
    np.testing.assert_allclose(other.sum(0), 1, rtol=1e-5)


def test_missing_pixels_stay_missing() -> None:
    probabilities = np.full((2, 3), 0.5)
    probabilities[:, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(calibrated(probabilities, 2.0)), np.isnan(probabilities))


def test_tables_add_up_to_that_of_all_pixels() -> None:
    logs, truth = drawn(3, 1000, 1)
    parts = reliability(logs[:, :300], truth[:300]) + reliability(logs[:, 300:], truth[300:])
    whole = reliability(logs, truth)
    assert parts.error == pytest.approx(whole.error)
    assert sum(row["share"] for row in whole.rows()) == pytest.approx(1)
    sure = scaled(logs, 1.0)
    right = (sure.argmax(0) == truth).mean()
    assert sum(row["share"] * row["accuracy"] for row in whole.rows()) == pytest.approx(right)
