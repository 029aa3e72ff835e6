"""Kinds of labels and budgets: understood, paid for, and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetkit.active.candidates import Place
from unetkit.classes import IGNORE, Classes, write_classes
from unetkit.cli.values import seconds
from unetkit.dataset import open_dataset
from unetkit.errors import UnetkitError, UnknownName, UsageError
from unetkit.formats import write_image, write_mask
from unetkit.labels import paint
from unetkit.labels.simulated import BOX, FIRST_POINT, NEXT_POINT, NOTHING, OUTLINE, SCRIBBLE, Effort
from unetkit.simulation import KINDS, Budget, Kind, parse_budgets
from unetkit.simulation.kinds import Labels, Truth, masked

CLASSES = Classes(names=("background", "cell"))


def two_cells() -> Labels:
    labels = np.zeros((40, 40), np.uint8)
    labels[4:12, 4:12] = labels[20:36, 20:36] = 1
    return labels


def place(rows: tuple[int, int] = (0, 40), columns: tuple[int, int] = (0, 40)) -> Place:
    return Place("a", Path("a.png"), (rows, columns), (40, 40))


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_read_as_it_is_written(name: str) -> None:
    kind = Kind.parse(name)
    assert kind.name == name
    assert Kind.parse(kind.text) == kind
    assert (kind.side is None) == (name != "regions")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("lines", UnknownName),
        ("dense:3", UsageError),
        ("scribbles:2", UsageError),
        ("scribbles:0", UsageError),
        ("scribbles:few", UsageError),
        ("regions:4", UsageError),
    ],
)
def test_what_is_no_kind_is_refused(text: str, error: type[UnetkitError]) -> None:
    with pytest.raises(error):
        Kind.parse(text)


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        ("dense", 2 * OUTLINE),
        ("boxes", 2 * BOX),
        ("points", FIRST_POINT + NEXT_POINT),
    ],
)
def test_effort_is_that_of_the_cost_model(text: str, paid: float) -> None:
    assert Kind.parse(text).effort(Truth(two_cells()), place(), CLASSES, 0).seconds == pytest.approx(paid)


def test_strokes_are_paid_one_by_one_and_never_contradict() -> None:
    kind = Kind.parse("scribbles:0.05")
    marks = kind.marks(Truth(two_cells()), CLASSES, 0)
    assert kind.effort(Truth(two_cells()), place(), CLASSES, 0).seconds == pytest.approx(SCRIBBLE * len(marks.marks))
    painted = paint(marks, (40, 40), CLASSES.names)
    said = painted != IGNORE
    assert 0 < said.sum() < said.size / 2
    assert (painted[said] == two_cells()[said]).all()


def test_a_region_is_paid_for_what_it_shows() -> None:
    kind = Kind.parse("regions:20")
    assert kind.effort(Truth(two_cells()), place((0, 20), (0, 20)), CLASSES, 0).seconds == pytest.approx(OUTLINE)
    assert kind.effort(Truth(two_cells()), place((0, 20), (20, 40)), CLASSES, 0).seconds == pytest.approx(NOTHING)


@pytest.mark.parametrize(("text", "paid"), [("dense", OUTLINE), ("boxes", BOX), ("regions:40", OUTLINE)])
def test_objects_that_touch_are_paid_each(text: str, paid: float) -> None:
    ids = two_cells().astype(np.int32)
    ids[20:36, 20:28], ids[20:36, 28:36] = 2, 3
    effort = Kind.parse(text).effort(Truth(two_cells(), ids), place(), CLASSES, 0)
    assert effort.seconds == pytest.approx(3 * paid)


def test_masks_that_number_objects_tell_them_apart(tmp_path: Path) -> None:
    numbered = two_cells().astype(np.uint16) * 300
    numbered[20:36, 28:36] = 7
    write_image(tmp_path / "images" / "a.png", np.zeros((1, 40, 40), np.uint8))
    write_mask(tmp_path / "masks" / "a.png", numbered)
    write_classes(tmp_path / "classes.yaml", Classes(names=CLASSES.names, encoding="instances", dtype="uint16"))
    truth = Truth.of(open_dataset(tmp_path), "a")
    assert (truth.labels == two_cells()).all()
    assert truth.ids is not None
    assert len(Kind.parse("points").marks(truth, CLASSES, 0).marks) == len(np.unique(truth.ids)) - 1 == 2


@pytest.mark.parametrize("text", ["dense", "boxes", "points"])
def test_an_empty_image_costs_a_moment(text: str) -> None:
    empty = np.zeros((40, 40), np.uint8)
    assert Kind.parse(text).effort(Truth(empty), place(), CLASSES, 0) == Effort(1, NOTHING)


def test_outside_of_the_labelled_places_nothing_is_said() -> None:
    kept = masked(two_cells(), [place((0, 20), (0, 20)), place((20, 40), (20, 40))])
    assert (kept[:20, 20:] == IGNORE).all()
    assert (kept[:20, :20] == two_cells()[:20, :20]).all()
    assert (kept[20:, 20:] == two_cells()[20:, 20:]).all()
    assert (masked(two_cells(), [place()]) == two_cells()).all()


def test_budgets_are_places_or_times() -> None:
    assert [one.places for one in parse_budgets("10,2,all", seconds)] == [2, 10, None]
    assert [one.seconds for one in parse_budgets("1h, 10m", seconds)] == [600, 3600]
    assert not Budget("all").spent(10**6, Effort(10**9, 1e9))
    assert Budget("2", places=2).spent(2, Effort(0, 0))
    assert Budget("10m", seconds=600).spent(1, Effort(0, 600))
    assert not Budget("10m", seconds=600).spent(100, Effort(0, 599))


@pytest.mark.parametrize("text", ["", "2,2", "0,3", "2,10m", "soon"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_budgets(text, seconds)
