"""From marks to class maps: what is said, what training assumes beyond that, and marks made from masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from unetkit.classes import IGNORE
from unetkit.labels import Mark, Marks, SeedsPlan, is_partial, paint
from unetkit.labels.simulated import (
    SIMULATED,
    marking_effort,
    painting_effort,
    simulate_boxes,
    simulate_points,
    simulate_scribbles,
    simulate_window,
)

NAMES = ("background", "cell", "dirt")
SHAPE = (32, 40)


def marks(*some: Mark, complete: bool = False) -> Marks:
    return Marks(marks=some, complete=complete)


def mark(kind: str, *at: tuple[float, float], name: str = "cell", width: float = 3.0) -> Mark:
    return Mark.model_validate({"kind": kind, "class": name, "at": at, "width": width})


def counts(labels: npt.NDArray[np.uint8]) -> dict[int, int]:
    values, number = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), number.tolist(), strict=True))


def test_what_is_said_and_no_more() -> None:
    point = paint(marks(mark("point", (3.2, 4.9))), SHAPE, NAMES)
    assert np.argwhere(point != IGNORE).tolist() == [[3, 4]]
    line = paint(marks(mark("scribble", (5, 5), (5, 15), width=2, name="dirt")), SHAPE, NAMES)
    assert (line[4:6, 5:15] == 2).all()
    assert 20 <= counts(line)[2] <= 24  # round ends
    square = paint(marks(mark("region", (2, 3), (2, 9), (8, 9), (8, 3))), SHAPE, NAMES)
    assert (square[2:8, 3:9] == 1).all()
    assert counts(square)[1] == 36
    box = paint(marks(mark("box", (2, 3), (8, 9))), SHAPE, NAMES)
    assert (box == IGNORE).all()


def test_complete_marks_speak_of_the_background_outside_of_boxes_and_regions() -> None:
    box = mark("box", (2, 3), (8, 9))
    labels = paint(marks(box, complete=True), SHAPE, NAMES)
    assert (labels[2:8, 3:9] == IGNORE).all()
    assert counts(labels) == {0: labels.size - 36, IGNORE: 36}
    inside = paint(marks(box, mark("point", (4, 4)), complete=True), SHAPE, NAMES)
    assert counts(inside) == {0: labels.size - 36, 1: 1, IGNORE: 35}
    beside = paint(marks(box, mark("point", (20, 20)), complete=True), SHAPE, NAMES)
    assert counts(beside) == {1: 1, IGNORE: labels.size - 1}
    assert (paint(Marks(complete=True), SHAPE, NAMES) == 0).all()


def test_points_grow_at_most_half_way_and_the_lines_between_them_are_background() -> None:
    two = marks(mark("point", (16, 10)), mark("point", (16, 20), name="dirt"), complete=True)
    labels = paint(two, SHAPE, NAMES, seeds=SeedsPlan(point_radius=50))
    assert (labels[:, 15] == 0).all()
    assert (labels[16, 7:13] == 1).all()
    assert (labels[16, 17:23] == 2).all()
    assert set(labels[:, :15].ravel().tolist()) == {1, IGNORE}
    assert set(labels[:, 16:].ravel().tolist()) == {2, IGNORE}
    some = paint(marks(*two.marks), SHAPE, NAMES, seeds=SeedsPlan())
    assert 0 not in counts(some)
    plain = paint(two, SHAPE, NAMES, seeds=SeedsPlan(point_radius=0, point_borders=False))
    assert counts(plain) == {1: 1, 2: 1, IGNORE: plain.size - 2}


def test_the_middle_fifth_of_a_box_is_its_class_and_small_boxes_lie_on_top() -> None:
    large, small = mark("box", (0, 0), (20, 20)), mark("box", (8, 8), (12, 12), name="dirt")
    labels = paint(marks(small, large), SHAPE, NAMES, seeds=SeedsPlan())
    core = counts(labels)
    assert core[1] + core[2] == pytest.approx(0.2 * 400, abs=20)
    assert (labels[9:11, 9:11] == 2).all()
    assert counts(paint(marks(large), SHAPE, NAMES, seeds=SeedsPlan(box_core=0))) == {IGNORE: labels.size}


@given(st.lists(st.tuples(st.floats(-9, 45), st.floats(-9, 45)), min_size=3, max_size=6), st.floats(0.2, 9))
def test_marks_that_reach_beyond_the_image_are_cut_off(at: list[tuple[float, float]], width: float) -> None:
    for kind in ("scribble", "region"):
        assert paint(marks(mark(kind, *at, width=width)), SHAPE, NAMES).shape == SHAPE


def test_which_labels_are_partial() -> None:
    whole = np.zeros(SHAPE, np.uint8)
    sparse = np.where(np.indices(SHAPE)[0] % 3, IGNORE, whole)
    boxed = marks(mark("box", (2, 3), (8, 9)), complete=True)
    assert not is_partial(whole)
    assert is_partial(sparse.astype(np.uint8))
    assert is_partial(paint(boxed, SHAPE, NAMES), boxed)
    assert not is_partial(whole, Marks(complete=True))


def scene(seed: int) -> npt.NDArray[np.uint8]:
    """Blobs of two classes on background, and a thin line."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(64, 72)), 3)
    labels = np.digitize(noise, [0.08, 0.16]).astype(np.uint8)
    labels[30, 5:60] = 1
    return labels


@given(st.integers(0, 50), st.floats(0.005, 0.2), st.integers(0, 3))
def test_simulated_marks_never_contradict_the_mask(seed: int, share: float, draw: int) -> None:
    labels = scene(seed)
    scribbled = paint(simulate_scribbles(labels, NAMES, share=share, seed=draw), labels.shape, NAMES)
    window = simulate_window(labels, share=share, seed=draw)
    points = paint(simulate_points(labels, NAMES), labels.shape, NAMES)
    boxes = paint(simulate_boxes(labels, NAMES), labels.shape, NAMES)
    for simulated in (scribbled, window, points, boxes):
        said = simulated != IGNORE
        assert said.any()
        assert (simulated[said] == labels[said]).all()
    for index in np.unique(labels):
        assert (scribbled == index).sum() >= min(share, 0.02) * (labels == index).sum() * 0.9


def test_simulated_scribbles_cover_about_the_stated_share_of_every_class() -> None:
    labels = scene(1)
    for share in (0.02, 0.1):
        painted = paint(simulate_scribbles(labels, NAMES, share=share), labels.shape, NAMES)
        for index in range(3):
            assert share <= (painted == index).sum() / (labels == index).sum() < share + 0.2
    again = [simulate_scribbles(labels, NAMES, seed=seed) for seed in (4, 4, 5)]
    assert again[0] == again[1] != again[2]


@pytest.mark.parametrize("name", SIMULATED)
def test_every_way_of_simulating_takes_a_share_and_a_seed(name: str) -> None:
    labels = scene(2)
    few, again = (SIMULATED[name](labels, NAMES, share=0.3, seed=1) for _ in range(2))
    assert few == again
    assert 0 < len(few.marks) <= len(SIMULATED[name](labels, NAMES, share=1.0, seed=1).marks)
    assert not few.complete


def test_points_lie_in_their_objects_and_boxes_are_tight() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:9, 6:20], labels[20:30, 30:33] = 1, 2
    points, boxes = simulate_points(labels, NAMES), simulate_boxes(labels, NAMES)
    assert points.complete
    assert [labels[int(row), int(column)] for ((row, column),) in (mark.at for mark in points.marks)] == [1, 2]
    assert [mark.at for mark in boxes.marks] == [((4, 6), (9, 20)), ((20, 30), (30, 33))]


def test_numbered_objects_are_marked_one_by_one() -> None:
    labels, ids = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, int)
    labels[4:9, 6:20] = 1
    ids[4:9, 6:12], ids[4:9, 12:20] = 7, 3
    boxes = simulate_boxes(labels, NAMES, ids=ids)
    assert sorted(mark.at for mark in boxes.marks) == [((4, 6), (9, 12)), ((4, 12), (9, 20))]
    assert len(simulate_points(labels, NAMES, ids=ids).marks) == 2
    assert len(simulate_points(labels, NAMES).marks) == 1


def test_the_effort_is_that_of_the_studies() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:9, 6:20], labels[20:30, 30:33], labels[12:15, 2:4] = 1, 1, 2
    assert marking_effort(simulate_points(labels, NAMES)).seconds == pytest.approx(2.4 + 0.9 + 2.4)
    assert marking_effort(simulate_boxes(labels, NAMES)).clicks == 12
    assert marking_effort(simulate_boxes(labels, NAMES)).seconds == pytest.approx(21)
    assert painting_effort(labels).seconds == pytest.approx(3 * 79.2)
    assert marking_effort(Marks(complete=True), classes=3).seconds == 2
