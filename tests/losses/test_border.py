"""The border weight map against distances measured pixel by pixel, and the loss that uses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from unetkit.errors import InputError, UsageError
from unetkit.losses import border_weight_map, build_loss
from unetkit.losses.border import connected_objects


def brute_force(
    instances: npt.NDArray[Any], w0: float, sigma: float, spacing: tuple[float, ...]
) -> npt.NDArray[np.float64]:
    """w0 · exp(−(d1 + d2)² / (2σ²)) on the background, from the distances to all pixels of all objects."""
    pixels = np.argwhere(np.ones(instances.shape, bool)) * spacing
    numbers = [n for n in np.unique(instances) if n]
    if len(numbers) < 2:
        return np.zeros(instances.shape)
    to_each = [cdist(pixels, np.argwhere(instances == n) * spacing).min(1) for n in numbers]
    d1, d2 = np.sort(to_each, axis=0)[:2]
    border = (w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))).reshape(instances.shape)
    return np.where(instances == 0, border, 0)


def scattered(shape: tuple[int, ...], count: int, seed: int) -> npt.NDArray[np.uint16]:
    """Boxes at random places, with large numbers that are not consecutive; later ones cover earlier ones."""
    generator = np.random.default_rng(seed)
    instances = np.zeros(shape, np.uint16)
    for number in generator.choice(60000, count, replace=False) + 1:
        corner = [generator.integers(0, size) for size in shape]
        instances[tuple(slice(c, c + generator.integers(1, 5)) for c in corner)] = number
    return instances


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 7),
    shape=st.sampled_from([(17, 23), (40, 9), (1, 30), (6, 11, 8)]),
    sigma=st.sampled_from([0.4, 1.0, 5.0]),
    steps=st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 1.0)]),
)
def test_weights_are_the_papers(
    seed: int, count: int, shape: tuple[int, ...], sigma: float, steps: tuple[float, ...]
) -> None:
    instances, spacing = scattered(shape, count, seed), steps[: len(shape)]
    ours = border_weight_map(instances, w0=7.0, sigma=sigma, spacing=spacing)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, 1 + brute_force(instances, 7.0, sigma, spacing), rtol=1e-6)


def test_defaults_are_w0_10_and_sigma_5_pixels() -> None:
    instances = scattered((40, 40), 6, 1)
    np.testing.assert_allclose(
        border_weight_map(instances), 1 + brute_force(instances, 10.0, 5.0, (1.0, 1.0)), rtol=1e-6
    )


def test_class_weights_are_added_and_ignored_pixels_weigh_nothing() -> None:
    instances = np.array([[1, 1, 0, 2, 2, 0, 0]])
    labels = np.array([[1, 1, 0, 2, 2, 0, 255]], np.uint8)
    plain = border_weight_map(instances)
    np.testing.assert_allclose(
        border_weight_map(instances, labels=labels, class_weights=(0.5, 2, 3)) - (plain - 1),
        [[2, 2, 0.5, 3, 3, 0.5, 1 - plain[0, 6]]],
        rtol=1e-6,
    )
    objects = border_weight_map(instances, class_weights=(0.5, 2))
    np.testing.assert_allclose(objects - (plain - 1), [[2, 2, 0.5, 2, 2, 0.5, 0.5]], rtol=1e-6)
    assert border_weight_map(instances, labels=labels)[0, 6] == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"instances": np.zeros((4, 4))}, "found float64"),
        ({"labels": np.zeros((4, 5), int)}, r"labels \(4, 5\)"),
        ({"labels": np.full((4, 4), 2), "class_weights": (1, 2)}, "found labels from 2 to 2; expected 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        border_weight_map(**{"instances": np.zeros((4, 4), np.int32), **given})


@pytest.mark.parametrize(
    "options", [{"sigma": 0.0}, {"w0": -1.0}, {"spacing": (1.0,)}, {"spacing": (1.0, 0.0)}, {"class_weights": (-1, 1)}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        border_weight_map(np.zeros((4, 4), np.int32), **options)


def test_objects_are_the_components_of_each_class() -> None:
    labels = np.array([[1, 0, 1, 2], [0, 1, 0, 2], [0, 0, 0, 0], [1, 0, 0, 1]])
    objects = connected_objects(labels)
    assert objects.max() == 4
    assert ((objects > 0) == (labels > 0)).all()
    assert objects[0, 0] == objects[1, 1] == objects[0, 2]  # corners connect
    assert objects[0, 3] != objects[0, 2]  # another class is another object
    assert objects[3, 0] != objects[3, 3]


def two_cells() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    target = torch.zeros(2, 16, 20, dtype=torch.int64)
    target[0, 4:12, 2:9] = 1
    target[0, 4:12, 11:18] = 1
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[:, :2] = False
    logits = torch.randn(2, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    return logits, target, valid


@pytest.mark.parametrize("weights", [None, (0.5, 2.0)])
def test_without_a_weight_the_map_is_made_from_the_target(weights: tuple[float, ...] | None) -> None:
    logits, target, valid = two_cells()
    loss = build_loss("ce+border", num_classes=2, class_weights=weights, w0=8.0, sigma=3.0)
    maps = [
        border_weight_map(connected_objects(labels), class_weights=weights, w0=8.0, sigma=3.0)
        for labels in target.numpy()
    ]
    given = torch.from_numpy(np.stack(maps))
    assert given.max() > 5
    torch.testing.assert_close(loss(logits, target, valid), loss(logits, target, valid, weight=given))
    plain = build_loss("ce", num_classes=2)
    torch.testing.assert_close(loss(logits, target, valid), plain(logits, target, valid, weight=given))


def test_a_given_weight_replaces_the_map_class_weights_and_all() -> None:
    logits, target, valid = two_cells()
    loss = build_loss("ce+border", num_classes=2, class_weights=(1.0, 9.0))
    plain = build_loss("ce", num_classes=2)
    torch.testing.assert_close(
        loss(logits, target, valid, weight=torch.ones(target.shape)), plain(logits, target, valid)
    )


def test_with_dice_is_the_sum_of_both() -> None:
    logits, target, valid = two_cells()
    whole = build_loss("ce+border+dice", num_classes=2, dice_factor=0.5)
    parts = build_loss("ce+border", num_classes=2), build_loss("dice", num_classes=2)
    border, dice = (loss(logits, target, valid) for loss in parts)
    torch.testing.assert_close(whole(logits, target, valid), border + 0.5 * dice)


def test_closing_the_gap_costs_more_than_the_same_mistake_elsewhere() -> None:
    _, target, valid = two_cells()
    right = 8 * torch.nn.functional.one_hot(target, 2).movedim(-1, 1).float()
    in_gap, elsewhere = right.clone(), right.clone()
    in_gap[0, 1, 4:12, 9] = 12
    elsewhere[1, 1, 4:12, 9] = 12
    loss = build_loss("ce+border", num_classes=2)
    assert loss(in_gap, target, valid) > 4 * loss(elsewhere, target, valid)
