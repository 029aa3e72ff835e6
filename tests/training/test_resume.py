"""A run that was stopped or killed ends with the weights of one that was not, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unetkit.errors import RunError
from unetkit.pipeline import Options, train
from unetkit.training import Hooks, Outcome, RunFolder, Stopped

SETTINGS = (
    "model.width=4",
    "model.depth=2",
    "model.dropout=0.1",
    "training.patch=[32, 32]",
    "training.validate_every=5",
    "training.ema=0.9",
    "training.precision=float32",
)
OPTIONS = Options(steps=24, settings=SETTINGS)


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


@pytest.fixture(scope="module")
def whole(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(discs, OPTIONS, out=tmp_path_factory.mktemp("runs") / "whole")


def test_the_same_seed_gives_the_same_weights(discs: Path, whole: RunFolder, tmp_path: Path) -> None:
    assert_same(whole, train(discs, OPTIONS, out=tmp_path / "again"))


@pytest.mark.parametrize("step", [1, 5, 13, 23])
def test_stopping_and_resuming_changes_nothing(discs: Path, whole: RunFolder, tmp_path: Path, step: int) -> None:
    seen: list[int] = []

    def progress(outcome: Outcome) -> None:
        seen.append(outcome.step)

    hooks = Hooks(progress=progress, stop=lambda: len(seen) >= step - 1)
    with pytest.raises(Stopped):
        train(discs, OPTIONS, out=tmp_path / "run", hooks=hooks)
    assert seen[-1] == step
    assert RunFolder(tmp_path / "run").read_json("STATUS.json")["state"] == "stopped"
    assert_same(whole, train(discs, OPTIONS, out=tmp_path / "run", resume=True))


@pytest.mark.parametrize("lines", [3, 9, 14])
def test_kill_9_at_any_moment_and_resuming_changes_nothing(
    discs: Path, whole: RunFolder, tmp_path: Path, lines: int
) -> None:
    out = tmp_path / "run"
    script = (
        "import sys\nfrom unetkit.pipeline import Options, train\nfrom unetkit.training import Hooks\n"
        "say = lambda outcome: print(outcome.step, flush=True)\n"
        f"options = Options(steps=24, settings={SETTINGS!r})\n"
        f"train({str(discs)!r}, options, out={str(out)!r}, hooks=Hooks(progress=say))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline(), "training ended before it was killed"
    time.sleep(0.01 * lines % 0.05)  # anywhere within a step, a validation or a save
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    run = RunFolder(out)
    assert run.read_json("STATUS.json")["state"] == "running"
    assert_same(whole, train(discs, OPTIONS, out=out, resume=True))


def test_a_damaged_state_is_one_clear_error(discs: Path, whole: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(Stopped):
        train(discs, OPTIONS, out=out, hooks=Hooks(stop=lambda: True))
    last = RunFolder(out).last
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"last\.pt: cannot be resumed from"):
        train(discs, OPTIONS, out=out, resume=True)


def test_resuming_nothing_is_an_error(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run to resume"):
        train(discs, OPTIONS, out=tmp_path / "none", resume=True)
