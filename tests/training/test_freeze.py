"""A pretrained encoder is held still for a share of the run, and then let go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unetkit.errors import UsageError
from unetkit.models import build_model
from unetkit.pipeline import Options, train
from unetkit.plan import Plan, TrainingPlan
from unetkit.training import Hooks, Outcome, RunFolder, Stopped, World, loop
from unetkit.training.schedule import course

SETTINGS = (
    "training.patch=[32, 32]",
    "training.freeze=0.5",
    "training.ema=0.9",
    "training.validate_every=4",
    "training.precision=float32",
)
STEPS = 8  # four of them with the encoder held

Weights = dict[str, torch.Tensor]


def options(**changes: Any) -> Options:
    return Options(**{"steps": STEPS, "model": "unet-lite0", "device": "cpu", "settings": SETTINGS, **changes})


def saved(run: RunFolder, which: str = "model") -> tuple[Weights, Weights]:
    """The encoder's weights and statistics in last.pt, and all others."""
    state = run.load_state()
    assert state is not None
    of_encoder = {k: v for k, v in state[which].items() if k.startswith("encoder.levels.")}
    return of_encoder, {k: v for k, v in state[which].items() if k not in of_encoder}


def same(a: Weights, b: Weights) -> list[bool]:
    assert a.keys() == b.keys()
    return [torch.equal(a[key], b[key]) for key in a]


def stopped(discs: Path, out: Path, step: int, **changes: Any) -> RunFolder:
    seen: list[Outcome] = []
    with pytest.raises(Stopped):
        train(discs, options(**changes), out=out, hooks=Hooks(progress=seen.append, stop=lambda: len(seen) >= step - 1))
    return RunFolder(out)


@pytest.fixture(scope="module")
def whole(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(discs, options(), out=tmp_path_factory.mktemp("runs") / "whole")


def test_the_encoder_keeps_its_weights_while_it_is_held_and_learns_after(
    discs: Path, whole: RunFolder, tmp_path: Path
) -> None:
    fresh = build_model("unet-lite0", in_channels=1, num_classes=2).state_dict()
    begun = {key: value for key, value in fresh.items() if key.startswith("encoder.levels.")}
    held = stopped(discs, tmp_path / "held", 4)
    for which in ("model", "average"):
        assert all(same(saved(held, which)[0], begun))
    first = stopped(discs, tmp_path / "first", 1)
    others = same(saved(held)[1], saved(first)[1])
    assert sum(others) < 0.1 * len(others)
    after = same(saved(whole)[0], begun)
    assert sum(after) < 0.1 * len(after)


@pytest.mark.parametrize("step", [2, 4, 6])
def test_resuming_changes_nothing_whether_held_or_not(discs: Path, whole: RunFolder, tmp_path: Path, step: int) -> None:
    run = stopped(discs, tmp_path / "run", step)
    train(discs, options(), out=run.path, resume=True)
    for which in ("model", "average"):
        for part, expected in zip(saved(run, which), saved(whole, which), strict=True):
            assert all(same(part, expected))


def test_a_corrected_length_moves_the_thaw() -> None:
    model = build_model("unet-lite0", in_channels=1, num_classes=2)
    replans = ((2, 14),)  # from a quarter on, twelve steps are left
    training = TrainingPlan(freeze=0.5, steps=8, replans=replans, patch=(32, 32), validate_every=8)
    plan = SimpleNamespace(training=training)
    held = []
    for step in range(14):
        state = SimpleNamespace(model=model, plan=plan)
        now = course(step, training)
        held.append(bool(loop._hold_encoder(state, now, World(torch.device("cpu")))))  # type: ignore[arg-type]
    assert held == [True] * 6 + [False] * 8


@pytest.mark.parametrize("processes", [1, 2])
def test_one_process_spares_the_backward_pass_and_ddp_keeps_its_gradients(processes: int) -> None:
    model = build_model("unet-lite0", in_channels=1, num_classes=2)
    part = model.encoder.pretrained_part
    assert part is not None
    training = TrainingPlan(freeze=0.5, steps=2, patch=(32, 32), validate_every=2)
    for step in (0, 1):
        model.train()
        state = SimpleNamespace(model=model, plan=SimpleNamespace(training=training))
        world = World(torch.device("cpu"), size=processes)
        loop._hold_encoder(state, course(step, training), world)  # type: ignore[arg-type]
        wanted = step == 1 or processes == 2
        assert all(p.requires_grad == wanted for p in part.parameters())
        assert all(layer.training == (step == 1) for layer in part.modules())
        others = {id(p) for p in model.parameters()} - {id(p) for p in part.parameters()}
        assert all(p.requires_grad for p in model.parameters() if id(p) in others)
        assert model.encoder.fine.training  # type: ignore[union-attr]


SCRIPT = """
import json, os, pathlib, torch
from unetkit.models import build_model
from unetkit.pipeline import Options, train
from unetkit.training import loop

begun = build_model("unet-lite0", in_channels=1, num_classes=2).encoder.levels.state_dict()
seen, step = [], loop._step

def watched(state, *rest):
    step(state, *rest)
    levels = state.model.encoder.levels.state_dict()
    seen.append([all(torch.equal(levels[k], begun[k]) for k in begun), levels["0.0.0.weight"].double().sum().item()])

loop._step = watched
train({data!r}, Options(steps=4, model="unet-lite0", device="cpu", settings={settings!r}), out={out!r})
pathlib.Path({out!r}, "seen" + os.environ["RANK"]).write_text(json.dumps(seen))
"""


def test_several_processes_hold_it_and_let_it_go_together(discs: Path, tmp_path: Path) -> None:
    out, script = tmp_path / "run", tmp_path / "script.py"
    script.write_text(SCRIPT.format(data=str(discs), settings=SETTINGS, out=str(out)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((out / f"seen{rank}").read_text()) for rank in (0, 1))
    assert [held for held, _ in one] == [True, True, False, False]
    assert one == two  # also the sums of the weights, exactly: the gradients were shared


@pytest.mark.parametrize(
    "settings",
    [
        ("model.name=unet", "training.freeze=0.2"),
        ("model.name=unet-lite0", "model.pretrained=false", "training.freeze=0.2"),
        ("model.name=unet-timm", "training.freeze=0.2"),
        ("model.name=unet-lite0", "training.freeze=1.2"),
    ],
)
def test_only_a_pretrained_encoder_can_be_held(settings: tuple[str, ...]) -> None:
    plan = Plan.model_validate(
        {
            "data": {"channels": 1, "num_classes": 2},
            "model": {"name": "unet"},
            "training": {"steps": 10, "patch": [64, 64], "validate_every": 5},
            "augmentation": {},
        }
    )
    assert plan.with_settings(["model.name=unet-lite0", "training.freeze=0.2"]).training.freeze == 0.2
    with pytest.raises(UsageError, match=r"training\.freeze") as caught:
        plan.with_settings(settings)
    assert caught.value.found is not None
    assert caught.value.expected is not None
