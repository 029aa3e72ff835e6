"""Histogram matching: a patch takes on another image's intensities, and the polarity that fits these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from unetkit.augment.histograms import RANKS, match_histogram, quantiles

Pixels = npt.NDArray[np.float32]


def blobs(share: float, channels: int = 1, seed: int = 0) -> Pixels:
    """Bright objects on dark ground, normalised, C 64 × 64."""
    generator = np.random.default_rng(seed)
    picture = (np.arange(64 * 64).reshape(64, 64) < share * 64 * 64) * 4.0
    pixels = picture + generator.normal(0, 0.3, (channels, 64, 64))
    return ((pixels - pixels.mean()) / pixels.std()).astype(np.float32)


def test_the_whole_image_gets_the_histogram_of_the_other() -> None:
    image, other = blobs(0.1, 3), blobs(0.3, 3, seed=1) ** 3
    matched = match_histogram(image, quantiles(image), quantiles(other), 1.0)
    assert matched.dtype == np.float32
    assert np.abs(quantiles(matched) - quantiles(other)).mean() < 0.02
    for channel in range(3):  # ranks stay
        order = np.argsort(image[channel].ravel())
        assert np.all(np.diff(matched[channel].ravel()[order]) >= 0)


def test_its_own_histogram_changes_nothing() -> None:
    image = blobs(0.1)
    for strength in (0.0, 0.5, 1.0):
        matched = match_histogram(image, quantiles(image), quantiles(image), strength)
        assert np.abs(matched - image).max() < 0.01


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_bright_on_dark_becomes_dark_on_bright_where_the_other_is(strength: float) -> None:
    image, other = blobs(0.1), -blobs(0.15, seed=1)
    matched = match_histogram(image, quantiles(image), quantiles(other), strength)
    assert np.corrcoef(matched.ravel(), image.ravel())[0, 1] < -0.8
    assert matched.mean() == pytest.approx(0, abs=0.15)


def test_strength_leads_from_the_mean_alone_to_the_whole_histogram() -> None:
    image, other = blobs(0.1), 2 * blobs(0.3, seed=1) + 5
    steps = [match_histogram(image, quantiles(image), quantiles(other), strength) for strength in (0.0, 0.5, 1.0)]
    assert np.allclose(steps[0], image + 5, atol=0.15)
    assert np.allclose(steps[1], (steps[0] + steps[2]) / 2, atol=1e-4)


def test_pixels_of_one_intensity_get_the_middle_of_their_ranks() -> None:
    dark = np.concatenate([np.zeros(50), np.linspace(0, 5, 50)]).reshape(1, 10, 10).astype(np.float32)
    wanted = (np.linspace(0, 1, 100) ** 4).reshape(1, 10, 10).astype(np.float32)
    matched = match_histogram(dark, quantiles(dark), quantiles(wanted), 1.0)
    assert matched.ravel()[:50] == pytest.approx(wanted.ravel()[:50].mean(), abs=0.01)
    assert matched.mean() == pytest.approx(wanted.mean(), abs=0.01)


def test_flat_images_and_pixels_out_of_range_stay_numbers() -> None:
    flat, other = np.full((1, 8, 8), 2.0, np.float32), blobs(0.2)
    assert match_histogram(flat, quantiles(flat), quantiles(other), 1.0) == pytest.approx(quantiles(other).mean())
    assert np.allclose(match_histogram(other, quantiles(other), quantiles(flat), 1.0), 2.0)
    beyond = np.array([[-np.inf, np.inf]], np.float32)
    ends = quantiles(other)[0, [0, -1]]
    assert np.allclose(match_histogram(beyond, quantiles(other), quantiles(other), 1.0), ends, atol=1e-3)
    assert quantiles(flat).shape == (1, RANKS)
