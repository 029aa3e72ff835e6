"""A run that was stopped or killed, at any moment, ends with the weights of one that was not, bit for bit."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import draw_discs
from tests.forks import fork, kill_at
from unetkit.errors import RunError, UsageError
from unetkit.pipeline import Options, cross_validate, experiment, train
from unetkit.pipeline.validation import Validator
from unetkit.training import Hooks, Look, Outcome, RunFolder, Stopped, loop

SETTINGS = (
    "model.width=4",
    "model.depth=2",
    "model.dropout=0.1",
    "training.patch=[32, 32]",
    "training.validate_every=5",
    "training.ema=0.9",
    "training.precision=float32",
)
OPTIONS = Options(steps=12, settings=SETTINGS)
FOLDS = Options(steps=6, settings=SETTINGS)


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    state = run.load_state()
    assert state is not None
    return {**{f"last.{k}": v for k, v in state["model"].items()}, **load_file(run.best)}


def assert_same(a: RunFolder, b: RunFolder) -> None:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    for column in ("step", "train_loss", "val_loss", "val_score", "learning_rate"):
        assert [row[column] for row in a.read_history()] == [row[column] for row in b.read_history()]


def status(run: RunFolder) -> tuple[str, str | None]:
    values = run.read_json("STATUS.json")
    return values["state"], values.get("phase")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "tiny", size=32)


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(tiny, OPTIONS, out=tmp_path_factory.mktemp("runs") / "whole")


def test_the_same_seed_gives_the_same_weights(tiny: Path, whole: RunFolder, tmp_path: Path) -> None:
    assert_same(whole, train(tiny, OPTIONS, out=tmp_path / "again"))


@pytest.mark.parametrize("step", [1, 5, 8, 12])
def test_stopping_and_resuming_changes_nothing(tiny: Path, whole: RunFolder, tmp_path: Path, step: int) -> None:
    seen: list[int] = []

    def progress(outcome: Outcome) -> None:
        seen.append(outcome.step)

    hooks = Hooks(progress=progress, stop=lambda: len(seen) >= step - 1)
    with pytest.raises(Stopped):
        train(tiny, OPTIONS, out=tmp_path / "run", hooks=hooks)
    assert seen[-1] == step
    run = RunFolder(tmp_path / "run")
    assert status(run) == ("stopped", "training")
    assert run.kept() == f"everything up to step {step} is kept"
    assert_same(whole, train(tiny, OPTIONS, out=run.path, resume=True))


def die(data: Path, out: Path, folds: int, target: str, call: int, half: bool) -> None:
    kill_at(target, call, half=half)
    if folds:
        cross_validate(data, folds, FOLDS, out=out)
    else:
        train(data, OPTIONS, out=out)


def killed(data: Path, out: Path, target: str, call: int = 1, *, half: bool = False, folds: int = 0) -> RunFolder:
    """The folder of a run that was killed with signal 9 at a call of a function."""
    process = fork(die, data, out, folds, target, call, half)
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    return RunFolder(out)


@pytest.mark.parametrize(
    ("target", "call"),
    [
        ("unetkit.pipeline.experiment.write_classes", 1),  # before there is anything
        ("unetkit.pipeline.experiment.write_json", 1),  # before split.json
        ("unetkit.pipeline.experiment.write_json", 2),  # after it
        ("unetkit.files.os.fsync", 5),  # plan.yaml still has its temporary name
    ],
)
def test_killed_before_the_plan_stands_the_same_command_begins_again(
    tiny: Path, whole: RunFolder, tmp_path: Path, target: str, call: int
) -> None:
    run = killed(tiny, tmp_path / "run", target, call)
    assert not run.begun
    with pytest.raises(RunError, match="no run to resume"):
        train(tiny, OPTIONS, out=run.path, resume=True)
    assert_same(whole, train(tiny, OPTIONS, out=run.path))
    assert not list(run.path.rglob(".*"))


@pytest.mark.parametrize(
    ("target", "call", "half", "kept"),
    [
        ("unetkit.pipeline.experiment.read_plan", 1, False, "the plan is kept"),
        ("unetkit.training.loop._step", 4, False, "the plan is kept"),
        ("unetkit.training.run.save_file", 1, True, "the plan is kept"),
        ("unetkit.training.run.RunFolder.save_state", 1, False, "the plan is kept"),  # the best weights are newer
        ("unetkit.training.run.torch.save", 2, True, "everything up to step 5 is kept"),
        ("unetkit.training.loop._step", 9, False, "everything up to step 5 is kept"),
        ("unetkit.training.loop._validate", 3, False, "everything up to step 10 is kept"),
    ],
)
def test_killed_in_training_it_goes_on(
    tiny: Path, whole: RunFolder, tmp_path: Path, target: str, call: int, half: bool, kept: str
) -> None:
    run = killed(tiny, tmp_path / "run", target, call, half=half)
    assert run.kept() == kept
    with pytest.raises(UsageError, match="--resume"):
        train(tiny, OPTIONS, out=run.path)
    assert_same(whole, train(tiny, OPTIONS, out=run.path, resume=True))
    assert status(run) == ("done", None)
    assert not list(run.path.rglob(".*"))


@pytest.mark.parametrize("target", ["unetkit.pipeline.experiment.evaluate", "unetkit.pipeline.assess.write_report"])
def test_killed_after_the_last_step_it_is_only_evaluated(
    tiny: Path, whole: RunFolder, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = killed(tiny, tmp_path / "run", target)
    assert status(run) == ("running", "evaluation")
    monkeypatch.setattr(experiment, "_fit", None)
    assert_same(whole, train(tiny, OPTIONS, out=run.path, resume=True))
    assert run.report.is_file()


def test_killed_within_a_fold_it_goes_on_there(tiny: Path, tmp_path: Path) -> None:
    uncut = cross_validate(tiny, 2, FOLDS, out=tmp_path / "uncut")
    run = killed(tiny, tmp_path / "run", "unetkit.training.loop._step", 12, folds=2)
    assert run.kept() == "all is kept, with 1 of 2 folds trained"
    assert status(run) == ("running", "training")
    cross_validate(tiny, 2, FOLDS, out=run.path, resume=True)
    assert status(run) == ("done", None)
    for fold in ("fold_1", "fold_2"):
        assert_same(RunFolder(uncut.path / fold), RunFolder(run.path / fold))
    assert run.read_json("test/summary.json") == uncut.read_json("test/summary.json")


@pytest.mark.parametrize(("patience", "last"), [(0, 12), (1, 10)])
def test_a_run_that_has_ended_makes_no_further_step(
    tiny: Path, tmp_path: Path, patience: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    options = Options(steps=12, settings=(*SETTINGS, f"training.patience={patience}"))
    run = RunFolder(tmp_path / "run")
    monkeypatch.setattr(Validator, "__call__", lambda self, model: Look(1.0, 0.5))  # never better
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "evaluate", interrupted)
        with pytest.raises(Stopped):
            train(tiny, options, out=run.path)
    assert status(run) == ("stopped", "evaluation")
    run.status.unlink()  # the state knows by itself
    before = run.last.read_bytes()
    monkeypatch.setattr(loop, "_step", None)
    train(tiny, options, out=run.path, resume=True)
    assert run.last.read_bytes() == before
    state = run.load_state()
    assert state is not None
    assert state["step"] == last
    assert status(run) == ("done", None)


def test_ctrl_c_in_a_validation_repeats_only_that(
    tiny: Path, whole: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = Validator.__call__
    made: list[int] = []

    def interrupted(self: Validator, model: Any) -> Look:
        made.append(1)
        if len(made) == 2:
            raise KeyboardInterrupt
        return validate(self, model)

    monkeypatch.setattr(Validator, "__call__", interrupted)
    with pytest.raises(Stopped):
        train(tiny, OPTIONS, out=tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    assert run.kept() == "everything up to step 10 is kept"
    assert [row["step"] for row in run.read_history()] == [5]
    assert_same(whole, train(tiny, OPTIONS, out=run.path, resume=True))
    assert len(made) == 4


def test_a_failure_in_the_evaluation_is_told_and_mended_by_resuming(
    tiny: Path, whole: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any, **named: Any) -> None:
        raise RunError("the disk is full")

    run = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "evaluate", failing)
        with pytest.raises(RunError):
            train(tiny, OPTIONS, out=run.path)
    assert run.read_json("STATUS.json")["reason"] == "the disk is full"
    assert status(run) == ("failed", "evaluation")
    assert_same(whole, train(tiny, OPTIONS, out=run.path, resume=True))


def test_a_damaged_state_is_one_clear_error(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(Stopped):
        train(tiny, OPTIONS, out=out, hooks=Hooks(stop=lambda: True))
    last = RunFolder(out).last
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"last\.pt: cannot be resumed from"):
        train(tiny, OPTIONS, out=out, resume=True)


def test_resuming_nothing_is_an_error(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run to resume"):
        train(tiny, OPTIONS, out=tmp_path / "none", resume=True)
