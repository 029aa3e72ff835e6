"""What finished cells come to: the same images for all, and nothing said that was not shown. No network is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from unetkit.cli.show import show_comparison
from unetkit.compare.cells import MEASURED, Cell
from unetkit.compare.comparison import Comparison, _summarise
from unetkit.compare.differences import SAID
from unetkit.compare.page import render
from unetkit.compare.variants import Variant
from unetkit.dataset import Split, open_dataset
from unetkit.report.comparison_charts import COLOURS

NAMES = tuple(f"disc_{n}" for n in range(6))
COSTS = {
    "parameters": 1000,
    "multiply_adds_per_pixel": 100.0,
    "peak_memory_bytes": 1e9,
    "steps": 10,
    "seconds": 1.0,
    "trained_mpx_per_s": 1.0,
    "predicted_mpx_per_s": 1.0,
}
TESTED = Split(train=("disc_6",), val=("disc_7",), test=NAMES)
EMPTY = None
"""Dice of an image on which truth and prediction are empty."""


def summarise(
    folder: Path,
    discs: Path,
    scores: Mapping[Variant, Sequence[Sequence[float | None]]],
    *,
    faults: Mapping[Variant, str] | None = None,
    split: Split = TESTED,
) -> Comparison:
    """The comparison of cells with these scores: a row of images for each training."""
    part = "test" if split.test else "val"
    (folder / "comparison.json").write_text(json.dumps({"of": {"data": str(discs), "time": None, "steps": 10}}))
    cells = []
    for variant, trainings in scores.items():
        for seed, row in enumerate(trainings):
            cell = Cell(variant, seed, folder / "cells" / variant.name / f"seed_{seed}")
            (cell.path / part).mkdir(parents=True)
            (cell.path / MEASURED).write_text(json.dumps(COSTS))
            lines = ["image,group,class,dice,truth_pixels,predicted_pixels"]
            for name, dice in zip(NAMES, row, strict=False):
                lines.append(f"{name},,disc,,0,0" if dice is EMPTY else f"{name},,disc,{dice},{int(dice > 0) * 9},9")
            (cell.path / part / "per_image.csv").write_text("\n".join(lines) + "\n")
            cells.append(cell)
    return _summarise(folder, open_dataset(discs), split, list(scores), cells, faults or {})


def told(comparison: Comparison) -> dict[str, object]:
    read: dict[str, object] = json.loads((comparison.path / "comparison.json").read_text())
    return read


A, B, C = Variant("a", "unet"), Variant("b", "unet++"), Variant("c", "resunet")
GOOD, FAIR = [0.9, 0.91, 0.9, 0.91, 0.9, 0.91], [0.5, 0.51, 0.5, 0.51, 0.5, 0.51]


def test_an_image_rightly_left_empty_counts_where_another_gives_a_false_alarm(tmp_path: Path, discs: Path) -> None:
    careful, alarmed = [0.8, 0.8, 0.8, EMPTY, EMPTY, EMPTY], [0.8, 0.8, 0.8, 0.0, 0.0, EMPTY]
    done = summarise(tmp_path, discs, {A: [careful] * 2, B: [alarmed] * 2})
    assert done.images == NAMES[:5]
    assert [row.scores.shape for row in done.rows] == [(2, 5), (2, 5)]
    first, second = (row.score for row in done.rows)
    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == pytest.approx(((3 * 0.8 + 2) / 5, 3 * 0.8 / 5))
    assert done.rows[1].versus is not None
    assert done.rows[1].versus.mean == pytest.approx(second[0] - first[0])  # the rows are of the same images


def test_classes_that_are_neither_there_nor_predicted_are_left_out_of_an_image(tmp_path: Path, discs: Path) -> None:
    done = summarise(tmp_path, discs, {A: [FAIR], B: [FAIR]})
    for file in tmp_path.rglob("per_image.csv"):
        file.write_text(file.read_text() + "disc_0,,other,,0,0\ndisc_1,,other,0,0,5\n")
    cells = [cell for row in done.rows for cell in row.cells]
    done = _summarise(tmp_path, done.dataset, done.split, [A, B], cells, {})
    assert done.rows[0].scores[0, :3].tolist() == pytest.approx([0.5, 0.255, 0.5])


def test_nothing_to_compare_is_no_difference_and_valid_json(tmp_path: Path, discs: Path) -> None:
    done = summarise(tmp_path, discs, {A: [[EMPTY] * 6] * 2, B: [[EMPTY] * 6] * 2})
    assert [(row.score, row.versus) for row in done.rows] == [(None, None)] * 2
    assert told(done)["images"] == []
    assert "There is nothing to compare with" in render(done, None)


def test_a_variant_with_a_failed_training_is_not_judged(tmp_path: Path, discs: Path) -> None:
    done = summarise(
        tmp_path, discs, {A: [FAIR] * 3, B: [GOOD] * 2, C: [GOOD] * 3}, faults={B: "its loss is not finite"}
    )
    assert [row.versus and row.versus.verdict for row in done.rows] == [None, "incomplete", "better"]
    html = render(done, None)
    assert "its loss is not finite" in html
    assert SAID["incomplete"] in html


def test_nothing_is_judged_against_a_first_variant_that_failed(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = summarise(tmp_path, discs, {A: [FAIR] * 2, B: [GOOD] * 3}, faults={A: "out of memory"})
    assert done.rows[1].versus is not None
    assert done.rows[1].versus.verdict == "incomplete"
    show_comparison(done)
    assert "a failed: out of memory" in capsys.readouterr().out


def test_scores_on_the_images_that_chose_the_weights_are_called_too_good(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = summarise(tmp_path, discs, {A: [FAIR], B: [GOOD]}, split=Split(train=("disc_6",), val=NAMES, test=()))
    assert "too good" in str(told(done)["warning"])
    assert "all are too good" in render(done, None)
    show_comparison(done)
    assert "too good" in capsys.readouterr().out


def test_scores_on_test_images_are_not_called_too_good(tmp_path: Path, discs: Path) -> None:
    done = summarise(tmp_path, discs, {A: [FAIR], B: [GOOD]})
    assert told(done)["warning"] is None
    assert "too good" not in render(done, None)


def test_one_variant_that_was_trained_once_is_named(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = summarise(tmp_path, discs, {A: [FAIR] * 2, B: [GOOD], C: [GOOD] * 2})
    assert [row.versus and row.versus.verdict for row in done.rows] == [None, "unknown", "better"]
    html = render(done, None)
    assert "One training of b" in html
    assert html.count("of images alone") == 1
    assert "1 to 2 trainings of each" in html
    show_comparison(done)
    assert "images alone for what was trained once: b" in capsys.readouterr().out


def test_two_trainings_of_each_raise_no_warning(tmp_path: Path, discs: Path) -> None:
    html = render(summarise(tmp_path, discs, {A: [FAIR] * 2, B: [GOOD] * 2}), None)
    assert "One training" not in html
    assert "of images alone" not in html


def test_intervals_of_several_differences_are_called_joint(tmp_path: Path, discs: Path) -> None:
    assert "joint 95 % intervals" in render(summarise(tmp_path, discs, {v: [FAIR] * 2 for v in (A, B, C)}), None)


@pytest.mark.parametrize("numbers", [(2, 4), (2, 4, None)])
def test_the_page_forecasts_from_three_numbers_of_labels(
    tmp_path: Path, discs: Path, numbers: tuple[int | None, ...]
) -> None:
    variants = [Variant(f"{n or 'all'} images", "unet", labels=n) for n in numbers]
    scores = {v: [[0.5 + 0.1 * i + 0.01 * n for n in range(6)]] * 2 for i, v in enumerate(variants)}
    split = Split(train=tuple(f"train_{n}" for n in range(9)), val=("disc_7",), test=NAMES)
    done = summarise(tmp_path, discs, scores, split=split)
    assert done.curve is not None
    html = render(done, None)
    assert ("no forecast" in html) == (len(numbers) == 2)
    assert ("10 more annotated images" in html) == (len(numbers) == 3)
    assert (done.curve.gain is None) == (len(numbers) == 2)


def test_a_number_of_labels_whose_training_failed_is_not_in_the_curve(tmp_path: Path, discs: Path) -> None:
    variants = [Variant(f"{n} images", "unet", labels=n) for n in (2, 4, 6)]
    scores = {v: [[0.5 + 0.1 * i] * 6] * 2 for i, v in enumerate(variants)}
    done = summarise(tmp_path, discs, scores, faults={variants[2]: "out of memory"})
    assert done.curve is not None
    assert done.curve.most == 4
    assert "What more labels would buy" in render(done, None)


def test_a_variant_that_failed_shifts_no_colours(tmp_path: Path, discs: Path) -> None:
    done = summarise(tmp_path, discs, {A: [FAIR] * 2, B: [], C: [GOOD] * 2}, faults={B: "out of memory"})
    html = render(done, None)
    for section in ("costs", "differences", "images"):
        part = html.split(f'<section id="{section}"')[1].split("</section>")[0]
        assert COLOURS[2] in part, section
        assert (COLOURS[1] in part) == (section == "costs")  # its row of the table alone


def test_one_variant_alone_does_not_agree_with_others(tmp_path: Path, discs: Path) -> None:
    html = render(summarise(tmp_path, discs, {A: [FAIR] * 2, B: []}, faults={B: "out of memory"}), None)
    assert html.count("There is nothing to compare with yet.") == 2
    assert "All variants predict the same" not in html


def test_labels_of_two_networks_have_no_curve_and_it_is_said_why(
    tmp_path: Path, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variants = [Variant(f"{model}, {n} images", model, labels=n) for model in ("unet", "unet++") for n in (2, 4)]
    done = summarise(tmp_path, discs, {v: [FAIR] * 2 for v in variants})
    show_comparison(done)
    said = "no learning curve: it is of one network"
    assert said in capsys.readouterr().out
    assert said in render(done, None)
    (tmp_path / "losses").mkdir()
    assert summarise(tmp_path / "losses", discs, {v: [FAIR] for v in (A, B)}).no_curve is None
