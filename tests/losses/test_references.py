"""Values against MONAI, torchmetrics and formulas written out in float64."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from unetkit.errors import InputError, UsageError
from unetkit.losses import automatic_class_weights, build_loss

with warnings.catch_warnings():
    # MONAI and what it imports use things that NumPy and torch have deprecated; that is no fault of ours.
    warnings.simplefilter("ignore")
    import monai.losses
    from torchmetrics.functional.classification import multiclass_jaccard_index
    from torchmetrics.functional.segmentation import dice_score

SPACES = {"2D": (18, 21), "3D": (7, 12, 10)}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
every_count = pytest.mark.parametrize("num_classes", [2, 5], ids=["K=2", "K=5"])


def batch(space: tuple[int, ...], num_classes: int, images: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Random logits and blobs for targets; only a box of every image is labelled, the rest holds garbage."""
    generator = torch.Generator().manual_seed(7)
    logits = 2 * torch.randn(images, num_classes, *space, generator=generator)
    pool = F.avg_pool2d if len(space) == 2 else F.avg_pool3d
    target = pool(torch.randn(logits.shape, generator=generator), 3, 1, 1).argmax(1)
    valid = torch.zeros(target.shape, dtype=torch.bool)
    valid[:, 2:-3, 1:-2] = True
    return logits, target.masked_fill(~valid, 255), valid


def crop(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """What is labelled, as an implementation that knows no ignored pixels would be given it; targets N 1 *S."""
    return logits[:, :, 2:-3, 1:-2], target[:, None, 2:-3, 1:-2]


def monai_value(name: str, logits: Tensor, target: Tensor, **options: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value: Tensor = getattr(monai.losses, name)(**options)(logits, target)
    return value


ONE_HOT = {"softmax": True, "to_onehot_y": True, "include_background": False}


@every_space
@every_count
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(space: tuple[int, ...], num_classes: int, weighted: bool) -> None:
    logits, target, valid = batch(space, num_classes)
    weights = [0.5 + k for k in range(num_classes)] if weighted else None
    loss = build_loss("weighted-ce" if weighted else "ce", num_classes=num_classes, class_weights=weights)
    as_tensor = None if weights is None else torch.tensor(weights)
    torch.testing.assert_close(
        loss(logits, target, valid), F.cross_entropy(logits, target, as_tensor, ignore_index=255)
    )


def test_cross_entropy_with_pixel_weights_in_float64() -> None:
    logits, target, valid = batch((18, 21), 3)
    weight = torch.rand(target.shape, generator=torch.Generator().manual_seed(2))
    classes = [1.0, 4.0, 0.5]
    p = np.exp(logits.double().numpy())
    p /= p.sum(1, keepdims=True)
    above = below = 0.0
    for at in np.argwhere(valid.numpy()):
        label = int(target[tuple(at)])
        w = float(weight[tuple(at)]) * classes[label]
        above -= w * np.log(p[at[0], label, at[1], at[2]])
        below += w
    loss = build_loss("weighted-ce", num_classes=3, class_weights=classes)
    assert float(loss(logits, target, valid, weight=weight)) == pytest.approx(above / below, rel=1e-5)


def test_a_pixel_of_weight_two_counts_as_two_pixels() -> None:
    logits, target, valid = batch((18, 21), 3)
    both = (torch.cat([logits, logits]), torch.cat([target, target]), torch.cat([valid, torch.zeros_like(valid)]))
    both[2][3:, 2:6] = valid[:, 2:6]
    weight = torch.ones(target.shape)
    weight[:, 2:6] = 2
    loss = build_loss("ce", num_classes=3)
    torch.testing.assert_close(loss(logits, target, valid, weight=weight), loss(*both))


@every_space
@every_count
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("per_image", [False, True])
def test_dice_is_monais(space: tuple[int, ...], num_classes: int, background: bool, per_image: bool) -> None:
    logits, target, valid = batch(space, num_classes)
    name = "dice-per-image" if per_image else "dice"
    loss = build_loss(name, num_classes=num_classes, smooth=0.5, background=background)
    options = ONE_HOT | {"include_background": background, "batch": not per_image}
    expected = monai_value("DiceLoss", *crop(logits, target), smooth_nr=0.5, smooth_dr=0.5, **options)
    torch.testing.assert_close(loss(logits, target, valid), expected)


@every_space
@every_count
def test_cross_entropy_and_dice_is_monais(space: tuple[int, ...], num_classes: int) -> None:
    logits, target, valid = batch(space, num_classes)
    options = ONE_HOT | {"batch": True, "smooth_nr": 1.0, "smooth_dr": 1.0}
    plain = build_loss("ce+dice", num_classes=num_classes, dice_factor=0.7)
    expected = monai_value("DiceCELoss", *crop(logits, target), lambda_dice=0.7, **options)
    torch.testing.assert_close(plain(logits, target, valid), expected)


def test_class_weighted_cross_entropy_and_dice_is_the_sum_of_its_parts() -> None:
    logits, target, valid = batch((18, 21), 3)
    weights = [1.0, 2.0, 5.0]
    whole = build_loss("weighted-ce+dice", num_classes=3, class_weights=weights, dice_factor=2.0)
    ce = build_loss("weighted-ce", num_classes=3, class_weights=weights)
    dice = build_loss("dice", num_classes=3)
    expected = ce(logits, target, valid) + 2 * dice(logits, target, valid)
    torch.testing.assert_close(whole(logits, target, valid), expected)


@every_space
@every_count
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
def test_focal_is_monais(space: tuple[int, ...], num_classes: int, gamma: float) -> None:
    logits, target, valid = batch(space, num_classes)
    # MONAI averages over the K one-hot entries of a pixel, K − 1 of which are 0: hence the factor.
    expected = num_classes * monai_value(
        "FocalLoss", *crop(logits, target), gamma=gamma, use_softmax=True, to_onehot_y=True
    )
    torch.testing.assert_close(
        build_loss("focal", num_classes=num_classes, gamma=gamma)(logits, target, valid), expected
    )


@every_space
@every_count
def test_tversky_is_monais(space: tuple[int, ...], num_classes: int) -> None:
    logits, target, valid = batch(space, num_classes)
    options = ONE_HOT | {"batch": True, "smooth_nr": 2.0, "smooth_dr": 2.0}
    expected = monai_value("TverskyLoss", *crop(logits, target), alpha=0.2, beta=0.9, **options)
    loss = build_loss("tversky", num_classes=num_classes, alpha=0.2, beta=0.9, smooth=2.0)
    torch.testing.assert_close(loss(logits, target, valid), expected)


def test_tversky_of_halves_is_dice() -> None:
    logits, target, valid = batch((18, 21), 3)
    halves = build_loss("tversky", num_classes=3, alpha=0.5, beta=0.5, smooth=0.5)
    torch.testing.assert_close(
        halves(logits, target, valid), build_loss("dice", num_classes=3, smooth=1.0)(logits, target, valid)
    )


@every_space
@pytest.mark.parametrize("iterations", [0, 3, 5])
def test_cldice_is_monais(space: tuple[int, ...], iterations: int) -> None:
    # MONAI sums over classes and averages over images: with one foreground class and one image both mean the same.
    logits, target, _ = batch(space, 2, images=1)
    target = target.clamp(max=1)
    loss = build_loss("cldice", num_classes=2, iterations=iterations)
    expected = monai_value("SoftclDiceLoss", logits, target[:, None], iter_=iterations, smooth=1e-12, **ONE_HOT)
    torch.testing.assert_close(loss(logits, target, torch.ones_like(target, dtype=torch.bool)), expected)


@every_space
def test_dice_and_cldice_is_monais(space: tuple[int, ...]) -> None:
    logits, target, _ = batch(space, 2, images=1)
    target = target.clamp(max=1)
    loss = build_loss("dice+cldice", num_classes=2, iterations=3, share=0.3)
    expected = monai_value("SoftDiceclDiceLoss", logits, target[:, None], iter_=3, alpha=0.3, smooth=1e-12, **ONE_HOT)
    torch.testing.assert_close(loss(logits, target, torch.ones_like(target, dtype=torch.bool)), expected)


def test_cldice_gradient_is_that_of_max_pooling() -> None:
    """Distinct values, so that neither has a choice of where the gradient goes."""
    logits, target, _ = batch((18, 21), 2, images=1)
    target = target.clamp(max=1)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    build_loss("cldice", num_classes=2)(ours, target, torch.ones_like(target, dtype=torch.bool)).backward()
    monai_value("SoftclDiceLoss", theirs, target[:, None], iter_=5, smooth=1e-12, **ONE_HOT).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_cldice_treats_ignored_pixels_as_background() -> None:
    logits, target, valid = batch((18, 21), 2, images=1)
    blotted = logits.clone()
    blotted[:, 0].masked_fill_(~valid, 50.0)
    blotted[:, 1].masked_fill_(~valid, -50.0)
    loss = build_loss("cldice", num_classes=2)
    as_background = loss(blotted, target.masked_fill(~valid, 0), torch.ones_like(valid))
    torch.testing.assert_close(loss(logits, target, valid), as_background)


def test_cldice_sees_a_gap_that_dice_hardly_sees() -> None:
    target = torch.zeros(1, 32, 64, dtype=torch.int64)
    target[:, 14:17] = 1
    valid = torch.ones_like(target, dtype=torch.bool)
    logits = 20 * F.one_hot(target, 2).movedim(-1, 1).float() - 10
    gap, thin = logits.clone(), logits.clone()
    gap[:, 1, 14:17, 20:36] = -30  # a third of the line's pixels is lost either way …
    thin[:, 1, 14] = -30  # … but here the line stays whole
    cldice = build_loss("cldice", num_classes=2)
    assert cldice(gap, target, valid) > 10 * cldice(thin, target, valid)


@every_space
@every_count
def test_boundary_is_monais_where_all_is_labelled(space: tuple[int, ...], num_classes: int) -> None:
    logits, target, _ = batch(space, num_classes)
    target = target.clamp(max=num_classes - 1)
    expected = monai_value("BoundaryLoss", logits, target[:, None], **ONE_HOT)
    loss = build_loss("boundary", num_classes=num_classes)
    torch.testing.assert_close(loss(logits, target, torch.ones_like(target, dtype=torch.bool)), expected)


def test_boundary_with_ignored_pixels_and_spacing_by_brute_force() -> None:
    logits, target, valid = batch((14, 11), 3, images=2)
    spacing = (2.0, 0.5)
    p = logits.double().softmax(1).numpy()
    where = np.argwhere(valid.numpy())
    total = 0.0
    for label in (1, 2):
        for n, row, column in where:
            here = np.array([row, column]) * spacing
            same = [np.array(at[1:]) * spacing for at in where if at[0] == n and target[tuple(at)] == label]
            rest = [np.array(at[1:]) * spacing for at in where if at[0] == n and target[tuple(at)] != label]
            if target[n, row, column] == label:
                phi = -(min(np.linalg.norm(here - other) for other in rest) - 0.5)
            else:
                phi = min(np.linalg.norm(here - other) for other in same)
            total += phi * p[n, label, row, column]
    loss = build_loss("boundary", num_classes=3, spacing=spacing)
    assert float(loss(logits, target, valid)) == pytest.approx(total / (2 * len(where)), rel=1e-5)


def test_boundary_distance_inside_and_out() -> None:
    target = torch.zeros(1, 9, 9, dtype=torch.int64)
    target[0, 2:7, 2:7] = 1
    valid = torch.ones_like(target, dtype=torch.bool)
    logits = torch.zeros(1, 2, 9, 9, requires_grad=True)
    build_loss("boundary", num_classes=2)(logits, target, valid).backward()
    assert logits.grad is not None
    phi = logits.grad[0, 1].numpy() * 81 / 0.25  # p(1 − p) = 1/4, averaged over 81 pixels
    outside = ndimage.distance_transform_edt(target[0].numpy() == 0)
    inside = ndimage.distance_transform_edt(target[0].numpy() == 1)
    np.testing.assert_allclose(phi, np.where(target[0].numpy() == 1, 1 - inside, outside), atol=1e-5)


@every_count
def test_sure_predictions_give_the_metric(num_classes: int) -> None:
    """With logits so large that probabilities are 0 or 1, Dice and Lovász are one minus Dice and IoU."""
    noisy, target, valid = batch((18, 21), num_classes)
    labels = noisy.argmax(1)
    logits = 1e4 * F.one_hot(labels, num_classes).movedim(-1, 1).float()
    dice = build_loss("dice", num_classes=num_classes, smooth=1e-6)(logits, target, valid)
    lovasz = build_loss("lovasz", num_classes=num_classes)(logits, target, valid)
    predicted, true = labels[:, 2:-3, 1:-2], target[:, 2:-3, 1:-2]
    flat = (predicted.reshape(1, -1), true.reshape(1, -1))  # the batch as one image
    expected = dice_score(*flat, num_classes, include_background=False, average="macro", input_format="index")
    torch.testing.assert_close(dice, 1 - expected.squeeze(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(lovasz, 1 - multiclass_jaccard_index(predicted, true, num_classes))


def test_a_class_absent_from_truth_and_prediction_is_neither_rewarded_nor_punished() -> None:
    logits, target, valid = batch((18, 21), 3)
    target = target.masked_fill(target == 2, 0)
    logits[:, 2] = -1e4
    two, three = (build_loss("dice", num_classes=k) for k in (2, 3))
    torch.testing.assert_close(three(logits, target, valid), two(logits[:, :2], target, valid) / 2)


def test_automatic_class_weights_average_to_one_over_the_pixels() -> None:
    shares = (0.9, 0.09, 0.01)
    for power in (0.0, 0.5, 1.0):
        weights = automatic_class_weights(shares, power=power)
        assert sum(s * w for s, w in zip(shares, weights, strict=True)) == pytest.approx(1)
        assert weights[2] / weights[0] == pytest.approx(90**power)
    assert automatic_class_weights([900, 90, 10]) == pytest.approx(automatic_class_weights(shares))
    assert automatic_class_weights([0.9, 0.0, 0.1])[1] == automatic_class_weights([0.9, 0.0, 0.1])[2]


@pytest.mark.parametrize("shares", [[0.0, 0.0], [1.0, -0.1], [1.0, float("nan")]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(InputError, match="no class shares"):
        automatic_class_weights(shares)


def test_power_is_a_damping() -> None:
    with pytest.raises(UsageError, match="'power'"):
        automatic_class_weights([0.5, 0.5], power=2)


@every_space
@every_count
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_generalised_cross_entropy_is_the_paper_s_formula(space: tuple[int, ...], num_classes: int, q: float) -> None:
    logits, target, valid = batch(space, num_classes)
    p = logits.double().softmax(1).gather(1, target.masked_fill(~valid, 0).unsqueeze(1)).squeeze(1)[valid]
    found = build_loss("gce", num_classes=num_classes, q=q)(logits, target, valid)
    torch.testing.assert_close(found.double(), ((1 - p**q) / q).mean())


def test_generalised_cross_entropy_lets_go_of_labels_that_the_network_is_sure_are_wrong() -> None:
    """The pull of a pixel grows with its error in cross-entropy, and fades again here."""
    pulls = {}
    for name in ("ce", "gce"):
        logits = torch.tensor([[[[0.0, 12.0]], [[0.0, 0.0]]]], requires_grad=True)  # undecided, and sure of class 0
        target, valid = torch.ones(1, 1, 2, dtype=torch.int64), torch.ones(1, 1, 2, dtype=torch.bool)
        build_loss(name, num_classes=2)(logits, target, valid).backward()
        assert logits.grad is not None
        pulls[name] = logits.grad.abs().sum(1).flatten().tolist()
    assert pulls["ce"][1] > pulls["ce"][0]
    assert pulls["gce"][1] < 0.01 * pulls["gce"][0]
