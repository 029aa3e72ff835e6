"""Normalisation as tensor operations gives what it gives in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import unetkit.dataset.normalize
import unetkit.export.standardise
from unetkit.dataset.normalize import NormalizationPlan, normalize
from unetkit.export.standardise import Standardise
from unetkit.image import Image

PLANS = [
    NormalizationPlan(),
    NormalizationPlan(per_channel=True),
    NormalizationPlan(low=0, high=100),
    NormalizationPlan(low=0.13, high=99.87, per_channel=True),
    NormalizationPlan(kind="dataset", mean=(40.0,), std=(10.0,)),
    NormalizationPlan(kind="dataset", mean=(40.0, 50.0, 60.0), std=(10.0, 20.0, 30.0), per_channel=True),
    NormalizationPlan(kind="none"),
]


def require_equal(pixels: np.ndarray, plan: NormalizationPlan) -> None:
    seen = Standardise(plan, len(pixels))(torch.from_numpy(pixels[None]).float())[0].numpy()
    np.testing.assert_allclose(seen, normalize(Image(pixels), plan), atol=5e-6, rtol=1e-6)


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 7), (33, 17), (5, 9, 7), (301, 200)])
def test_every_way_gives_what_numpy_gives(plan: NormalizationPlan, dtype: str, shape: tuple[int, ...]) -> None:
    skewed = np.random.default_rng(0).gamma(2, 30, (3, *shape)).clip(0, 255)
    require_equal((skewed * (200 if dtype == "uint16" else 1)).astype(dtype), plan)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_constant_image_gives_what_numpy_gives(plan: NormalizationPlan) -> None:
    require_equal(np.full((3, 20, 30), 77, np.uint8), plan)


@pytest.mark.parametrize("sampled", [1, 100, 5999, 6000, 100_000])
def test_large_images_are_sampled_at_the_same_pixels(sampled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (unetkit.dataset.normalize, unetkit.export.standardise):
        monkeypatch.setattr(module, "SAMPLED_PIXELS", sampled)
    pixels = np.random.default_rng(0).gamma(2, 30, (3, 50, 40)).astype(np.float32)
    for plan in PLANS:
        require_equal(pixels, plan)


def test_an_offset_does_not_cost_the_contrast() -> None:
    pixels = (60_000 + np.random.default_rng(0).integers(0, 9, (1, 400, 300))).astype(np.uint16)
    seen = Standardise(PLANS[0], 1)(torch.from_numpy(pixels[None]).float())[0].numpy()
    assert np.abs(seen - normalize(Image(pixels), PLANS[0])).max() < 2e-3  # a step of float32 there is 0.004
