"""How good predictions are: one row an image and class, and a summary in which every mean has its interval.

Pixels that nobody labelled (255 in the truth) count nowhere. A score that is undefined, such as the Dice of a class
that is in neither mask, is left out of the means and counted apart; `unetkit.metrics` has the table of such cases. HD95
is in the unit of the spacing where the masks state one, else in pixels. The tolerance of NSD is stated in pixels of the
finest axis, so that it means the same for every image.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes
from unetkit.errors import InputError
from unetkit.files import write_json, write_text
from unetkit.image import Geometry
from unetkit.metrics import METRICS, confusion_matrix, mean_intervals, pooled_iou
from unetkit.metrics.bootstrap import RESAMPLES, number
from unetkit.metrics.instances import OBJECT_COUNTS, OBJECT_METRICS, ObjectScores, score_objects, summarise

Labels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]

COLUMNS = ("image", "group", "class", *METRICS, "truth_pixels", "predicted_pixels", "unit")
"""The columns of per_image.csv, in order."""

OBJECT_COLUMNS = ("image", "group", *OBJECT_METRICS, *OBJECT_COUNTS)
"""The columns of per_image_objects.csv, in order."""

FEW_GROUPS = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction beside the truth.

    Args:
        name: of the image, such as "plate1/a".
        group: patient, plate, scene …; None where nobody said.
        prediction: *S uint8, a class index wherever the truth is labelled.
        truth: *S uint8, class indices, 255 where ignored.
        geometry: spacing and its unit.
        prediction_ids: *S whole numbers, 0 for no object, else one number an object; None where nobody numbered them.
        truth_ids: likewise of the truth; objects are scored where both are there.
        prediction_classes: the class of the predicted object i at i − 1; None where objects carry none.
        truth_classes: likewise of the truth.
    """

    name: str
    group: str | None
    prediction: Labels
    truth: Labels
    geometry: Geometry = Geometry()  # noqa: RUF009 - frozen
    prediction_ids: npt.NDArray[np.integer[Any]] | None = None
    truth_ids: npt.NDArray[np.integer[Any]] | None = None
    prediction_classes: npt.NDArray[np.integer[Any]] | None = None
    truth_classes: npt.NDArray[np.integer[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of every image, and what they come to.

    Args:
        rows: one an image and foreground class, with the keys of `COLUMNS`; NaN where undefined.
        summary: see `evaluate_pairs`; holds None where undefined, so that it is valid JSON.
        objects: one an image whose objects were numbered, with the keys of `OBJECT_COLUMNS`; NaN where undefined.
    """

    rows: tuple[dict[str, Any], ...]
    summary: dict[str, Any]
    objects: tuple[dict[str, Any], ...] = ()


class Seen(NamedTuple):
    """What is kept of a pair besides its scores."""

    group: str | None
    unit: str
    objects: ObjectScores | None
    pixels: int
    labelled: int


def evaluate_pairs(pairs: Iterable[Pair], classes: Classes, *, seed: int = 0, tolerance: float = 2.0) -> Evaluation:
    """Score predictions, one at a time: only the numbers are kept, so the pairs may be more than memory holds.

    Args:
        pairs: predictions and truths; each name once.
        classes: the classes of both; class 0 is background and gets no row.
        seed: of the bootstrap.
        tolerance: distance that NSD still counts as right, in pixels of the finest axis.

    Returns:
        Rows, and a summary with the keys
        unit (of hd95; "mixed" where the images disagree: hd95 is then not averaged), tolerance_px, images,
        labelled_share (of their pixels; scores are taken on these alone),
        groups (None where intervals are over images), interval (how the intervals were made),
        mean {metric: {mean, low, high, n, undefined}} over the foreground classes of an image, then over the images,
        classes {class: {metric: {mean, low, high, n, undefined}}} over the images,
        pooled_iou {class: over all pixels of all images}, mean_iou (their mean), confusion (row truth, column
        prediction), class_names, and worst (names, lowest mean Dice first, images without a Dice last).
        Where the pairs have ids also objects: what `unetkit.metrics.instances.summarise` gives, interval, and worst
        (names, lowest AP first).

    Raises:
        InputError: no pair, a name twice, sizes that differ, a spacing that does not fit, or a label that is no class.

    Example:
        >>> truth = np.zeros((8, 8), np.uint8)
        >>> truth[2:6, 2:6] = 1
        >>> done = evaluate_pairs([Pair("a", None, truth, truth)], Classes(names=("background", "cell")))
        >>> done.summary["mean"]["dice"]["mean"]
        1.0
    """
    seen: dict[str, Seen] = {}
    rows: list[dict[str, Any]] = []
    scores: list[Scores] = []
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    for pair in pairs:
        if pair.name in seen:
            raise InputError("two predictions have the same name", file=pair.name)
        _check(pair)
        confusion += confusion_matrix(pair.prediction, pair.truth, len(classes), file=pair.name)
        scores.append(_score(pair, classes, tolerance))
        rows += _rows(pair, classes, scores[-1])
        labelled = int(np.count_nonzero(pair.truth != IGNORE))
        seen[pair.name] = Seen(pair.group, pair.geometry.unit, _score_objects(pair), pair.truth.size, labelled)
    if not seen:
        raise InputError("there is nothing to evaluate", expected="at least one prediction with its truth")
    summary = _summarise(seen, np.stack(scores), confusion, classes, seed=seed)
    scored = {name: (image.group, image.objects) for name, image in seen.items() if image.objects is not None}
    if scored:
        summary["objects"] = _summarise_objects(scored, classes, seed=seed)
    objects = tuple(
        {"image": name, "group": group, **scores.values, **scores.counts} for name, (group, scores) in scored.items()
    )
    return Evaluation(tuple(rows), {**summary, "tolerance_px": float(tolerance)}, objects)


def _check(pair: Pair) -> None:
    if pair.prediction.shape != pair.truth.shape:
        raise InputError(
            "prediction and truth differ in size",
            file=pair.name,
            found=" × ".join(map(str, pair.prediction.shape)),
            expected=" × ".join(map(str, pair.truth.shape)),
        )
    spacing = pair.geometry.spacing
    if spacing is not None and (len(spacing) != pair.truth.ndim or not all(0 < step < np.inf for step in spacing)):
        raise InputError(
            "the spacing does not fit the mask",
            file=pair.name,
            found=spacing,
            expected=f"{pair.truth.ndim} finite numbers above zero",
        )


def _score(pair: Pair, classes: Classes, tolerance: float) -> Scores:
    """Every metric of every foreground class: float F M."""
    valid = pair.truth != IGNORE
    spacing = pair.geometry.spacing
    reach = tolerance * (min(spacing) if spacing else 1.0)
    return np.array(
        [
            [
                metric(pair.prediction == index, pair.truth == index, valid, spacing=spacing, tolerance=reach)
                for metric in METRICS.values()
            ]
            for index in range(1, len(classes))
        ]
    )


def _score_objects(pair: Pair) -> ObjectScores | None:
    """The scores of the pair's objects, or None where they are not numbered."""
    if pair.prediction_ids is None or pair.truth_ids is None:
        return None
    try:
        return score_objects(
            pair.prediction_ids,
            pair.truth_ids,
            valid=pair.truth != IGNORE,
            prediction_classes=pair.prediction_classes,
            truth_classes=pair.truth_classes,
        )
    except InputError as error:
        raise InputError(
            error.what, file=pair.name, found=error.found, expected=error.expected, mend=error.mend
        ) from error


def _summarise_objects(
    scored: Mapping[str, tuple[str | None, ObjectScores]], classes: Classes, *, seed: int
) -> dict[str, Any]:
    groups = shared_groups([group for group, _ in scored.values()])
    scores = [objects for _, objects in scored.values()]
    ap = [objects.values["ap"] for objects in scores]
    worst = sorted((np.isnan(score), np.nan_to_num(score), name) for name, score in zip(scored, ap, strict=True))
    return {
        **summarise(scores, groups, class_names=classes.names, seed=seed),
        "interval": _describe(len(scores), groups, seed),
        "worst": [name for _, _, name in worst],
    }


def _rows(pair: Pair, classes: Classes, scores: Scores) -> list[dict[str, Any]]:
    valid = pair.truth != IGNORE
    truth = np.bincount(pair.truth[valid], minlength=len(classes))
    predicted = np.bincount(pair.prediction[valid], minlength=len(classes))
    return [
        {
            "image": pair.name,
            "group": pair.group,
            "class": classes.names[index],
            **dict(zip(METRICS, map(float, scores[index - 1]), strict=True)),
            "truth_pixels": int(truth[index]),
            "predicted_pixels": int(predicted[index]),
            "unit": pair.geometry.unit,
        }
        for index in range(1, len(classes))
    ]


def _summarise(
    seen: Mapping[str, Seen], scores: Scores, confusion: npt.NDArray[np.int64], classes: Classes, *, seed: int
) -> dict[str, Any]:
    """The summary of N images: `scores` is float N F M."""
    images, foreground, _ = scores.shape
    units = {image.unit for image in seen.values()}
    if len(units) > 1:
        scores = scores.copy()
        scores[:, :, list(METRICS).index("hd95")] = np.nan  # metres and pixels have no mean
    per_image = _defined_mean(scores)  # N M
    groups = shared_groups([image.group for image in seen.values()])
    table = np.concatenate([per_image, scores.reshape(images, -1)], axis=1)
    intervals = mean_intervals(table, groups, generator=np.random.default_rng(seed))
    blocks = [
        {
            metric: interval.record(images)
            for metric, interval in zip(METRICS, intervals[i * len(METRICS) : (i + 1) * len(METRICS)], strict=True)
        }
        for i in range(1 + foreground)
    ]
    pooled = pooled_iou(confusion)
    dice = per_image[:, list(METRICS).index("dice")]
    worst = sorted((np.isnan(score), np.nan_to_num(score), name) for name, score in zip(seen, dice, strict=True))
    return {
        "unit": units.pop() if len(units) == 1 else "mixed",
        "images": images,
        "labelled_share": sum(image.labelled for image in seen.values()) / sum(image.pixels for image in seen.values()),
        "groups": len(set(groups)) if groups else None,
        "interval": _describe(images, groups, seed),
        "mean": blocks[0],
        "classes": dict(zip(classes.names[1:], blocks[1:], strict=True)),
        "pooled_iou": {name: number(value) for name, value in zip(classes.names, pooled, strict=True)},
        "mean_iou": number(_defined_mean(pooled[None, :, None])[0, 0]),
        "confusion": confusion.tolist(),
        "class_names": list(classes.names),
        "worst": [name for _, _, name in worst],
    }


def shared_groups(given: Sequence[str | None]) -> list[str] | None:
    """The group of every image, or None unless all have one and there are two or more."""
    groups = [group for group in given if group is not None]
    return groups if len(groups) == len(given) and len(set(groups)) > 1 else None


def _describe(images: int, groups: list[str] | None, seed: int) -> str:
    count, what = (len(set(groups)), "groups") if groups else (images, "images")
    if count < 2:
        return "none: one image has no spread"
    text = f"95 % bootstrap over {what}, {RESAMPLES} resamples, seed {seed}"
    return text if count >= FEW_GROUPS else f"{text}; too narrow, being of only {count} {what}"


def _defined_mean(values: Scores) -> Scores:
    """The mean over the second axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    means = np.full(total.shape, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def write_evaluation(folder: str | PathLike[str], evaluation: Evaluation) -> None:
    """Write per_image.csv (columns `COLUMNS`, empty cells where undefined) and summary.json, each whole or not at all.

    Where objects were scored, also per_image_objects.csv with the columns `OBJECT_COLUMNS`.

    Raises:
        FileError: the folder cannot be written.
    """
    write_text(Path(folder) / "per_image.csv", _table(COLUMNS, evaluation.rows))
    of_objects = Path(folder) / "per_image_objects.csv"
    if evaluation.objects:
        write_text(of_objects, _table(OBJECT_COLUMNS, evaluation.objects))
    else:
        of_objects.unlink(missing_ok=True)  # of an earlier scoring
    write_json(Path(folder) / "summary.json", evaluation.summary)


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return "" if value is None else value
