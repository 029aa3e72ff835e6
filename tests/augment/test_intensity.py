"""Changes of pixel values, held against numpy and scipy."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from unetkit.augment import AUGMENTATIONS, TRANSFORMS, AugmentationSettings
from unetkit.augment.intensity import (
    between,
    blur,
    brightness,
    channel_drop,
    contrast,
    gamma,
    low_resolution,
    noise,
)

FULL = AUGMENTATIONS["full"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(5))


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 4), (3, 16, 9), (5, 2, 3), (2, 1, 6, 5), (1, 4, 8, 8)])
def test_every_transform_keeps_shape_and_input_and_is_finite(name: str, shape: tuple[int, ...]) -> None:
    image = some_image(*shape)
    before = image.clone()
    for draw in (0.0, 0.37, 0.9999):
        result = TRANSFORMS[name].apply(image, FULL, draw, seeded())
        assert result.shape == image.shape
        assert result.dtype == torch.float32
        assert torch.isfinite(result).all()
        assert torch.equal(result, TRANSFORMS[name].apply(image, FULL, draw, seeded()))
        assert torch.equal(image, before)
        assert result.data_ptr() != image.data_ptr()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_is_on_in_full_off_in_none_and_does_something(name: str) -> None:
    transform = TRANSFORMS[name]
    assert transform.probability(AUGMENTATIONS["none"]) == 0
    assert transform.probability(AugmentationSettings(intensity_probability=1)) == 0
    assert transform.probability(FULL) > 0
    image = some_image(3, 16, 16)
    assert not torch.allclose(transform.apply(image, FULL, 0.9, seeded()), image, atol=1e-3)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_an_image_without_contrast_stays_finite(name: str, value: float) -> None:
    result = TRANSFORMS[name].apply(torch.full((2, 8, 8), value), FULL, 0.8, seeded())
    assert torch.isfinite(result).all()


def test_brightness_adds_one_number() -> None:
    image = some_image(2, 5, 5)
    settings = AugmentationSettings(brightness=0.4)
    torch.testing.assert_close(brightness(image, settings, 0.0, seeded()), image - 0.4)
    torch.testing.assert_close(brightness(image, settings, 0.75, seeded()), image + 0.2)


def test_contrast_stretches_about_the_mean() -> None:
    image = some_image(2, 9, 9) + 3
    stretched = contrast(image, AugmentationSettings(contrast=(0.5, 2.0)), 1.0, seeded())
    mean = image.mean((1, 2), keepdim=True)
    torch.testing.assert_close(stretched, mean + 2 * (image - mean))


def test_gamma_equals_the_formula_and_keeps_mean_and_deviation() -> None:
    image = some_image(2, 20, 20)
    bent = gamma(image, AugmentationSettings(gamma=(0.5, 2.0)), 1.0, seeded())
    plane = image[0].double().numpy()
    expected = ((plane - plane.min()) / np.ptp(plane)) ** 2
    expected = (expected - expected.mean()) / expected.std() * plane.std() + plane.mean()
    np.testing.assert_allclose(bent[0].numpy(), expected, atol=1e-4)
    torch.testing.assert_close(bent.std((1, 2)), image.std((1, 2)))


def test_gamma_of_one_changes_nothing() -> None:
    image = some_image(1, 20, 20)
    torch.testing.assert_close(gamma(image, AugmentationSettings(), 0.3, seeded()), image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(2, 20, 31), (1, 9, 20, 12)])
def test_blur_equals_scipy(shape: tuple[int, ...]) -> None:
    image = some_image(*shape)
    settings = AugmentationSettings(blur=2.0, spacing=(4.0, 1.0, 1.0))
    sigmas = (2.0, 2.0) if len(shape) == 3 else (0.5, 2.0, 2.0)
    blurred = blur(image, settings, 1.0, seeded())
    for channel, plane in zip(blurred, image, strict=True):
        radius = [int(np.ceil(3 * sigma)) for sigma in sigmas]
        expected = ndimage.gaussian_filter(plane.double().numpy(), sigmas, mode="nearest", radius=radius)
        np.testing.assert_allclose(channel.numpy(), expected, atol=1e-5)


def test_low_resolution_shows_block_means_only() -> None:
    image = some_image(1, 16, 16)
    lowered = low_resolution(image, AugmentationSettings(low_resolution=4.0), 1.0, seeded())
    blocks = image.view(1, 4, 4, 4, 4).mean((2, 4))
    expected = torch.nn.functional.interpolate(blocks[None], (16, 16), mode="bilinear")[0]
    torch.testing.assert_close(lowered, expected)


def test_low_resolution_leaves_thick_slices_apart() -> None:
    image = some_image(1, 3, 8, 8) + torch.tensor([0.0, 100.0, 0.0]).view(1, 3, 1, 1)
    lowered = low_resolution(image, AugmentationSettings(low_resolution=2.0, spacing=(4, 1, 1)), 1.0, seeded())
    torch.testing.assert_close(lowered.mean((0, 2, 3)), image.mean((0, 2, 3)), atol=0.5, rtol=0)


def test_noise_has_the_drawn_deviation() -> None:
    image = torch.zeros(1, 100, 100)
    added = noise(image, AugmentationSettings(noise=0.8), 0.5, seeded())
    assert added.std().item() == pytest.approx(0.4, rel=0.05)
    assert abs(added.mean().item()) < 0.02


def test_channel_drop_takes_one_channel_but_never_the_only_one() -> None:
    image = some_image(4, 6, 6)
    for draw in (0.0, 0.3, 0.6, 0.9999):
        dropped = channel_drop(image, FULL, draw, seeded())
        gone = [c for c in range(4) if (dropped[c] == 0).all()]
        assert gone == [int(draw * 4)]
        kept = [c for c in range(4) if c not in gone]
        assert torch.equal(dropped[kept], image[kept])
    assert torch.equal(channel_drop(image[:1], FULL, 0.2, seeded()), image[:1])


def test_factors_are_drawn_evenly_on_a_logarithmic_scale() -> None:
    assert between((0.5, 2.0), 0.0) == pytest.approx(0.5)
    assert between((0.5, 2.0), 0.5) == pytest.approx(1.0)
    assert between((0.5, 2.0), 1.0) == pytest.approx(2.0)
