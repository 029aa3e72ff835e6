"""Objects: against scikit-image, and hand-counted cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label, regionprops

from unetkit.errors import InputError
from unetkit.objects import (
    FoundObject,
    equivalent_diameters,
    found_objects,
    instance_mask,
    label_components,
    remove_small,
)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two numberings join the same pixels, whatever the numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(row)) == pairs.shape[1] for row in pairs)


@pytest.mark.parametrize("connectivity", [1, 2, 3])
@pytest.mark.parametrize("shape", [(40, 50), (8, 15, 14)])
def test_components_against_skimage(shape: tuple[int, ...], connectivity: int) -> None:
    labels = np.random.default_rng(connectivity).choice([0, 1, 2, 255], shape, p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    if connectivity > len(shape):
        with pytest.raises(InputError, match="connectivity does not fit"):
            label_components(labels, connectivity=connectivity)
        return
    ids = label_components(labels, connectivity=connectivity)
    assert ids.dtype == np.int32
    expected = label(np.where(labels == 255, 0, labels), connectivity=connectivity)
    assert same_partition(ids, expected)
    assert set(np.unique(ids)) == set(range(ids.max() + 1))


def test_components_of_a_boolean_mask_and_of_nothing() -> None:
    mask = np.array([[True, False, True], [False, True, True]])
    assert label_components(mask).tolist() == [[1, 0, 2], [0, 2, 2]]
    assert label_components(mask, connectivity=2).tolist() == [[1, 0, 1], [0, 1, 1]]
    assert label_components(np.zeros((2, 2), bool)).tolist() == [[0, 0], [0, 0]]


def test_touching_classes_stay_apart() -> None:
    assert label_components(np.array([[1, 1, 2, 2, 255, 2, 0]], np.uint8)).tolist() == [[1, 1, 2, 2, 0, 3, 0]]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    mask=arrays(bool, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=8)),
    least=st.integers(0, 12),
    connectivity=st.integers(1, 2),
)
def test_remove_small_against_regionprops(mask: np.ndarray, least: int, connectivity: int) -> None:
    before = mask.copy()
    kept = remove_small(mask, least, connectivity=connectivity)
    expected = np.zeros_like(mask)
    for region in regionprops(label(mask, connectivity=connectivity)):
        if region.area >= least:
            expected[tuple(region.coords.T)] = True
    np.testing.assert_array_equal(kept, expected)
    np.testing.assert_array_equal(mask, before)


def test_instance_mask_drops_specks_and_numbers_without_gaps() -> None:
    labels = np.array([[1, 1, 0, 1, 0, 1, 1, 255]], np.uint8)
    ids = instance_mask(labels, least=2)
    assert ids.tolist() == [[1, 1, 0, 0, 0, 2, 2, 0]]
    assert ids.dtype == np.uint16


def test_instance_mask_widens_past_65535_objects() -> None:
    mask = np.zeros((2, 2 * 65537), bool)
    mask[0, ::2] = True
    ids = instance_mask(mask)
    assert ids.dtype == np.uint32
    assert ids.max() == 65537
    mask[0, 0] = mask[0, 2] = False
    assert instance_mask(mask).dtype == np.uint16


@pytest.mark.parametrize("shape", [(60, 50), (12, 20, 18)])
def test_diameters_against_skimage(shape: tuple[int, ...]) -> None:
    ids = label_components(np.random.default_rng(0).random(shape) < 0.3)
    expected = [region.equivalent_diameter_area for region in regionprops(ids)]
    np.testing.assert_allclose(equivalent_diameters(ids), expected)


def test_diameters_follow_the_spacing_and_skip_gaps() -> None:
    instances = np.zeros((6, 6), np.uint32)
    instances[0, :4] = 4_000_000_000
    instances[3:5, 3:5] = 7
    diameters = equivalent_diameters(instances, spacing=(2.0, 0.5))
    np.testing.assert_allclose(diameters, 2 * np.sqrt(np.array([4.0, 4.0]) / np.pi))
    assert len(equivalent_diameters(np.zeros((3, 3), np.uint8))) == 0
    ball = np.zeros((3, 3, 3), np.uint8)
    ball[1, 1, 1] = 1
    np.testing.assert_allclose(equivalent_diameters(ball, spacing=(np.pi, 1.0, 36.0)), 6.0)


def test_found_objects_by_hand() -> None:
    instances = np.array([[5, 5, 5, 5, 0, 2, 2, 0, 9]], np.uint16)
    prediction = np.array([[1, 1, 0, 0, 1, 1, 0, 1, 0]], bool)
    covered = {o.id: (o.covered, o.found) for o in found_objects(instances, prediction)}
    assert covered == {2: (0.5, True), 5: (0.5, True), 9: (0.0, False)}
    assert [o.found for o in found_objects(instances, prediction, share=0.6)] == [False, False, False]
    single = found_objects(np.ones((2, 2), int), np.ones((2, 2), bool), spacing=(1.0, np.pi))
    assert single == (FoundObject(1, pytest.approx(4.0), 1.0, True),)
    assert found_objects(np.zeros((2, 2), int), np.ones((2, 2), bool)) == ()


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="differ in size"):
        found_objects(np.zeros((2, 3), int), np.zeros((3, 2), bool))
    with pytest.raises(InputError, match="spacing does not fit"):
        equivalent_diameters(np.zeros((2, 3), int), spacing=(1.0,))
    with pytest.raises(InputError, match="spacing does not fit"):
        equivalent_diameters(np.zeros(3, int))
