"""Several networks together: each sees the image as its own plan prepares it, and tiles suit all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unetkit.augment import AugmentationSettings
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.image import Image
from unetkit.models import Segmenter, build_model
from unetkit.plan import DataPlan, ModelPlan, Plan, PredictionPlan, TrainingPlan
from unetkit.prediction import Predictor
from unetkit.prediction.attention import attention

DARK = NormalizationPlan(kind="dataset", mean=(40.0,), std=(10.0,))
BRIGHT = NormalizationPlan(kind="dataset", mean=(120.0,), std=(60.0,))


def trained(
    seed: int = 0,
    *,
    name: str = "unet",
    depth: int = 2,
    norm: str = "batch",
    flips: tuple[bool, bool] = (False, False),
    normalization: NormalizationPlan | None = None,
    prediction: PredictionPlan | None = None,
) -> tuple[Segmenter, Plan]:
    torch.manual_seed(seed)
    model = build_model(name, in_channels=1, num_classes=3, spatial_dims=2, depth=depth, width=4, norm=norm)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as if trained
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    plan = Plan(
        data=DataPlan(channels=1, num_classes=3),
        normalization=normalization or NormalizationPlan(),
        model=ModelPlan(name=name, depth=depth, width=4, norm=norm),
        training=TrainingPlan(steps=1, patch=(32, 32), validate_every=1),
        augmentation=AugmentationSettings(flips=(False, *flips)),
        prediction=prediction or PredictionPlan(),
    )
    return model.eval(), plan


def picture(*shape: int) -> Image:
    return Image(np.random.default_rng(0).integers(20, 200, (1, *shape)).astype(np.uint8))


def require_mean(members: list[tuple[Segmenter, Plan]], image: Image, **options: object) -> None:
    """Two members together give the mean of what each gives alone, in one pass."""
    models, plans = zip(*members, strict=True)
    each = [Predictor([model], plan).probabilities(image) for model, plan in members]
    assert np.abs(each[0] - each[1]).max() > 0.01
    together = Predictor(models, plans, **options).probabilities(image)
    np.testing.assert_allclose(together, np.mean(each, axis=0), atol=2e-5)


def test_each_network_has_its_own_normalisation() -> None:
    (model, dark), (_, bright) = trained(normalization=DARK), trained(normalization=BRIGHT)
    require_mean([(model, dark), (model, bright)], picture(40, 52))
    require_mean([(model, bright), (model, dark)], picture(90, 70), tile=32)


@pytest.mark.parametrize("order", [1, -1])
def test_tiles_have_the_halo_and_the_grid_that_every_network_needs(order: int) -> None:
    members = [trained(1, depth=1), trained(2, depth=3, normalization=DARK)][::order]
    predictor = Predictor(*zip(*members, strict=True), tile=20)
    assert predictor.grid == 8
    assert predictor.halo == max(model.receptive_field for model, _ in members)
    assert not predictor.approximates((150, 97))
    require_mean(members, picture(150, 97), tile=20)


@pytest.mark.parametrize("order", [1, -1])
def test_one_network_without_exact_tiles_makes_all_of_them_approximate(order: int) -> None:
    members = [trained(1), trained(2, norm="instance")][::order]
    require_mean(members, picture(40, 52))
    assert Predictor(*zip(*members, strict=True), tile=16).approximates((40, 52))


@pytest.mark.parametrize("order", [1, -1])
def test_views_and_pruning_are_those_of_each_plan(order: int) -> None:
    averaging = trained(1, flips=(True, False), prediction=PredictionPlan(augment=True))
    require_mean([averaging, trained(2, flips=(False, True))][::order], picture(24, 40))
    torch.manual_seed(0)
    nested = [
        build_model("unet++", in_channels=1, num_classes=3, spatial_dims=2, depth=2, width=4, deep_supervision=True)
        for _ in range(2)
    ]
    _, plan = trained(name="unet")
    pruned = plan.model_copy(update={"prediction": PredictionPlan(prune=1)})
    members = list(zip(nested, [plan, pruned], strict=True))[::order]
    assert [model.grid for model in Predictor(*zip(*members, strict=True)).models] == [4, 2][::order]


def test_attention_is_that_of_each_network_alone() -> None:
    members = [
        trained(1, name="attention-unet", depth=2, normalization=DARK),
        trained(2, name="attention-unet", depth=3, normalization=BRIGHT),
    ]
    image = picture(48, 64)
    alone = [attention(Predictor([model], plan), image) for model, plan in members]
    seen = attention(Predictor(*zip(*members, strict=True)), image)
    assert seen is not None
    shared = [found.maps for found in alone if found is not None]
    assert list(seen.maps) == [1]  # the level that both have gates on
    assert np.abs(shared[0][1] - shared[1][1]).max() > 1e-3
    np.testing.assert_allclose(seen.maps[1], (shared[0][1] + shared[1][1]) / 2, atol=1e-5)
