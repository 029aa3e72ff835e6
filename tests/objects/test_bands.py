"""Objects numbered band by band have the numbers that one look at the whole mask gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetkit.objects import BandedObjects, label_components


def require_same(mask: np.ndarray, band: int, connectivity: int = 1) -> None:
    objects = BandedObjects(lambda start, stop: mask[start:stop], len(mask), band, connectivity=connectivity)
    found = np.concatenate([objects.ids(start) for start in range(0, len(mask), band)])
    expected = label_components(mask, connectivity=connectivity)
    assert np.array_equal(found, expected)
    assert objects.count == expected.max()


@given(
    st.integers(1, 12), st.integers(1, 9), st.integers(1, 7), st.floats(0.1, 0.9), st.integers(0, 2**32 - 1),
    st.integers(1, 2),
)  # fmt: skip
def test_any_mask_in_any_bands(height: int, width: int, band: int, share: float, seed: int, connectivity: int) -> None:
    require_same(np.random.default_rng(seed).random((height, width)) < share, band, connectivity)


@pytest.mark.parametrize("band", [1, 2, 5])
@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_volumes(band: int, connectivity: int) -> None:
    require_same(np.random.default_rng(0).random((9, 8, 7)) < (0.35, 0.15, 0.1)[connectivity - 1], band, connectivity)


def test_a_comb_whose_teeth_meet_last_is_one_object() -> None:
    comb = np.zeros((20, 21), bool)
    comb[:, ::2] = True
    comb[-1] = True
    require_same(comb, 3)


def test_bands_come_in_any_order() -> None:
    mask = np.random.default_rng(0).random((40, 30)) < 0.6
    objects = BandedObjects(lambda start, stop: mask[start:stop], 40, 8)
    expected = label_components(mask)
    for start in (32, 0, 16, 16, 8):
        assert np.array_equal(objects.ids(start), expected[start : start + 8])
