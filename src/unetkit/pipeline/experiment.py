"""Train: from a folder to a run folder with weights, scores and a report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import Any

import torch

import unetkit
from unetkit.classes import read_classes, write_classes
from unetkit.dataset import Dataset
from unetkit.dataset.check import CheckReport
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.patches import PatchSource
from unetkit.dataset.splits import Split, stored_split
from unetkit.dataset.unlabelled import UnlabelledSource
from unetkit.errors import RunError, UsageError
from unetkit.files import is_temporary, sweep, write_json
from unetkit.losses import build_loss
from unetkit.methods import METHODS
from unetkit.pipeline.assess import evaluate
from unetkit.pipeline.balance import balance
from unetkit.pipeline.preparation import Options, Prepared, prepare
from unetkit.pipeline.tuning import tune
from unetkit.pipeline.validation import Validator
from unetkit.plan import Plan, build_network, read_plan, write_plan
from unetkit.separation import JointLoss
from unetkit.training import Hooks, Outcome, RunFolder, Stopped, World, fit, guard

BEGINNING = {"classes.yaml", "split.json", "data.json", "environment.json", "log.txt", "STATUS.json"}
"""A folder that holds only these was left by a run that was killed before its plan stood: nothing is lost."""

WRITING = 0.5
"""Seconds of the budget kept back for the last validation and for writing the weights."""


def train(
    data: str | PathLike[str],
    options: Options | None = None,
    *,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    hooks: Hooks | None = None,
    report: CheckReport | None = None,
) -> RunFolder:
    """Train on a folder of images and masks, evaluate on its test images, and write the report.

    Args:
        data: folder with images/ and masks/.
        options: time or steps, model, device, seed, …; the time counts from opening the folder to the last step.
        out: run folder; runs/DATE-NAME when None.
        resume: go on with the run in `out`.
        hooks: progress, messages, and the wish to stop.
        report: what the check of these data has found; None checks them.

    Returns:
        The run folder.

    Raises:
        UnetkitError: bad data, bad options; nothing that was there before is lost.
        Stopped: stopped by the user, at any moment; `resume` goes on, and a run that was trained is only evaluated.

    Example:
        >>> train("DATA", Options(time=300)).path  # doctest: +SKIP
        PosixPath('runs/2026-01-31-DATA')
    """
    started = monotonic()
    options, hooks = options or Options(), hooks or Hooks()
    world = World.join(options.device)
    try:
        run = _own_folder(out, Path(data), world, resume=resume)
        hooks = _logged(hooks, run) if world.leads else replace(hooks, say=lambda line: None)
        if resume:
            _require_same(run, data, options)
        with recording_end(run, leads=world.leads):
            if world.leads and not resume:
                prepared = prepare(data, replace(options, device=str(world.device)), report=report)
                _write_beginning(run, prepared, data, world)
                hooks.planned(prepared)
            if not world.agree(resume and run.trained):  # the others wait until the plan stands in the folder
                _fit(open_dataset(data, classes=read_classes(run.classes)), run, world, started, hooks)
            if world.leads:
                run.set_status("running", phase="evaluation")
                evaluate(run.path, data, device=str(world.device))
                run.set_status("done", **({"kept": run.verdict} if run.verdict else {}))
    finally:
        world.leave()
    return run


@contextmanager
def recording_end(run: RunFolder, *, leads: bool = True) -> Iterator[None]:
    """Write in STATUS.json why a run did not come to its end: stopped by the user, or failed.

    Args:
        run: the run; nothing is written where it has not begun.
        leads: whether this process writes.

    Raises:
        Stopped: in place of a KeyboardInterrupt.
    """

    def write(state: str, **more: str) -> None:
        if leads and run.begun:
            run.set_status(state, phase="evaluation" if run.trained else "training", **more)

    try:
        yield
    except (KeyboardInterrupt, Stopped):
        write("stopped")
        raise Stopped(run.path) from None
    except Exception as error:
        write("failed", reason=str(error))
        raise


def _own_folder(out: str | PathLike[str] | None, data: Path, world: World, *, resume: bool) -> RunFolder:
    """The run folder: the leading process claims it, the others take its word."""
    if world.size > 1 and out is None:
        raise UsageError("several processes need a run folder they agree on", mend="name it with --out RUN")
    return claim_folder(out, data, resume=resume) if world.leads else RunFolder(str(out))


def _logged(hooks: Hooks, run: RunFolder) -> Hooks:
    """The hooks, with every line for the user also in the run's log."""

    def say(line: str) -> None:
        hooks.say(line)
        run.say(line)

    return replace(hooks, say=say)


def claim_folder(out: str | PathLike[str] | None, data: Path, *, resume: bool, proof: str = "plan.yaml") -> RunFolder:
    """The run folder to write to; `proof` is the file that a run to be resumed holds.

    Raises:
        UsageError: it holds something already, and resuming was not asked for.
        RunError: there is nothing to resume.
    """
    if resume and out is None:
        raise UsageError("which run is to be resumed?", mend="--out RUN --resume")
    path = Path(out) if out is not None else free_name(data)
    if resume and not (path / proof).is_file():
        raise RunError("there is no run to resume", file=path, mend=f"unetkit train {data} --out {path}")
    if path.exists() and not path.is_dir():
        raise UsageError("the run folder is a file", found=path, mend="name another --out")
    begun = path.is_dir() and {entry.name for entry in path.iterdir() if not is_temporary(entry)}
    if not resume and begun and not begun <= BEGINNING:
        raise UsageError(
            "the run folder is not empty", found=path, mend="--resume goes on with it, or name another --out"
        )
    sweep(path)
    return RunFolder(path)


def free_name(data: Path, suffix: str = "") -> Path:
    """The folder below runs/ that work on `data` gets when the user names none."""
    base = Path("runs") / f"{date.today():%Y-%m-%d}-{data.resolve().name}{suffix}"
    names = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())


def _write_beginning(run: RunFolder, prepared: Prepared, data: str | PathLike[str], world: World) -> None:
    write_classes(run.classes, prepared.dataset.classes)
    write_json(run.split, prepared.split.model_dump(mode="json"))
    write_json(
        run.path / "data.json",
        {
            "data": str(Path(data).resolve()),
            "facts": prepared.report.facts,
            "findings": prepared.report.to_json()["findings"],
            "fingerprint": prepared.fingerprint.model_dump(mode="json"),
            "leaks": prepared.leaks,
        },
    )
    write_json(run.path / "environment.json", environment(world))
    write_plan(run.plan, prepared.plan)  # last: it is the proof that the run can be resumed


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
    split = stored_split(run.split)
    _warn_of_other_threads(run, hooks)
    torch.manual_seed(plan.training.seed)
    model = build_network(plan)
    training = plan.training
    loss = build_loss(
        training.loss,
        num_classes=plan.data.num_classes,
        class_weights=training.class_weights,
        **training.loss_options,
    )
    joint = JointLoss(loss, plan.separator, plan.data.num_classes, plan.objects.weight) if plan.separates else loss
    source = PatchSource(
        dataset,
        split.train,
        plan.normalization,
        foreground=training.foreground,
        seed=training.seed,
        objects=plan.separates,
        seeds=plan.seeds,
        histograms=METHODS[training.method].matches,
    )
    unlabelled = _unlabelled_source(dataset, run, plan, split)
    names = split.val if world.leads else ()
    validate = Validator(dataset, names, plan, loss, device=world.device)
    if unlabelled is not None and METHODS[training.method].matches and training.guard and world.leads:
        _disguise(validate, unlabelled, hooks)
    deadline = None
    if training.time is not None and not training.replans:
        saved = run.load_state()
        begun = started if saved is None else monotonic() - saved["outcome"]["seconds"]
        deadline = begun + training.time - WRITING
    if world.leads:
        run.set_status("running", phase="training")
        also = f" and {len(split.unlabelled)} unlabelled ones ({training.method})" if unlabelled else ""
        hooks.say(f"training {plan.model.name} on {len(split.train)} images{also}, {len(split.val)} choose the weights")
    spent = monotonic() - started
    outcome = fit(
        model,
        plan,
        source,
        joint,
        validate,
        run,
        world=world,
        unlabelled=unlabelled,
        deadline=deadline,
        spent=spent,
        hooks=hooks,
    )
    if world.leads:
        _conclude(run, plan, split, outcome, hooks)
        if deadline is not None:
            write_plan(run.plan, _with_replans(plan, outcome))
        if plan.separates:
            tune(run, dataset, split.val, hooks.say)
        elif training.balance:
            balance(run, dataset, validate, hooks.say)
    return outcome


def _unlabelled_source(dataset: Dataset, run: RunFolder, plan: Plan, split: Split) -> UnlabelledSource | None:
    """Where unlabelled patches come from, if the method of training needs such."""
    if not METHODS[plan.training.method].needs_unlabelled:
        return None
    facts = (run.read_json("data.json") or {}).get("fingerprint", {})
    unlike = [name for name in facts.get("unlike", ()) if name in split.unlabelled]
    return UnlabelledSource(dataset, split.unlabelled, plan.normalization, seed=plan.training.seed, unlike=unlike)


def _disguise(validate: Validator, unlabelled: UnlabelledSource, hooks: Hooks) -> None:
    """Let the guard see what matching histograms is for, where unlabelled images look unlike all that train."""
    unlike, count = unlabelled.unlike, len(unlabelled.names)
    if unlike:
        validate.disguise(unlike, unlabelled.histogram, len(unlike) / count)
        also = "labelled patches take on their histograms, and the guard shows validation images so, too"
        hooks.say(f"{len(unlike)} of {count} unlabelled images look unlike all that train: {also}")


def _conclude(run: RunFolder, plan: Plan, split: Split, outcome: Outcome, hooks: Hooks) -> None:
    """Say what the training came to and, of a guarded one, write down which weights were kept."""
    found = f"best score {outcome.best_score:.3f} at step {outcome.best_step} of {outcome.step}"
    hooks.say(f"{found}; {outcome.seconds:.0f} s in all")
    if said := guard.verdict(outcome, plan.training):
        hooks.say(said)
        write_json(run.guard, guard.report(outcome, plan.training, len(split.unlabelled)))


def _with_replans(plan: Plan, outcome: Outcome) -> Plan:
    # also without a correction: a stated total keeps a repetition from looking at the clock
    replans = tuple(outcome.replans) or ((0, outcome.total),)
    training = plan.training.model_copy(update={"replans": replans})
    reasons = {
        **plan.reasons,
        "training.replans": "how the steps were corrected to hold the time; repeats the run exactly",
    }
    return plan.model_copy(update={"training": training, "reasons": reasons})


def _require_same(run: RunFolder, data: str | PathLike[str], options: Options) -> None:
    """Refuse to resume with other data or other choices: they would be ignored without a word."""
    home = (run.read_json("data.json") or {}).get("data")
    if home is not None and Path(data).resolve() != Path(home) and Path(home).exists():
        raise UsageError("the run was begun on other data", found=data, expected=home)
    plan = read_plan(run.plan)
    stated = {
        "time": (options.time, plan.training.time),
        "steps": (options.steps, plan.training.steps),
        "model": (options.model, plan.model.name),
        "seed": (options.seed, plan.training.seed),
        "set": (plan.with_settings(options.settings, reason="").rows_of_values(), plan.rows_of_values()),
    }
    for name, (wanted, has) in stated.items():
        if wanted is not None and wanted != has and not (name == "set" and not options.settings):
            raise UsageError(
                f"--{name} differs from the run that is to be resumed",
                mend="leave it out, or begin a new run under another --out",
            )


def _warn_of_other_threads(run: RunFolder, hooks: Hooks) -> None:
    recorded = (run.read_json("environment.json") or {}).get("threads")
    if recorded not in (None, torch.get_num_threads()):
        hooks.say(
            f"this run began with {recorded} threads and goes on with {torch.get_num_threads()}: "
            "the weights will not be the same bit for bit"
        )
