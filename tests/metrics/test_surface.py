"""Surface metrics: brute force over all pairs of surface pixels, MONAI, hand-computed cases, the table of empties."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter

from unetkit.metrics import METRICS, boundary_iou, hd95, nsd
from unetkit.metrics.known import diagonal
from unetkit.metrics.surface import surface_distances

NAN = float("nan")


def blobs(shape: tuple[int, ...], seed: int, *, clear: int = 0) -> np.ndarray:
    """A random mask with smooth outlines; `clear` pixels along the border are background."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    mask = np.zeros(shape, bool)
    inner = tuple(slice(clear, side - clear) for side in shape)
    mask[inner] = noise[inner] > 0.3 * noise.std()
    return mask


def brute_surfaces(mask: np.ndarray, valid: np.ndarray) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """All surface pixels and the scored ones, straight from the definition, pixel by pixel."""
    known = mask & valid
    every, scored = [], []
    for at in itertools.product(*map(range, mask.shape)):
        if not known[at]:
            continue
        beside_other, beside_background = False, False
        for axis in range(mask.ndim):
            for step in (-1, 1):
                other = (*at[:axis], at[axis] + step, *at[axis + 1 :])
                inside = 0 <= other[axis] < mask.shape[axis]
                beside_other |= not inside or not known[other]
                beside_background |= inside and bool(valid[other]) and not mask[other]
        if beside_other:
            every.append(at)
        if beside_background:
            scored.append(at)
    return every, scored


def brute_distances(
    prediction: np.ndarray, truth: np.ndarray, valid: np.ndarray, spacing: Sequence[float]
) -> list[np.ndarray]:
    sets = [brute_surfaces(mask, valid) for mask in (prediction, truth)]
    result = []
    for (_, scored), (every, _) in (sets, sets[::-1]):
        start, target = (np.array(points, float).reshape(-1, truth.ndim) * spacing for points in (scored, every))
        result.append(np.linalg.norm(start[:, None] - target[None], axis=2).min(axis=1))
    return result


@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize(
    ("shape", "spacing"), [((24, 31), (1.0, 1.0)), ((24, 31), (0.4, 1.7)), ((7, 13, 11), (3.0, 0.8, 0.9))]
)
def test_against_brute_force(shape: tuple[int, ...], spacing: tuple[float, ...], ignore: bool) -> None:
    prediction, truth = blobs(shape, 1), blobs(shape, 2)
    valid = ~blobs(shape, 3) if ignore else np.ones(shape, bool)
    expected = brute_distances(prediction, truth, valid, spacing)
    for got, right in zip(surface_distances(prediction, truth, valid, spacing=spacing), expected, strict=True):
        np.testing.assert_allclose(got, right)
    percentiles = [np.percentile(distances, 95) for distances in expected]
    assert hd95(prediction, truth, valid, spacing=spacing) == pytest.approx(max(percentiles))
    for tolerance in (0.0, 1.0, 2.5):
        share = np.mean(np.concatenate(expected) <= tolerance + 1e-9)
        assert nsd(prediction, truth, valid, spacing=spacing, tolerance=tolerance) == pytest.approx(share)


@pytest.fixture(scope="module")
def monai_metrics() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("monai.metrics")


def monai_scores(monai: Any, prediction: np.ndarray, truth: np.ndarray, spacing: Any) -> tuple[float, float]:
    """HD95 and surface Dice at tolerance 2 by MONAI."""
    import torch

    given = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (prediction, truth)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distance = monai.compute_hausdorff_distance(*given, include_background=True, percentile=95, spacing=spacing)
        share = monai.compute_surface_dice(*given, [2.0], include_background=True, spacing=spacing)
    return float(distance), float(share)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("shape", "spacing"), [((48, 40), (1.0, 1.0)), ((48, 40), (0.5, 1.5)), ((12, 20, 18), (2.0, 1.0, 0.7))]
)
def test_against_monai(monai_metrics: Any, shape: tuple[int, ...], spacing: tuple[float, ...], seed: int) -> None:
    """The same surfaces and percentiles as MONAI's, for objects that the image's border does not cut."""
    prediction, truth = blobs(shape, seed, clear=2), blobs(shape, seed + 10, clear=2)
    valid = np.ones(shape, bool)
    distance, share = monai_scores(monai_metrics, prediction, truth, list(spacing))
    assert hd95(prediction, truth, valid, spacing=spacing) == pytest.approx(distance, rel=1e-5)
    assert nsd(prediction, truth, valid, spacing=spacing, tolerance=2.0) == pytest.approx(share, rel=1e-5)


def test_where_conventions_part_from_monai(monai_metrics: Any) -> None:
    """MONAI scores the cut along the image's border as an outline that both masks share; here it is not scored.

    The truth fills the left 10 of 40 columns, the prediction 16 of them. The outline that somebody drew is 6 columns
    off everywhere; the three sides along the border agree only because the image ends there.
    """
    prediction, truth = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    truth[:, :10] = prediction[:, :16] = True
    valid = np.ones((40, 40), bool)
    distance, share = monai_scores(monai_metrics, prediction, truth, [1.0, 1.0])
    assert share > 0.5
    # Only at the two corners is the drawn outline within 2 px of the other mask, along the border.
    assert nsd(prediction, truth, valid) < 0.11
    assert hd95(prediction, truth, valid) == pytest.approx(6.0)
    assert distance <= 6.0


def test_hand_computed_squares() -> None:
    """Two squares of 10 × 10, one moved by 3 columns: every surface distance can be counted on paper."""
    prediction, truth = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    truth[10:20, 10:20] = prediction[10:20, 13:23] = True
    valid = np.ones((30, 30), bool)
    # Of each outline's 36 pixels, 14 of top and bottom lie on the other one; 2 × 3 beyond it at 1, 2, 3; the outer
    # side's 8 others at 3; the inner side's 8 at 1, 2, 3, 3, 3, 3, 2, 1 (the nearest is above, below or beside).
    own = [0.0] * 14 + [1.0, 2.0, 3.0] * 2 + [3.0] * 8 + [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 2.0, 1.0]
    for distances in surface_distances(prediction, truth, valid):
        assert sorted(distances) == sorted(own)
    assert hd95(prediction, truth, valid) == 3.0
    assert nsd(prediction, truth, valid, tolerance=2.0) == pytest.approx((14 + 4 + 4) / 36)
    assert nsd(prediction, truth, valid, tolerance=3.0) == 1.0


def test_directed_percentiles_are_not_pooled() -> None:
    """A small wrong object beside a right one: the larger directed percentile shows it, the pooled one would not."""
    truth = np.zeros((60, 200), bool)
    truth[5:55, 5:55] = True
    prediction = truth.copy()
    prediction[30:34, 180:184] = True
    valid = np.ones_like(truth)
    forward, back = surface_distances(prediction, truth, valid)
    assert np.percentile(np.concatenate([forward, back]), 95) == 0.0
    assert hd95(prediction, truth, valid) == pytest.approx(np.percentile(forward, 95))
    assert hd95(prediction, truth, valid) > 100


def test_tolerance_is_inclusive_despite_rounding() -> None:
    near, far = np.zeros((4, 9), bool), np.zeros((4, 9), bool)
    near[1, 1] = far[1, 4] = True
    assert 3 * 0.1 > 0.3  # what a computer makes of three tenths
    assert nsd(near, far, np.ones_like(near), spacing=(0.1, 0.1), tolerance=0.3) == 1.0
    assert nsd(near, far, np.ones_like(near), spacing=(0.1, 0.1), tolerance=0.29) == 0.0


EMPTY, SOME, FULL = np.zeros((6, 8), bool), np.zeros((6, 8), bool), np.ones((6, 8), bool)
SOME[2:4, 2:5] = True


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        (EMPTY, EMPTY, dict.fromkeys(METRICS, NAN)),
        (EMPTY, SOME, {"dice": 0, "iou": 0, "boundary_iou": 0, "precision": 0, "recall": NAN, "hd95": 10, "nsd": 0}),
        (SOME, EMPTY, {"dice": 0, "iou": 0, "boundary_iou": 0, "precision": NAN, "recall": 0, "hd95": 10, "nsd": 0}),
        (FULL, EMPTY, {"dice": 0, "iou": 0, "boundary_iou": 0, "precision": NAN, "recall": 0, "hd95": 10, "nsd": 0}),
        (FULL, FULL, {"dice": 1, "iou": 1, "boundary_iou": 1, "precision": 1, "recall": 1, "hd95": NAN, "nsd": NAN}),
        (SOME, SOME, {"dice": 1, "iou": 1, "boundary_iou": 1, "precision": 1, "recall": 1, "hd95": 0, "nsd": 1}),
    ],
    ids=["both empty", "truth empty", "prediction empty", "truth full", "both full", "equal"],
)
def test_table_of_empties(truth: np.ndarray, prediction: np.ndarray, expected: dict[str, float]) -> None:
    valid = np.ones(truth.shape, bool)
    found = {name: metric(prediction, truth, valid) for name, metric in METRICS.items()}
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_labelled_is_undefined(name: str) -> None:
    assert math.isnan(METRICS[name](SOME, FULL, EMPTY))


def test_a_missed_corner_of_a_full_image_is_a_small_error() -> None:
    """The frame is not scored, but it may be near: else one pixel would cost the whole diagonal."""
    truth, prediction = np.ones((100, 100), bool), np.ones((100, 100), bool)
    prediction[:3, :3] = False
    valid = np.ones((100, 100), bool)
    assert hd95(prediction, truth, valid) <= 3
    assert nsd(prediction, truth, valid, tolerance=3.0) == 1.0


def test_diagonal_is_of_the_labelled_box() -> None:
    valid = np.zeros((20, 30), bool)
    valid[4, 5] = valid[6, 8] = True
    assert diagonal(valid) == 5.0  # 3 rows, 4 columns
    assert diagonal(valid, (2.0, 2.0)) == 10.0
    assert diagonal(np.zeros((3, 3), bool)) == 0.0


@pytest.mark.parametrize("shape", [(70, 90), (12, 40, 30)])
@pytest.mark.parametrize("reach", [None, 1, 4])
def test_boundary_iou_against_repeated_erosion(shape: tuple[int, ...], reach: int | None) -> None:
    """The definition of the paper's code: d erosions with a box of 3, the image's border counting as background."""
    prediction, truth = blobs(shape, 5), blobs(shape, 6)
    steps = max(1, round(0.02 * math.hypot(*shape))) if reach is None else reach
    box = np.ones((3,) * len(shape), bool)
    rims = [mask & ~binary_erosion(mask, box, iterations=steps) for mask in (prediction, truth)]
    expected = np.sum(rims[0] & rims[1]) / np.sum(rims[0] | rims[1])
    assert boundary_iou(prediction, truth, np.ones(shape, bool), distance=reach) == pytest.approx(expected)


def test_boundary_iou_follows_the_spacing() -> None:
    """Stretching the rows by repetition and halving their spacing leaves the rim where it was."""
    prediction, truth = blobs((60, 60), 7, clear=6), blobs((60, 60), 8, clear=6)
    tall = [np.repeat(mask, 2, axis=0) for mask in (prediction, truth)]
    plain = boundary_iou(prediction, truth, np.ones((60, 60), bool), distance=3.0)
    stretched = boundary_iou(*tall, np.ones((120, 60), bool), distance=3.0, spacing=(0.5, 1.0))
    assert stretched == pytest.approx(plain)
