"""Train: from a folder to a run folder with weights, scores and a report."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import Any

import torch

import unetkit
from unetkit.classes import read_classes, write_classes
from unetkit.dataset import Dataset, Split
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.patches import PatchSource
from unetkit.dataset.splits import make_folds
from unetkit.errors import RunError, UnetkitError, UsageError
from unetkit.files import write_json
from unetkit.losses import build_loss
from unetkit.models import build_model
from unetkit.pipeline.assess import evaluate
from unetkit.pipeline.prepare import Prepared, prepare
from unetkit.pipeline.validation import Validator
from unetkit.plan import Plan, read_plan, write_plan
from unetkit.training import Outcome, RunFolder, Stopped, World, fit
from unetkit.training.loop import Hooks

WRITING = 0.5
"""Seconds of the budget kept back for the last validation and for writing the weights."""


def train(
    data: str | PathLike[str],
    *,
    time: float | None = None,
    steps: int | None = None,
    out: str | PathLike[str] | None = None,
    plan: str | PathLike[str] | None = None,
    resume: bool = False,
    folds: int = 0,
    hooks: Hooks | None = None,
    announce: Callable[[Prepared], None] | None = None,
    device: str = "auto",
    **options: Any,
) -> RunFolder:
    """Train on a folder of images and masks, evaluate on its test images, and write the report.

    Args:
        data: folder with images/ and masks/.
        time: budget in seconds, from opening the folder to the last step; 600 when nothing is stated.
        steps: optimiser steps instead of a time; the run can then be repeated bit for bit.
        out: run folder; runs/DATE-NAME when None.
        plan: a plan.yaml to train by instead of making one; that of a timed run repeats the run exactly.
        resume: go on with the run in `out`.
        folds: train this many models, each tested on another part of the data, and use them together; 0 trains one.
            The time is shared out among them.
        hooks: progress, messages, and the wish to stop.
        announce: called with what was found and planned, before training starts.
        device: "auto", "cpu", "cuda" or "cuda:1".
        **options: `model`, `seed`, `settings`, `allow_leakage`: see `prepare`.

    Returns:
        The run folder.

    Raises:
        UnetkitError: bad data, bad options; nothing that was there before is lost.
        Stopped: stopped by the user; `resume` goes on.

    Example:
        >>> train("DATA", time=300).path  # doctest: +SKIP
        PosixPath('runs/2026-01-31-DATA')
    """
    started = monotonic()
    run = RunFolder(out if out is not None else _free_name(Path(data)))
    if resume and not run.plan.is_file() and not (run.path / "folds.json").is_file():
        raise RunError("there is no run to resume", file=run.path, mend=f"train it first: unetkit train {data}")
    if not resume and run.path.exists() and any(run.path.iterdir()):
        raise UsageError("the run folder is not empty", found=run.path, mend="add --resume to go on, or name another --out")
    if folds:
        return _train_folds(data, run, folds, time, steps, resume, device, hooks, announce, options)
    hooks = hooks or Hooks()
    world = World.join(device)
    if world.leads and not resume:
        stated = read_plan(plan) if plan is not None else None
        if stated is not None:
            time, steps = None, stated.training.steps
        prepared = prepare(data, time=time, steps=steps, device=str(world.device), **options)
        if stated is not None:
            prepared = replace(prepared, plan=stated.with_settings(options.get("settings", ())))
        _write_beginning(run, prepared, data, world)
        if announce is not None:
            announce(prepared)
    world.agree(0)  # the others wait until the plan stands in the folder
    _fit(open_dataset(data, classes=read_classes(run.classes)), run, world, started, hooks)
    if world.leads:
        evaluate(run.path, data, device=str(world.device))
        run.set_status("done")
    world.leave()
    return run


def _free_name(data: Path) -> Path:
    base = Path("runs") / f"{date.today():%Y-%m-%d}-{data.resolve().name}"
    names = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())


def _write_beginning(run: RunFolder, prepared: Prepared, data: str | PathLike[str], world: World) -> None:
    write_plan(run.plan, prepared.plan)
    write_classes(run.classes, prepared.dataset.classes)
    write_json(run.split, prepared.split.model_dump(mode="json"))
    write_json(
        run.path / "data.json",
        {
            "data": str(Path(data).resolve()),
            "facts": prepared.report.facts,
            "findings": [finding for finding in prepared.report.to_json()["findings"]],
            "fingerprint": prepared.fingerprint.model_dump(mode="json"),
            "leaks": prepared.leaks,
        },
    )
    write_json(run.path / "environment.json", environment(world))


def environment(world: World) -> dict[str, Any]:
    """What a result depends on besides the plan: versions, processor, threads, device."""
    return {
        "unetkit": unetkit.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else "cpu",
        "processes": world.size,
    }


def _fit(dataset: Dataset, run: RunFolder, world: World, started: float, hooks: Hooks) -> Outcome:
    plan = read_plan(run.plan)
    split = Split.model_validate(run.read_json("split.json"))
    _warn_of_other_threads(run, hooks)
    torch.manual_seed(plan.training.seed)
    model = build_model(
        plan.model.name,
        in_channels=plan.data.channels,
        num_classes=plan.data.num_classes,
        spatial_dims=plan.data.spatial_dims,
        deep_supervision=plan.training.deep_supervision,
        **plan.model.options,
    )
    training = plan.training
    loss = build_loss(
        training.loss,
        num_classes=plan.data.num_classes,
        class_weights=training.class_weights,
        **training.loss_options,
    )
    source = PatchSource(
        dataset, split.train, plan.normalization, foreground=training.foreground, seed=training.seed
    )
    validate = Validator(dataset, split.val, plan, loss, device=world.device)
    deadline = None
    if training.time is not None and not training.replans:
        saved = run.load_state()
        spent = 0.0 if saved is None else saved["outcome"]["seconds"] + saved["outcome"]["before"]
        began = started if saved is None else monotonic()
        deadline = began + training.time - spent - WRITING
    run.set_status("running")
    try:
        outcome = fit(
            model, plan, source, loss, validate, run, world=world, deadline=deadline, hooks=hooks, before=monotonic() - started
        )
    except (UnetkitError, Stopped) as error:
        run.set_status("stopped" if isinstance(error, Stopped) else "failed", reason=str(error))
        raise
    if world.leads and outcome.replans:
        write_plan(run.plan, _with_replans(plan, outcome))
    return outcome


def _with_replans(plan: Plan, outcome: Outcome) -> Plan:
    training = plan.training.model_copy(update={"replans": tuple(outcome.replans)})
    reasons = {**plan.reasons, "training.replans": "how the steps were corrected to hold the time; repeats the run exactly"}
    return plan.model_copy(update={"training": training, "reasons": reasons})


def _warn_of_other_threads(run: RunFolder, hooks: Hooks) -> None:
    recorded = (run.read_json("environment.json") or {}).get("threads")
    if recorded not in (None, torch.get_num_threads()):
        hooks.say(
            f"this run began with {recorded} threads and goes on with {torch.get_num_threads()}: "
            "the weights will not be the same bit for bit"
        )


def _train_folds(
    data: str | PathLike[str],
    run: RunFolder,
    folds: int,
    time: float | None,
    steps: int | None,
    resume: bool,
    device: str,
    hooks: Hooks | None,
    announce: Callable[[Prepared], None] | None,
    options: dict[str, Any],
) -> RunFolder:
    raise NotImplementedError
