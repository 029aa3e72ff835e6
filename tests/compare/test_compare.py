"""A whole comparison on small images: cells, interruption, what is written, and the page."""

from __future__ import annotations

import csv
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import draw_discs
from unetkit.cli.main import app
from unetkit.compare import Watch, compare, write_page
from unetkit.compare.cells import MEASURED, CellFailed, Job, read_cells
from unetkit.compare.disputed import most_disputed
from unetkit.pipeline import Options, load_predictor
from unetkit.training import Stopped

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
        assert (row["model"], row["depth"], row["width"]) == ("unet", "1", "4")


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
    cell = next(c.path for c in read_cells(compared) if c.variant.settings == ("training.loss=ce",) and c.seed == 1)
    weights = (cell / "weights" / "best.safetensors").read_bytes()
    (cell / MEASURED).unlink()  # as if it had been stopped before it was measured
    compare(many_discs, ["unet"], vary=["training.loss=dice,ce"], seeds=2, options=OPTIONS, out=compared)
    assert (cell / MEASURED).is_file()
    assert (cell / "weights" / "best.safetensors").read_bytes() == weights


def test_variants_of_an_earlier_call_keep_their_rows_and_their_cells(
    compared: Path, many_discs: Path, tmp_path: Path
) -> None:
    """The losses of another model have the names that those of the first had: they are trained, not taken from it."""
    out = Path(shutil.copytree(compared, tmp_path / "out"))
    worked: set[str] = set()
    watch = Watch(progress=lambda cell, number, count, share: worked.add(cell.path.parent.name))
    later = compare(many_discs, ["lean-unet"], vary=["training.loss=dice,ce"], options=OPTIONS, out=out, watch=watch)
    assert len(worked) == 2
    assert all(name.startswith("lean-unet") for name in worked)
    models = [row.network["model"] for row in later.rows]
    assert models == ["lean-unet", "lean-unet", "unet", "unet"]
    assert [row.variant.name for row in later.rows] == [
        "lean-unet, training.loss=dice",
        "lean-unet, training.loss=ce",
        "unet, training.loss=ce",
        "unet, training.loss=dice",
    ]
    assert [len(row.scores) for row in later.rows] == [1, 1, 2, 2]
    assert all(row.versus for row in later.rows[1:])


def test_one_variant_that_fails_leaves_the_others_and_stays_failed(
    compared: Path, many_discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, tried, said = Path(shutil.copytree(compared, tmp_path / "out")), [], []

    def fail(job: Job, **named: object) -> None:
        tried.append((job.cell.variant.name, job.cell.seed))
        if "dice" in job.cell.variant.name:
            raise CellFailed("ValueError: too odd")

    monkeypatch.setattr("unetkit.compare.comparison.run_cell", fail)
    call = partial(compare, many_discs, ["unet"], vary=["training.loss=dice,ce"], options=OPTIONS, out=out)
    rows = call(seeds=4, watch=Watch(say=said.append)).rows
    dice, ce = "training.loss=dice", "training.loss=ce"
    assert tried == [(dice, 2), (ce, 2), (ce, 3)]  # its further seeds are not tried
    assert said == ["training.loss=dice cannot be compared: ValueError: too odd"]
    assert [row.fault for row in rows] == ["ValueError: too odd", None]
    assert [row.fault for row in call(seeds=1).rows] == ["ValueError: too odd", None]  # luck did not leave with it


def test_stopping_names_the_folder_to_go_on_with(
    many_discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(job: Job, **named: object) -> None:
        raise Stopped(job.cell.path)

    monkeypatch.setattr("unetkit.compare.comparison.run_cell", stop)
    with pytest.raises(Stopped) as stopped:
        compare(many_discs, vary=["training.loss=dice,ce"], options=OPTIONS, out=tmp_path / "out")
    assert str(stopped.value) == str(tmp_path / "out")


def test_the_page_stands_alone_and_says_what_may_be_said(compared: Path) -> None:
    html = (compared / "comparison.html").read_text()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", html)
    assert "training.loss=dice against training.loss=ce on discs" in html
    assert html.count("cells/unet_training.loss=") == 4  # links to the cells' reports
    assert html.count("unet, depth 1, width 4") == 2
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
