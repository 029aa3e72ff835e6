"""What every regulariser promises: alike neighbours that agree cost nothing, and the gradient says so."""

from __future__ import annotations

from itertools import product
from math import exp

import pytest
import torch

from unetkit.errors import InputError, UnknownName, UsageError
from unetkit.losses import REGULARISERS, build_regulariser

every = pytest.mark.parametrize("name", REGULARISERS)


def two_halves(*, sharp: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """An image with an edge in the middle, and logits that follow it."""
    images = torch.zeros(1, 1, 12, 12)
    images[..., 6:] = 5.0 if sharp else 0.0
    logits = torch.zeros(1, 2, 12, 12)
    logits[:, 1, :, 6:], logits[:, 0, :, :6] = 20, 20
    return logits, images


@every
def test_agreement_costs_nothing_and_disagreement_across_an_edge_next_to_nothing(name: str) -> None:
    regulariser = build_regulariser(name)
    logits, images = two_halves()
    flat = two_halves(sharp=False)[1]
    assert regulariser(torch.full((1, 2, 12, 12), 3.0).index_fill(1, torch.tensor([0]), 20.0), images) < 1e-6
    assert regulariser(logits, images) < 1e-6
    assert regulariser(logits, flat) > 0.05
    assert regulariser(torch.zeros(1, 2, 12, 12), flat).item() == pytest.approx(0.5)


@every
@pytest.mark.parametrize("shape", [(2, 9, 11), (1, 6, 7, 8)], ids=["2D", "3D"])
def test_a_step_down_the_gradient_lowers_it(name: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape[0], 3, *shape[1:], generator=generator).requires_grad_()
    images = torch.randn(shape[0], 2, *shape[1:], generator=generator)
    regulariser = build_regulariser(name)
    before = regulariser(logits, images)
    before.backward()
    assert logits.grad is not None
    after = regulariser(logits.detach() - 5 * logits.grad / logits.grad.abs().max(), images)
    assert 0 <= after.item() < before.item() <= 1


def test_the_whole_window_is_the_sum_over_all_pairs() -> None:
    generator = torch.Generator().manual_seed(1)
    logits, images = torch.randn(1, 3, 5, 6, generator=generator), torch.randn(1, 2, 5, 6, generator=generator)
    p = logits.softmax(1)[0]
    cost = total = 0.0
    pixels = list(product(range(5), range(6)))
    for a, b in product(pixels, pixels):
        far = max(abs(a[0] - b[0]), abs(a[1] - b[1]))
        if a == b or far > 2:
            continue
        near = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (2 * 6.0**2)
        unlike = (images[0, :, *a] - images[0, :, *b]).square().mean().item() / (2 * 0.5**2)
        weight = exp(-near - unlike)
        cost, total = cost + weight * (1 - (p[:, *a] @ p[:, *b]).item()), total + weight
    found = build_regulariser("gated-crf", radius=2)(logits, images)
    assert found.item() == pytest.approx(cost / total, rel=1e-4)


def test_options_are_checked() -> None:
    with pytest.raises(UnknownName, match="sparse-crf"):
        build_regulariser("sparse")
    with pytest.raises(UsageError, match="no option 'radius'"):
        build_regulariser("sparse-crf", radius=3)
    with pytest.raises(UsageError, match="tau"):
        build_regulariser("gated-crf", tau=0)
    with pytest.raises(InputError, match="do not fit"):
        build_regulariser("gated-crf")(torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 5))
