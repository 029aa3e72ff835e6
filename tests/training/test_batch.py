"""What one step sees of unlabelled images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.conftest import draw_discs
from unetkit.augment import AUGMENTATIONS, AugmentationSettings
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.unlabelled import UnlabelledSource
from unetkit.formats import write_image, write_mask
from unetkit.methods import Unlabelled, paste
from unetkit.plan import Plan
from unetkit.training.batch import unlabelled_batch
from unetkit.training.parallel import World


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "flat", images=3, size=40)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "deep"
    generator = torch.Generator().manual_seed(0)
    for n in range(2):
        pixels = torch.randn(1, 20, 24, 24, generator=generator).numpy()
        write_image(root / "images" / f"{n}.tif", pixels)
        write_mask(root / "masks" / f"{n}.tif", (pixels[0] > 0).astype("uint8"))
    return root


def drawn(root: Path, dims: int, augmentation: AugmentationSettings, step: int = 3, side: int = 16) -> Unlabelled:
    plan = Plan.model_validate(
        {
            "data": {"channels": 1, "num_classes": 2, "spatial_dims": dims},
            "model": {"name": "unet"},
            "training": {"steps": 4, "batch": 3, "patch": [side] * dims, "validate_every": 2},
            "augmentation": augmentation.model_dump(),
        }
    )
    dataset = open_dataset(root)
    source = UnlabelledSource(dataset, [sample.name for sample in dataset.samples], plan.normalization)
    return unlabelled_batch(plan, source, step, World(torch.device("cpu")), 2)


@pytest.mark.parametrize("dims", [2, 3])
def test_views_lie_pixel_over_pixel(dims: int, flat: Path, deep: Path) -> None:
    settings = AUGMENTATIONS["full"].model_copy(update={"intensity_probability": 0.0, "channel_drop": 0.0})
    batch = drawn(flat if dims == 2 else deep, dims, settings)
    assert batch.weak.shape == (3, 1, *(16,) * dims)
    assert batch.valid.shape == (3, *(16,) * dims)
    for view, box in zip(batch.strong, batch.boxes, strict=True):
        assert torch.equal(view, paste(batch.weak, box))
    changed = drawn(flat if dims == 2 else deep, dims, AUGMENTATIONS["full"])
    assert torch.equal(changed.boxes[0], batch.boxes[0])
    assert not torch.equal(changed.strong[0], paste(changed.weak, changed.boxes[0]))
    assert not torch.equal(changed.strong[0], changed.strong[1])


def test_a_step_always_draws_the_same(flat: Path) -> None:
    one, same, other = (drawn(flat, 2, AUGMENTATIONS["full"], step) for step in (5, 5, 6))
    assert torch.equal(one.weak, same.weak)
    assert all(torch.equal(a, b) for a, b in zip(one.strong, same.strong, strict=True))
    assert not torch.equal(one.weak, other.weak)


def test_what_lies_beyond_the_image_is_not_valid(flat: Path) -> None:
    batch = drawn(flat, 2, AUGMENTATIONS["none"], side=64)
    assert batch.valid.sum((1, 2)).tolist() == [40 * 40] * 3
