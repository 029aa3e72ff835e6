"""What is compared: every combination of models, varied plan values and numbers of annotated images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import product
from typing import Any

from unetkit.errors import UsageError
from unetkit.models import MODELS
from unetkit.registry import lookup

CHOSEN = "the plan's choice"
"""Name of the model that nobody named."""

UNSTATED = (CHOSEN, "all images")
"""Parts of a variant that nobody typed."""

LONGEST = 80
"""Characters of a folder's name before its digest: file systems end at 255 bytes."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One member of a comparison. Two are the same where all but their names are.

    Args:
        name: what tells it from the others, such as "unet++" or "training.loss=dice".
        model: registered name; None leaves it to the plan.
        settings: changes of the plan, as "training.loss=dice".
        labels: annotated training images it may use; None for all.
    """

    name: str = field(compare=False)
    model: str | None = None
    settings: tuple[str, ...] = ()
    labels: int | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Everything it is, in words."""
        return (self.model or CHOSEN, *self.settings, f"{self.labels or 'all'} images")

    @property
    def folder(self) -> str:
        """A folder's name, the same whatever it is compared with: what it is, and a digest to keep others apart."""
        digest = blake2b(json.dumps(self.to_json()).encode(), digest_size=6).hexdigest()
        words = re.sub(r"[^\w+.=-]+", "_", ", ".join(self.parts)).strip("_.")
        return f"{words[:LONGEST]}-{digest}"

    def to_json(self) -> dict[str, Any]:
        """All but the name, as `json.dumps` takes it."""
        return {"model": self.model, "settings": list(self.settings), "labels": self.labels}


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
        least = min(number for number in labels if number is not None)
        raise UsageError("--labels cannot be used", found=least, expected="1 or more annotated images")
    stated = [
        Variant("", model, settings, number)
        for model in models or (None,)
        for settings in product(*map(_settings, vary))
        for number in labels or (None,)
    ]
    variants = named(stated)
    if len(variants) < len(stated):
        twice = next(v for v in variants if stated.count(v) > 1)
        raise UsageError("is named twice in the comparison", found=twice.name, expected="each variant once")
    if len(variants) < 2:
        raise UsageError(
            "there is nothing to compare",
            found=variants[0].name if models or vary or labels else "no variants",
            expected="two variants or more, as in --models unet,unet++ or --vary training.loss=dice,ce+dice",
        )
    return variants


def named(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """The variants, each once, with names that leave out what all of them have in common.

    Example:
        >>> [v.name for v in named([Variant("", "unet", labels=2), Variant("", "unet++", labels=2)])]
        ['unet', 'unet++']
    """
    once = tuple(dict.fromkeys(variants))
    common = set.intersection(*(set(variant.parts) for variant in once))
    own = [[part for part in variant.parts if part not in common] for variant in once]
    whole = [[part for part in variant.parts if part not in UNSTATED] or [CHOSEN] for variant in once]
    return tuple(replace(v, name=", ".join(n or w)) for v, n, w in zip(once, own, whole, strict=True))


def _settings(text: str) -> list[str]:
    """ "key=a,b" as ["key=a", "key=b"]."""
    key, equals, values = text.partition("=")
    parts = [part.strip() for part in _split(values)]
    if not equals or not key.strip() or not all(parts):
        raise UsageError(
            "--vary is not understood", found=text, expected="KEY=VALUE,VALUE as in training.loss=dice,ce+dice"
        )
    return [f"{key.strip()}={part}" for part in parts]


def _split(values: str) -> list[str]:
    """The values between the commas that stand in no bracket."""
    parts, depth = [""], 0
    for sign in values:
        depth += (sign in "[{(") - (sign in "]})")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


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
