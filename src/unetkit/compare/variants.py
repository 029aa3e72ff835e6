"""What is compared: every combination of models, varied plan values and numbers of annotated images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from unetkit.errors import UsageError
from unetkit.models import MODELS
from unetkit.registry import lookup

CHOSEN = "the plan's choice"
"""Name of the model that nobody named."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One member of a comparison.

    Args:
        name: what tells it from the others, such as "unet++" or "training.loss=dice".
        model: registered name; None leaves it to the plan.
        settings: changes of the plan, as "training.loss=dice".
        labels: annotated training images it may use; None for all.
    """

    name: str
    model: str | None = None
    settings: tuple[str, ...] = ()
    labels: int | None = None

    @property
    def folder(self) -> str:
        """The name as a folder's name, different for different variants."""
        return re.sub(r"[^\w+.=-]+", "_", self.name).strip("_.") or "_"


def make_variants(models: Sequence[str], vary: Sequence[str], labels: Sequence[int | None]) -> tuple[Variant, ...]:
    """All combinations, in the order they were named; the first is what the others are compared with.

    Args:
        models: registered names; none leaves the model to the plan.
        vary: plan values as "training.loss=dice,ce+dice"; commas within brackets belong to the value.
        labels: numbers of annotated training images, None for all.

    Returns:
        The variants, two or more.

    Raises:
        UnknownName: no such model.
        UsageError: fewer than two variants, something named twice, or a value that is not understood.

    Example:
        >>> [variant.name for variant in make_variants(["unet"], ["model.skips=all,[0, 1]"], ())]
        ['model.skips=all', 'model.skips=[0, 1]']
    """
    for name in models:
        lookup(MODELS, name, "model")
    if any(number is not None and number < 1 for number in labels):
        raise UsageError("a number of annotated images cannot be used", found=min(n for n in labels if n is not None))
    axes: list[list[Variant]] = [[Variant(name, model=name) for name in models]]
    axes += [[Variant(setting, settings=(setting,)) for setting in _settings(text)] for text in vary]
    axes += [[Variant(f"{number or 'all'} images", labels=number) for number in labels]]
    variants = []
    for parts in product(*(axis for axis in axes if axis)):
        # what all have in common does not tell them apart
        names = [part.name for part, axis in zip(parts, [a for a in axes if a], strict=True) if len(axis) > 1]
        variants.append(
            Variant(
                ", ".join(names) or parts[0].name if parts else CHOSEN,
                model=next((part.model for part in parts if part.model), None),
                settings=tuple(setting for part in parts for setting in part.settings),
                labels=next((part.labels for part in parts if part.labels), None),
            )
        )
    twice = [v.name for n, v in enumerate(variants) if v.folder in {w.folder for w in variants[:n]}]
    if twice:
        raise UsageError("is named twice in the comparison", found=twice[0], expected="each variant once")
    if len(variants) < 2:
        raise UsageError(
            "there is nothing to compare",
            found=variants[0].name if models or vary or labels else "no variants",
            expected="two variants or more, as in --models unet,unet++ or --vary training.loss=dice,ce+dice",
        )
    return tuple(variants)


def _settings(text: str) -> list[str]:
    """ "key=a,b" as ["key=a", "key=b"]."""
    key, equals, values = text.partition("=")
    parts = [part.strip() for part in re.split(r",(?![^\[{(]*[\]})])", values)]
    if not equals or not key.strip() or not all(parts):
        raise UsageError(
            "--vary is not understood", found=text, expected="KEY=VALUE,VALUE as in training.loss=dice,ce+dice"
        )
    return [f"{key.strip()}={part}" for part in parts]


def parse_labels(text: str | None) -> tuple[int | None, ...]:
    """Numbers of annotated images, as "2,5,10,all"; None stands for all.

    Raises:
        UsageError: something else.

    Example:
        >>> parse_labels("2,5,all")
        (2, 5, None)
    """
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word == "all" or word.isdecimal() for word in words):
        raise UsageError("--labels is not understood", found=text, expected="numbers of images, as in 2,5,10,all")
    return tuple(None if word == "all" else int(word) for word in words)
