"""The per-image table and its summary."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetkit.classes import Classes
from unetkit.errors import InputError
from unetkit.evaluation import COLUMNS, Pair, evaluate_pairs, write_evaluation
from unetkit.image import Geometry
from unetkit.metrics import METRICS, hd95, mean_interval, nsd

CELL = Classes(names=("background", "cell"))
THREE = Classes(names=("sky", "road", "car"))


def drawn(seed: int, shape: tuple[int, ...] = (24, 30), classes: int = 3) -> np.ndarray:
    """A label map of blocks of 6 pixels."""
    small = np.random.default_rng(seed).integers(0, classes, tuple(side // 6 for side in shape))
    for axis in range(len(shape)):
        small = np.repeat(small, 6, axis)
    return small.astype(np.uint8)


def worse(truth: np.ndarray, shift: int) -> np.ndarray:
    """The labels moved by some columns."""
    return np.roll(truth, shift, axis=-1)


def three_pairs(groups: tuple[str | None, ...] = ("p", "p", "q"), **geometry: Any) -> list[Pair]:
    truths = [drawn(i) for i in range(3)]
    truths[0][:3] = 255
    return [
        Pair(f"set/{i}", group, worse(np.where(truth == 255, 0, truth), i + 1), truth, Geometry(**geometry))
        for i, (truth, group) in enumerate(zip(truths, groups, strict=True))
    ]


def test_rows_hold_every_image_and_foreground_class() -> None:
    pairs = three_pairs()
    rows = evaluate_pairs(pairs, THREE).rows
    assert [(row["image"], row["class"]) for row in rows] == [
        (f"set/{i}", name) for i in range(3) for name in ("road", "car")
    ]
    assert all(tuple(row) == COLUMNS for row in rows)
    first = pairs[0]
    prediction, truth, valid = first.prediction == 2, first.truth == 2, first.truth != 255
    for name, metric in METRICS.items():
        assert rows[1][name] == metric(prediction, truth, valid)
    assert rows[1]["truth_pixels"] == truth.sum()
    assert rows[1]["predicted_pixels"] == (prediction & valid).sum()
    assert (rows[1]["group"], rows[1]["unit"]) == ("p", "px")


def test_summary_against_the_rows() -> None:
    evaluation = evaluate_pairs(three_pairs(), THREE, seed=4)
    summary, rows = evaluation.summary, evaluation.rows
    dice = np.array([row["dice"] for row in rows]).reshape(3, 2)
    assert summary["images"] == 3
    assert summary["groups"] == 2
    assert summary["interval"].startswith("95 % bootstrap over groups, 1000 resamples, seed 4")
    assert "only 2 groups" in summary["interval"]
    expected = mean_interval(dice.mean(1), ["p", "p", "q"], generator=np.random.default_rng(4))
    assert summary["mean"]["dice"] == pytest.approx(
        {"mean": expected.mean, "low": expected.low, "high": expected.high, "n": 3, "undefined": 0}
    )
    assert list(summary["mean"]) == list(METRICS)
    assert list(summary["classes"]) == ["road", "car"]
    for index, name in enumerate(("road", "car")):
        assert summary["classes"][name]["dice"]["mean"] == pytest.approx(dice[:, index].mean())
    assert summary["worst"] == [f"set/{i}" for i in np.argsort(dice.mean(1))]
    assert summary["class_names"] == ["sky", "road", "car"]


def test_pooled_numbers_are_over_all_pixels() -> None:
    pairs = three_pairs()
    summary = evaluate_pairs(pairs, THREE).summary
    truth = np.concatenate([pair.truth.ravel() for pair in pairs])
    prediction = np.concatenate([pair.prediction.ravel() for pair in pairs])[truth != 255]
    truth = truth[truth != 255]
    for row in range(3):
        for column in range(3):
            assert summary["confusion"][row][column] == np.sum((truth == row) & (prediction == column))
    iou = [np.sum((truth == k) & (prediction == k)) / np.sum((truth == k) | (prediction == k)) for k in range(3)]
    assert list(summary["pooled_iou"]) == ["sky", "road", "car"]
    assert list(summary["pooled_iou"].values()) == pytest.approx(iou)
    assert summary["mean_iou"] == pytest.approx(np.mean(iou))


def test_undefined_is_none_and_counted_apart() -> None:
    empty, cell = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    cell[2:5, 2:5] = 1
    summary = evaluate_pairs(
        [Pair("empty", None, empty, empty), Pair("good", None, cell, cell), Pair("missed", None, empty, cell)], CELL
    ).summary
    dice = summary["mean"]["dice"]
    assert (dice["mean"], dice["n"], dice["undefined"]) == (0.5, 2, 1)
    assert summary["mean"]["precision"]["undefined"] == 2
    assert summary["mean"]["precision"]["low"] is None
    assert summary["worst"] == ["missed", "good", "empty"]
    nothing = evaluate_pairs([Pair("empty", None, empty, empty)], CELL).summary
    assert nothing["mean"]["dice"] == {"mean": None, "low": None, "high": None, "n": 0, "undefined": 1}
    assert nothing["pooled_iou"] == {"background": 1.0, "cell": None}
    assert nothing["mean_iou"] == 1.0
    assert nothing["interval"].startswith("none")


@pytest.mark.parametrize("groups", [("p", "p", None), ("p", "p", "p"), (None, None, None)])
def test_intervals_are_over_images_unless_all_have_groups(groups: tuple[str | None, ...]) -> None:
    summary = evaluate_pairs(three_pairs(groups), THREE).summary
    assert summary["groups"] is None
    assert "over images" in summary["interval"]


def test_physical_units_and_the_tolerance_in_pixels() -> None:
    truth = drawn(1)
    evaluation = evaluate_pairs(
        [Pair("a", None, worse(truth, 5), truth, Geometry((0.5, 0.25), "um"))], THREE, tolerance=3
    )
    masks = [worse(truth, 5) == 1, truth == 1, np.ones(truth.shape, bool)]
    assert evaluation.rows[0]["hd95"] == hd95(*masks, spacing=(0.5, 0.25))
    assert evaluation.rows[0]["nsd"] == nsd(*masks, spacing=(0.5, 0.25), tolerance=0.75)
    assert evaluation.rows[0]["nsd"] < nsd(*masks, spacing=(0.5, 0.25), tolerance=1.5)
    assert evaluation.rows[0]["unit"] == evaluation.summary["unit"] == "um"
    assert evaluation.summary["tolerance_px"] == 3.0


def test_distances_of_different_units_are_not_averaged() -> None:
    um, px = three_pairs(spacing=(1.0, 1.0), unit="um")[:2], three_pairs()[2:]
    evaluation = evaluate_pairs([*um, *px], THREE)
    assert evaluation.summary["unit"] == "mixed"
    assert evaluation.summary["mean"]["hd95"]["mean"] is None
    assert evaluation.summary["mean"]["dice"]["n"] == 3
    assert [row["unit"] for row in evaluation.rows] == ["um"] * 4 + ["px"] * 2
    assert all(np.isfinite(row["hd95"]) for row in evaluation.rows)


def test_three_dimensions() -> None:
    truth = drawn(0, (12, 18, 18))
    geometry = Geometry(spacing=(3.0, 1.0, 1.0), unit="mm")
    evaluation = evaluate_pairs([Pair("v", None, worse(truth, 1), truth, geometry)], THREE)
    assert 0 < evaluation.rows[0]["dice"] < 1
    assert evaluation.rows[0]["hd95"] >= 1


def test_pairs_are_taken_one_at_a_time() -> None:
    """Pairs may come from a generator that makes them as they are needed."""
    assert evaluate_pairs((pair for pair in three_pairs()), THREE) == evaluate_pairs(three_pairs(), THREE)


def test_what_cannot_be_evaluated_is_refused() -> None:
    good = np.zeros((4, 4), np.uint8)
    with pytest.raises(InputError, match="nothing to evaluate"):
        evaluate_pairs([], CELL)
    with pytest.raises(InputError, match="two predictions have the same name"):
        evaluate_pairs([Pair("a", None, good, good)] * 2, CELL)
    with pytest.raises(InputError, match=r"a: prediction and truth differ in size; found 4 × 5; expected 4 × 4"):
        evaluate_pairs([Pair("a", None, np.zeros((4, 5), np.uint8), good)], CELL)
    with pytest.raises(InputError, match="a: the spacing does not fit"):
        evaluate_pairs([Pair("a", None, good, good, Geometry(spacing=(1.0, 1.0, 1.0)))], CELL)
    with pytest.raises(InputError, match="a: prediction holds labels that are no class"):
        evaluate_pairs([Pair("a", None, good + 2, good)], CELL)


def test_written_files_read_back(tmp_path: Path) -> None:
    empty, cell = np.zeros((8, 8), np.uint8), np.eye(8, dtype=np.uint8)
    evaluation = evaluate_pairs([Pair("b, c", None, empty, empty), Pair("ä/1", "g", cell, cell)], CELL)
    write_evaluation(tmp_path / "test", evaluation)
    assert sorted(path.name for path in (tmp_path / "test").iterdir()) == ["per_image.csv", "summary.json"]
    with (tmp_path / "test" / "per_image.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["image"], rows[0]["group"], rows[0]["dice"], rows[0]["truth_pixels"]) == ("b, c", "", "", "0")
    assert (rows[1]["image"], rows[1]["group"], rows[1]["dice"], rows[1]["class"]) == ("ä/1", "g", "1", "cell")
    assert json.loads((tmp_path / "test" / "summary.json").read_text(encoding="utf-8")) == evaluation.summary


# Masks that anybody made
