"""Scores: numpy in, numbers out. Every metric compares two boolean masks where `valid` is True.

To add one: a file with a function of the signature `Metric`, and one line in `METRICS`.

What the metrics say when a mask is empty (after ignored pixels are taken out). NaN is "undefined": such images are
counted apart and not averaged.

| truth | prediction | dice, iou, boundary_iou | precision | recall | hd95 | nsd |
| --- | --- | --- | --- | --- | --- | --- |
| empty | empty | NaN | NaN | NaN | NaN | NaN |
| empty | not empty | 0 | 0 | NaN | diagonal of the labelled area | 0 |
| not empty | empty | 0 | NaN | 0 | diagonal of the labelled area | 0 |
| no outline against labelled background in either (both fill the image) | | as counted | as counted | as counted | NaN | NaN |
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from unetkit.metrics.bootstrap import Interval, mean_interval, mean_intervals, paired_difference
from unetkit.metrics.boundary import boundary_iou
from unetkit.metrics.confusion import confusion_matrix, pooled_iou
from unetkit.metrics.known import Mask
from unetkit.metrics.overlap import dice, iou, precision, recall
from unetkit.metrics.surface import hd95, nsd


class Metric(Protocol):
    """One number from a predicted and a true mask; NaN where it is undefined."""

    def __call__(
        self,
        prediction: Mask,
        truth: Mask,
        valid: Mask,
        *,
        spacing: Sequence[float] | None = None,
        tolerance: float = 2.0,
    ) -> float:
        """Compare the masks (bool *S); `spacing` is per axis, `tolerance` in its unit."""


METRICS: Mapping[str, Metric] = {
    "dice": dice,
    "iou": iou,
    "precision": precision,
    "recall": recall,
    "hd95": hd95,
    "nsd": nsd,
    "boundary_iou": boundary_iou,
}

__all__ = [
    "METRICS",
    "Interval",
    "Metric",
    "boundary_iou",
    "confusion_matrix",
    "dice",
    "hd95",
    "iou",
    "mean_interval",
    "mean_intervals",
    "nsd",
    "paired_difference",
    "pooled_iou",
    "precision",
    "recall",
]
