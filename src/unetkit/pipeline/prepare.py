"""What comes before training: open, check, split, fingerprint, plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from unetkit.dataset import Dataset, Split
from unetkit.dataset.check import CheckReport, check
from unetkit.dataset.fingerprint import Fingerprint, fingerprint
from unetkit.dataset.splits import find_leaks, make_split
from unetkit.errors import DatasetError, LeakageError
from unetkit.losses import automatic_class_weights
from unetkit.plan import Plan, make_plan
from unetkit.training.parallel import choose_device

LEAK_RULES = ("straddling-groups", "duplicates-between-splits")
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


def prepare(
    data: str | PathLike[str],
    *,
    time: float | None = None,
    steps: int | None = None,
    model: str | None = None,
    device: str = "auto",
    seed: int = 0,
    settings: Sequence[str] = (),
    allow_leakage: bool = False,
    split: Split | None = None,
) -> Prepared:
    """Open and check a dataset, split it, and make the plan.

    Args:
        data: folder with images/ and masks/.
        time: training budget in seconds; 600 when neither time nor steps are given.
        steps: optimiser steps, instead of a time.
        model: registered name; chosen from the data when None.
        device: "auto", "cpu", "cuda" or "cuda:1".
        seed: of the split and of training.
        settings: changes to the plan, as "training.batch=4".
        allow_leakage: train although training and test data share images or groups.
        split: use this split instead of the dataset's own or a new one.

    Returns:
        Everything training needs.

    Raises:
        DatasetError: the check found errors; the first few are in the message.
        LeakageError: training and test data share images or groups, and that was not allowed.

    Example:
        >>> prepare("DATA", time=300).plan.model.name  # doctest: +SKIP
        'unet'
    """
    report = check(data)
    dataset = require_sound(report, Path(data), allow_leakage=allow_leakage)
    split = split or make_split(dataset, seed=seed)
    leaks = tuple(find_leaks(dataset, split))
    if leaks and not allow_leakage:
        raise LeakageError(
            "training and test data are not independent",
            file=data,
            found="; ".join(leaks[:3]) + (f"; and {len(leaks) - 3} more" if len(leaks) > 3 else ""),
            mend="correct splits.json or groups, or say --allow-leakage if the scores may be too good",
        )
    facts = fingerprint(dataset, split.train)
    plan = make_plan(
        facts,
        num_classes=len(dataset.classes),
        time=600.0 if time is None and steps is None else time,
        steps=steps,
        model=model,
        device=choose_device(device),
        seed=seed,
    ).with_settings(settings)
    return Prepared(dataset, report, split, facts, with_class_weights(plan, facts), leaks)


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
            raise kind(f"training on this would be wrong:{''.join(lines)}{more}", file=data, mend=f"unetkit check {data}")
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
