"""An image seen band by band is measured as the whole image, whatever the bands."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.objects.drawn import blobs, noise
from unetkit.errors import InputError
from unetkit.image import Image
from unetkit.objects import Accumulator, ObjectMap, Table, measure
from unetkit.objects.measuring import tabulate

LOST = ("median_", "skeleton_", "width_", "branch_points", "end_points")


def by_bands(objects: ObjectMap, pixels: np.ndarray, cuts: list[int], spacing: tuple[float, ...]) -> Table:
    shape = objects.ids.shape
    names = ("background", "one", "two")
    seen = Accumulator(shape, objects.count, channels=len(pixels), spacing=spacing, thin=objects.classes == 1)
    edges = [0, *cuts, shape[0]]
    for start, stop in itertools.pairwise(edges):
        seen.add(slice(start, stop), objects.ids[start:stop], pixels[:, start:stop])
    return tabulate(
        seen.finish(), objects, shape, spacing=spacing, unit="um", class_names=names,
        channel_names=("a", "b"), thin=True,
    )  # fmt: skip


@settings(max_examples=12)
@given(
    cuts=st.sets(st.integers(1, 59), min_size=1, max_size=7).map(sorted),
    seed=st.integers(0, 5),
    dtype=st.sampled_from(["uint8", "float32", "float64"]),
)
def test_bands_of_a_plane_add_up(cuts: list[int], seed: int, dtype: str) -> None:
    objects, spacing = blobs((60, 50), seed=seed), (0.5, 0.7)
    compare(objects, noise(2, (60, 50), dtype), cuts, spacing, LOST)


@pytest.mark.parametrize("cuts", [[9], [1, 2, 3], [5, 6, 12]])
def test_bands_of_a_volume_add_up(cuts: list[int]) -> None:
    objects, spacing = blobs((14, 18, 16), sigma=1.5), (2.0, 0.5, 0.5)
    compare(objects, noise(2, (14, 18, 16)), cuts, spacing, (*LOST, "solidity", "holes", "tunnels"))


def compare(
    objects: ObjectMap, pixels: np.ndarray, cuts: list[int], spacing: tuple[float, ...], lost: tuple[str, ...]
) -> None:
    names = ("background", "one", "two")
    whole = measure(
        objects, Image(pixels), spacing=spacing, unit="um", class_names=names, channel_names=("a", "b"),
        thin_classes=("one",),
    )  # fmt: skip
    banded = by_bands(objects, pixels, cuts, spacing)
    assert list(banded.columns) == list(whole.columns)
    first, last = (
        whole[f"{'row' if len(spacing) == 2 else 'plane'}_{end}_px"].astype(int) for end in ("start", "stop")
    )
    bands = np.searchsorted(cuts, last - 1, "right") - np.searchsorted(cuts, first, "right") + 1
    objects_ids = [np.unique(band) for band in np.split(objects.ids, cuts)]
    in_one = np.array([sum(number in band for band in objects_ids) == 1 for number in whole["id"]])
    assert in_one.any()
    assert (bands[~in_one] > 1).all()
    for name, right in whole.columns.items():
        found = banded[name]
        if right.dtype.kind == "O":
            assert found.tolist() == right.tolist(), name
            continue
        right = right.astype(float)
        expected = np.where(in_one, right, np.nan) if name.startswith(lost) else right
        np.testing.assert_allclose(found.astype(float), expected, rtol=1e-9, atol=1e-9, err_msg=name)
    assert bool(banded.notes) == (not in_one.all())


def test_bands_have_to_follow_each_other_and_to_fit() -> None:
    seen = Accumulator((4, 3), 1, channels=1)
    ids, pixels = np.ones((2, 3), np.uint32), np.zeros((1, 2, 3))
    with pytest.raises(InputError, match="follow"):
        seen.add(slice(1, 3), ids, pixels)
    with pytest.raises(InputError, match="ids do not fit"):
        seen.add(slice(0, 3), ids, pixels)
    with pytest.raises(InputError, match="pixels do not fit"):
        seen.add(slice(0, 2), ids)
    for wrong in (ids * 2, ids.astype(np.int64) * -1, ids.astype(float)):
        with pytest.raises(InputError, match="not announced"):
            seen.add(slice(0, 2), wrong, pixels)
    seen.add(slice(0, 2), ids, pixels)
    with pytest.raises(InputError, match="do not cover"):
        seen.finish()


def test_an_object_as_wide_as_a_large_image_loses_no_digits() -> None:
    """Second moments far from the origin, in single rows: where naive sums of squares have no digits left."""
    width = 3_000_000
    seen = Accumulator((4, width), 1)
    for row in range(4):
        ids = np.zeros((1, width), np.uint32)
        ids[0, -3:] = 1
        seen.add(slice(row, row + 1), ids)
    shape = seen.finish().shape
    assert shape.area.tolist() == [12]
    np.testing.assert_allclose(shape.scatter[0], [[15, 0], [0, 8]], rtol=1e-12, atol=1e-12)


def test_more_objects_than_memory_holds_are_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("unetkit.memory.free_memory", lambda: 2 * 10**9)
    with pytest.raises(InputError, match=r"20,000,000 objects, which take about 20.0 GB where 2.0 GB are free"):
        Accumulator((10_000, 10_000), 20_000_000)
    Accumulator((100, 100), 100)
