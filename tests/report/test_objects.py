"""Outlines, numbers and histograms of objects."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.objects.drawn import blobs
from unetkit.classes import Classes
from unetkit.errors import InputError
from unetkit.objects import ObjectMap
from unetkit.report.object_charts import count_scatter, paired_histogram, value_histogram
from unetkit.report.object_overlay import draw_objects, paint_objects, widest_places

CLASSES = Classes(names=("background", "one", "two"))


def test_outlines_lie_on_the_objects_in_the_colour_of_their_class() -> None:
    ids = np.zeros((20, 20), np.uint32)
    ids[4:12, 4:10], ids[4:12, 10:16] = 1, 2
    image = np.full((20, 20, 3), 200, np.uint8)
    painted = paint_objects(image, ObjectMap(ids, np.array([1, 2], np.uint8)), CLASSES, names=())
    for box, number in (((4, 12, 4, 10), 1), ((4, 12, 10, 16), 2)):
        top, bottom, left, right = box
        rim = np.zeros((20, 20), bool)
        rim[top:bottom, left:right] = True
        rim[top + 1 : bottom - 1, left + 1 : right - 1] = False
        assert (painted[rim] == CLASSES.colours[number]).all()
        assert (painted[top + 1 : bottom - 1, left + 1 : right - 1] == 200).all()
    assert (painted[3, 4:16] == 90).all()
    assert (painted[0] == 200).all()
    assert (image == 200).all()


@pytest.mark.parametrize("shade", [0, 255])
def test_numbers_can_be_read_on_dark_and_light(shade: int) -> None:
    ids = np.zeros((60, 60), np.uint32)
    ids[10:50, 10:50] = 1
    image = np.full((60, 60, 3), shade, np.uint8)
    objects = ObjectMap(ids, np.array([1], np.uint8))
    painted = paint_objects(image, objects, CLASSES, names=[88], font_size=16)
    middle = painted[20:40, 18:42].astype(int)
    assert middle.max() > 240
    assert middle.min() < 20
    assert (painted == paint_objects(image, objects, CLASSES, names=["88"], font_size=16)).all()


def test_numbers_never_cover_each_other_and_thin_out() -> None:
    few = blobs((150, 150), sigma=8.0)
    dots = np.zeros((150, 150), np.uint32)
    dots[::6, ::6] = np.arange(1, 626).reshape(25, 25)
    many = ObjectMap(dots, np.ones(625, np.uint8))
    image = np.zeros((150, 150, 3), np.uint8)

    def share(objects: ObjectMap) -> float:
        bare = paint_objects(image, objects, CLASSES, names=())
        return float((paint_objects(image, objects, CLASSES) != bare).any(-1).mean())

    assert share(few) > 0
    assert share(many) < 0.6


def test_places_lie_in_their_objects_where_those_are_widest() -> None:
    objects = blobs((80, 90))
    places = widest_places(objects.ids)
    assert sorted(places[:, 0].tolist()) == list(range(1, objects.count + 1))
    for number, row, column, _ in places.tolist():
        assert objects.ids[int(row), int(column)] == number
    assert (np.diff(places[:, 3]) <= 0).all()


def test_objects_at_the_border_of_a_small_image_are_painted() -> None:
    ids = np.ones((3, 3), np.uint32)
    assert paint_objects(np.zeros((3, 3, 3), np.uint8), ObjectMap(ids, np.array([1], np.uint8)), CLASSES).shape == (
        3,
        3,
        3,
    )
    none = ObjectMap(np.zeros((3, 3), np.uint32), np.zeros(0, np.uint8))
    assert not paint_objects(np.zeros((3, 3, 3), np.uint8), none, CLASSES).any()
    with pytest.raises(InputError):
        paint_objects(np.zeros((3, 4, 3), np.uint8), none, CLASSES)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 2.0, 3.0, 9.0], "linear"),
        ([1.0, 5.0, 500.0], "log"),
        ([0.0, 5.0, 500.0], "linear"),
        ([4.0, 4.0], "linear"),
    ],
)
def test_every_value_is_in_one_bar(values: list[float], scale: str) -> None:
    svg = value_histogram([*values, float("nan")], name="area (px)", counted="cells")
    ET.fromstring(svg)
    assert sum(int(count) for count in re.findall(r": (\d+) cells</title>", svg)) == len(values)
    assert ("log scale" in svg) == (scale == "log")
    assert f"of {len(values)} cells" in svg


def test_nothing_to_count_is_said() -> None:
    assert "There are no objects" in value_histogram([], name="area")


@pytest.mark.parametrize("true", [[], [4.0], [1.0, 2.0, 3.0, float("nan")], [1.0, 900.0]])
@pytest.mark.parametrize("predicted", [[], [4.0, 4.0], [0.5, 7.0, 7.5]])
def test_true_and_predicted_values_are_counted_in_the_same_bins(true: list[float], predicted: list[float]) -> None:
    svg = paired_histogram(true, predicted, name="area (px)")
    ET.fromstring(svg)
    counts = re.findall(r": (\d+) true, (\d+) predicted</title>", svg)
    assert sum(int(one) for one, _ in counts) == np.isfinite(true).sum()
    assert sum(int(one) for _, one in counts) == len(predicted)
    assert ("There are no objects" in svg) == (not true and not predicted)


def test_counts_of_images_stand_beside_each_other() -> None:
    svg = count_scatter([("a<b", 3, 3), ("c", 3, 3), ("d", 0, 7)])
    ET.fromstring(svg)
    assert ": 3 true, 3 predicted" in svg
    assert "2 images: 3 true" in svg  # of the same counts
    assert "d: 0 true, 7 predicted" in svg
    assert "2 agree exactly" in svg
    ET.fromstring(count_scatter([("a", 0, 0)]))
    assert "no images" in count_scatter([])


def test_drawn_objects_lie_on_nothing() -> None:
    ids = np.zeros((40, 40), np.uint32)
    ids[5:20, 5:20] = 1
    drawn = draw_objects(ObjectMap(ids, np.array([2], np.uint8)), CLASSES, names=())
    assert tuple(drawn[5, 10]) == (*CLASSES.colours[2], 255)
    assert not drawn[30:].any()
    assert not drawn[10:15, 10:15].any()
    with pytest.raises(InputError, match="of a volume"):
        draw_objects(ObjectMap(ids[None], np.array([2], np.uint8)), CLASSES)
