"""A UNet++ pruned where models are used: the table of speed against score, prediction, and who cannot be pruned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from unetkit.cli import app
from unetkit.errors import UsageError
from unetkit.formats import read_image, read_mask
from unetkit.models import count_parameters
from unetkit.pipeline import Options, cross_validate, evaluate, load_predictor, pruning_table, train
from unetkit.plan import build_network, read_plan, write_plan
from unetkit.prediction import Predictor
from unetkit.training import RunFolder

PLAIN = Options(
    steps=2, model="unet", settings=("model.width=2", "model.depth=2", "training.patch=[32, 32]", "training.batch=1")
)
NESTED = replace(PLAIN, model="unet++", settings=(*PLAIN.settings, "training.deep_supervision=true"))


@pytest.fixture(scope="module")
def run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(discs, NESTED, out=tmp_path_factory.mktemp("runs") / "nested")


def unetkit(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def test_the_table_has_a_row_a_level_and_its_last_is_the_evaluation(run: RunFolder) -> None:
    report = run.report.read_bytes()
    rows = pruning_table(run.path)
    whole = load_predictor(run.path).models[0]
    assert [row.level for row in rows] == [1, 2]
    assert rows[0].parameters < rows[1].parameters == count_parameters(whole) - 2 * 3  # the head of level 1 is left out
    assert rows[0].multiply_adds < rows[1].multiply_adds
    assert all(row.pixels_per_second > 0 for row in rows)
    assert run.report.read_bytes() == report
    assert rows[1].dice == pytest.approx(evaluate(run.path).summary["mean"]["dice"])
    (other,) = pruning_table(run.path, split="train", levels=[1])
    assert other.dice["n"] != rows[0].dice["n"]


def test_multiply_adds_are_per_pixel(run: RunFolder) -> None:
    (row,) = pruning_table(run.path, levels=[1])
    # two stages, the up-convolution and one node, the head: widths 2 and 4, one channel, half the side below
    assert row.multiply_adds == 9 * (2 + 4) + 9 * (8 + 16) // 4 + 4 * 2 + 9 * (8 + 4) + 2 * 2


def test_prediction_takes_the_level_from_the_argument_or_the_plan(run: RunFolder, discs: Path) -> None:
    image = read_image(discs / "images" / "disc_0.png")
    pruned, whole = load_predictor(run.path, prune=1), load_predictor(run.path)
    assert (pruned.models[0].grid, whole.models[0].grid) == (2, 4)
    given = pruned.probabilities(image)
    assert not np.array_equal(given, whole.probabilities(image))
    plan = whole.plan.with_settings(["prediction.prune=1"])
    assert np.array_equal(given, Predictor(whole.models, plan).probabilities(image))
    assert np.array_equal(whole.probabilities(image), Predictor(whole.models, plan, prune=0).probabilities(image))
    tiled = load_predictor(run.path, prune=1, tile=16)
    np.testing.assert_allclose(tiled.probabilities(image), given, atol=1e-5)


def test_a_plan_that_cannot_be_pruned_is_refused_before_training(run: RunFolder, discs: Path, tmp_path: Path) -> None:
    for options, complaint in (
        (PLAIN, "this network cannot be pruned to level 1"),
        (replace(NESTED, settings=(*PLAIN.settings, "training.deep_supervision=false")), "without deep supervision"),
    ):
        with pytest.raises(UsageError, match=complaint):
            train(discs, replace(options, settings=(*options.settings, "prediction.prune=1")), out=tmp_path / "run")
    plan = read_plan(run.plan).with_settings(["prediction.prune=3"])
    with pytest.raises(UsageError, match="found 3; expected a whole number, 1 to 2"):
        build_network(plan)


def test_a_run_whose_plan_prunes_is_scored_pruned(discs: Path, tmp_path: Path) -> None:
    run = train(discs, replace(NESTED, settings=(*NESTED.settings, "prediction.prune=1")), out=tmp_path / "run")
    score = run.read_json("test/summary.json")["mean"]["dice"]["mean"]
    rows = pruning_table(run.path)
    assert [row.level for row in rows] == [1, 2]
    assert score == pytest.approx(rows[0].dice["mean"])
    write_plan(run.plan, read_plan(run.plan).with_settings(["prediction.prune=0"]))
    assert evaluate(run.path).summary["mean"]["dice"]["mean"] == pytest.approx(rows[1].dice["mean"])


def test_folds_are_pruned_too(discs: Path, tmp_path: Path) -> None:
    run = cross_validate(discs, 2, NESTED, out=tmp_path / "folds")
    rows = pruning_table(run.path)
    assert [row.dice["n"] for row in rows] == [8, 8]


def test_the_commands(run: RunFolder, discs: Path, tmp_path: Path) -> None:
    rows = json.loads(unetkit("evaluate", run.path, "--prune", "all", "--json").stdout)
    assert [row["level"] for row in rows] == [1, 2]
    assert set(rows[0]) == {"level", "parameters", "multiply_adds", "pixels_per_second", "dice"}
    shown = unetkit("evaluate", run.path, "--prune", "2,1").stdout.splitlines()
    assert shown[0].split()[:2] == ["poolings", "kept"]
    assert [line.split()[0] for line in shown[1:]] == ["2", "1"]
    for level in (0, 1):
        unetkit("predict", run.path, discs / "images", "--out", tmp_path / str(level), "--prune", level)
        image = read_image(discs / "images" / "disc_1.png")
        expected = load_predictor(run.path, prune=level).labels(image)
        assert np.array_equal(read_mask(tmp_path / str(level) / "disc_1.png").values == 255, expected == 1)


def test_the_commands_say_what_cannot_be(run: RunFolder, discs: Path, tmp_path: Path) -> None:
    plain = train(discs, PLAIN, out=tmp_path / "plain")
    for words in (["evaluate", plain.path, "--prune", "all"], ["predict", plain.path, discs / "images", "--prune", 1]):
        more = ["--out", tmp_path / "out"] if words[0] == "predict" else []
        assert "--model unet++" in unetkit(*words, *more, code=2).stderr
    assert "expected all, or such as 2 or 1,2" in unetkit("evaluate", run.path, "--prune", "most", code=2).stderr
    assert "1 to 2" in unetkit("evaluate", run.path, "--prune", "3", code=2).stderr
