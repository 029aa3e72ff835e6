"""What a plan holds. It is data: registered names and numbers, checked field by field, stored as YAML with the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unetkit.augment import AugmentationSettings
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import FileError, UsageError
from unetkit.files import write_text
from unetkit.labels import SeedsPlan
from unetkit.losses import LOSSES, build_regulariser
from unetkit.methods import check_method
from unetkit.models import MODELS
from unetkit.registry import lookup
from unetkit.separation import SEPARATORS, Separator

VERSION = 1
"""Raised when an older plan can no longer be read as it stands."""


STATED = "stated by you"
"""The reason for what the user decided; nothing overrides it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataPlan(_Section):
    """What goes in and comes out.

    Args:
        channels: of the input images.
        spatial_dims: 2 for images, 3 for volumes.
        num_classes: including background.
        spacing: median distance between pixel centres along each spatial axis, or None.
        unit: of the spacing.
    """

    channels: int = Field(ge=1)
    spatial_dims: Literal[2, 3] = 2
    num_classes: int = Field(ge=2)
    spacing: tuple[float, ...] | None = None
    unit: str = "px"


class ModelPlan(BaseModel):
    """A registered model and its options; which options there are, the model says (`unetkit.models.MODELS`)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = "unet"

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of the model's builder."""
        return dict(self.model_extra or {})

    @property
    def begins_pretrained(self) -> bool:
        """Whether its encoder's first weights were learnt elsewhere."""
        return bool({**lookup(MODELS, self.name, "model").options, **self.options}.get("pretrained"))


class TrainingPlan(_Section):
    """How the weights are found.

    Args:
        steps: optimiser steps in all.
        replans: pairs (step, steps from then on): how a run under a time budget corrected `steps` as it went.
        time: the budget in seconds that `steps` was made from, or None when the steps were stated.
        batch: patches a step, over all processes together.
        patch: spatial size of a patch in pixels.
        optimizer: "adamw" or "sgd" (momentum 0.99, as in the 2015 paper).
        learning_rate: at its highest.
        schedule: "cosine" falls to zero over the run, "polynomial" too (power 0.9), "constant" does not.
        warmup: steps over which the learning rate rises from zero.
        freeze: share of the run, from its start, in which a pretrained encoder's weights and BatchNorm statistics are
            held still; 0 for never, 1 for all of it.
        weight_decay: decoupled, per step and unit of learning rate.
        gradient_clip: largest norm of a step's gradient; 0 for none.
        method: a registered name: "supervised" learns from labelled images alone, the others from unlabelled ones too.
        method_options: keyword arguments of that method, such as {threshold: 0.9} for "unimatch".
        fork: share of the run, from its start, that a method which learns from unlabelled images spends on labelled
            images alone.
        guard: whether such a run goes on from there both ways, each for half of what is left, and keeps the weights
            that unlabelled images helped to find only if the validation images score better with them by more than
            chance.
        loss: a registered name.
        loss_options: keyword arguments of that loss, such as {gamma: 2.0} for "focal".
        class_weights: one a class, for the losses that take them.
        regulariser: what the pixels that nobody labelled add to the loss: a registered name, or "none".
        regulariser_weight: of it beside the loss.
        regulariser_options: its keyword arguments, such as {tau: 0.3}.
        deep_supervision: whether coarser levels are trained too, each level with half the weight of the one before.
        foreground: share of the patches made to hold a rare class.
        ema: decay of the moving average of the weights that is validated and kept; 0 for none.
        precision: of the forward pass; "bfloat16" only pays where the processor multiplies it natively.
        channels_last: memory order of the images.
        validate_every: steps between two validations.
        validate_pixels: of the validation images looked at each time, in windows where they hold more; 0 for all.
        patience: validations without improvement after which training stops; 0 for never.
        balance: whether, in the end, each class's logit gets the constant that the validation images' Dice likes best;
            not where objects are separated, whose making is tuned instead.
        seed: of weights, patches and augmentation.
    """

    steps: int = Field(ge=1)
    replans: tuple[tuple[int, int], ...] = ()
    time: float | None = Field(None, gt=0)
    batch: int = Field(2, ge=1)
    patch: tuple[Annotated[int, Field(ge=1)], ...]
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    schedule: Literal["cosine", "polynomial", "constant"] = "cosine"
    warmup: int = Field(20, ge=0)
    freeze: float = Field(0.0, ge=0, le=1)
    weight_decay: float = Field(0.01, ge=0)
    gradient_clip: float = Field(12.0, ge=0)
    method: str = "supervised"
    method_options: dict[str, float] = Field(default_factory=dict)
    fork: float = Field(0.4, ge=0, le=0.9)
    guard: bool = True
    loss: str = "ce+dice"
    loss_options: dict[str, float | bool | str] = Field(default_factory=dict)
    class_weights: tuple[float, ...] | None = None
    regulariser: str = "none"
    regulariser_weight: float = Field(1.0, gt=0)
    regulariser_options: dict[str, float] = Field(default_factory=dict)
    deep_supervision: bool = False
    foreground: float = Field(0.33, ge=0, le=1)
    ema: float = Field(0.0, ge=0, lt=1)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: bool = True
    validate_every: int = Field(ge=1)
    validate_pixels: int = Field(0, ge=0)
    patience: int = Field(0, ge=0)
    balance: bool = True
    seed: int = Field(0, ge=0)

    @property
    def turn(self) -> float:
        """Share of the run after which its method begins: with a guard, half of what the fork leaves."""
        return (1 + self.fork) / 2 if self.guard else self.fork


class ObjectsPlan(_Section):
    """How touching objects are told apart.

    Args:
        separate: a registered way of separating; "components" learns nothing for it and takes connected regions.
        weight: of its loss beside that of the class map.
    """

    separate: str = "components"
    weight: float = Field(1.0, gt=0)


class PredictionPlan(_Section):
    """How the trained model is applied.

    Args:
        tile: side of the tiles in pixels for images too large for one pass; 0 chooses one.
        augment: whether flipped views are averaged (slower, a little better) of images that fit in one pass.
        prune: poolings to keep of a UNet++ trained with deep supervision (faster, often a little worse); 0 for all.
    """

    tile: int = Field(0, ge=0)
    augment: bool = False
    prune: int = Field(0, ge=0)


class Plan(_Section):
    """Everything a run depends on besides the data. `reasons` says for each value, in plain words, why it is so."""

    version: int = VERSION
    data: DataPlan
    normalization: NormalizationPlan = NormalizationPlan()
    model: ModelPlan
    training: TrainingPlan
    seeds: SeedsPlan = SeedsPlan()
    augmentation: AugmentationSettings
    objects: ObjectsPlan = ObjectsPlan()
    prediction: PredictionPlan = PredictionPlan()
    reasons: dict[str, str] = Field(default_factory=dict)

    @property
    def separator(self) -> Separator:
        """The way in which touching objects are told apart."""
        return SEPARATORS[self.objects.separate]

    @property
    def separates(self) -> bool:
        """Whether telling touching objects apart is learnt."""
        return self.objects.separate != "components"

    @property
    def outputs(self) -> int:
        """Outputs of the network: the classes, then what separates objects."""
        return self.data.num_classes + self.separator.channels(self.data.spatial_dims)

    def rows(self) -> list[tuple[str, str, str]]:
        """(key, value, reason) for every value, in order; the reason is empty where the value is a plain default."""
        rows = []
        for section, values in self.model_dump(mode="json", exclude={"reasons", "version"}).items():
            for key, value in values.items():
                name = f"{section}.{key}"
                text = " × ".join(map(str, value)) if key == "patch" else _plain(value)
                rows.append((name, text, self.reasons.get(name, "")))
        return rows

    def rows_of_values(self) -> list[tuple[str, str]]:
        """(key, value) of every value but the corrections of a timed run, to compare plans by."""
        return [(key, value) for key, value, _ in self.rows() if key != "training.replans"]

    def with_settings(self, settings: Iterable[str], *, reason: str = STATED) -> Plan:
        """The plan with values changed by the user, as `section.key=value`.

        Args:
            settings: such as "training.learning_rate=3e-4" or "model.depth=4"; the value is read as YAML. Short for
                many: "augmentation=none", "augmentation=flips" (nothing else), "augmentation=full" (as planned, or as
                stated before, value by value). A later setting counts more than an earlier one.
            reason: what the plan says of them.

        Raises:
            UsageError: unknown key, or a value that does not fit; the message names what would.

        Example:
            >>> plan.with_settings(["training.batch=4"]).training.batch  # doctest: +SKIP
            4
        """
        values: dict[str, Any] = {}
        single: dict[str, Any] = {}  # what was said of augmentation, value by value
        known = self.model_dump(mode="json", exclude={"reasons", "version"})
        for setting in settings:
            name, equals, text = setting.partition("=")
            name = name.strip()
            section, dot, key = name.partition(".")
            if name == "augmentation":
                reduced = self.changed(single, reason).augmentation.only(text.strip()).model_dump(mode="json")
                values = {key: value for key, value in values.items() if not key.startswith("augmentation.")}
                for key, value in reduced.items():
                    if value != known[name][key] or f"{name}.{key}" in single:
                        values[f"{name}.{key}"] = value
                continue
            if not equals or not dot or section not in known or section == "data":
                sections = ", ".join(name for name in known if name != "data")
                raise UsageError(
                    "--set is not understood",
                    found=setting,
                    expected=f"SECTION.KEY=VALUE with SECTION one of {sections}",
                )
            if section != "model":
                lookup(known[section], key, f"value of the plan's section {section}")
            values[f"{section}.{key}"] = _yaml_value(text, setting)
            if section == "augmentation":
                single[f"{section}.{key}"] = values[f"{section}.{key}"]
        # a length that is stated ends what a time budget, or its corrections, said of it
        ended: dict[str, Any] = {}
        if "training.steps" in values:
            ended = {"training.time": None, "training.replans": []}
        elif "training.time" in values:
            ended = {"training.replans": []}
        return self.changed({**ended, **values}, reason)

    def changed(self, values: Mapping[str, Any], reason: str) -> Plan:
        """The plan with other values.

        Args:
            values: "section.key" → value.
            reason: what the plan says of them; "" for values that are only tried.

        Raises:
            UsageError: a value that does not fit; the message names what would.
        """
        plan = self.model_dump(mode="json")
        for name, value in values.items():
            section, _, key = name.partition(".")
            plan[section][key] = value
            plan["reasons"][name] = reason
        return _validated(plan, "--set", UsageError)


def _yaml_value(text: str, setting: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError("the value is not understood", found=setting, expected="a number, a word or a list") from error
    if isinstance(value, str):  # YAML 1.1 reads 3e-4 as text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value) or "–"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)


def _validated(values: Any, source: str | PathLike[str], kind: type[FileError] | type[UsageError]) -> Plan:
    try:
        plan = Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise kind(f"{source}: {name} does not fit", found=first["input"], expected=first["msg"]) from error
    entry = lookup(MODELS, plan.model.name, "model")
    if "deep_supervision" in plan.model.options:
        raise kind(f"{source}: model.deep_supervision is no option here", mend="--set training.deep_supervision=true")
    entry.check(plan.model.name, plan.model.options)
    if plan.training.freeze and not plan.model.begins_pretrained:
        raise kind(
            f"{source}: training.freeze holds a pretrained encoder, and this model has none",
            found=f"training.freeze={plan.training.freeze:g} with the model '{plan.model.name}'",
            expected="model.name=unet-lite0, or unet-timm with model.pretrained=true and model.weights=FILE",
        )
    _require_method(plan.training, source, kind)
    lookup(LOSSES, plan.training.loss, "loss")
    if plan.training.regulariser != "none":
        build_regulariser(plan.training.regulariser, **plan.training.regulariser_options)
    lookup(SEPARATORS, plan.objects.separate, "way of separating objects")
    if len(plan.training.patch) != plan.data.spatial_dims:
        raise kind(
            f"{source}: training.patch does not fit the images",
            found=plan.training.patch,
            expected=f"{plan.data.spatial_dims} numbers",
        )
    return plan


def _require_method(
    training: TrainingPlan, source: str | PathLike[str], kind: type[FileError] | type[UsageError]
) -> None:
    """Refuse a method of training that does not exist, or that the rest of the plan does not allow."""
    method = check_method(training.method, training.method_options)
    if method.views and not training.ema:
        raise kind(
            f"{source}: the method '{training.method}' learns from averaged weights",
            found="training.ema=0",
            mend="--set training.ema=0.99",
        )
    if method.needs_unlabelled and training.patience:
        raise kind(
            f"{source}: the method '{training.method}' has its share of the run, which patience would cut short",
            found=f"training.patience={training.patience}",
            mend="--set training.patience=0",
        )


def read_plan(path: str | PathLike[str]) -> Plan:
    """The plan in a `plan.yaml`.

    Raises:
        FileError: missing, damaged, made by a newer version, or holding a value that does not fit.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileError("cannot be read as a plan", file=path, found=error) from error
    if not isinstance(values, dict) or values.get("version") != VERSION:
        found = values.get("version") if isinstance(values, dict) else type(values).__name__
        raise FileError(
            "is no plan this version reads", file=path, found=f"version {found}", expected=f"version {VERSION}"
        )
    return _validated(values, path, FileError)


def write_plan(path: str | PathLike[str], plan: Plan) -> None:
    """Write a `plan.yaml`, whole or not at all."""
    write_text(path, yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120))
