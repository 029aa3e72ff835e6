"""Lovász-Softmax against the definition of a Lovász extension."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unetkit.losses import build_loss
from unetkit.losses.lovasz import lovasz_extension


def jaccard_loss(mistakes: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """1 − IoU of the prediction that is wrong exactly at `mistakes`."""
    predicted = truth ^ mistakes
    return 1 - float((predicted & truth).sum() / (predicted | truth).sum())


def extension(errors: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """∫ over θ from 0 to 1 of the Jaccard loss of the mistakes {errors ≥ θ}: what a Lovász extension is."""
    edges = np.unique([0.0, *errors])
    return sum((high - low) * jaccard_loss(errors >= high, truth) for low, high in pairwise(edges))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_is_the_lovasz_extension(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    # Eighths make ties frequent.
    errors = np.array(data.draw(st.lists(st.integers(0, 8), min_size=count, max_size=count))) / 8
    truth = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    truth[data.draw(st.integers(0, count - 1))] = True
    ours = lovasz_extension(torch.from_numpy(errors)[None], torch.from_numpy(truth)[None])
    assert float(ours) == pytest.approx(extension(errors, truth), abs=1e-12)


def test_averages_over_the_classes_present_among_the_labelled_pixels() -> None:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 4, 6, 7, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (2, 6, 7), generator=generator)
    valid = torch.rand(2, 6, 7, generator=generator) < 0.8
    valid &= target != 2  # class 2 occurs where nobody labelled only, class 3 nowhere
    p = logits.softmax(1).movedim(1, -1)[valid].numpy()
    labels = target[valid].numpy()
    expected = np.mean([extension(np.abs((labels == k) - p[:, k]), labels == k) for k in (0, 1)])
    assert float(build_loss("lovasz", num_classes=4)(logits, target, valid)) == pytest.approx(expected)


def test_single_precision_keeps_its_digits_on_a_million_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    errors = torch.rand(1, 1 << 20, generator=generator)
    truth = torch.rand(errors.shape, generator=generator) < 0.3
    single, double = errors.clone().requires_grad_(), errors.double().requires_grad_()
    lovasz_extension(single, truth).sum().backward()
    lovasz_extension(double, truth).sum().backward()
    assert single.grad is not None
    assert double.grad is not None
    torch.testing.assert_close(single.grad.double(), double.grad, rtol=1e-5, atol=0.0)
