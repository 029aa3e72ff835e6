"""The object scores of many images: means with intervals, counts, and all images pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unetkit.metrics.bootstrap import mean_intervals, number
from unetkit.metrics.instances.matching import NAN
from unetkit.metrics.instances.scores import OBJECT_COUNTS, OBJECT_METRICS, THRESHOLDS, ObjectScores

AT_THRESHOLDS = ("ap", "precision", "recall", "f1")
"""The scores that are given at every threshold."""


def summarise(
    images: Sequence[ObjectScores],
    groups: Sequence[str] | None = None,
    *,
    class_names: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """What the object scores of several images come to.

    Args:
        images: the scores of each image.
        groups: the group of each image; None makes every image a group of its own.
        class_names: by class index; for the classes that objects carry.
        seed: of the bootstrap.

    Returns:
        A dict that is valid JSON, None where undefined: images, mean {score: {mean, low, high, n, undefined}} over the
        images, counts {name: sum over the images}, pooled {score: of all objects of all images together}, thresholds
        and ap_at, precision_at, recall_at, f1_at (pooled, at each of them), and classes {name: the same} where objects
        carry classes.

    Raises:
        InputError: not one group an image.

    Example:
        >>> from unetkit.metrics.instances import score_objects
        >>> scores = score_objects(np.array([[7, 7, 0, 2]]), np.array([[1, 1, 1, 0]]))
        >>> summarise([scores, scores])["counts"]["found"]
        2
    """
    table = np.array([list(image.values.values()) for image in images]).reshape(len(images), len(OBJECT_METRICS))
    intervals = mean_intervals(table, groups, generator=np.random.default_rng(seed))
    counts = [image.counts for image in images]
    at = [_pooled(images, position) for position in range(len(THRESHOLDS))]
    summary: dict[str, Any] = {
        "images": len(images),
        "mean": {name: interval.record(len(images)) for name, interval in zip(OBJECT_METRICS, intervals, strict=True)},
        "counts": {name: sum(count[name] for count in counts) for name in OBJECT_COUNTS},
        "pooled": {name: number(value) for name, value in _pooled_scores(at).items()},
        "thresholds": list(THRESHOLDS),
        **{f"{name}_at": [number(pooled[name]) for pooled in at] for name in AT_THRESHOLDS},
    }
    present = sorted({index for image in images for index in image.classes})
    if present:
        summary["classes"] = {
            class_names[index] if index < len(class_names) else f"class {index}": _of_class(images, groups, index, seed)
            for index in present
        }
    return summary


def _of_class(images: Sequence[ObjectScores], groups: Sequence[str] | None, index: int, seed: int) -> Mapping[str, Any]:
    """The summary of the images that hold an object of the class, true or predicted."""
    having = [position for position, image in enumerate(images) if index in image.classes]
    kept = None if groups is None else [groups[position] for position in having]
    return summarise([images[position].classes[index] for position in having], kept, seed=seed)


def _pooled_scores(at: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The scores by the names that `OBJECT_METRICS` has for them, from those at each threshold."""
    ap = [pooled["ap"] for pooled in at]
    return {**at[0], "ap": float(np.mean(ap)), "ap50": ap[0], "ap75": ap[THRESHOLDS.index(0.75)]}


def _pooled(images: Sequence[ObjectScores], position: int) -> dict[str, float]:
    """Scores of all objects together at one threshold, as if all images were one."""
    matchings = [image.matchings[position] for image in images]
    tp, iou_sum = sum(m.tp for m in matchings), sum(m.iou_sum for m in matchings)
    true, predicted = sum(m.true for m in matchings), sum(m.predicted for m in matchings)
    parts = {
        "ap": (tp, true + predicted - tp),
        "precision": (tp, predicted),
        "recall": (tp, true),
        "f1": (2 * tp, true + predicted),
        "pq": (2 * iou_sum, true + predicted),
        "sq": (iou_sum, tp),
        "mean_true_score": (iou_sum, true),
    }
    return {name: part / whole if whole else NAN for name, (part, whole) in parts.items()}
