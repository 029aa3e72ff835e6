"""What a report shows, as plain data: whoever trained fills this in, the report only draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.errors import InputError
from unetkit.objects import ObjectMap

Bytes = npt.NDArray[np.uint8]


def _require_picture(what: str, image: Bytes) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(f"{what} cannot be shown", found=f"{image.dtype} {image.shape}", expected="uint8 (H, W, 3)")


def _require_labels(what: str, labels: Bytes | None, image: Bytes) -> None:
    if labels is not None and (labels.shape != image.shape[:2] or labels.dtype != np.uint8):
        raise InputError(
            f"{what} does not lie on its image",
            found=f"{labels.dtype} {labels.shape}",
            expected=f"uint8 {image.shape[:2]}",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One image with what was predicted on it.

    Args:
        name: the image's name.
        image: the picture, H W 3 (of a volume: one plane).
        truth: class indices, H W, 255 where ignored; None for an unlabelled image.
        prediction: class indices, H W.
        score: the number the cases are sorted by, 0 to 1; None without truth, or where it is undefined.
        scores: further scores of this image, shown beside it.
        objects: the predicted objects, numbered, ids H W; None where they were not told apart.

    Raises:
        InputError: the arrays do not lie on each other.
    """

    name: str
    image: Bytes
    truth: Bytes | None
    prediction: Bytes
    score: float | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    objects: ObjectMap | None = None

    def __post_init__(self) -> None:
        _require_picture(f"the image of case '{self.name}'", self.image)
        _require_labels(f"the truth of case '{self.name}'", self.truth, self.image)
        _require_labels(f"the prediction of case '{self.name}'", self.prediction, self.image)
        if self.objects is not None and self.objects.ids.shape != self.image.shape[:2]:
            raise InputError(
                f"the objects of case '{self.name}' do not lie on its image",
                found=self.objects.ids.shape,
                expected=self.image.shape[:2],
            )


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCrop:
    """A place where objects are wrong.

    Args:
        name: the image's name.
        words: what is wrong, a sentence a kind; see `unetkit.report.object_words`.
        image, errors: the place, and the errors painted on it: H W 3 both.

    Raises:
        InputError: the two do not lie on each other.
    """

    name: str
    words: Sequence[str]
    image: Bytes
    errors: Bytes

    def __post_init__(self) -> None:
        _require_picture(f"the crop of '{self.name}'", self.image)
        _require_picture(f"the errors of '{self.name}'", self.errors)
        if self.image.shape != self.errors.shape:
            raise InputError(
                f"the errors do not lie on the crop of '{self.name}'",
                found=self.errors.shape,
                expected=self.image.shape,
            )


@dataclass(frozen=True, slots=True, eq=False)
class ObjectSheet:
    """What the true and the predicted objects are like; their scores stand in the evaluation's summary.

    Args:
        rows: counts, densities and medians, as `unetkit.counting.summary_rows` gives them, each with the key `of`:
            "true" or "predicted".
        values: title and axis of a histogram, the values of the true objects and those of the predicted ones.
        counts: image, number of its true objects, of its predicted ones.
        crops: where objects are wrong, worst first.
    """

    rows: Sequence[Mapping[str, Any]]
    values: Sequence[tuple[str, str, Sequence[float], Sequence[float]]]
    counts: Sequence[tuple[str, int, int]]
    crops: Sequence[ErrorCrop] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A place where the truth itself may be wrong.

    Args:
        name: the image's name, and where in it.
        score: how suspicious, 0 to 1.
        reason: why, in plain words.
        image, truth, prediction: crops around the place: H W 3, H W and H W.

    Raises:
        InputError: the crops do not lie on each other.
    """

    name: str
    score: float
    reason: str
    image: Bytes
    truth: Bytes
    prediction: Bytes

    def __post_init__(self) -> None:
        _require_picture(f"the crop of '{self.name}'", self.image)
        _require_labels(f"the truth of '{self.name}'", self.truth, self.image)
        _require_labels(f"the prediction of '{self.name}'", self.prediction, self.image)


@dataclass(frozen=True, slots=True, eq=False)
class AugmentationSheet:
    """Some training patches as the network saw them.

    Args:
        images: N pictures, H W 3.
        labels: their class indices, H W, 255 where ignored.
        captions: what was done to each.
        grid: where a warp took a regular grid of points: rows, columns, 2; (row, column) in pixels of the patch;
            undeformed, the points lie evenly from its first to its last pixel. None draws no grid.

    Raises:
        InputError: the lists differ in length, or an array does not lie on its image.
    """

    images: Sequence[Bytes]
    labels: Sequence[Bytes]
    captions: Sequence[str]
    grid: npt.NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        counts = {len(self.images), len(self.labels), len(self.captions)}
        if len(counts) > 1:
            raise InputError("images, labels and captions of the augmentation sheet differ in number", found=counts)
        for image, labels in zip(self.images, self.labels, strict=True):
            _require_picture("an augmented patch", image)
            _require_labels("the labels of an augmented patch", labels, image)
        if self.grid is not None and (self.grid.ndim != 3 or self.grid.shape[2] != 2 or min(self.grid.shape) < 2):
            raise InputError("not a grid of points", found=self.grid.shape, expected="(rows, columns, 2)")


@dataclass(frozen=True, slots=True, eq=False)
class AttentionSheet:
    """What the attention gates of the network let through on one image.

    Args:
        name: the image's name, and which part of it.
        image: the picture, H W 3.
        maps: level -> ⌈H / 2^level⌉ ⌈W / 2^level⌉ floats, 0 (nothing) to 1 (all).

    Raises:
        InputError: a map does not lie on the image.
    """

    name: str
    image: Bytes
    maps: Mapping[int, npt.NDArray[np.floating[Any]]]

    def __post_init__(self) -> None:
        _require_picture(f"the image '{self.name}' of the attention maps", self.image)
        for level, shares in self.maps.items():
            expected = tuple(-(-side // 2**level) for side in self.image.shape[:2])
            if shares.shape != expected:
                raise InputError(
                    f"the attention map of level {level} does not lie on '{self.name}'",
                    found=shares.shape,
                    expected=expected,
                )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ReportData:
    """Everything a report shows. What is None or empty is said to be missing, and why.

    Args:
        title: what was trained, in a few words ("U-Net on nuclei").
        subtitle: on what and for how long, in one line.
        classes: names and colours of the classes.
        facts: label and value of what is known of the data.
        class_shares: share of each class among the labelled pixels of the data set, 0 to 1, in the order of `classes`.
        findings: what the check found: severity ("error", "warning", "note"), rule, files, what, why, mend.
        plan_rows: key ("training.steps"), value and reason of each choice.
        split: "train", "val", "test": the names in each.
        history: one entry a validation: step, seconds, train_loss, val_loss, val_score, learning_rate; None where
            unknown.
        best_step: the step whose weights were kept.
        summary: the evaluation's summary: mean, classes, confusion, …; None before an evaluation.
        objects: objects one by one, true and predicted; None where they were not told apart.
        cases: images with predictions, worst first.
        attention: what the network's attention gates let through on the worst image; None for a network without.
        augmentation: training patches as the network saw them.
        suspects: places where the truth may be wrong, most suspicious first; None where nobody looked for them.
        missed: one entry a true object: class, diameter (equivalent, in `unit`), found; None where nobody measured.
        unit: unit of lengths, "px" where no spacing is known.
        next_steps: what to do next, most useful first.
        environment: versions, device, …
        commands: what to type to get this again.
        warnings: what the reader has to know before believing any number.

    Raises:
        InputError: the class shares do not belong to the classes.
    """

    title: str
    subtitle: str
    classes: Classes
    facts: Sequence[tuple[str, str]] = ()
    class_shares: Sequence[float] | None = None
    findings: Sequence[Mapping[str, Any]] | None = None
    plan_rows: Sequence[tuple[str, str, str]] = ()
    split: Mapping[str, Sequence[str]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    best_step: int | None = None
    summary: Mapping[str, Any] | None = None
    objects: ObjectSheet | None = None
    cases: Sequence[Case] = ()
    attention: AttentionSheet | None = None
    augmentation: AugmentationSheet | None = None
    suspects: Sequence[Suspect] | None = None
    missed: Sequence[Mapping[str, Any]] | None = None
    unit: str = "px"
    next_steps: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.class_shares is not None and len(self.class_shares) != len(self.classes):
            raise InputError(
                "the class shares do not belong to the classes",
                found=f"{len(self.class_shares)} shares",
                expected=f"{len(self.classes)}: {', '.join(self.classes.names)}",
            )
