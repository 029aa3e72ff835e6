"""From what the data is and the time there is to a plan. Every rule is one small function that gives its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from unetkit.augment import AugmentationSettings
from unetkit.dataset.fingerprint import Fingerprint
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import UsageError
from unetkit.losses import automatic_class_weights
from unetkit.models import MODELS
from unetkit.plan.probe import native_bfloat16, step_seconds
from unetkit.plan.schema import DataPlan, ModelPlan, Plan, TrainingPlan
from unetkit.registry import lookup

OVERHEAD = 1.25
"""Cutting, augmenting, the loss and validation come on top of the network's own time."""


@dataclass(slots=True)
class Draft:
    """A plan in the making: values and reasons by section, collected rule by rule."""

    print: Fingerprint
    data: DataPlan
    device: torch.device
    time: float | None
    steps: int | None
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    normalization: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: Any, reason: str) -> None:
        section, _, name = key.partition(".")
        getattr(self, section)[name] = value
        self.reasons[key] = reason


def make_plan(
    fingerprint: Fingerprint,
    *,
    num_classes: int,
    time: float | None = None,
    steps: int | None = None,
    model: str | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
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

    Returns:
        A complete plan with a reason for every decision.

    Raises:
        UsageError: neither or both of time and steps, or a budget too small to train in.

    Example:
        >>> make_plan(fingerprint, num_classes=2, time=300).training.loss  # doctest: +SKIP
        'ce+dice'
    """
    if (time is None) == (steps is None):
        raise UsageError("state a time or a number of steps, one of the two", mend="--time 10m, or --steps 1000")
    if time is not None and time < 5:
        raise UsageError("the time budget is too short to train in", found=f"{time:g} s", expected="5 s or more")
    data = DataPlan(
        channels=fingerprint.channels,
        spatial_dims=2 if fingerprint.spatial_dims == 2 else 3,
        num_classes=num_classes,
        spacing=fingerprint.spacing,
        unit=fingerprint.unit,
    )
    draft = Draft(fingerprint, data, torch.device(device), time, steps)
    for rule in (_normalization, _patch_and_batch, _augmentation):
        rule(draft)
    _model(draft, model)
    for rule in (_loss, _optimization, _precision, _steps):
        rule(draft)
    draft.put("training.seed", seed, "the same seed gives the same weights")
    return Plan(
        data=data,
        normalization=NormalizationPlan(**draft.normalization),
        model=ModelPlan(**draft.model),
        training=TrainingPlan(**draft.training),
        augmentation=AugmentationSettings(**draft.augmentation),
        reasons=draft.reasons,
    )


def _normalization(draft: Draft) -> None:
    facts = draft.print
    means = [channel.mean for channel in facts.intensity]
    spreads = [max(channel.std, 1e-9) for channel in facts.intensity]
    unlike = facts.channels > 4 or (facts.channels > 1 and max(spreads) > 4 * min(spreads))
    draft.put(
        "normalization.kind", "image", "each image is scaled by itself, so that exposure and staining matter less"
    )
    draft.put(
        "normalization.per_channel",
        unlike,
        f"channels are on different scales (means {min(means):.3g} to {max(means):.3g})"
        if unlike
        else "one scale for all channels keeps their colour ratios",
    )


def _patch_and_batch(draft: Draft) -> None:
    facts = draft.print
    if facts.spatial_dims == 3:
        patch = tuple(_multiple(min(extent, 64), 8) for extent in facts.shapes_median)
    else:
        patch = tuple(_multiple(min(extent, 256), 32) for extent in facts.shapes_median)
    size = " × ".join(map(str, patch))
    draft.put("training.patch", patch, f"{size} px: enough context, and many steps in the time (the median image has "
              f"{' × '.join(map(str, facts.shapes_median))})")  # fmt: skip
    gpu = draft.device.type == "cuda"
    draft.put(
        "training.batch",
        8 if gpu else 2,
        "a GPU is idle with fewer" if gpu else "on a CPU larger batches cost as much a patch, and steps matter most",
    )


def _augmentation(draft: Draft) -> None:
    facts = draft.print
    upright = facts.orientation > UPRIGHT
    if upright:
        flips: tuple[bool, ...] = (*[False] * (facts.spatial_dims - 1), True)
        why = f"which way is up matters here (score {facts.orientation:.2f}): only left and right are swapped"
    else:
        flips = (True,) * facts.spatial_dims
        why = f"no direction is special here (score {facts.orientation:.2f} of 1)"
    square = draft.training["patch"][-1] == draft.training["patch"][-2]
    draft.put("augmentation.flips", flips, why)
    draft.put("augmentation.quarter_turns", not upright, why if square or upright else f"{why}; half turns only")
    for key, value, reason in (
        ("warp_probability", 0.4, "the rest keeps its exact pixels, which costs no time and no sharpness"),
        ("rotation", 10.0 if upright else 45.0, "quarter turns and flips do the rest" if not upright else "tilted a little"),
        ("scale", (0.75, 1.35), "objects and distances vary in size"),
        ("shear", 5.0, "perspective, slightly"),
        ("elastic_sigma", 0.0 if upright else 6.0, "made things do not bend" if upright else "tissue and cells bend"),
        ("elastic_grid", 5 if not upright else 3, "bends about as large as cells"),
        ("intensity_probability", 0.15, "a few patches look different, most look as they are"),
        ("brightness", 0.3, "exposure varies"),
        ("contrast", (0.75, 1.3), "exposure varies"),
        ("gamma", (0.7, 1.4), "staining and sensors differ"),
        ("blur", 1.0, "focus varies"),
        ("noise", 0.1, "sensors are noisy"),
    ):  # fmt: skip
        draft.put(f"augmentation.{key}", value, reason)
    if facts.spacing is not None:
        draft.put("augmentation.spacing", facts.spacing, "true distances, as the files state them")


UPRIGHT = 0.35
"""Orientation scores above this mean that up and down are different things (street scenes), below that they are not."""


def _model(draft: Draft, wanted: str | None) -> None:
    facts = draft.print
    if wanted is not None:
        lookup(MODELS, wanted, "model")
        draft.put("model.name", wanted, "stated by you")
    elif facts.spatial_dims == 2 and facts.channels == 3 and facts.colour > 0.05 and min(facts.thickness) >= 8:
        draft.put("model.name", "unet-lite0", "colour photographs of things wide enough for a pretrained encoder")
    else:
        draft.put("model.name", "unet", _why_plain(facts))
    if draft.model["name"] == "unet":
        _depth_and_width(draft)


def _why_plain(facts: Fingerprint) -> str:
    if facts.spatial_dims == 3:
        return "volumes: there is no pretrained encoder for them"
    if facts.channels != 3 or facts.colour <= 0.05:
        return "no colour photographs, so an encoder pretrained on those has little to give"
    return f"structures of {min(facts.thickness):.0f} px are finer than a pretrained encoder sees"


def _depth_and_width(draft: Draft) -> None:
    smallest = min(draft.training["patch"])
    depth = max(1, min(3, int(math.log2(max(2, smallest))) - 2))
    draft.put("model.depth", depth, "three poolings: on a CPU more steps beat a deeper network")
    width = 8
    draft.put("model.width", width, "slim: on a CPU more steps beat a wider network")


def _loss(draft: Draft) -> None:
    draft.put("training.loss", "ce+dice", "cross-entropy is smooth, Dice is what counts; together they rarely fail")
    shares = draft.print.class_shares
    if min(shares) > 0 and max(shares) / min(shares) > 20 and False:
        draft.put("training.class_weights", automatic_class_weights(shares), "rare classes count more")
    draft.put("training.foreground", 0.33, "a third of the patches hold a rare class")


def _optimization(draft: Draft) -> None:
    pretrained = draft.model["name"] == "unet-lite0"
    draft.put("training.optimizer", "adamw", "reaches a good score in the fewest steps")
    draft.put(
        "training.learning_rate",
        1e-3 if pretrained else 4e-3,
        "pretrained weights want small steps" if pretrained else "the largest that is stable with BatchNorm",
    )
    draft.put("training.schedule", "cosine", "decays to zero over the budget: the last steps settle")
    draft.put("training.ema", 0.99, "the average of the last hundred weights is steadier than the last ones")


def _precision(draft: Draft) -> None:
    if draft.device.type == "cuda":
        draft.put("training.precision", "bfloat16", "tensor cores, and no loss scaling needed")
        return
    if not native_bfloat16():
        draft.put("training.precision", "float32", "this processor multiplies bfloat16 only by emulation")
        return
    single, half = (_seconds(draft, precision) for precision in ("float32", "bfloat16"))
    faster = half < 0.9 * single
    draft.put(
        "training.precision",
        "bfloat16" if faster else "float32",
        f"a step takes {half * 1000:.0f} ms in bfloat16 and {single * 1000:.0f} ms in float32 on this processor",
    )


def _seconds(draft: Draft, precision: str) -> float:
    training = draft.training
    return step_seconds(
        ModelPlan(**draft.model),
        draft.data,
        patch=training["patch"],
        batch=training["batch"],
        device=draft.device,
        precision=precision,
    )


def _steps(draft: Draft) -> None:
    if draft.steps is not None:
        steps, reason = draft.steps, "stated by you"
    else:
        assert draft.time is not None
        pace = _seconds(draft, draft.training["precision"]) * OVERHEAD
        steps = max(10, int(draft.time / pace))
        reason = f"{draft.time:g} s at {pace * 1000:.0f} ms a step, measured on this machine; corrected as it goes"
        draft.put("training.time", draft.time, "stated by you")
    draft.put("training.steps", steps, reason)
    every = max(1, min(steps // 30, 500))
    draft.put("training.validate_every", every, "about thirty looks at the validation images")
    draft.put("training.warmup", min(50, max(1, steps // 20)), "large first steps would throw away the start")


def _multiple(value: int, of: int) -> int:
    return max(of, value // of * of)
