"""Ctrl+C, at any moment: one line that says what is kept and what to type, and nothing is lost."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import draw_discs
from tests.forks import command_line, fork, wait_for

TINY = [
    "--set=model.width=4",
    "--set=model.depth=2",
    "--set=training.patch=[32, 32]",
    "--set=training.validate_every=2",
]
SOON = 30.0
"""Seconds, half of the wait that is interrupted: a busy machine is slow to end a process."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "tiny", size=32)


def interrupted(words: list[str], target: str, errors: Path, *, call: int = 1, number: int = signal.SIGINT) -> str:
    """What a command says last that got a signal while it waited in a call of a function."""
    process = fork(command_line, words, errors, target, call)
    wait_for(errors.with_suffix(".here").exists, process)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(SOON)
    said = errors.read_text()
    assert process.exitcode == 130, said
    assert "Traceback" not in said
    return said.splitlines()[-1]


def finished(words: list[str], errors: Path) -> str:
    process = fork(command_line, words, errors)
    process.join(200)
    assert process.exitcode == 0, errors.read_text()
    return errors.read_text()


@pytest.mark.parametrize(
    ("target", "call", "kept"),
    [
        ("unetkit.pipeline.preparation.check", 1, None),
        ("unetkit.pipeline.preparation.make_plan", 1, None),
        ("unetkit.pipeline.experiment.write_plan", 1, None),
        ("unetkit.pipeline.experiment.Validator", 1, "the plan is kept"),
        ("unetkit.pipeline.experiment.Validator.__call__", 2, "everything up to step 4 is kept"),
        ("unetkit.pipeline.assess.write_report", 1, "the training is done and kept, only its evaluation is not"),
    ],
)
def test_every_phase_of_a_training_ends_at_once_and_goes_on_by_what_is_said(
    tiny: Path, tmp_path: Path, target: str, call: int, kept: str | None
) -> None:
    out = tmp_path / "run"
    words = ["train", str(tiny), "--steps", "6", *TINY, "--out", str(out)]
    line = interrupted(words, target, tmp_path / "first.txt", call=call)
    if kept is None:
        assert line == f"stopped; nothing was begun. To begin again: {shlex.join(['unetkit', *words])}"
        assert not (out / "STATUS.json").exists()
    else:
        assert line == f"stopped; {kept}. To go on: {shlex.join(['unetkit', *words, '--resume'])}"
        assert json.loads((out / "STATUS.json").read_text())["state"] == "stopped"
    finished(shlex.split(line.partition(": ")[2])[1:], tmp_path / "second.txt")
    assert json.loads((out / "STATUS.json").read_text())["state"] == "done"
    assert not list(out.rglob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_step_at_hand_is_finished_and_kept(tiny: Path, tmp_path: Path, number: int) -> None:
    errors, words = tmp_path / "errors.txt", ["train", str(tiny), "--steps", "6", *TINY]
    words += ["--out", str(tmp_path / "run")]
    process = fork(command_line, words, errors, "unetkit.training.loop._step", 2, 0.5)
    wait_for(errors.with_suffix(".here").exists, process)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(SOON)
    assert process.exitcode == 130
    first, last = errors.read_text().splitlines()[-2:]
    assert first == "stopping after this step; once more stops at once"
    assert last == f"stopped; everything up to step 2 is kept. To go on: {shlex.join(['unetkit', *words, '--resume'])}"


def test_the_second_ctrl_c_does_not_wait_for_the_step(tiny: Path, tmp_path: Path) -> None:
    errors, words = tmp_path / "errors.txt", ["train", str(tiny), "--steps", "6", *TINY, "--out", str(tmp_path / "run")]
    process = fork(command_line, words, errors, "unetkit.training.loop._step", 4)
    wait_for(errors.with_suffix(".here").exists, process)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    wait_for(lambda: "stopping after this step" in errors.read_text(), process)
    time.sleep(0.1)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGINT)
    process.join(SOON)
    assert process.exitcode == 130
    assert "everything up to step 2 is kept. To go on: unetkit train" in errors.read_text().splitlines()[-1]


def test_a_cross_validation_goes_on_with_the_fold_at_hand(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["train", str(tiny), "--folds", "2", "--steps", "2", *TINY, "--out", str(out)]
    line = interrupted(words, "unetkit.pipeline.experiment.Validator", tmp_path / "first.txt", call=2)
    hint = shlex.join(["unetkit", *words, "--resume"])
    assert line == f"stopped; all is kept, with 1 of 2 folds trained. To go on: {hint}"
    assert json.loads((out / "STATUS.json").read_text())["state"] == "stopped"
    said = finished(shlex.split(hint)[1:], tmp_path / "second.txt")
    assert "fold 2 of 2" in said
    assert "fold 1 of 2" not in said


def test_other_commands_end_at_once_too(tiny: Path, tmp_path: Path) -> None:
    line = interrupted(["check", str(tiny)], "unetkit.dataset.check.check", tmp_path / "errors.txt")
    assert line == f"stopped; every file that stands is whole. To begin again: unetkit check {shlex.quote(str(tiny))}"
