"""Charts are valid SVG whatever the numbers are, and put them where they belong."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from unetkit.report import charts, curves_svg, svg
from unetkit.report.curves import duration, training_curves

NAN = float("nan")


def parse(picture: str) -> ElementTree.Element:
    """The chart as a tree; every number in it is finite."""
    root = ElementTree.fromstring(picture)
    for element in root.iter():
        for key, value in element.attrib.items():
            if key not in ("aria-label", "data-hover"):
                assert "nan" not in value, (element.tag, key, value)
                assert "inf" not in value, (element.tag, key, value)
        for key in ("width", "height"):
            assert float(element.get(key, "0").rstrip("%")) >= 0
    return root


def words(root: ElementTree.Element) -> list[str]:
    return [text for element in root.iter("text") if (text := "".join(element.itertext()))]


@pytest.mark.parametrize(
    "history",
    [
        [],
        [{"step": 10}],
        [{"step": 10, "train_loss": 0.5}],
        [{"step": 10, "train_loss": NAN, "val_loss": None}],
        [{"step": 10, "train_loss": 0.5, "val_score": 0.0, "learning_rate": 0.0}] * 2,
        [{"step": s, "train_loss": 10.0**-s, "val_loss": math.inf} for s in range(1, 6)],
        [{"step": s, "train_loss": NAN if s == 3 else 1.0, "val_score": -1e-30} for s in range(1, 6)],
        [{"step": None, "train_loss": 1.0}, {"step": 1, "seconds": 2.0, "train_loss": np.float32(1)}],
    ],
    ids=str,
)
@pytest.mark.parametrize("width", [848, 356])
def test_curves_of_anything(history: list[dict[str, float | None]], width: int) -> None:
    root = parse(training_curves(history, 10, width=width))
    assert root.get("aria-label")


def test_curves_break_where_a_value_is_missing_and_mark_the_kept_step() -> None:
    history = [{"step": s, "val_score": None if s == 30 else s / 100} for s in range(10, 60, 10)]
    root = parse(training_curves(history, 40))
    (line,) = [e for e in root.iter("path") if e.get("class") == "line score"][1:]
    assert line.get("d", "").count("L") == 1
    assert "kept: step 40" in words(root)
    assert "training step" in words(root)
    hover = json.loads(root.get("data-hover", ""))
    assert hover[0] == [58, "step 10 · score 0.1"]
    assert hover[2][1] == "step 30"


def test_a_loss_over_decades_is_drawn_on_a_log_scale() -> None:
    falling = [{"step": s, "train_loss": 10.0**-s} for s in range(4)]
    assert "Loss, lower is better (log scale)" in words(parse(training_curves(falling)))


def test_curves_as_a_file_of_their_own() -> None:
    root = ElementTree.fromstring(curves_svg([{"step": 1, "train_loss": 1.0}, {"step": 2, "train_loss": 0.5}]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert ".chart .line" in (root[0].text or "")


@pytest.mark.parametrize(("seconds", "said"), [(3.21, "3.2 s"), (60, "1 min"), (3599.9, "1 h"), (5400, "1 h 30 min")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("width", [848, 356])
def test_forest_places_means_and_says_the_undefined(width: int) -> None:
    scores = {
        "a <b>": {"mean": 0.5, "low": 0.25, "high": 0.75, "n": 4, "undefined": 2},
        "absent": {"mean": None, "low": None, "high": None, "n": 0, "undefined": 6},
        "nan": {"mean": NAN, "low": NAN, "high": NAN},
    }
    root = parse(charts.forest(scores, scores["a <b>"], width=width))
    intervals = [e for e in root.iter("rect") if e.get("class") == "interval"]
    rail = next(e for e in root.iter("line") if e.get("class") == "rail")
    length = float(rail.get("x2", "0")) - float(rail.get("x1", "0"))
    assert len(intervals) == 2
    assert float(intervals[0].get("width", "0")) == pytest.approx(length / 2, abs=0.02)
    assert words(root).count("undefined") == 2
    assert "a <b>" in words(root)
    assert ("n 4, 2 undefined" in words(root)) == (width > 500)


def test_forest_of_nothing() -> None:
    assert "No class was scored." in words(parse(charts.forest({}, None)))
    assert parse(charts.interval_bar({"mean": 0.5})).get("aria-label") == "0.500 on a scale from 0 to 1"


def test_confusion_is_normalised_by_row() -> None:
    root = parse(charts.confusion([[90, 10], [0, 0]], ["a", "b"]))
    assert words(root)[-6:] == ["90", "90", "10", "10", "–", "–"]
    told = ["".join(e.itertext()) for e in root.iter("title")]
    assert told[1] == "truth a, predicted as b: 10 pixels, 10 % of the truth"
    assert told[3] == "truth b, predicted as b: 0 pixels; no pixel of this class in the truth"
    (right,) = [e for e in root.iter("rect") if e.get("class") == "right"]
    assert right.get("fill-opacity") == "0.900"


@pytest.mark.parametrize("count", [2, 7, 20])
@pytest.mark.parametrize("width", [848, 356])
def test_confusion_keeps_its_cells_readable(count: int, width: int) -> None:
    rng = np.random.default_rng(0)
    names = [f"a class with a long name {i}" for i in range(count)]
    root = parse(charts.confusion(rng.integers(0, 10**9, (count, count)).tolist(), names, width=width))
    cells = [e for e in root.iter("rect") if e.get("class") == "cell"]
    assert len(cells) == count**2
    assert min(float(c.get("width", "0")) for c in cells) >= 28


def test_confusion_of_nothing() -> None:
    assert "No pixel was compared." in words(parse(charts.confusion([], [])))


def test_histogram_counts_every_object_once() -> None:
    diameters = [1.0, 2.0, 2.1, 40.0, 41.0, 500.0]
    found = [False, False, True, True, True, True]
    root = parse(charts.size_histogram(diameters, found, unit="µm"))
    told = ["".join(e.itertext()) for e in root.iter("title")]
    assert sum(int(t.split(": ")[1].split(" found")[0]) for t in told) == 4
    assert sum(int(t.split("found, ")[1].split(" missed")[0]) for t in told) == 2
    assert "equivalent diameter (µm, log scale)" in words(root)


@pytest.mark.parametrize("diameters", [[], [NAN], [0.0], [5.0], [5.0] * 300, [1e-6, 1e6]])
@pytest.mark.parametrize("width", [848, 356])
def test_histogram_of_anything(diameters: list[float], width: int) -> None:
    parse(charts.size_histogram(diameters, [True] * len(diameters), width=width))


@pytest.mark.parametrize("shares", [[0.0, 0.0], [1.0, 0.0], [0.99999, 0.00001], [NAN, 1.0]])
def test_class_bar_of_anything(shares: list[float]) -> None:
    root = parse(charts.class_bar(shares, ["a", "b"], [(0, 0, 0), (255, 0, 10)]))
    widths = [float(e.get("width", "0")) for e in root.iter("rect")]
    assert not widths or sum(widths) == pytest.approx(800, abs=0.1)
    assert all(width > 2.9 for width in widths)


def test_deformation_grid() -> None:
    regular = np.stack(np.meshgrid(np.arange(0.0, 9), np.arange(0.0, 7), indexing="ij"), axis=-1)
    root = parse(charts.deformation_grid(regular, (9, 7)))
    faint, strong = ([e.get("d") for e in root.iter("path") if e.get("class") == c] for c in ("net faint", "net"))
    assert len(strong) == 9 + 7
    assert strong == faint
    assert "no numbers" in parse(charts.deformation_grid(regular * NAN, (9, 7))).get("aria-label", "")


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (None, "–"), (NAN, "–"), (1234.5, "1\u202f234"), (-0.25, "−0.25"), (3e-5, "3e−5"), (0.12345, "0.123")],
)
def test_numbers(value: float | None, written: str) -> None:
    assert svg.number(value) == written


def test_ticks_are_round_and_inside() -> None:
    assert svg.ticks(0.31, 0.92, 4) == [0.4, 0.6, 0.8]
    assert svg.ticks(3, 3) == [3]
    assert svg.log_ticks(3, 60) == [5, 10, 20, 50]
    assert svg.log_ticks(3, 4) == [3]
    assert svg.compact(999_600) == "1.0M"
    assert svg.percent(0.00001) == "<0.1 %"
    assert svg.percent(0.99999) == ">99.9 %"
    assert svg.elide("abcdefghij", 5) == "ab…ij"
