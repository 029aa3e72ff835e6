"""What the mask doctor's rules are given and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from unetkit.dataset.folder import Dataset
from unetkit.dataset.marked import label_kinds
from unetkit.dataset.records import Survey
from unetkit.errors import UnetkitError

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

FIX = "unetkit check DATA --fix OUT"
"""The command that applies the safe mends to a copy."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule has to say about a dataset.

    Args:
        rule: name in RULES.
        severity: "error" where training would be wrong, "warning" where it may be, "note" for what is handled.
        files: the files it is about, from the dataset's root.
        what: what was seen.
        why: why it matters.
        mend: the command or edit that mends it.
        fixable: whether `fix` mends it.
    """

    rule: str
    severity: Severity
    files: tuple[str, ...]
    what: str
    why: str
    mend: str
    fixable: bool = False


@dataclass(frozen=True)
class Case:
    """What a rule may look at.

    Args:
        survey: the facts of every file.
        dataset: the opened dataset, or None where it cannot be opened.
        refusal: why it cannot be opened.
        stated: the fields that classes.yaml states; empty where there is none or it is faulty.
    """

    survey: Survey
    dataset: Dataset | None
    refusal: UnetkitError | None = None
    stated: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def marked(self) -> frozenset[str]:
        """Names of the images that have marks; none where the dataset cannot be opened."""
        return frozenset(s.name for s in self.dataset.samples if s.marks is not None) if self.dataset else frozenset()

    @cached_property
    def kinds(self) -> Mapping[str, Sequence[str]]:
        """Names of the labelled images by how they are labelled; empty where some label cannot be read."""
        if self.dataset is not None:
            with suppress(UnetkitError):  # other rules say what is wrong
                return label_kinds(self.dataset)
        return {}

    @cached_property
    def pixels(self) -> Sequence[int]:
        """Labelled pixels of each class; empty where some label cannot be read."""
        if self.dataset is not None:
            with suppress(UnetkitError):
                counts = [self.dataset.count_labels(sample) for sample in self.dataset.labelled]
                return [int(count) for count in np.sum(counts, axis=0)[: len(self.dataset.classes)]]
        return []

    @cached_property
    def labelled(self) -> frozenset[str]:
        """Names that have a mask, and of images that have marks."""
        return self.marked | {mask.name for mask in self.survey.masks}


def several(count: int, what: str) -> str:
    """A count with its noun: "1 image", "3 images"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def listed(names: Iterable[object], most: int = 4) -> str:
    """The first few names and how many more there are."""
    shown = [str(name) for name in names]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")
