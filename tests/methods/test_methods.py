"""What every method of training must do: one registry, one contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.test_members import CASES, plan_of
from unetkit.augment import AUGMENTATIONS, AugmentationSettings
from unetkit.errors import MissingExtra, UnknownName, UsageError
from unetkit.losses import build_loss, build_regulariser
from unetkit.methods import (
    METHODS,
    RANGES,
    Labelled,
    Unlabelled,
    check_method,
    draw_boxes,
    options_of,
    paste,
    strong_view,
    weak_view,
)
from unetkit.methods.consistency import losing_features, pseudo_loss, rise
from unetkit.plan import Plan, build_network
from unetkit.training.networks import TrainedNetworks
from unetkit.training.parallel import World

LEARNING = [name for name, method in METHODS.items() if method.views]
SURE = {"fixmatch": {"threshold": 0.0}, "unimatch": {"threshold": 0.0}}
"""Fresh networks are sure of nothing."""


def networks(dims: int = 2, separate: str = "components", **training: Any) -> TrainedNetworks:
    values: dict[str, Any] = {
        "data": {"channels": 1, "num_classes": 3, "spatial_dims": dims},
        "model": {"name": "unet", "width": 4, "depth": 2},
        "training": {"steps": 4, "patch": [16] * dims, "validate_every": 2, "ema": 0.9, **training},
        "augmentation": {},
        "objects": {"separate": separate},
    }
    plan = Plan.model_validate(values)
    torch.manual_seed(0)
    model = build_network(plan)
    teacher = build_network(plan)
    loss = build_loss("ce+dice", num_classes=3)
    criterion = lambda logits, target, valid: loss(logits[:, :3], target, valid)  # noqa: E731
    return TrainedNetworks(model, teacher, plan, criterion, World(torch.device("cpu")))


def batches(views: int, dims: int = 2, seed: int = 0) -> tuple[Labelled, Unlabelled]:
    generator = torch.Generator().manual_seed(seed)
    size = (16,) * dims
    target = torch.randint(0, 3, (2, *size), generator=generator)
    labelled = Labelled(torch.randn(2, 1, *size, generator=generator), target, torch.ones_like(target).bool())
    weak = torch.randn(2, 1, *size, generator=generator)
    boxes = draw_boxes([np.random.default_rng(n) for n in range(2)], size, views)
    strong = tuple(paste(weak + 0.1, box) for box in boxes)
    return labelled, Unlabelled(weak, strong, boxes, torch.ones_like(target).bool())


def value(name: str, pair: tuple[Labelled, Unlabelled], progress: float, nets: TrainedNetworks) -> Tensor:
    torch.manual_seed(1)
    return METHODS[name].loss(nets, *pair, progress, **SURE.get(name, {}))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", METHODS)
def test_the_loss_and_all_gradients_are_numbers(name: str, dims: int) -> None:
    nets = networks(dims)
    value(name, batches(METHODS[name].views, dims), 1.0, nets).backward()
    gradients = [parameter.grad for parameter in nets.model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    assert all(parameter.grad is None for parameter in nets.average.parameters())


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_every_network_loses_features_and_learns(name: str, dims: int) -> None:
    plan = plan_of(name, dims)
    try:
        model, teacher = build_network(plan, pretrained=False), build_network(plan, pretrained=False)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    loss = build_loss("ce", num_classes=2)
    nets = TrainedNetworks(model, teacher, plan, loss, World(torch.device("cpu")))
    labelled, unlabelled = batches(2, dims)
    two = Labelled(labelled.images, labelled.target.clamp(max=1), labelled.valid)
    value("unimatch", (two, unlabelled), 1.0, nets).backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", LEARNING)
def test_unlabelled_images_weigh_nothing_at_first_and_something_after_the_ramp(name: str) -> None:
    labelled, unlabelled = batches(METHODS[name].views)
    other = batches(METHODS[name].views, seed=1)[1]
    nets = networks()
    nets.model.eval()  # else BatchNorm lets the images of one pass see each other

    def gradient(extra: Unlabelled, progress: float) -> Tensor:
        nets.model.zero_grad()
        value(name, (labelled, extra), progress, nets).backward()
        return torch.cat([p.grad.flatten() for p in nets.model.parameters() if p.grad is not None])

    alone = value("supervised", (labelled, unlabelled), 0.0, nets)
    assert value(name, (labelled, unlabelled), 0.0, nets).item() == pytest.approx(alone.item(), rel=1e-5)
    assert torch.allclose(gradient(unlabelled, 0.0), gradient(other, 0.0), atol=1e-6)
    late = [value(name, (labelled, extra), 1.0, nets).item() for extra in (unlabelled, other)]
    assert min(late) > alone.item()
    assert late[0] != pytest.approx(late[1], rel=1e-4)
    half, full = (value(name, (labelled, unlabelled), p, nets) - alone for p in (0.15, 0.3))
    assert half.item() == pytest.approx(full.item() / 2, rel=1e-4)


@pytest.mark.parametrize("name", LEARNING)
def test_what_is_not_valid_has_no_influence(name: str) -> None:
    labelled, unlabelled = batches(METHODS[name].views)
    nets = networks()
    nowhere = Unlabelled(unlabelled.weak, unlabelled.strong, unlabelled.boxes, torch.zeros_like(unlabelled.valid))
    nets.model.eval()
    alone = value("supervised", (labelled, unlabelled), 0.0, nets)
    assert value(name, (labelled, nowhere), 1.0, nets).item() == pytest.approx(alone.item(), rel=1e-5)


@pytest.mark.parametrize("name", LEARNING)
def test_outputs_that_tell_objects_apart_are_left_out(name: str) -> None:
    nets = networks(separate="distance")
    labelled, unlabelled = batches(METHODS[name].views)
    nets.average.heads[0].weight.data[3:] = 1e3  # type: ignore[operator, union-attr, index]
    assert nets.teacher(unlabelled.weak).shape[1] == 3
    assert value(name, (labelled, unlabelled), 1.0, nets) < 100


@pytest.mark.parametrize("separate", ["components", "distance"])
@pytest.mark.parametrize("name", METHODS)
def test_a_regulariser_is_added_to_the_labelled_loss_of_every_method(name: str, separate: str) -> None:
    pair = batches(METHODS[name].views)
    plain = networks(separate=separate)
    regular = networks(
        separate=separate, regulariser="sparse-crf", regulariser_weight=2.0, regulariser_options={"tau": 0.3}
    )
    for nets in (plain, regular):
        nets.model.eval()
    logits = plain.model(pair[0].images)[:, :3]
    expected = 2.0 * build_regulariser("sparse-crf", tau=0.3)(logits, pair[0].images)
    added = value(name, pair, 0.5, regular) - value(name, pair, 0.5, plain)
    assert added.item() == pytest.approx(expected.item(), rel=1e-4)


def test_pseudo_labels_count_where_they_are_sure() -> None:
    logits = torch.zeros(1, 2, 1, 4)
    wanted = torch.tensor([[0.99, 0.5, 0.01, 0.02], [0.01, 0.5, 0.99, 0.98]])[None, :, None]
    valid = torch.tensor([True, True, True, False])[None, None]
    expected = 2 * torch.log(torch.tensor(2.0)) / 3  # two of three valid pixels are sure
    assert pseudo_loss(logits, wanted, valid, 0.95) == pytest.approx(expected.item())
    assert pseudo_loss(logits, wanted, torch.zeros_like(valid), 0.95) == 0


def test_the_weight_rises_to_one() -> None:
    assert [rise(p, 0.5) for p in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.5, 1.0, 1.0]
    assert rise(0.0, 0.0) == 1.0


@pytest.mark.parametrize("dims", [2, 3])
def test_only_the_last_images_lose_features(dims: int) -> None:
    nets = networks(dims)
    nets.model.eval()
    images = torch.randn(3, 1, *(16,) * dims)
    whole = nets.model(images)
    with losing_features(nets.model.encoder, 1, 0.5):
        lossy = nets.model(images)
    assert torch.equal(whole[:2], lossy[:2])
    assert not torch.allclose(whole[2], lossy[2])
    assert torch.equal(nets.model(images), whole)


def test_boxes_cover_their_share_and_leave_half_of_the_patches_whole() -> None:
    (boxes,) = draw_boxes([np.random.default_rng(n) for n in range(400)], (20, 30), 1)
    shares = boxes.float().mean((1, 2))
    mixed = shares[shares > 0]
    assert 0.4 < len(mixed) / 400 < 0.6
    assert mixed.min() > 0.08
    assert mixed.max() < 0.55


def test_a_box_shows_the_next_patch_pixel_over_pixel() -> None:
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 4, 4)
    box = torch.zeros(3, 4, 4, dtype=torch.bool)
    box[:, :2] = True
    pasted = paste(images, box)
    assert pasted[:, 0, 0, 0].tolist() == [1, 2, 0]
    assert pasted[:, 0, 3, 0].tolist() == [0, 1, 2]
    assert torch.equal(paste(images[:, 0], box), pasted[:, 0])


def test_views_keep_to_what_the_plan_allows() -> None:
    full = AUGMENTATIONS["full"]
    assert weak_view(full).rotation == full.rotation
    assert not weak_view(full).intensity_probability
    strong = strong_view(full.model_copy(update={"brightness": 0.0}))
    assert (strong.brightness, strong.rotation, strong.flips) == (0.0, 0.0, (False,) * 3)
    assert strong.contrast[1] > full.contrast[1]
    assert strong_view(AugmentationSettings(spacing=(5.0, 1.0, 1.0))).spacing == (5.0, 1.0, 1.0)


@pytest.mark.parametrize("name", METHODS)
def test_every_option_has_its_range(name: str) -> None:
    for option, default in options_of(METHODS[name]).items():
        low, high = RANGES[option]
        assert low <= default <= high
        with pytest.raises(UsageError, match=f"'{option}' of the method '{name}'"):
            check_method(name, {option: high + 1})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'unimatch'"):
        check_method("uni-match", {})
    with pytest.raises(UsageError, match="no options"):
        check_method("supervised", {"threshold": 0.5})
