"""What must hold for any pair of masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unetkit.metrics import METRICS

SWAPPED = {**dict(zip(METRICS, METRICS, strict=True)), "precision": "recall", "recall": "precision"}


@st.composite
def masks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, ...]]:
    """Prediction, truth, valid and spacing, of two or three axes."""
    shape = draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7))
    drawn = [draw(arrays(bool, shape)) for _ in range(3)]
    step = st.sampled_from([0.5, 1.0, 2.5])
    return drawn[0], drawn[1], drawn[2], tuple(draw(step) for _ in shape)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(case=masks())
def test_invariances(name: str, case: tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, ...]]) -> None:
    prediction, truth, valid, spacing = case
    metric = METRICS[name]
    score = metric(prediction, truth, valid, spacing=spacing)

    def same(value: float) -> None:
        assert value == pytest.approx(score, nan_ok=True)

    assert np.isnan(score) or score >= 0
    assert np.isnan(score) or name == "hd95" or score <= 1
    same(METRICS[SWAPPED[name]](truth, prediction, valid, spacing=spacing))
    for axis in range(truth.ndim):
        same(metric(np.flip(prediction, axis), np.flip(truth, axis), np.flip(valid, axis), spacing=spacing))
    same(metric(prediction.T, truth.T, valid.T, spacing=spacing[::-1]))
    # Whatever stands where nobody labelled, in the image or around it, changes nothing.
    same(metric(prediction ^ ~valid, truth ^ ~valid, valid, spacing=spacing))
    padded = [np.pad(array, 2, constant_values=value) for array, value in ((prediction, True), (truth, False))]
    same(metric(*padded, np.pad(valid, 2), spacing=spacing))
    # Another unit of length.
    scaled = metric(prediction, truth, valid, spacing=tuple(2 * step for step in spacing), tolerance=4.0)
    same(scaled / 2 if name == "hd95" else scaled)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(case=masks())
def test_a_mask_agrees_with_itself(
    name: str, case: tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, ...]]
) -> None:
    _, truth, valid, spacing = case
    score = METRICS[name](truth, truth, valid, spacing=spacing)
    assert np.isnan(score) or score == (0 if name == "hd95" else 1)
    if name not in ("hd95", "nsd"):
        assert np.isnan(score) == (not (truth & valid).any())
