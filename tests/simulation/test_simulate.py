"""A whole simulation on small images: what is hidden, what is shared, what is kept, what comes out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import draw_discs
from unetkit.classes import IGNORE
from unetkit.cli import app
from unetkit.cli.values import seconds
from unetkit.dataset import open_dataset
from unetkit.errors import DatasetError, UsageError
from unetkit.formats import write_mask
from unetkit.pipeline import Options
from unetkit.simulation import Kind, Simulation, Watch, parse_budgets, simulate
from unetkit.training import Stopped

SMALL = ("model.width=4", "model.depth=1", "training.patch=[32, 32]")
OPTIONS = Options(steps=4, model="unet", settings=SMALL)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "discs", images=9)


def simulated(data: Path, out: Path, *, budgets: str = "1,2", watch: Watch | None = None, **more: object) -> Simulation:
    return simulate(
        data,
        budgets=parse_budgets(budgets, seconds),
        options=OPTIONS,
        out=out,
        watch=watch,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    """Two strategies and two kinds of labels, one seed."""
    kinds = (Kind("dense"), Kind("scribbles", 0.1))
    return simulated(
        data, tmp_path_factory.mktemp("out") / "out", strategies=("random", "entropy"), kinds=kinds, seeds=1
    )


def test_only_what_was_labelled_has_labels(done: Simulation, data: Path) -> None:
    split = json.loads((done.path / "simulation.json").read_text())["split"]
    truth = open_dataset(data)
    for cell in (done.path / "cells").iterdir():
        said = json.loads((cell / "cell.json").read_text())
        seen = open_dataset(cell / "data")
        shown = {sample.name for sample in seen.labelled}
        own = {place[0] for place in said["places"]}
        assert shown == own | set(split["val"]) | set(split["test"])
        assert own <= set(split["train"])
        assert len(seen.samples) == 9, "the others stay, unlabelled"
        for name in own:
            labels = seen.read_labels(seen.sample(name)).labels
            known = labels != IGNORE
            assert known.all() == (said["labels"] == "dense")
            assert (labels[known] == truth.read_labels(truth.sample(name)).labels[known]).all()


def test_the_first_round_is_shared_and_the_network_the_same(done: Simulation) -> None:
    of = {(row.strategy, row.labels, row.budget): row for row in done.rows}
    assert len(of) == 8
    for kind in ("dense", "scribbles:0.1"):
        assert np.array_equal(of["random", kind, "1"].scores, of["entropy", kind, "1"].scores)
    cells = list((done.path / "cells").iterdir())
    assert 4 <= len(cells) <= 6, "two kinds, one shared first round each, one or two second rounds"
    assert len({(cell / "run" / "plan.yaml").read_text().split("training:")[0] for cell in cells}) <= 2


def test_scribbles_cost_less_and_rows_say_what_was_done(done: Simulation) -> None:
    of = {(row.strategy, row.labels, row.budget): row for row in done.rows}
    assert of["random", "scribbles:0.1", "2"].seconds < of["random", "dense", "2"].seconds
    assert of["random", "dense", "1"].places == 1
    assert of["random", "dense", "2"].seconds > of["random", "dense", "1"].seconds
    assert of["random", "dense", "1"].versus is None
    other = of["random", "scribbles:0.1", "1"].versus
    assert other is not None
    assert other.verdict in ("unknown", "not shown"), "one seed cannot tell luck from gain"


def test_table_and_chart_are_there(done: Simulation) -> None:
    with (done.path / "simulate.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    for row in rows:
        assert (done.path / row["cell"] / "run" / "report.html").is_file()
        (own,) = (one for one in done.rows if [one.strategy, one.labels, one.budget] == [
            row["strategy"], row["labels"], row["budget"]])  # fmt: skip
        assert float(row["dice"]) == pytest.approx(own.scores.mean(), abs=1e-4)
    ElementTree.parse(done.path / "simulation.svg")


def test_what_is_finished_is_not_repeated(done: Simulation, data: Path) -> None:
    said: list[str] = []
    again = simulated(
        data, done.path, strategies=("random", "entropy"), kinds=(Kind("dense"),), seeds=1, watch=Watch(say=said.append)
    )
    assert said == []
    of = {(row.strategy, row.labels, row.budget): row for row in done.rows}
    for row in again.rows:
        assert row.scores.tolist() == of[row.strategy, row.labels, row.budget].scores.tolist()


def test_a_simulation_that_was_stopped_goes_on_to_the_same(data: Path, tmp_path: Path) -> None:
    whole = simulated(data, tmp_path / "whole", strategies=("entropy",), seeds=1)
    begun: list[float] = []
    with pytest.raises(Stopped):
        simulated(
            data,
            tmp_path / "torn",
            strategies=("entropy",),
            seeds=1,
            watch=Watch(progress=lambda what, share: begun.append(share), stop=lambda: len(begun) == 6),
        )
    went_on = simulated(data, tmp_path / "torn", strategies=("entropy",), seeds=1)
    assert [row.scores.tolist() for row in went_on.rows] == [row.scores.tolist() for row in whole.rows]
    assert len(list((tmp_path / "torn" / "cells").iterdir())) == 2


def test_where_all_is_labelled_no_further_round_is_made(data: Path, tmp_path: Path) -> None:
    found = simulated(data, tmp_path / "out", budgets="4,100,all", strategies=("random",), seeds=1)
    places = [row.places for row in found.rows]
    assert places[0] == 4
    assert places == sorted(set(places))


def test_a_persons_time_is_a_budget(data: Path, tmp_path: Path) -> None:
    found = simulated(data, tmp_path / "out", budgets="60s", strategies=("random",), seeds=1, kinds=(Kind("points"),))
    (row,) = found.rows
    assert row.seconds >= 60 or row.places == 6


def test_another_budget_in_the_same_folder_is_refused(done: Simulation, data: Path) -> None:
    with pytest.raises(UsageError, match="another budgets"):
        simulated(data, done.path, budgets="1,3", seeds=1)


def test_masks_that_are_not_whole_cannot_be_hidden(tmp_path: Path) -> None:
    root = draw_discs(tmp_path / "data", images=6)
    labels = np.full((64, 64), 77, np.uint8)
    labels[:8, :8] = 0
    labels[2:5, 2:5] = 255
    write_mask(root / "masks" / "disc_0.png", labels)
    (root / "classes.yaml").write_text("ignore_values: [77]")
    with pytest.raises(DatasetError, match="whole masks"):
        simulated(root, tmp_path / "out", seeds=1)
    assert not (tmp_path / "out").exists()


def test_the_command_prints_and_writes(data: Path, tmp_path: Path) -> None:
    words = ["simulate", str(data), "--budget", "1", "--seeds", "1", "--steps", "2", "--out", str(tmp_path / "out")]
    words += ["--model", "unet", *(part for setting in SMALL for part in ("--set", setting))]
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["rows"][0]["strategy"] == "foreground-random"
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    assert "one seed cannot tell luck from gain" in shown.stdout
    assert CliRunner().invoke(app, [*words, "--labels", "lines"]).exit_code == 2
