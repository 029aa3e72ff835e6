"""A whole comparison on small images: cells, interruption, what is written, and the page."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import draw_discs
from unetkit.cli.main import app
from unetkit.compare import Watch, compare, write_page
from unetkit.compare.cells import MEASURED
from unetkit.compare.disputed import most_disputed
from unetkit.errors import UsageError
from unetkit.pipeline import Options, load_predictor

SMALL = ("model.width=4", "model.depth=1", "training.patch=[32, 32]")
OPTIONS = Options(steps=20, settings=SMALL)


@pytest.fixture(scope="module")
def many_discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "discs", images=14)


@pytest.fixture(scope="module")
def compared(many_discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two losses, two seeds, with the page."""
    out = tmp_path_factory.mktemp("compared") / "out"
    write_page(compare(many_discs, ["unet"], vary=["training.loss=dice,ce"], seeds=2, options=OPTIONS, out=out))
    return out


def test_every_cell_is_a_run_on_the_same_split(compared: Path) -> None:
    runs = sorted(path.parent for path in compared.rglob("plan.yaml"))
    assert len(runs) == 4
    assert len({(run / "split.json").read_text() for run in runs}) == 1
    assert all((run / "report.html").is_file() for run in runs)
    told = json.loads((compared / "comparison.json").read_text())
    assert [row["variant"] for row in told["rows"]] == ["training.loss=dice", "training.loss=ce"]
    assert [row["trainings"] for row in told["rows"]] == [2, 2]
    assert {len(row["cells"]) for row in told["rows"]} == {2}


def test_scores_are_those_of_the_runs(compared: Path) -> None:
    told = json.loads((compared / "comparison.json").read_text())
    for row in told["rows"]:
        means = [json.loads((compared / c / "test" / "summary.json").read_text())["mean"]["dice"] for c in row["cells"]]
        assert row["score"][0] == pytest.approx(np.mean([mean["mean"] for mean in means]), abs=1e-5)


def test_costs_are_measured(compared: Path) -> None:
    with (compared / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert 1000 < float(row["parameters"]) < 5000
        assert 1e8 < float(row["peak_memory_bytes"]) < 8e9
        assert float(row["predicted_mpx_per_s"]) > 0
        assert float(row["trained_mpx_per_s"]) > 0
        assert int(float(row["steps"])) == 20


def test_finished_cells_are_not_repeated_and_more_seeds_are_added(compared: Path, many_discs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in compared.rglob(MEASURED)}
    worked: list[str] = []
    watch = Watch(progress=lambda cell, number, count, share: worked.append(cell.path.name))
    again = compare(
        many_discs, ["unet"], vary=["training.loss=dice,ce"], seeds=2, options=OPTIONS, out=compared, watch=watch
    )
    assert worked == []
    assert {path: path.stat().st_mtime_ns for path in compared.rglob(MEASURED)} == before
    assert len(again.rows[0].scores) == 2


def test_a_cell_that_was_interrupted_goes_on(compared: Path, many_discs: Path) -> None:
    cell = compared / "cells" / "training.loss=ce" / "seed_1"
    weights = (cell / "weights" / "best.safetensors").read_bytes()
    (cell / MEASURED).unlink()  # as if it had been stopped before it was measured
    compare(many_discs, ["unet"], vary=["training.loss=dice,ce"], seeds=2, options=OPTIONS, out=compared)
    assert (cell / MEASURED).is_file()
    assert (cell / "weights" / "best.safetensors").read_bytes() == weights


@pytest.mark.parametrize("other", [{"steps": 21}, {"settings": ()}, {"steps": None, "time": 30.0}])
def test_another_budget_in_the_same_folder_is_refused(
    compared: Path, many_discs: Path, other: dict[str, object]
) -> None:
    options = Options(**{"steps": 20, "settings": SMALL, **other})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"another (steps|time|settings)"):
        compare(many_discs, ["unet"], vary=["training.loss=dice,ce"], options=options, out=compared)


def test_nothing_trains_when_one_variant_does_not_fit(many_discs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="depth"):
        compare(many_discs, vary=["model.depth=1,12"], options=OPTIONS, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(many_discs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        compare(many_discs, vary=["training.loss=dice,ce"], options=OPTIONS, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_page_stands_alone_and_says_what_may_be_said(compared: Path) -> None:
    html = (compared / "comparison.html").read_text()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", html)
    assert "training.loss=dice against training.loss=ce on discs" in html
    assert html.count("cells/training.loss=") == 4  # links to the cells' reports
    assert "One training each" not in html
    assert "NaN" not in html
    for link in re.findall(r'href="(cells/[^"]+)"', html):
        assert (compared / link).is_file()


def test_the_command_line_varies_labels_and_draws_the_curve(many_discs: Path, tmp_path: Path) -> None:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    arguments = ["compare", str(many_discs), "--labels", "2,4,all", "--steps", "10", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, *settings])
    assert done.exit_code == 0, done.output
    assert "learning curve: 10 more annotated images" in done.output
    assert "luck not ruled out" in done.output or "no difference shown" in done.output
    html = (tmp_path / "out" / "comparison.html").read_text()
    assert "One training each" in html
    assert "What more labels would buy" in html
    splits = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").rglob("split.json"))]
    assert sorted(len(split["train"]) for split in splits)[:2] == [2, 4]
    assert len({tuple(split["test"]) for split in splits}) == 1


def test_more_labels_than_there_are_is_refused(many_discs: Path, tmp_path: Path) -> None:
    arguments = ["compare", str(many_discs), "--labels", "2,400", "--steps", "10", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    assert "so many annotated images are not there" in done.output
    assert not (tmp_path / "out").exists()


def test_disputed_images_come_least_agreement_first(compared: Path, many_discs: Path) -> None:
    comparison = compare(many_discs, ["unet"], vary=["training.loss=dice,ce"], seeds=2, options=OPTIONS, out=compared)
    predictors = [load_predictor(row.cells[0].path) for row in comparison.rows]
    names = [sample.name for sample in comparison.dataset.labelled]
    few = most_disputed(comparison.dataset, names, predictors, most=3)
    every = most_disputed(comparison.dataset, names, predictors, most=100)
    assert [one.agreement for one in every] == sorted(one.agreement for one in every)
    assert [one.name for one in few] == [one.name for one in every[:3]]
    assert most_disputed(comparison.dataset, names, predictors[:1] * 2) == []
