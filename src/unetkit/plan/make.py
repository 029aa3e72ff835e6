"""From what the data is and the time there is to a plan: the rules decide, a few timed steps turn time into steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from unetkit.augment import AugmentationSettings
from unetkit.dataset.fingerprint import Fingerprint
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import MissingExtra, UsageError
from unetkit.labels import SeedsPlan
from unetkit.methods import METHODS
from unetkit.models.blocks import FIXED_AT_PREDICTION
from unetkit.plan.network import build_network
from unetkit.plan.probe import native_bfloat16, step_seconds
from unetkit.plan.rules import RULES, Draft
from unetkit.plan.schema import STATED, DataPlan, ModelPlan, ObjectsPlan, Plan, PredictionPlan, TrainingPlan

OVERHEAD = 1.2
"""Cutting, augmenting, the loss and validation come on top of the network's own time."""

ENOUGH_STEPS = 1200
"""A wider network must still get this many steps in the time: below, more steps beat more channels."""

PRETRAINED_STEPS = 150
"""With 70 steps a plain U-Net was level or ahead on most sets, with 250 and more behind on photographs (measured)."""

LEAST_TIME = 5.0
"""Seconds; in less there is nothing to train."""

WIDTHS = (8, 16, 32)
VALIDATIONS = 30

VALIDATION_SHARE = 0.4
"""Pixels looked at in validation for each one trained on; one costs about a third of the other, so 12 % of the time."""

LEAST_VALIDATED = 1_000_000
"""Pixels of a look at the validation images, however short the run."""


def make_plan(
    fingerprint: Fingerprint,
    *,
    num_classes: int,
    time: float | None = None,
    steps: int | None = None,
    model: str | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
    settings: Iterable[str] = (),
) -> Plan:
    """Decide everything.

    Args:
        fingerprint: of the training images.
        num_classes: background counted.
        time: budget in seconds; it is turned into steps by timing a few.
        steps: optimiser steps, instead of a time.
        model: a registered name; chosen when None.
        device: where training will run.
        seed: of the run.
        settings: changes by the user, as "training.batch=4"; what is timed is timed with them.

    Returns:
        A complete plan with a reason for every decision.

    Raises:
        UsageError: neither or both of time and steps, a budget too small to train in, or settings that do not fit.

    Example:
        >>> make_plan(fingerprint, num_classes=2, time=300).training.loss  # doctest: +SKIP
        'ce+dice'
    """
    settings = tuple(settings)
    require_one_length(time, steps, settings)
    device = torch.device(device)
    named = [setting.partition("=")[2].strip() for setting in settings if setting.startswith("model.name=")]
    draft = Draft(facts=fingerprint, gpu=device.type == "cuda", wanted=named[-1] if named else model)
    patience = [setting.partition("=")[2].strip() for setting in settings if setting.startswith("training.patience=")]
    draft.may_end_early = bool(patience) and patience[-1] != "0"
    for rule in RULES:
        rule(draft)
    draft.put("training.seed", seed, "the same seed gives the same weights")
    plan = _with_tiles(_with_learning_rate(_assembled(draft, num_classes).with_settings(settings)))
    if time is None:
        if device.type == "cuda":
            plan = _with_precision(plan, device)
        elif not _stated(plan, "training.precision"):
            plan = plan.changed(
                {"training.precision": "float32"}, "not chosen by a stopwatch: stated steps repeat exactly"
            )
        return _with_steps(plan, steps or 1, STATED)
    if plan.model.begins_pretrained and draft.wanted is None and not any(s.startswith("model.") for s in settings):
        affordable = int(time / _pace(plan, device))
        if affordable < PRETRAINED_STEPS:
            options: dict[str, Any] = {"time": time, "device": device, "seed": seed, "settings": settings}
            plain = make_plan(fingerprint, num_classes=num_classes, model="unet", **options)
            why = f"in {time:g} s a pretrained encoder gets {affordable} steps; below {PRETRAINED_STEPS} it is behind"
            return plain.changed({"model.name": "unet"}, why)
    return _timed(plan, time, device)


def require_one_length(time: float | None, steps: int | None, settings: Iterable[str]) -> None:
    """Refuse a training that is to last for no length or for two, or too short a time.

    Raises:
        UsageError: so it is.
    """
    if (time is None) == (steps is None):
        raise UsageError("state a time or a number of steps, one of the two", mend="--time 10m, or --steps 1000")
    if time is not None and time < LEAST_TIME:
        least = f"{LEAST_TIME:g} s or more"
        raise UsageError("the time budget is too short to train in", found=f"{time:g} s", expected=least)
    for key, option in (("training.steps", "--steps"), ("training.time", "--time")):
        if any(setting.startswith(f"{key}=") for setting in settings):
            raise UsageError(f"{key} is set by an option of its own", mend=f"{option} instead of --set {key}")


def _assembled(draft: Draft, num_classes: int) -> Plan:
    """The plan that the rules have drafted; its steps are still to be found."""
    facts = draft.facts
    return Plan(
        data=DataPlan(
            channels=facts.channels,
            spatial_dims=2 if facts.spatial_dims == 2 else 3,
            num_classes=num_classes,
            spacing=facts.spacing,
            unit=facts.unit,
        ),
        normalization=NormalizationPlan(**draft.values["normalization"]),
        model=ModelPlan(**draft.values["model"]),
        training=TrainingPlan(steps=1, validate_every=1, **draft.values["training"]),
        seeds=SeedsPlan(**draft.values["seeds"]),
        augmentation=AugmentationSettings(**draft.values["augmentation"]),
        objects=ObjectsPlan(**draft.values["objects"]),
        prediction=PredictionPlan(**draft.values["prediction"]),
        reasons=draft.reasons,
    )


def _with_learning_rate(plan: Plan) -> Plan:
    """The plan with the rate its encoder wants, unless stated; whether that is pretrained, only the settings tell."""
    if _stated(plan, "training.learning_rate"):
        return plan
    if plan.model.begins_pretrained:
        return plan.changed({"training.learning_rate": 1e-3}, "pretrained weights want smaller steps")
    return plan.changed({"training.learning_rate": 2e-3}, "large, for short runs; at 4e-3 rare classes vanished")


def _with_tiles(plan: Plan) -> Plan:
    """The plan with what large images are cut into, and why."""
    if _stated(plan, "prediction.tile"):
        return plan
    try:
        network = build_network(plan, pretrained=False)
    except MissingExtra:  # a plan can be made where the training, which will say so, cannot
        return plan
    sees = network.receptive_field
    if network.tiles_exactly:
        why = f"large images are cut by size; a halo of {sees} px makes tiles exact"
    elif network.norm in FIXED_AT_PREDICTION:
        far = "nobody knows how far" if sees is None else f"{sees} px far"
        why = f"large images are cut into overlapping windows that are averaged: this network sees {far}"
    else:
        why = f"large images are cut into overlapping windows that are averaged: {network.norm} norm measures each anew"
    return plan.changed({"prediction.tile": plan.prediction.tile}, why)


def _timed(plan: Plan, time: float, device: torch.device) -> Plan:
    """The plan with width, precision and steps from timed steps, as far as nobody stated them."""
    plan = _with_precision(plan, device)
    if "width" in plan.model.options and device.type == "cpu" and not _stated(plan, "model.width"):
        plan = _with_width(plan, time, device)
    pace = _pace(plan, device)
    plan = plan.changed({"training.time": time}, STATED)
    measured = f"{pace * 1000:.0f} ms a step, measured on this machine"
    if METHODS[plan.training.method].views:
        measured += " on labelled images; steps with unlabelled ones take longer, so there will be fewer"
    return _with_steps(plan, max(10, int(time / pace)), f"{time:g} s at {measured}; corrected as it goes")


def _with_width(plan: Plan, time: float, device: torch.device) -> Plan:
    chosen = plan
    for width in WIDTHS:
        wider = plan.changed({"model.width": width}, "")
        steps = int(time / _pace(wider, device))
        if width == WIDTHS[0] or steps >= ENOUGH_STEPS:
            reason = f"the widest of {', '.join(map(str, WIDTHS))} that gets {ENOUGH_STEPS} steps in the time"
            chosen = plan.changed({"model.width": width}, f"{reason}: steps beat channels")
        if steps < 2 * ENOUGH_STEPS:  # twice the width costs about twice the time
            break
    return chosen


def _with_precision(plan: Plan, device: torch.device) -> Plan:
    if _stated(plan, "training.precision"):
        return plan
    if device.type == "cuda":
        return plan.changed({"training.precision": "bfloat16"}, "tensor cores, and no scaling of the loss needed")
    if not native_bfloat16():
        reason = "this processor multiplies bfloat16 only by emulation"
        return plan.changed({"training.precision": "float32"}, reason)
    half = plan.changed({"training.precision": "bfloat16"}, "")
    seconds = {name: _pace(p, device) / OVERHEAD for name, p in (("float32", plan), ("bfloat16", half))}
    best = "bfloat16" if seconds["bfloat16"] < 0.9 * seconds["float32"] else "float32"
    times = " and ".join(f"{value * 1000:.0f} ms in {name}" for name, value in seconds.items())
    return plan.changed({"training.precision": best}, f"a step takes {times} on this processor")


def _stated(plan: Plan, key: str) -> bool:
    return plan.reasons.get(key) == STATED


def _pace(plan: Plan, device: torch.device) -> float:
    return step_seconds(plan, device) * OVERHEAD


def _with_steps(plan: Plan, steps: int, reason: str) -> Plan:
    """The plan with its steps, and what follows from them, unless stated."""
    every = min(steps, max(10, min(steps // VALIDATIONS, 500)))
    trained = steps * plan.training.batch * math.prod(plan.training.patch)
    looked = max(LEAST_VALIDATED, round(trained * VALIDATION_SHARE * every / steps))
    values = {
        "training.steps": (steps, reason),
        "training.validate_every": (every, f"about {VALIDATIONS} looks at the validation images"),
        "training.validate_pixels": (looked, "at most: so looking takes little of the time, however many there are"),
        "training.warmup": (min(50, max(1, steps // 20)), "large first steps would throw away the start"),
    }
    for key, (value, why) in values.items():
        if not _stated(plan, key):
            plan = plan.changed({key: value}, why)
    return plan
