"""Outlines give the objects' pixels back, are valid polygons, and do not depend on how the image is cut."""

from __future__ import annotations

from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import label

from unetkit.errors import InputError
from unetkit.objects import ObjectMap, Outline, cracks, outline, outlines

MAPS = arrays(np.uint32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3))
FEW = np.random.default_rng(0)


def objects_of(ids: npt.NDArray[np.uint32]) -> ObjectMap:
    """All of class 1."""
    return ObjectMap(ids, np.ones(int(ids.max(initial=0)), np.uint8))


def polygon_of(one: Outline) -> shapely.MultiPolygon:
    """The outline as another library sees it."""
    return shapely.MultiPolygon([(polygon[0], polygon[1:]) for polygon in one.polygons])


def filled(one: Outline, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The pixels whose centres lie in an outline, as another library decides it."""
    rows, columns = np.indices(shape)
    return np.asarray(shapely.contains_xy(polygon_of(one), columns + 0.5, rows + 0.5))


def same(one: Outline, other: Outline) -> bool:
    """Whether two outlines are equal to the last corner."""
    rings, others = ([ring for polygon in o.polygons for ring in polygon] for o in (one, other))
    layout = [len(p) for p in one.polygons] == [len(p) for p in other.polygons]
    return one.id == other.id and layout and all(np.array_equal(a, b) for a, b in zip(rings, others, strict=True))


@given(MAPS)
def test_outlines_are_the_objects_and_nothing_else(ids: npt.NDArray[np.uint32]) -> None:
    found = {one.id: one for one in outlines(objects_of(ids))}
    assert list(found) == [number for number in np.unique(ids).tolist() if number]
    for number, one in found.items():
        polygon = polygon_of(one)
        assert shapely.is_valid(polygon), shapely.is_valid_reason(polygon)
        assert polygon.area == one.area == np.count_nonzero(ids == number)
        assert np.array_equal(filled(one, ids.shape), ids == number)
        assert len(one.polygons) == label(ids == number)[1]
        assert tuple(int(value) for value in polygon.bounds) == one.box


@given(MAPS)
def test_rings_have_a_direction_and_only_corners(ids: npt.NDArray[np.uint32]) -> None:
    for one in outlines(objects_of(ids)):
        for outer, *holes in one.polygons:
            # rows count downwards, so what runs clockwise in the image runs anticlockwise for shapely
            assert shapely.LinearRing(outer).is_ccw
            assert not any(shapely.LinearRing(hole).is_ccw for hole in holes)
            for ring in (outer, *holes):
                steps = np.roll(ring, -1, axis=0) - ring
                assert ((steps == 0).sum(axis=1) == 1).all()
                assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all()


@pytest.mark.parametrize(("band", "batch"), [(1, 1 << 26), (40, 1 << 26), (1 << 22, 1), (40, 120)])
def test_the_result_does_not_depend_on_bands(band: int, batch: int) -> None:
    ids = FEW.integers(0, 7, (40, 30)).astype(np.uint32)
    ids[5:35, 8:11] = 7  # through many bands
    whole = list(outlines(objects_of(ids)))
    with mock.patch.object(cracks, "BAND", band), mock.patch.object(outline, "BATCH", batch):
        parts = sorted(outlines(objects_of(ids)), key=lambda one: one.id)
    assert len(parts) == len(whole) == 7
    assert all(same(one, other) for one, other in zip(parts, whole, strict=True))


def test_pieces_that_meet_at_a_corner_are_two_and_a_hole_is_a_ring() -> None:
    (corner,) = outlines(objects_of(np.array([[1, 0], [0, 1]], np.uint32)))
    assert [len(polygon) for polygon in corner.polygons] == [1, 1]
    ring = np.ones((3, 3), np.uint32)
    ring[1, 1] = 0
    (holed,) = outlines(objects_of(ring))
    assert [hole.tolist() for hole in holed.polygons[0][1:]] == [[[1, 2], [2, 2], [2, 1], [1, 1]]]


def test_numbers_without_pixels_are_passed_over() -> None:
    sparse = ObjectMap(np.array([[0, 3]], np.uint32), np.ones(5, np.uint8))
    assert [one.id for one in outlines(sparse)] == [3]
    assert list(outlines(ObjectMap(np.zeros((2, 2), np.uint32), np.ones(5, np.uint8)))) == []
    with mock.patch.object(outline, "BATCH", 1):
        assert [one.id for one in outlines(sparse)] == [3]


def test_volumes_have_none() -> None:
    with pytest.raises(InputError, match="only objects of images have outlines; found 3 axes"):
        next(outlines(objects_of(np.ones((1, 2, 2), np.uint32))))
