"""Cross-validation: as many models as folds, every labelled image tested once, all models used together."""

from __future__ import annotations

import os
from dataclasses import replace
from os import PathLike
from pathlib import Path

from unetkit.dataset.folder import open_dataset
from unetkit.dataset.splits import Split, make_folds
from unetkit.errors import UsageError
from unetkit.files import read_json, write_json
from unetkit.pipeline.assess import evaluate
from unetkit.pipeline.experiment import claim_folder, recording_end, train
from unetkit.pipeline.preparation import Options, seed_of
from unetkit.training import Hooks, RunFolder


def cross_validate(
    data: str | PathLike[str],
    folds: int = 5,
    options: Options | None = None,
    *,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    hooks: Hooks | None = None,
) -> RunFolder:
    """Train one model a fold and score each on the images it has not seen.

    The run folder holds fold_1/, fold_2/, … which are runs by themselves. `predict` and `evaluate` take the outer
    folder: the first averages the models, the second pools their test images.

    Args:
        data: folder with images/ and masks/; a split it states is not used.
        folds: how many.
        options: as for `train`; a time is shared out among the folds.
        out: run folder; runs/DATE-NAME when None.
        resume: go on where a stopped cross-validation was; finished folds are not repeated.
        hooks: progress, messages, and the wish to stop.

    Returns:
        The outer run folder.

    Raises:
        UnetkitError: as `train`.
        UsageError: another number of folds than the run to be resumed has.

    Example:
        >>> cross_validate("DATA", 5, Options(time=3000)).path  # doctest: +SKIP
        PosixPath('runs/2026-01-31-DATA')
    """
    options, hooks = options or Options(), hooks or Hooks()
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("cross-validation runs in one process", mend="leave torchrun out, or leave --folds out")
    run = claim_folder(out, Path(data), resume=resume, proof="folds.json")
    names = [f"fold_{n}" for n in range(1, folds + 1)]
    if resume:
        stated = read_json(run.path / "folds.json")
        if stated["folds"] != names:
            raise UsageError("the run has another number of folds", found=folds, expected=len(stated["folds"]))
        splits = [Split.model_validate(split) for split in stated["splits"]]
    else:
        splits = list(make_folds(open_dataset(data), folds=folds, seed=seed_of(options)))
        write_json(run.path / "folds.json", {"folds": names, "splits": [s.model_dump(mode="json") for s in splits]})
    if options.time is not None or (options.steps is None and options.plan is None):
        options = replace(options, time=(options.time or 600.0) / folds)
    with recording_end(run):
        run.set_status("running", phase="training")
        for name, split in zip(names, splits, strict=True):
            fold = RunFolder(run.path / name)
            if (fold.read_json("STATUS.json") or {}).get("state") == "done":
                continue
            hooks.say(f"{name.replace('_', ' ')} of {folds}: {len(split.train)} images train, {len(split.test)} test")
            train(data, replace(options, split=split), out=fold.path, resume=fold.plan.is_file(), hooks=hooks)
        run.set_status("running", phase="evaluation")
        evaluate(run.path, data, device=options.device)
        run.set_status("done")
    return run
