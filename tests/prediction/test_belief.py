"""What predictions say of themselves: counted right, part by part as in one piece, and heard by nobody unless asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unetkit.image import Geometry, Image
from unetkit.models import build_model
from unetkit.plan import Plan
from unetkit.prediction import Belief, Predictor, features, source_of
from unetkit.prediction.features import places

PLAN = Plan.model_validate(
    {
        "data": {"channels": 1, "num_classes": 3},
        "model": {"name": "unet", "depth": 2, "width": 4},
        "training": {"steps": 1, "patch": [32, 32], "validate_every": 1},
        "augmentation": {"flips": [True, True]},
    }
)


def predictor(*, networks: int = 1, augment: bool = False, tile: int = 0) -> Predictor:
    torch.manual_seed(3)
    models = [build_model("unet", in_channels=1, num_classes=3, depth=2, width=4) for _ in range(networks)]
    return Predictor(models, PLAN, augment=augment, tile=tile, runtime="torch")


def image(size: int = 64, *, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(1, 255, (1, size, size)).astype(np.float32)
    return Image(pixels)


def test_expected_dice_is_the_mean_over_truths_drawn_from_the_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4000, generator=generator)
    belief = Belief(2)
    belief.add(logits, None)
    probability, labels = logits.softmax(0)[1], logits.argmax(0)
    drawn = torch.rand(200, 4000, generator=generator) < probability
    dice = 2 * (drawn & (labels == 1)).sum(1) / (drawn.sum(1) + (labels == 1).sum())
    assert belief.dice == pytest.approx(float(dice.mean()), abs=2e-3)


def test_parts_count_as_the_whole_and_missing_pixels_do_not() -> None:
    logits, missing = torch.randn(3, 20, 30), np.zeros((20, 30), bool)
    missing[:, 25:] = True
    whole, parts = Belief(3, 1.5), Belief(3, 1.5)
    whole.add(logits[:, :, :25], None)
    for start in (0, 7, 14):
        parts.add(logits[:, start : start + 7], missing[start : start + 7])
    assert parts.pixels == whole.pixels == 500
    assert parts.dice == pytest.approx(whole.dice)


def test_nothing_found_says_nothing() -> None:
    belief = Belief(2)
    assert np.isnan(belief.dice)
    belief.add(torch.tensor([[5.0, 5.0], [0.0, 0.0]]), None)
    assert np.isnan(belief.dice)
    assert np.isnan(belief.agreement)


def test_views_and_networks_are_heard_and_change_no_label() -> None:
    seen = image()
    for networks, augment, voices in ((1, False, 0), (1, True, 4), (2, False, 2), (2, True, 8)):
        own = predictor(networks=networks, augment=augment)
        before = own.labels(seen)
        own.belief = Belief(3)
        np.testing.assert_array_equal(own.labels(seen), before)
        assert len(own.belief.both) == voices
        assert np.isnan(own.belief.agreement) if not voices else 0 < own.belief.agreement < 1
        assert own.belief.pixels == 64 * 64


def test_agreement_of_equal_voices_is_one() -> None:
    belief, labels = Belief(3), torch.randint(0, 3, (9, 9), dtype=torch.uint8)
    belief.hear([labels, labels], labels)
    assert belief.agreement == 1
    belief.hear([labels, 0 * labels], labels)
    assert 0.5 < belief.agreement < 1


@pytest.mark.usefixtures("narrow_tiles")
def test_tiles_say_what_one_pass_says_and_each_image_begins_anew() -> None:
    seen, once, tiled = image(96), predictor(tile=2**31), predictor(tile=32)
    once.belief, tiled.belief = Belief(3), Belief(3)
    tiled.labels(image(40, seed=9))
    once.labels(seen)
    tiled.labels(seen)
    assert tiled.belief.pixels == 96 * 96
    assert tiled.belief.dice == pytest.approx(once.belief.dice, rel=1e-5)


def test_features_tell_images_apart_and_skip_what_has_no_data() -> None:
    own = predictor(networks=2)
    seen = source_of(image(300))
    first, second = features(own, seen, own.measure(image(300)))
    assert first.shape == second.shape == (2 * sum(own.models[0].encoder.out_channels),)
    assert not np.allclose(first, second)
    smooth = Image(np.linspace(0, 255, 300 * 300, dtype=np.float32).reshape(1, 300, 300))
    other = features(own, source_of(smooth), own.measure(smooth))[0]
    alike = image(300, seed=5)
    near = features(own, source_of(alike), own.measure(alike))[0]
    assert np.abs(near - first).mean() < 0.2 * np.abs(other - first).mean()
    empty = Image(np.zeros((1, 50, 50), np.float32), Geometry().with_nodata(0.0))
    assert features(own, source_of(empty), own.measure(empty)) is None


@pytest.mark.parametrize("shape", [(10, 20), (256, 257), (5000, 300), (20, 30, 400)])
def test_places_are_equal_inside_and_reach_both_ends(shape: tuple[int, ...]) -> None:
    windows = places(shape)
    assert len({tuple(part.stop - part.start for part in window) for window in windows}) == 1
    for axis, extent in enumerate(shape):
        assert min(window[axis].start for window in windows) == 0
        assert max(window[axis].stop for window in windows) == extent
