"""Tiles cover every pixel once, and give what the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unetkit.augment import AugmentationSettings
from unetkit.errors import FileError
from unetkit.image import Image
from unetkit.models import build_model
from unetkit.plan import DataPlan, ModelPlan, Plan, TrainingPlan
from unetkit.prediction import Predictor, tiles
from unetkit.prediction.predictor import LEAST, WHOLE, WHOLE_PIXELS

pytestmark = pytest.mark.usefixtures("narrow_tiles")


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.integers(4, 20),
    st.integers(0, 9),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 30),
)
def test_tiles_cover_every_pixel_once_on_the_grid(
    shape: list[int], size: int, halo: int, grid: int, least: int
) -> None:
    covered = np.zeros(shape, int)
    for tile in tiles(shape, size, halo, grid, least=least):
        for read, write, extent in zip(tile.read, tile.write, shape, strict=True):
            assert 0 <= read.start <= max(write.start - halo, 0)
            assert min(write.stop + halo, extent) <= read.stop <= extent
            assert read.stop - read.start >= min(least, extent)
        covered[tile.write] += 1
        assert all(s.start % grid == 0 for s in (*tile.read, *tile.write))
        part = np.zeros(shape, int)
        part[tile.read][tile.inner] = 1
        assert part.sum() == part[tile.write].sum() == np.prod([s.stop - s.start for s in tile.write])
    assert (covered == 1).all()


def trained(dims: int = 2, channels: int = 1) -> tuple[torch.nn.Module, Plan]:
    torch.manual_seed(0)
    model = build_model("unet", in_channels=channels, num_classes=3, spatial_dims=dims, depth=2, width=4)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):  # as if trained
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    plan = Plan(
        data=DataPlan(channels=channels, spatial_dims=dims, num_classes=3),
        model=ModelPlan(name="unet", depth=2, width=4),
        training=TrainingPlan(steps=1, patch=(32,) * dims, validate_every=1),
        augmentation=AugmentationSettings(flips=(False, True, True)),
    )
    return model.eval(), plan


@pytest.mark.parametrize(("dims", "shape", "tile"), [(2, (150, 97), 32), (2, (33, 200), 48), (3, (20, 41, 50), 16)])
def test_tiled_logits_are_those_of_the_whole_image(dims: int, shape: tuple[int, ...], tile: int) -> None:
    model, plan = trained(dims)
    image = Image(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32))
    whole = Predictor([model], plan).log_probabilities(image)
    tiled = Predictor([model], plan, tile=tile).log_probabilities(image)
    assert np.abs(whole - tiled).max() <= 1e-5 * np.ptp(whole)
    assert (Predictor([model], plan, tile=tile).labels(image) == whole.argmax(0)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (300, 2), (17, 33)])
def test_any_size_is_predicted(shape: tuple[int, int]) -> None:
    model, plan = trained()
    image = Image(np.random.default_rng(0).integers(0, 255, (1, *shape)).astype(np.uint8))
    probabilities = Predictor([model], plan).probabilities(image)
    assert probabilities.shape == (3, *shape)
    assert probabilities.sum(0) == pytest.approx(1, abs=1e-5)


def test_flipped_views_are_averaged_in_place() -> None:
    model, plan = trained()
    image = Image(np.random.default_rng(0).normal(size=(1, 24, 40)).astype(np.float32))
    plain = Predictor([model], plan)
    views = [(), (1,), (2,), (1, 2)]  # axes of K H W
    expected = np.mean([np.flip(plain.probabilities(Image(np.flip(image.pixels, v))), v) for v in views], axis=0)
    assert Predictor([model], plan, augment=True).probabilities(image) == pytest.approx(expected, abs=1e-5)


def test_several_models_are_averaged() -> None:
    (first, plan), (second, _) = trained(), trained()
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(0.7)
    image = Image(np.random.default_rng(0).normal(size=(1, 24, 40)).astype(np.float32))
    each = [Predictor([m], plan).probabilities(image) for m in (first, second)]
    assert Predictor([first, second], plan).probabilities(image) == pytest.approx((each[0] + each[1]) / 2, abs=1e-5)


@pytest.mark.parametrize(
    ("pixels", "complaint"),
    [
        (np.zeros((2, 8, 8)), "wrong number of channels"),
        (np.zeros((1, 8, 8, 8)), "wrong number of dimensions"),
        (np.full((1, 8, 8), np.nan), "NaN or infinite"),
        (np.full((1, 8, 8), np.inf), "NaN or infinite"),
    ],
)
def test_images_that_do_not_fit_are_refused(pixels: np.ndarray, complaint: str) -> None:
    model, plan = trained()
    with pytest.raises(FileError, match=complaint):
        Predictor([model], plan).labels(Image(pixels))


def test_progress_reaches_the_end() -> None:
    model, plan = trained()
    seen: list[float] = []
    Predictor([model], plan, tile=16).labels(Image(np.ones((1, 40, 40), np.uint8)), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) == 9


def test_by_the_plan_views_are_averaged_only_where_no_tiles_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plan = trained()
    plan = plan.changed({"prediction.augment": True}, "")
    image = Image(np.random.default_rng(0).random((1, 40, 48)).astype(np.float32))
    by_plan, asked, plain = (Predictor([model], plan, augment=choice) for choice in (None, True, False))
    assert np.array_equal(by_plan.probabilities(image), asked.probabilities(image))
    assert not np.array_equal(by_plan.probabilities(image), plain.probabilities(image))
    monkeypatch.setitem(WHOLE_PIXELS, 2, 1000)  # now it is a large image
    assert np.array_equal(by_plan.probabilities(image), plain.probabilities(image))
    assert not np.array_equal(asked.probabilities(image), plain.probabilities(image))


def test_tiles_that_are_read_wide_enough_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """On processors where this fails, `LEAST` is too small for their convolutions; rounding alone is then left."""
    monkeypatch.undo()
    torch.manual_seed(0)
    model = build_model("unet", in_channels=3, num_classes=3, depth=2, width=8).eval()
    plan = trained(channels=3)[1].changed({"model.width": 8}, "")
    image = Image(np.random.default_rng(0).integers(0, 255, (3, 500, 620)).astype(np.uint8))
    once, parts = (Predictor([model], plan, augment=False, tile=tile) for tile in (WHOLE, 128))
    assert LEAST[2] == 256
    difference = np.abs(once.log_probabilities(image) - parts.log_probabilities(image)).max()
    assert difference == 0 or (difference < 1e-5 and torch.backends.cpu.get_cpu_capability() != "AVX2")
