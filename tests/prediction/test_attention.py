"""The attention maps shown are those of the whole image, prepared as for a prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unetkit.augment import AugmentationSettings
from unetkit.dataset.normalize import normalize
from unetkit.image import Image
from unetkit.models import Segmenter, build_model
from unetkit.models.attention_unet import AttentionUNet
from unetkit.plan import DataPlan, ModelPlan, Plan, TrainingPlan
from unetkit.prediction import Predictor
from unetkit.prediction import attention as module
from unetkit.prediction.attention import attention


def trained(name: str = "attention-unet", dims: int = 2, seed: int = 0, **options: object) -> tuple[Segmenter, Plan]:
    torch.manual_seed(seed)
    options = {"depth": 2, "width": 4} | options
    model = build_model(name, in_channels=1, num_classes=2, spatial_dims=dims, **options)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):  # as if trained
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    plan = Plan(
        data=DataPlan(channels=1, spatial_dims=dims, num_classes=2),
        model=ModelPlan(name=name, **options),
        training=TrainingPlan(steps=1, patch=(32,) * dims, validate_every=1),
        augmentation=AugmentationSettings(),
    )
    return model.eval(), plan


@pytest.mark.parametrize(("dims", "shape", "side"), [(2, (150, 97), 40), (2, (50, 200), 64), (3, (40, 9, 50), 16)])
@pytest.mark.parametrize("gates", ["coarser", "all"])
def test_the_middle_of_an_image_has_the_maps_of_the_whole(
    dims: int, shape: tuple[int, ...], side: int, gates: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, plan = trained(dims=dims, gates=gates)
    assert isinstance(model, AttentionUNet)
    monkeypatch.setitem(module.SIDE, dims, side)
    rng = np.random.default_rng(0)
    image = Image(rng.integers(0, 4000, (1, *shape)).astype(np.uint16))
    image.pixels[..., :4] += 9000  # outside the window, and still part of the statistics
    with torch.no_grad():
        whole = model.attention_maps(torch.from_numpy(normalize(image, plan.normalization))[None])
    seen = attention(Predictor([model], plan), image)
    assert seen is not None
    assert list(seen.maps) == list(whole)
    for window, extent in zip(seen.window, shape, strict=True):
        assert window.start % model.grid == 0
        assert window.stop - window.start == min(side, extent)
        assert abs(window.start - (extent - window.stop)) < 2 * model.grid or extent <= side
    for level, shares in seen.maps.items():
        expected = whole[level][0, 0].numpy()[tuple(slice(w.start >> level, None) for w in seen.window)]
        expected = expected[tuple(slice(0, -(-(w.stop - w.start) // 2**level)) for w in seen.window)]
        np.testing.assert_allclose(shares, expected, atol=1e-5)
        assert np.ptp(shares) > 1e-3


def test_of_several_models_the_mean() -> None:
    (first, plan), (second, _) = trained(), trained(seed=1)
    image = Image(np.random.default_rng(0).normal(size=(1, 24, 40)).astype(np.float32))
    maps = [attention(Predictor(models, plan), image) for models in ([first], [second], [first, second])]
    one, two, both = (seen.maps[1] for seen in maps if seen is not None)
    assert np.abs(one - two).max() > 1e-3
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-6)


@pytest.mark.parametrize(("name", "options"), [("unet", {}), ("attention-unet", {"gates": "none"})])
def test_a_network_without_gates_shows_nothing(name: str, options: dict[str, str]) -> None:
    model, plan = trained(name, **options)
    assert attention(Predictor([model], plan), Image(np.zeros((1, 16, 16), np.uint8))) is None
