"""Errors of objects as pictures: every kind in its colour, and the worst places first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from tests.report.test_overlay import DEUTAN, PROTAN
from unetkit.errors import InputError
from unetkit.metrics.instances import FOUND, INVENTED, MERGED, MISSED, SPLIT, Kinds, find_overlaps, object_kinds
from unetkit.report.object_errors import (
    KIND_COLOURS,
    object_legend,
    overlay_object_errors,
    paint_object_errors,
    worst_crops,
)


def scene() -> tuple[np.ndarray, np.ndarray, Kinds]:
    """From the left: found, two merged, one split, one missed, one invented; ids are wide and have gaps."""
    truth, prediction = np.zeros((20, 120), np.uint64), np.zeros((20, 120), np.uint32)
    truth[5:15, 5:15], prediction[5:15, 5:15] = 2**40, 9
    truth[5:15, 25:35], truth[5:15, 35:45], prediction[5:15, 25:45] = 3, 4, 70000
    truth[5:15, 55:65], prediction[5:10, 55:65], prediction[10:15, 55:65] = 5, 11, 12
    truth[5:15, 75:85] = 6
    prediction[5:15, 95:105] = 13
    return prediction, truth, object_kinds(find_overlaps(prediction, truth))


@pytest.mark.parametrize(("column", "kind"), [(30, MERGED), (40, MERGED), (60, SPLIT), (80, MISSED), (100, INVENTED)])
def test_each_error_is_filled_and_outlined_in_its_colour(column: int, kind: int) -> None:
    paint = paint_object_errors(*scene())
    assert tuple(paint[8, column, :3]) == KIND_COLOURS[kind]
    assert 0 < paint[8, column, 3] < 255
    assert tuple(paint[5, column]) == (*KIND_COLOURS[kind], 255)


def test_found_objects_have_an_outline_alone_and_background_nothing() -> None:
    paint = paint_object_errors(*scene())
    assert tuple(paint[5, 10]) == (*KIND_COLOURS[FOUND], 255)
    assert paint[8, 10, 3] == 0
    assert not paint[:, 110:].any()


def test_the_cut_through_a_split_object_and_between_merged_ones_is_drawn() -> None:
    paint = paint_object_errors(*scene())
    assert tuple(paint[10, 60]) == (*KIND_COLOURS[SPLIT], 255)
    assert tuple(paint[8, 35]) == (*KIND_COLOURS[MERGED], 255)


def test_the_picture_lies_on_the_image_and_changes_nothing() -> None:
    prediction, truth, kinds = scene()
    image = np.full((20, 120, 3), 100, np.uint8)
    laid = overlay_object_errors(image, prediction, truth, kinds)
    assert (image == 100).all()
    assert tuple(laid[8, 110]) == tuple(laid[8, 10]) == (100, 100, 100)
    assert tuple(laid[5, 80]) == KIND_COLOURS[MISSED]


def test_objects_that_do_not_count_are_not_painted() -> None:
    prediction, truth, _ = scene()
    valid = np.ones(truth.shape, bool)
    valid[:, 90:] = False
    assert not paint_object_errors(prediction, truth, object_kinds(find_overlaps(prediction, truth, valid)))[
        :, 90:
    ].any()
    nothing = np.zeros((4, 4), int)
    assert not paint_object_errors(nothing, nothing, object_kinds(find_overlaps(nothing, nothing))).any()


def test_the_legend_counts_the_objects() -> None:
    assert [(name, count) for name, _, count in object_legend(scene()[2])] == [
        ("found", 1), ("merged", 2), ("split", 1), ("missed", 1), ("invented", 1),
    ]  # fmt: skip
    assert object_legend(scene()[2])[4][1] == "#e05400"


def test_the_worst_window_comes_first_and_what_is_right_never() -> None:
    prediction, truth, kinds = scene()
    first, *others = worst_crops(prediction, truth, kinds, side=24)
    assert (first[1].start <= 25, first[1].stop >= 45) == (True, True)  # the two merged objects
    assert len(others) == 3
    assert all(window[1].start > 20 for window in (first, *others))
    assert all(window[0] == slice(0, 20) for window in (first, *others))  # the image is lower than the window
    assert len(worst_crops(prediction, truth, kinds, side=24, most=2)) == 2
    assert worst_crops(truth, truth, object_kinds(find_overlaps(truth, truth))) == []


def test_maps_must_fit() -> None:
    prediction, truth, kinds = scene()
    with pytest.raises(InputError, match="the maps do not fit"):
        paint_object_errors(prediction[:10], truth, kinds)
    with pytest.raises(InputError, match="the maps do not fit"):
        paint_object_errors(prediction[None], truth[None], kinds)


@pytest.mark.parametrize("vision", [np.eye(3), PROTAN, DEUTAN], ids=["full", "protanopia", "deuteranopia"])
def test_kinds_are_told_apart_with_any_colour_vision(vision: list[list[float]]) -> None:
    def seen(colour: tuple[int, int, int]) -> np.ndarray:
        linear = (np.array(colour) / 255) ** 2.2
        return rgb2lab((np.array(vision) @ linear).clip(0, 1) ** (1 / 2.2))

    for a, b in itertools.combinations(KIND_COLOURS, 2):
        least = 34 if {a, b} == {SPLIT, MISSED} else 38
        assert np.linalg.norm(seen(KIND_COLOURS[a]) - seen(KIND_COLOURS[b])) > least, (a, b)


def test_every_window_is_the_one_with_the_most_errors_left() -> None:
    rng = np.random.default_rng(0)
    truth = np.kron((rng.random((20, 30)) < 0.2) * np.arange(1, 601).reshape(20, 30), np.ones((4, 4), int))
    nothing = np.zeros_like(truth)
    kinds = object_kinds(find_overlaps(nothing, truth))
    left = (truth > 0).astype(int)
    for window in worst_crops(nothing, truth, kinds, side=17, most=9):
        sums = np.lib.stride_tricks.sliding_window_view(left, (17, 17)).sum((2, 3))
        assert left[window].sum() == sums.max()
        left[window] = 0
