"""What comes before training: open, check, split, fingerprint, plan."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from unetkit.dataset import Dataset, Split
from unetkit.dataset.check import CheckReport, check
from unetkit.dataset.fingerprint import Fingerprint, fingerprint
from unetkit.dataset.splits import find_leaks, make_split, stored_split
from unetkit.dataset.unlabelled import with_unlabelled
from unetkit.errors import DatasetError, LeakageError, UsageError
from unetkit.losses import automatic_class_weights
from unetkit.methods import METHODS
from unetkit.plan import Plan, build_network, make_plan, read_plan
from unetkit.training.parallel import choose_device

DEFAULT_TIME = 600.0
"""Seconds of training where nobody said how long."""

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
        seed: of the split, the weights, the patches and their augmentation; 0 when None.
        settings: changes to the plan, as "training.batch=4".
        allow_leakage: train although training and test data share images or groups.
        plan: one, or its plan.yaml, to train by instead of making one; a run's own file, with split.json beside it,
            repeats the run.
        split: use this split instead of the dataset's own or a new one.
        labels: train on so many of the split's training images, drawn by the seed; None for all. The masks of the
            others are not looked at, also where the method learns from unlabelled images.
    """

    time: float | None = None
    steps: int | None = None
    model: str | None = None
    device: str = "auto"
    seed: int | None = None
    settings: tuple[str, ...] = ()
    allow_leakage: bool = False
    plan: Plan | Path | None = None
    split: Split | None = None
    labels: int | None = None

    @property
    def budget(self) -> float | None:
        """Seconds to train in: as stated, else 600; None where steps or a stated plan say how long."""
        unsaid = self.time is None and self.steps is None and self.plan is None
        return DEFAULT_TIME if unsaid else self.time


def prepare(
    data: str | PathLike[str], options: Options | None = None, *, report: CheckReport | None = None
) -> Prepared:
    """Open and check a dataset, split it, and make the plan.

    Args:
        data: folder with images/ and masks/.
        options: what the user says about the run.
        report: what the check of these data has found; None checks them.

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
    stated_plan(options)  # a contradiction is told before the check takes its time
    report = report or check(data)
    dataset = require_sound(report, Path(data), allow_leakage=options.allow_leakage)
    split = options.split or _split_beside(options.plan, dataset) or make_split(dataset, seed=seed_of(options))
    leaks = require_independent(dataset, split, allow_leakage=options.allow_leakage)
    split = with_unlabelled(dataset, limited(split, options), allow_leakage=options.allow_leakage)
    facts = fingerprint(dataset, split.train, unlabelled=split.unlabelled)
    plan = plan_for(dataset, facts, options)
    require_outlines(dataset, split, plan)
    return Prepared(dataset, report, split, facts, plan, leaks)


def require_outlines(dataset: Dataset, split: Split, plan: Plan) -> None:
    """Refuse to learn where objects end from images in which nobody said so.

    Raises:
        UsageError: the plan separates objects, and images that train or choose the weights have marks.
    """
    marks = {name: dataset.sample(name).marks for name in (*split.train, *split.val)}
    marked = [name for name, made in marks.items() if made is not None and made.marks]
    if plan.separates and marked:
        raise UsageError(
            f"objects.separate={plan.objects.separate} learns from whole objects, and marks do not outline them",
            found=f"{len(marked)} marked images, such as '{marked[0]}'",
            mend="--set objects.separate=components, or paint masks for these images",
        )


def require_independent(dataset: Dataset, split: Split, *, allow_leakage: bool) -> tuple[str, ...]:
    """The leaks of a split, as `find_leaks` tells them.

    Raises:
        LeakageError: there are some, and they were not allowed.
    """
    leaks = tuple(find_leaks(dataset, split))
    if leaks and not allow_leakage:
        raise LeakageError(
            "training and test data are not independent",
            file=dataset.root,
            found="; ".join(leaks[:3]) + (f"; and {len(leaks) - 3} more" if len(leaks) > 3 else ""),
            mend="correct splits.json or groups, or say --allow-leakage if the scores may be too good",
        )
    return leaks


def plan_for(dataset: Dataset, facts: Fingerprint, options: Options) -> Plan:
    """The plan that options give for a dataset whose training images are known: stated or made, and complete.

    Raises:
        UsageError: options that do not fit the data, or a network that cannot be built.
    """
    stated = stated_plan(options)
    if stated is None:
        plan = _planned(facts, len(dataset.classes), options)
    else:
        plan = require_fit(stated, dataset).with_settings(options.settings)
    plan = completed(_require_unlabelled(plan, facts, dataset), facts)
    own_weights = plan.model.options.get("weights") is not None
    # on "meta" it costs nothing, and tells now what could not be built later; a weights file is read as well
    with torch.device("cpu" if own_weights else "meta"):
        build_network(plan, pretrained=own_weights)
    return plan


def _require_unlabelled(plan: Plan, facts: Fingerprint, dataset: Dataset) -> Plan:
    """The plan, once it is known that there is what its method learns from.

    Raises:
        UsageError: its method needs unlabelled images, and there are none.
    """
    if METHODS[plan.training.method].needs_unlabelled and not facts.unlabelled:
        raise UsageError(
            f"the method '{plan.training.method}' learns from unlabelled images, and there are none",
            found=f"{len(dataset.samples)} images in {dataset.root}, {len(dataset.labelled)} of them labelled",
            mend="put more images into images/, or --set training.method=supervised; images of a group that val or "
            "test has count with --allow-leakage alone",
        )
    return plan


def limited(split: Split, options: Options) -> Split:
    """The split with as many training images as the options allow; the others may train without their labels.

    Raises:
        UsageError: more than there are.
    """
    if options.labels is None:
        return split
    if not 1 <= options.labels <= len(split.train):
        raise UsageError(
            "so many annotated images are not there to train on",
            found=f"--labels {options.labels}",
            expected=f"1 to {len(split.train)}; {len(split.val)} more choose the weights and {len(split.test)} test",
        )
    order = np.random.default_rng(seed_of(options)).permutation(len(split.train))
    kept, rest = (
        tuple(split.train[index] for index in sorted(part))
        for part in (order[: options.labels], order[options.labels :])
    )
    reason = f"{options.labels} of {len(split.train)} training images are used, as stated"
    changed = {"train": kept, "unlabelled": (*split.unlabelled, *rest), "reasons": (*split.reasons, reason)}
    return split.model_copy(update=changed)


def stated_plan(options: Options) -> Plan | None:
    """The plan the user names, once it is known that nothing else contradicts it."""
    if options.plan is None:
        return None
    also = [name for name in ("time", "steps", "model", "seed") if getattr(options, name) is not None]
    if also:
        raise UsageError(
            f"a stated plan already says {' and '.join(also)}",
            found=f"--plan with --{' --'.join(also)}",
            mend="leave one out, or change the plan with --set, as in --set training.steps=500",
        )
    return options.plan if isinstance(options.plan, Plan) else read_plan(options.plan)


def _split_beside(plan: Plan | Path | None, dataset: Dataset) -> Split | None:
    """The split of the run that a plan belongs to, where there is one and it is of these images."""
    path = plan.with_name("split.json") if isinstance(plan, Path) else None
    if path is None or not path.is_file():
        return None
    split = stored_split(path)
    known = {sample.name for sample in dataset.labelled}
    return split if known.issuperset((*split.train, *split.val, *split.test)) else None


def seed_of(options: Options) -> int:
    """The seed of a run: stated, or its stated plan's, or 0.

    Raises:
        UsageError: other options contradict the stated plan.
    """
    plan = stated_plan(options)
    return plan.training.seed if plan is not None else options.seed or 0


def _planned(facts: Fingerprint, num_classes: int, options: Options) -> Plan:
    return make_plan(
        facts,
        num_classes=num_classes,
        time=options.budget,
        steps=options.steps,
        model=options.model,
        device=choose_device(options.device),
        seed=seed_of(options),
        settings=options.settings,
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


def completed(plan: Plan, facts: Fingerprint) -> Plan:
    """The plan with the numbers its choices need and nobody stated: class weights, the training set's intensities."""
    settings = []
    if plan.training.loss.startswith("weighted") and plan.training.class_weights is None:
        settings.append(f"training.class_weights={list(automatic_class_weights(facts.class_shares))}")
    if plan.normalization.kind == "dataset" and not plan.normalization.mean:
        means, stds = ([getattr(c, name) for c in facts.intensity] for name in ("mean", "std"))
        if not plan.normalization.per_channel:  # all channels as one: within their variances and between their means
            joint = float(np.mean(means))
            stds = [float(np.sqrt(np.mean(np.square(stds)) + np.var(means)))]
            means = [joint]
        settings += [f"normalization.mean={means}", f"normalization.std={stds}"]
    return plan.with_settings(settings, reason="taken from the training images")
