"""Cross-validation: as many models as folds, every labelled image tested once, all models used together."""

from __future__ import annotations

import os
from dataclasses import replace
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from unetkit.dataset.check import CheckReport, check
from unetkit.dataset.splits import Split, make_folds
from unetkit.errors import RunError, UnetkitError, UsageError
from unetkit.files import write_json
from unetkit.pipeline.assess import evaluate
from unetkit.pipeline.experiment import claim_folder, recording_end, train
from unetkit.pipeline.preparation import Options, require_independent, require_sound, seed_of, stated_plan
from unetkit.plan import Plan
from unetkit.plan.make import LEAST_TIME
from unetkit.training import Hooks, RunFolder

BEGINNING = "folds.json"
"""It is written first, and resuming keeps to it."""

STATED: dict[str, Any] = {
    "time": None, "steps": None, "model": None, "seed": None, "settings": (), "allow_leakage": False, "labels": None,
}  # fmt: skip
"""The options that all folds have in common, with the values that say nothing."""


def cross_validate(
    data: str | PathLike[str],
    folds: int = 5,
    options: Options | None = None,
    *,
    out: str | PathLike[str] | None = None,
    spread: bool = False,
    resume: bool = False,
    hooks: Hooks | None = None,
) -> RunFolder:
    """Train one model a fold and score each on the images it has not seen.

    The run folder holds fold_1/, fold_2/, … which are runs by themselves. `predict` and `evaluate` take the outer
    folder: the first averages the models, the second pools their test images.

    Args:
        data: folder with images/ and masks/; a split it states is not used.
        folds: how many.
        options: as for `train`; a time is shared out among the folds, once the data are checked. To resume, none are
            needed: folds that have not begun take those of the beginning.
        out: run folder; runs/DATE-NAME when None.
        spread: deal groups out over the folds, as `make_folds` says: to judge masks by, not models.
        resume: go on where a stopped cross-validation was; finished folds are not repeated.
        hooks: progress, messages, and the wish to stop.

    Returns:
        The outer run folder.

    Raises:
        UnetkitError: as `train`.
        UsageError: other data, folds or options than the run to be resumed has.

    Example:
        >>> cross_validate("DATA", 5, Options(time=3000)).path  # doctest: +SKIP
        PosixPath('runs/2026-01-31-DATA')
    """
    options, hooks = options or Options(), hooks or Hooks()
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("cross-validation runs in one process", mend="leave torchrun out, or leave --folds out")
    run = claim_folder(out, Path(data), resume=resume, proof=BEGINNING)
    report: CheckReport | None = None
    if resume:
        begun = _read_beginning(run)
        _require_same(begun, Path(data), folds, options, spread=spread)
    else:
        begun, report = _begin(Path(data), folds, options, spread=spread)
        write_json(run.path / BEGINNING, begun.model_dump(mode="json"))
    with recording_end(run):
        run.set_status("running", phase="training")
        for name, split in zip(begun.folds, begun.splits, strict=True):
            fold = RunFolder(run.path / name)
            if (fold.read_json("STATUS.json") or {}).get("state") == "done":
                continue
            if report is None and not fold.plan.is_file():
                report = check(data)
            hooks.say(f"{name.replace('_', ' ')} of {folds}: {len(split.train)} images train, {len(split.test)} test")
            own = replace(begun.options_of_a_fold(), split=split, device=options.device)
            try:
                train(data, own, out=fold.path, resume=fold.plan.is_file(), hooks=hooks, report=report)
            except UnetkitError:
                if not any(RunFolder(run.path / one).plan.is_file() for one in begun.folds):
                    (run.path / BEGINNING).unlink()  # refused before anything began: other options may be tried
                    run.status.unlink()
                raise
        run.set_status("running", phase="evaluation")
        evaluate(run.path, data, device=options.device)
        run.set_status("done")
    return run


class Beginning(BaseModel):
    """How a cross-validation was begun, as folds.json keeps it for resuming.

    Args:
        data: the dataset's folder.
        folds: names of the folds' folders.
        splits: of each fold.
        share: seconds of the time that each fold gets, what the check took being left out; None without a time.
        plan: the plan that the user stated, if any.
        spread: whether groups were dealt out over the folds.
        time, steps, model, seed, settings, allow_leakage, labels: as in `Options`; the time is for all folds together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    folds: tuple[str, ...]
    splits: tuple[Split, ...]
    share: float | None
    plan: Plan | None
    spread: bool = False
    time: float | None
    steps: int | None
    model: str | None
    seed: int | None
    settings: tuple[str, ...]
    allow_leakage: bool
    labels: int | None

    def options_of_a_fold(self) -> Options:
        """What `train` is told of each fold besides its split."""
        said = {name: getattr(self, name) for name in (*STATED, "plan")}
        return Options(**{**said, "time": self.share, "allow_leakage": self.allow_leakage or self.spread})


def _begin(data: Path, folds: int, options: Options, *, spread: bool) -> tuple[Beginning, CheckReport]:
    """The beginning of a cross-validation, once the options fit each other and the data, and no split leaks."""
    began = monotonic()
    seed, plan, time = seed_of(options), stated_plan(options), options.budget
    if time is not None and time < folds * LEAST_TIME:
        least = f"{folds * LEAST_TIME:g} s or more"
        raise UsageError(f"the time is too short for {folds} folds", found=f"{time:g} s", expected=least)
    report = check(data)
    allowed = options.allow_leakage or spread
    dataset = require_sound(report, data, allow_leakage=allowed)
    splits = make_folds(dataset, folds=folds, seed=seed, spread=spread)
    for split in splits:
        require_independent(dataset, split, allow_leakage=allowed)
    begun = Beginning(
        data=str(data.resolve()),
        folds=tuple(f"fold_{n}" for n in range(1, folds + 1)),
        splits=splits,
        share=None if time is None else max(LEAST_TIME, (time - (monotonic() - began)) / folds),
        plan=plan,
        spread=spread,
        **{**{name: getattr(options, name) for name in STATED}, "time": time},
    )
    return begun, report


def _read_beginning(run: RunFolder) -> Beginning:
    try:
        return Beginning.model_validate(run.read_json(BEGINNING))
    except ValidationError as error:
        first = error.errors()[0]
        raise RunError(
            "does not say how the cross-validation was begun",
            file=run.path / BEGINNING,
            found=f"{first['loc']}: {first['msg']}",
            mend="begin a new run under another --out",
        ) from error


def _require_same(begun: Beginning, data: Path, folds: int, options: Options, *, spread: bool) -> None:
    """Refuse to resume with other data or other choices: folds that have not begun would differ from the others."""
    if data.resolve() != Path(begun.data) and Path(begun.data).exists():
        raise UsageError("the run was begun on other data", found=data, expected=begun.data)
    if spread != begun.spread:
        kept = "spreads groups over its folds" if begun.spread else "keeps groups together"
        raise UsageError(f"the run that is to be resumed {kept}", mend="begin a new run under another --out")
    if folds != len(begun.folds):
        raise UsageError("the run has another number of folds", found=folds, expected=len(begun.folds))
    said = {name: getattr(options, name) for name in STATED}
    other = [name for name, value in said.items() if value != STATED[name] and value != getattr(begun, name)]
    if options.plan is not None and stated_plan(replace(options, **STATED)) != begun.plan:
        other.append("plan")
    if other:
        flags = {"settings": "set", "allow_leakage": "allow-leakage"}
        raise UsageError(
            f"--{flags.get(other[0], other[0])} differs from the run that is to be resumed",
            found=said.get(other[0]),
            mend="leave it out, or begin a new run under another --out",
        )
