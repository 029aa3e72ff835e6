"""Two processes with half the batch each train as one with the whole batch, when nothing mixes images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unetkit.errors import UsageError
from unetkit.pipeline import Options, train
from unetkit.training import RunFolder, World
from unetkit.training.parallel import choose_device

SETTINGS = (
    "model.width=4",
    "model.depth=2",
    "model.norm=group",
    "training.patch=[32, 32]",
    "training.batch=4",
    "training.validate_every=3",
    "training.precision=float32",
)


def test_torchrun_gives_the_loss_curve_of_one_process(discs: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    script = tmp_path / "script.py"
    script.write_text(
        "from unetkit.pipeline import Options, train\n"
        f"train({str(discs)!r}, Options(steps=12, device='cpu', settings={SETTINGS!r}), out={str(out)!r})\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    two = RunFolder(out)
    assert two.read_json("environment.json")["processes"] == 2
    one = train(discs, Options(steps=12, device="cpu", settings=SETTINGS), out=tmp_path / "one")
    for column in ("train_loss", "val_loss", "val_score"):
        curves = [[row[column] for row in run.read_history()] for run in (one, two)]
        assert len(curves[0]) == 4
        # a score counts pixels, and rounding may tip a few of them
        assert curves[1] == pytest.approx(curves[0], abs=0.02 if column == "val_score" else 0.0, rel=1e-3)


def test_a_batch_that_cannot_be_shared_says_what_to_type() -> None:
    world = World(torch.device("cpu"), rank=1, size=2)
    assert world.places(4) == [2, 3]
    with pytest.raises(UsageError, match=r"--set training\.batch=4"):
        world.places(3)


@pytest.mark.parametrize("name", ["gpu", "tpu", "cuda:99", "meta"])
def test_unknown_or_absent_devices_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        choose_device(name)
