"""All scores of the objects of one image. To add one: a function of `ObjectScores` here, and one line in its dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError
from unetkit.metrics.instances.jaccard import aji, aji_plus, seg
from unetkit.metrics.instances.kinds import KINDS, Kinds, object_kinds
from unetkit.metrics.instances.matching import Matching, match
from unetkit.metrics.instances.overlaps import Ids, Mask, Overlaps, find_overlaps
from unetkit.metrics.instances.partition import v_info, v_rand

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The IoU thresholds of the Data Science Bowl 2018 and of COCO: 0.5, 0.55 … 0.95."""


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """What is known of the objects of one image, from which every score follows.

    Args:
        overlaps: which objects overlap, and by how much.
        matchings: the partners at each of `THRESHOLDS`.
        kinds: what became of every object.
        classes: the same of the objects of each class alone, by class index; empty where objects carry no classes.
    """

    overlaps: Overlaps
    matchings: tuple[Matching, ...]
    kinds: Kinds
    classes: Mapping[int, ObjectScores] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """Every score of `OBJECT_METRICS`; NaN where undefined."""
        return {name: metric(self) for name, metric in OBJECT_METRICS.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Objects and errors, by the names of `OBJECT_COUNTS`."""
        kinds = np.concatenate([self.kinds.true, self.kinds.predicted[self.kinds.predicted == KINDS["invented"]]])
        return {
            "true_objects": len(self.overlaps.truth_ids),
            "predicted_objects": len(self.overlaps.predicted_ids),
            **{name: int(np.count_nonzero(kinds == code)) for name, code in KINDS.items()},
            "merges": self.kinds.merges,
            "splits": self.kinds.splits,
        }


OBJECT_COUNTS = ("true_objects", "predicted_objects", *KINDS, "merges", "splits")
"""What is counted: found, merged, split and missed are true objects, invented ones predicted."""


def score_objects(
    prediction_ids: Ids,
    truth_ids: Ids,
    *,
    valid: Mask | None = None,
    prediction_classes: npt.NDArray[np.integer[Any]] | None = None,
    truth_classes: npt.NDArray[np.integer[Any]] | None = None,
) -> ObjectScores:
    """Score the objects of one image.

    Args:
        prediction_ids: *S whole numbers, 0 for no object, else one number an object; gaps and 64 bits are allowed.
        truth_ids: *S likewise.
        valid: bool *S, False where nobody labelled.
        prediction_classes: the class of the predicted object i at i − 1, as an object map has it.
        truth_classes: likewise of the true objects. With both, each class is also scored by itself: an object of
            another class is then no partner. The scores over all objects do not look at classes.

    Returns:
        The scores; `.values["ap"]` and its like.

    Raises:
        InputError: sizes differ, a map does not hold whole numbers from 0, or an object has no class.

    Example:
        >>> scores = score_objects(np.array([[7, 7, 0, 2]]), np.array([[1, 1, 1, 0]]))
        >>> scores.values["ap50"], scores.values["recall"], scores.counts["invented"]
        (0.5, 1.0, 1)
    """
    overlaps = find_overlaps(prediction_ids, truth_ids, valid)
    if prediction_classes is None and truth_classes is None:
        return _scored(overlaps, {})
    if prediction_classes is None or truth_classes is None:
        raise InputError("only one of the two maps says which class its objects have", expected="both, or none")
    predicted = _class_of("prediction", overlaps.predicted_ids, prediction_classes)
    true = _class_of("truth", overlaps.truth_ids, truth_classes)
    present = np.union1d(predicted, true)
    return _scored(overlaps, {int(c): _scored(overlaps.only(true == c, predicted == c), {}) for c in present})


def _scored(overlaps: Overlaps, classes: Mapping[int, ObjectScores]) -> ObjectScores:
    matchings = tuple(match(overlaps, threshold) for threshold in THRESHOLDS)
    return ObjectScores(overlaps, matchings, object_kinds(overlaps), classes)


def _class_of(name: str, ids: Ids, classes: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    if len(ids) and int(ids[-1]) > len(classes):
        raise InputError(
            f"an object of the {name} has no class", found=f"id {ids[-1]}", expected=f"at most {len(classes)}"
        )
    return classes[ids.astype(np.int64) - 1]


def _ap(scores: ObjectScores) -> float:
    """AP averaged over the IoU thresholds 0.5, 0.55 … 0.95: the Data Science Bowl 2018's score of an image."""
    return float(np.mean([matching.ap for matching in scores.matchings]))


def _ap50(scores: ObjectScores) -> float:
    """AP at IoU 0.5: tp / (tp + fp + fn), StarDist's accuracy."""
    return scores.matchings[0].ap


def _ap75(scores: ObjectScores) -> float:
    """AP at IoU 0.75: tp / (tp + fp + fn)."""
    return scores.matchings[THRESHOLDS.index(0.75)].ap


def _precision(scores: ObjectScores) -> float:
    """Share of the predicted objects that have a partner at IoU 0.5."""
    return scores.matchings[0].precision


def _recall(scores: ObjectScores) -> float:
    """Share of the true objects that have a partner at IoU 0.5."""
    return scores.matchings[0].recall


def _f1(scores: ObjectScores) -> float:
    """2 tp / (2 tp + fp + fn) at IoU 0.5; the recognition quality RQ is the same number."""
    return scores.matchings[0].f1


def _sq(scores: ObjectScores) -> float:
    """Segmentation quality: mean IoU of the partners at 0.5, StarDist's mean matched score."""
    return scores.matchings[0].sq


def _pq(scores: ObjectScores) -> float:
    """Panoptic quality: SQ times RQ, at IoU 0.5."""
    return scores.matchings[0].pq


def _mean_true_score(scores: ObjectScores) -> float:
    """Sum of the partners' IoU at 0.5 over the number of true objects (StarDist)."""
    return scores.matchings[0].mean_true_score


def _aji(scores: ObjectScores) -> float:
    """Aggregated Jaccard index: true objects with their best predictions, pixels shared over pixels of the unions."""
    return aji(scores.overlaps)


def _aji_plus(scores: ObjectScores) -> float:
    """Aggregated Jaccard index with pairs of which no prediction is in two (HoVer-Net's AJI+)."""
    return aji_plus(scores.overlaps)


def _seg(scores: ObjectScores) -> float:
    """The Cell Tracking Challenge's SEG: mean IoU with the prediction that covers more than half of a true object."""
    return seg(scores.overlaps)


def _v_rand(scores: ObjectScores) -> float:
    """V-Rand of ISBI 2012: F-score of pairs of pixels in one object, inside true objects, without thinning."""
    return v_rand(scores.overlaps).f


def _v_info(scores: ObjectScores) -> float:
    """V-Info of ISBI 2012: F-score of the information shared, inside true objects, without thinning."""
    return v_info(scores.overlaps).f


def _count_error(scores: ObjectScores) -> float:
    """Predicted minus true objects: above 0 too many, 0 is best."""
    return float(len(scores.overlaps.predicted_ids) - len(scores.overlaps.truth_ids))


OBJECT_METRICS: Mapping[str, Callable[[ObjectScores], float]] = {
    "ap": _ap,
    "ap50": _ap50,
    "ap75": _ap75,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "pq": _pq,
    "sq": _sq,
    "mean_true_score": _mean_true_score,
    "aji": _aji,
    "aji_plus": _aji_plus,
    "seg": _seg,
    "v_rand": _v_rand,
    "v_info": _v_info,
    "count_error": _count_error,
}
