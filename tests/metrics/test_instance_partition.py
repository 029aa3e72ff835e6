"""Rand and information scores against scikit-image, and against their definitions counted out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.ndimage import label
from skimage.metrics import adapted_rand_error
from skimage.metrics import variation_of_information as skimage_variation

from tests.metrics.test_instances import maps, small_maps
from unetkit.errors import InputError
from unetkit.metrics.instances import (
    best_thresholds,
    find_overlaps,
    thinned,
    v_info,
    v_rand,
    variation_of_information,
)


def with_singles(prediction: np.ndarray) -> np.ndarray:
    """Each pixel without an object becomes an object, as the challenge has it and scikit-image does not."""
    ids = prediction.astype(np.int64)
    ids[ids == 0] = 100_000 + np.arange(np.count_nonzero(ids == 0))
    return ids


@pytest.mark.parametrize("image", [1, 2, 3, 5, 7, 9])
def test_variation_of_information_is_that_of_scikit_image(image: int) -> None:
    prediction, truth = maps(image)
    ours = variation_of_information(find_overlaps(prediction, truth))
    assert ours == pytest.approx(skimage_variation(truth, with_singles(prediction), ignore_labels=[0]))


@pytest.mark.parametrize("image", range(8))
def test_v_rand_is_scikit_images_adapted_rand_but_for_the_pixels_paired_with_themselves(image: int) -> None:
    prediction, truth = maps(image)
    # scikit-image 0.26 calls Σp²/Σt² precision and Σp²/Σs² recall; its documentation has it the other way round
    error, of_true, of_predicted = adapted_rand_error(truth, with_singles(prediction))
    ours = v_rand(find_overlaps(prediction, truth))
    true = float((np.bincount(truth[truth > 0]) ** 2).sum())
    both, predicted, total = true * ours.split, true * ours.split / ours.merge, np.count_nonzero(truth)
    assert (both - total) / (true - total) == pytest.approx(of_true, abs=1e-9)
    assert (both - total) / (predicted - total) == pytest.approx(of_predicted, abs=1e-9)
    assert 1 - 2 * (both - total) / (true + predicted - 2 * total) == pytest.approx(error, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(small_maps)
def test_rand_is_what_the_pairs_say(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Split: of pixels in one true object, how often they are in one predicted object. Merge: the other way round."""
    prediction, truth, _ = drawn
    inside = truth.ravel() > 0
    true, predicted = truth.ravel()[inside], with_singles(prediction).ravel()[inside]
    same_true, same_predicted = true[:, None] == true, predicted[:, None] == predicted
    ours = v_rand(find_overlaps(prediction, truth))
    if not inside.any():
        assert np.isnan(ours).all()
        return
    both = (same_true & same_predicted).sum()
    assert ours.split == pytest.approx(both / same_true.sum())
    assert ours.merge == pytest.approx(both / same_predicted.sum())
    assert ours.f == pytest.approx(2 * ours.split * ours.merge / (ours.split + ours.merge))


@settings(max_examples=150, deadline=None)
@given(small_maps)
def test_information_is_what_the_entropies_say(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    prediction, truth, _ = drawn
    inside = truth.ravel() > 0
    true, predicted = truth.ravel()[inside], with_singles(prediction).ravel()[inside]

    def entropy(*labels: np.ndarray) -> float:
        shares = np.unique(np.stack(labels), axis=1, return_counts=True)[1] / max(inside.sum(), 1)
        return float(-(shares * np.log(shares)).sum())

    ours = v_info(find_overlaps(prediction, truth))
    h_true, h_predicted = entropy(true), entropy(predicted)
    shared = h_true + h_predicted - entropy(true, predicted)
    assert ours.split == pytest.approx(shared / h_predicted if h_predicted else float("nan"), nan_ok=True, abs=1e-9)
    assert ours.merge == pytest.approx(shared / h_true if h_true else float("nan"), nan_ok=True, abs=1e-9)
    total = h_true + h_predicted
    assert ours.f == pytest.approx(2 * shared / total if total else float("nan"), nan_ok=True, abs=1e-9)


def membranes() -> np.ndarray:
    """Cells of 12 × 12 pixels, False on the membranes of 2 pixels between them."""
    inside = np.ones((40, 54), bool)
    for at in (12, 26):
        inside[at : at + 2] = False
    for at in (12, 26, 40):
        inside[:, at : at + 2] = False
    return inside


def test_splitting_lowers_split_and_merging_lowers_merge() -> None:
    truth = label(membranes())[0]
    merged, split = truth.copy(), truth.copy()
    merged[merged == 2] = 1
    split[:6][split[:6] > 0] += 50
    for score in (v_rand, v_info):
        assert score(find_overlaps(merged, truth)).split == pytest.approx(1)
        assert score(find_overlaps(merged, truth)).merge < 0.99
        assert score(find_overlaps(split, truth)).merge == pytest.approx(1)
        assert score(find_overlaps(split, truth)).split < 0.99


def test_only_the_foreground_of_the_truth_counts() -> None:
    truth = label(membranes())[0]
    wide = np.where(truth > 0, truth, 999)
    assert v_rand(find_overlaps(wide, truth)).f == v_info(find_overlaps(wide, truth)).f == 1


def test_thinning_forgives_wide_borders_and_joins_nothing() -> None:
    inside = membranes()
    narrow = inside.copy()
    for axis in (0, 1):
        for step in (-2, 2):
            narrow &= np.roll(inside, step, axis)
    truth, ids = label(inside)[0], label(narrow)[0]
    grown = thinned(ids)
    assert ids.max() == truth.max() == len(np.unique(grown)) == 12
    assert (grown[narrow] == ids[narrow]).all()
    assert v_rand(find_overlaps(grown, truth)).f > 0.95 > v_rand(find_overlaps(ids, truth)).f
    assert not thinned(np.zeros((3, 3), int)).any()
    assert thinned(np.array([[[2, 0, 0]], [[0, 0, 7]]])).all()


def test_the_best_threshold_is_found() -> None:
    truth = membranes()
    probability = np.where(truth, 0.75, 0.15)
    probability[13, :12] = probability[12, :12] = 0.45  # a membrane that is hardly seen
    sweep = best_thresholds(probability, truth)
    assert sweep.thresholds == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert sweep.v_rand[:2] == pytest.approx([sweep.v_rand[0]] * 2)  # all is one object
    assert sweep.v_rand[0] < sweep.v_rand[2] < sweep.v_rand[5] == sweep.best_v_rand == pytest.approx(1)
    assert sweep.v_info[2] < sweep.best_v_info == pytest.approx(1)
    assert sweep.v_rand[8] < 0.3  # nothing is inside: every pixel is an object
    unlabelled = np.ones(truth.shape, bool)
    unlabelled[:26, :12] = False
    assert best_thresholds(probability, truth, valid=unlabelled).v_rand[2] == pytest.approx(1)


def test_thin_is_a_choice() -> None:
    truth = membranes()
    probability = np.where(truth & np.roll(truth, 1, 0) & np.roll(truth, 1, 1), 0.9, 0.0)
    thin, wide = (best_thresholds(probability, truth, thin=choice, thresholds=[0.5]) for choice in (True, False))
    assert thin.best_v_rand > wide.best_v_rand


def test_what_is_no_map_of_probabilities() -> None:
    truth = membranes()
    with pytest.raises(InputError, match=r"holds no probabilities; found uint8"):
        best_thresholds(truth.astype(np.uint8), truth)
    with pytest.raises(InputError, match="no threshold to try"):
        best_thresholds(truth.astype(float), truth, thresholds=())
    with pytest.raises(InputError, match="differ in size"):
        best_thresholds(np.zeros((3, 3)), truth)
