"""What evaluation keeps of objects: counts of both sides, the worst pictures and places, in bounds, for any image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from unetkit.image import Geometry, Image
from unetkit.objects import ObjectMap, with_classes
from unetkit.pipeline import object_gallery
from unetkit.pipeline.object_gallery import ALL, ObjectGallery, Scene
from unetkit.report import ObjectSheet, object_page

NAMES = ("background", "cell")
MICRONS = Geometry((0.5, 0.5), "um")


def squares(*corners: tuple[int, int], side: int = 10, shape: tuple[int, int] = (64, 96)) -> npt.NDArray[np.int32]:
    ids = np.zeros(shape, np.int32)
    for number, (row, column) in enumerate(corners, 1):
        ids[row : row + side, column : column + side] = number
    return ids


def objects(ids: npt.NDArray[np.int32], classes: dict[int, int] | None = None) -> ObjectMap:
    labels = np.vectorize((classes or {}).get, otypes=[np.uint8])(ids, 1)
    return with_classes(ids, np.where(ids > 0, labels, 0).astype(np.uint8))


def scene(
    name: str,
    predicted: ObjectMap,
    truth: ObjectMap,
    *,
    group: str | None = None,
    geometry: Geometry = MICRONS,
    **more: Any,
) -> Scene:
    pixels = np.random.default_rng(0).integers(0, 255, (1, *truth.ids.shape), np.uint8)
    valid = more.pop("valid", np.ones(truth.ids.shape, bool))
    return Scene(name, group, Image(pixels, geometry), predicted, truth, valid, **more)


def filled(*scenes: Scene, names: tuple[str, ...] = NAMES, most: int = 30) -> tuple[ObjectGallery, ObjectSheet]:
    gallery = ObjectGallery(names, len(scenes), most)
    for one in scenes:
        gallery.see(one)
    sheet = gallery.sheet()
    assert sheet is not None
    return gallery, sheet


def rows(sheet: ObjectSheet, **chosen: str) -> list[dict[str, Any]]:
    return [dict(row) for row in sheet.rows if all(row[key] == value for key, value in chosen.items())]


FEW = squares((5, 5), (5, 30))
MORE = squares((5, 5), (5, 30), (40, 50))


def test_true_and_predicted_objects_are_counted_per_image_group_and_over_all() -> None:
    _, sheet = filled(
        scene("a", objects(MORE), objects(FEW), group="one"),
        scene("b", objects(FEW), objects(FEW), group="one"),
        scene("c", objects(FEW), objects(MORE), group="two"),
    )
    assert sheet.counts == [("a", 2, 3), ("b", 2, 2), ("c", 3, 2)]
    assert [row["objects"] for row in rows(sheet, scope="image", of="true")] == [2, 2, 3]
    (one,) = rows(sheet, scope="group", of="predicted", name="one")
    assert (one["objects"], one["objects_per_image"]) == (5, 2.5)
    assert one["objects_per_image_low"] is not None
    (whole,) = rows(sheet, scope="all", of="true")
    assert (whole["objects"], whole["median_area_um2"]) == (7, 25.0)
    assert whole["objects_per_um2"] == pytest.approx(7 / 3 / (64 * 96 / 4))
    titles = {title: (axis, true, predicted) for title, axis, true, predicted in sheet.values}
    assert titles["Size"] == ("area (µm²)", [25.0] * 7, [25.0] * 7)


def test_without_groups_there_are_no_rows_of_groups() -> None:
    assert not rows(
        filled(scene("a", objects(FEW), objects(FEW), group="one"), scene("b", objects(FEW), objects(FEW)))[1],
        scope="group",
    )
    assert ObjectGallery(NAMES, 3, 30).sheet() is None


def test_what_nobody_labelled_counts_on_neither_side() -> None:
    valid = np.ones((64, 96), bool)
    valid[30:] = False  # the third predicted object lies there
    predicted = squares((5, 5), (25, 30), (40, 50))  # the second one half
    _, sheet = filled(scene("a", objects(predicted), objects(FEW), valid=valid))
    (row,) = rows(sheet, scope="image", of="predicted")
    assert sheet.counts == [("a", 2, 2)]
    assert row["objects_per_um2"] == 2 / (30 * 96 / 4)
    assert row["median_area_um2"] == (100 + 50) / 2 / 4


def test_several_classes_are_counted_by_themselves_and_together() -> None:
    truth = objects(MORE, {3: 2})
    _, sheet = filled(scene("a", objects(FEW), truth), names=("background", "cell", "debris"))
    counts = {row["class"]: row["objects"] for row in rows(sheet, scope="all", of="true")}
    assert counts == {ALL: 3, "cell": 2, "debris": 1}
    assert {row["class"]: row["objects"] for row in rows(sheet, scope="all", of="predicted")}["debris"] == 0
    assert [title for title, *_ in sheet.values][:2] == ["Size of cell", "Size of debris"]


def test_the_worst_place_comes_first_and_says_what_is_wrong() -> None:
    merged = FEW.copy()
    merged[5:15, 5:40] = 1
    gallery, sheet = filled(
        scene("good", objects(FEW), objects(FEW)),
        scene("missed", objects(FEW), objects(MORE)),
        scene("bad", objects(merged), objects(FEW)),
        most=2,
    )
    assert [crop.name for crop in sheet.crops] == ["bad", "missed"]
    assert list(sheet.crops[0].words) == ["2 objects merged into one"]
    assert list(sheet.crops[1].words) == ["1 object missed, 25 µm²"]
    assert sheet.crops[0].image.shape == sheet.crops[0].errors.shape
    assert (sheet.crops[0].image != sheet.crops[0].errors).any()
    assert [name for _, name, _ in gallery.pictures] == ["bad", "missed"]  # the worst two of three


def test_places_are_in_pixels_where_no_spacing_is_known() -> None:
    _, sheet = filled(scene("a", objects(FEW), objects(MORE), geometry=Geometry()))
    assert list(sheet.crops[0].words) == ["1 object missed, 100 px"]
    assert sheet.values[0][1] == "area (px)"


def test_images_of_different_units_are_counted_in_pixels() -> None:
    _, sheet = filled(
        scene("a", objects(FEW), objects(MORE)), scene("b", objects(FEW), objects(MORE), geometry=Geometry())
    )
    assert (sheet.values[0][1], sheet.values[0][2]) == ("area (px)", [100.0] * 6)


def test_images_without_any_object_are_counted_and_harm_nothing() -> None:
    nothing = objects(np.zeros((64, 96), np.int32))
    gallery, sheet = filled(scene("none", nothing, nothing), scene("a", nothing, objects(FEW)))
    assert sheet.counts == [("none", 0, 0), ("a", 2, 0)]
    assert [name for _, name, _ in gallery.pictures] == ["a", "none"]
    assert object_page.object_values(sheet, None)["crops"]
    _, empty = filled(scene("none", nothing, nothing))
    assert (empty.crops, object_page.object_values(empty, None)["charts"]) == ([], [])


def test_of_a_volume_the_plane_with_the_most_errors_is_shown() -> None:
    truth = np.zeros((9, 40, 50), np.int32)
    truth[1:4, 5:15, 5:15], truth[6:8, 20:38, 20:38] = 1, 2
    predicted = np.where(truth == 1, 1, 0).astype(np.int32)
    gallery, sheet = filled(scene("v", objects(predicted), objects(truth), geometry=Geometry((2.0, 0.5, 0.5), "um")))
    assert list(sheet.crops[0].words) == ["1 object missed, 324 µm³"]
    assert gallery.pictures[0][2].shape == (40, 50, 3)
    assert sheet.values[0][1] == "volume (µm³)"


def test_pictures_of_large_images_are_thinned_and_places_are_not() -> None:
    shape = (300, 400)
    truth = squares((10, 10), (200, 300), side=24, shape=shape)
    gallery, sheet = filled(scene("a", objects(np.zeros(shape, np.int32)), objects(truth), step=4))
    assert gallery.pictures[0][2].shape == (75, 100, 3)
    assert len(sheet.crops) == 2
    assert list(sheet.crops[0].words) == ["1 object missed, 144 µm²"]


def test_many_images_and_objects_stay_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_gallery, "CROPS", 5)
    dots = np.zeros((120, 120), np.int32)
    dots[::3, ::3] = np.arange(1, 1601).reshape(40, 40)
    shifted = np.roll(dots, 1, 0)
    scenes = [scene(f"{index:02}", objects(shifted), objects(dots)) for index in range(8)]
    gallery, sheet = filled(*scenes, most=3)
    assert (len(sheet.crops), len(gallery.pictures)) == (5, 3)
    monkeypatch.setattr(object_page, "MOST_LINES", 6)
    shown = object_page.object_values(sheet, None)
    assert len(str(shown["charts"])) < 60_000
    assert (len(shown["each"]["lines"]), shown["each"]["hidden"], shown["overall"]["hidden"]) == (6, 2, 0)


def test_places_of_one_image_do_not_show_the_same_twice() -> None:
    line = squares(*((20, 12 * index) for index in range(8)), shape=(64, 96))
    _, sheet = filled(scene("a", objects(np.zeros((64, 96), np.int32)), objects(line)))
    assert len(sheet.crops) == 1
