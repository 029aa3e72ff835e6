"""The watershed gives the same objects however an image is cut into bands, and what one expects of a watershed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import reconstruction
from skimage.segmentation import watershed

from unetkit.objects.band import Relief, _ends
from unetkit.objects.basins import Basins

Floats = npt.NDArray[np.float32]


def hills(shape: tuple[int, ...], smooth: float, seed: int) -> Floats:
    """Noise between 0 and 1, smoothed."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), smooth)
    span: Floats = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    return span


def cut(relief: Relief, band: int, *, seed: float, least: int = 1, hold: int = 1) -> npt.NDArray[np.uint32]:
    def read(start: int, stop: int) -> Relief:
        flow = None if relief.flow is None else relief.flow[:, start:stop]
        return Relief(relief.height[start:stop], relief.labels[start:stop], flow)

    return Basins(read, len(relief.height), band, hold=hold).cut(seed=seed, least=least).whole()


@settings(max_examples=60)
@given(
    st.sampled_from([(37,), (23, 19), (11, 9, 10)]),
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.sampled_from([None, 4, 1]),
    st.booleans(),
    st.integers(1, 9),
)
def test_bands_change_nothing(
    shape: tuple[int, ...], number: int, band: int, levels: int | None, flows: bool, least: int
) -> None:
    height = hills(shape, 1.2, number)
    if levels is not None:  # plateaus: ties everywhere
        height = (np.round(height * levels) / levels).astype(np.float32)
    labels = (hills(shape, 1.5, number + 1) > 0.4) * (1 + (hills(shape, 3, number + 2) > 0.5))
    labels = np.where(hills(shape, 1, number + 3) > 0.8, 255, labels).astype(np.uint8)
    flow = np.stack([4 * hills(shape, 1.5, number + 4 + axis) - 2 for axis in range(len(shape))]) if flows else None
    relief = Relief(height, labels, flow)
    whole = cut(relief, shape[0], seed=0.55, least=least)
    assert np.array_equal(cut(relief, band, seed=0.55, least=least), whole)
    assert np.array_equal(cut(relief, band, seed=0.55, least=least, hold=100), whole)


@pytest.mark.parametrize("number", range(5))
def test_it_is_a_watershed(number: int) -> None:
    height = hills((120, 140), 3.0, number)
    inside = height > 0.35
    ids = cut(Relief(height, inside.astype(np.uint8)), 32, seed=0.6)
    markers, count = ndimage.label(height > 0.6, np.ones((3, 3)))
    expected = watershed(-height, markers, mask=inside, connectivity=2)
    # each marker is one object and no object holds two; what has no marker is an object of its own
    assert len({*zip(markers[markers > 0].tolist(), ids[markers > 0].tolist(), strict=True)}) == count
    assert (ids > 0).sum() == inside.sum()
    without = ndimage.label(inside & (expected == 0), np.ones((3, 3)))[1]
    assert ids.max() == count + without
    # the same regions, but for a line of pixels between two of them
    pairs = np.bincount(expected[expected > 0] * (int(ids.max()) + 1) + ids[expected > 0])
    assert np.sort(pairs)[::-1][:count].sum() > 0.99 * (expected > 0).sum()


@pytest.mark.parametrize("prominence", [0.05, 0.2])
def test_prominent_peaks_are_those_of_h_maxima(prominence: float) -> None:
    height = hills((90, 100), 2.0, 3)
    relief = Relief(height, np.ones(height.shape, np.uint8))
    whole = Basins(lambda a, b: Relief(height[a:b], relief.labels[a:b]), 90, 16).cut(seed=prominence, prominent=True)
    raised = reconstruction(height.astype(np.float64) - prominence, height.astype(np.float64))
    peaks, count = ndimage.label(height - raised >= prominence * (1 - 1e-6), np.ones((3, 3)))
    assert whole.count == count
    ids = whole.whole()
    assert len({*zip(peaks[peaks > 0].tolist(), ids[peaks > 0].tolist(), strict=True)}) == count


def test_numbers_follow_the_first_pixel_and_small_ones_are_left_out() -> None:
    labels = np.zeros((6, 9), np.uint8)
    labels[4:6, 0:3] = 1
    labels[0, 8] = 1
    labels[1:3, 4:6] = 2
    relief = Relief(np.ones(labels.shape, np.float32), labels)
    ids = cut(relief, 2, seed=0.5)
    assert [ids[0, 8], ids[1, 4], ids[4, 0]] == [1, 2, 3]
    basins = Basins(lambda start, stop: Relief(relief.height[start:stop], labels[start:stop]), 6, 2)
    found = basins.cut(seed=0.5, least=2)
    assert (found.count, found.areas.tolist(), found.classes.tolist()) == (2, [4, 6], [2, 1])
    assert found.whole()[0, 8] == 0


def test_classes_that_touch_never_join() -> None:
    labels = np.repeat(np.array([[1, 1, 2, 2]], np.uint8), 3, 0)
    assert cut(Relief(np.ones(labels.shape, np.float32), labels), 2, seed=0.5)[0].tolist() == [1, 1, 2, 2]


def test_two_peaks_are_one_object_where_the_pass_is_high() -> None:
    ridge = np.array([[0.1, 0.9, 0.6, 0.9, 0.1]], np.float32)
    relief = Relief(ridge, np.ones(ridge.shape, np.uint8))
    assert cut(relief, 1, seed=0.5).max() == 1
    assert cut(relief, 1, seed=0.7).max() == 2


def test_pixels_that_draw_each_other_are_one_tree() -> None:
    assert _ends(np.array([1, 0])).tolist() == [0, 0]
    assert _ends(np.array([1, 2, 3, 0, 3])).tolist() == [0] * 5
    assert _ends(np.array([1, 2, 0, 2])).tolist() == [0] * 4
    flow = np.array([[[0, 0, 0, 0]], [[1, 1, -1, -1]]], np.float32)
    relief = Relief(np.array([[0.9, 0.2, 0.2, 0.9]], np.float32), np.ones((1, 4), np.uint8), flow)
    assert cut(relief, 1, seed=0.5).tolist() == [[1, 1, 1, 1]]


def test_nothing_there() -> None:
    relief = Relief(np.ones((5, 4), np.float32), np.zeros((5, 4), np.uint8))
    assert not cut(relief, 2, seed=0.5).any()
