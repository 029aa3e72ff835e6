"""What comes before training: open, check, split, fingerprint, plan."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch

from unetkit.dataset import Dataset, Split
from unetkit.dataset.check import CheckReport, check
from unetkit.dataset.fingerprint import Fingerprint, fingerprint
from unetkit.dataset.splits import find_leaks, make_split
from unetkit.errors import DatasetError, LeakageError, UsageError
from unetkit.losses import automatic_class_weights
from unetkit.plan import Plan, build_network, make_plan, read_plan
from unetkit.training.parallel import choose_device

LEAK_RULES = ("straddling-groups", "exact-duplicates", "near-duplicates")
"""Findings about the given split that --allow-leakage accepts."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset that may be trained on, and how."""

    dataset: Dataset
    report: CheckReport
    split: Split
    fingerprint: Fingerprint
    plan: Plan
    leaks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about a run; everything else is decided by the plan.

    Args:
        time: training budget in seconds; 600 when neither time nor steps nor a plan are given.
        steps: optimiser steps, instead of a time; the run can then be repeated bit for bit.
        model: registered name; chosen from the data when None.
        device: "auto", "cpu", "cuda" or "cuda:1".
        seed: of the split, the weights, the patches and their augmentation.
        settings: changes to the plan, as "training.batch=4".
        allow_leakage: train although training and test data share images or groups.
        plan: a plan.yaml to train by instead of making one; that of a timed run repeats the run exactly.
        split: use this split instead of the dataset's own or a new one.
    """

    time: float | None = None
    steps: int | None = None
    model: str | None = None
    device: str = "auto"
    seed: int = 0
    settings: tuple[str, ...] = ()
    allow_leakage: bool = False
    plan: Path | None = None
    split: Split | None = None


def prepare(data: str | PathLike[str], options: Options | None = None) -> Prepared:
    """Open and check a dataset, split it, and make the plan.

    Args:
        data: folder with images/ and masks/.
        options: what the user says about the run.

    Returns:
        Everything training needs.

    Raises:
        DatasetError: the check found errors; the first few are in the message.
        LeakageError: training and test data share images or groups, and that was not allowed.
        UsageError: options that contradict each other or do not fit the data.

    Example:
        >>> prepare("DATA", Options(time=300)).plan.model.name  # doctest: +SKIP
        'unet'
    """
    options = options or Options()
    stated = read_plan(options.plan) if options.plan is not None else None
    report = check(data)
    dataset = require_sound(report, Path(data), allow_leakage=options.allow_leakage)
    split = options.split or make_split(dataset, seed=options.seed)
    leaks = tuple(find_leaks(dataset, split))
    if leaks and not options.allow_leakage:
        raise LeakageError(
            "training and test data are not independent",
            file=data,
            found="; ".join(leaks[:3]) + (f"; and {len(leaks) - 3} more" if len(leaks) > 3 else ""),
            mend="correct splits.json or groups, or say --allow-leakage if the scores may be too good",
        )
    facts = fingerprint(dataset, split.train)
    plan = require_fit(stated, dataset) if stated is not None else _planned(facts, len(dataset.classes), options)
    plan = with_class_weights(plan.with_settings(options.settings), facts)
    with torch.device("meta"):  # costs nothing, and tells now what could not be built later
        build_network(plan, pretrained=False)
    return Prepared(dataset, report, split, facts, plan, leaks)


def _planned(facts: Fingerprint, num_classes: int, options: Options) -> Plan:
    return make_plan(
        facts,
        num_classes=num_classes,
        time=600.0 if options.time is None and options.steps is None else options.time,
        steps=options.steps,
        model=options.model,
        device=choose_device(options.device),
        seed=options.seed,
    )


def require_fit(plan: Plan, dataset: Dataset) -> Plan:
    """The plan, once it is known to be made for such images.

    Raises:
        UsageError: other channels, dimensions or number of classes.
    """
    wanted = (plan.data.channels, plan.data.spatial_dims, plan.data.num_classes)
    found = (dataset.channels, dataset.spatial_dims, len(dataset.classes))
    if wanted != found:
        raise UsageError(
            "the plan was made for other data",
            found="{} channels, {} dimensions, {} classes".format(*found),
            expected="{} channels, {} dimensions, {} classes".format(*wanted),
            mend="leave --plan out, or name the data it was made for",
        )
    return plan


def require_sound(report: CheckReport, data: Path, *, allow_leakage: bool) -> Dataset:
    """The checked dataset.

    Raises:
        DatasetError: the check found errors that make training wrong.
        LeakageError: the only errors are leaks of the given split, and they were not allowed.
    """
    errors = [finding for finding in report.findings if finding.severity == "error"]
    leaks = [finding for finding in errors if finding.rule in LEAK_RULES]
    faults = [finding for finding in errors if finding.rule not in LEAK_RULES]
    for kind, found in ((DatasetError, faults), (LeakageError, [] if allow_leakage else leaks)):
        if found:
            lines = [f"\n  {', '.join(f.files[:3]) or data}: {f.what}. {f.mend}" for f in found[:5]]
            more = f"\n  and {len(found) - 5} more" if len(found) > 5 else ""
            raise kind(
                f"training on this would be wrong:{''.join(lines)}{more}", file=data, mend=f"unetkit check {data}"
            )
    if report.dataset is None:
        raise DatasetError("cannot be opened", file=data, mend=f"unetkit check {data}")
    return report.dataset


def with_class_weights(plan: Plan, facts: Fingerprint) -> Plan:
    """The plan with automatic class weights where its loss wants some and none are stated."""
    if not plan.training.loss.startswith("weighted") or plan.training.class_weights is not None:
        return plan
    weights = automatic_class_weights(facts.class_shares)
    training = plan.training.model_copy(update={"class_weights": weights})
    reasons = {**plan.reasons, "training.class_weights": "rare classes count more (damped inverse frequency)"}
    return plan.model_copy(update={"training": training, "reasons": reasons})
