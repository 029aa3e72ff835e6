"""Which predicted object is which true one, and the scores that follow from it.

Two objects are partners when their IoU reaches a threshold and neither has another partner. From 0.5 on a true object
can have no second partner (of two exact halves one is taken), so nothing needs to be chosen; below it the pairs are
chosen so that they are as many as possible and, among such choices, overlap as much as possible.

With tp partners, fp predicted objects without a partner, fn true ones without, and Σ the sum of the partners' IoU:

    ap = tp / (tp + fp + fn)            precision = tp / (tp + fp)          sq = Σ / tp
    f1 = rq = 2 tp / (2 tp + fp + fn)   recall = tp / (tp + fn)             pq = sq · rq = 2 Σ / (2 tp + fp + fn)

What is called "average precision" here is the score of the Data Science Bowl 2018, which StarDist calls "accuracy". It
is no area under a curve, and not COCO's AP, which ranks predictions by their confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from unetkit.errors import InputError
from unetkit.metrics.instances.overlaps import Counts, Overlaps, Shares

NAN = float("nan")

ONE = 2.0**32
"""What a weight of 1 is to the solver: with whole numbers it computes exactly, with fractions it may never end."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Partners at one threshold, and the scores that follow. A ratio of nothing to nothing is NaN, "undefined".

    Args:
        threshold: least IoU of partners.
        pairs: int64 M, positions in the overlaps of the pairs that are partners.
        iou_sum: the sum of their IoU.
        true: how many true objects there are.
        predicted: how many predicted objects there are.
    """

    threshold: float
    pairs: Counts
    iou_sum: float
    true: int
    predicted: int

    @property
    def tp(self) -> int:
        """Pairs of partners."""
        return len(self.pairs)

    @property
    def fp(self) -> int:
        """Predicted objects without a partner."""
        return self.predicted - self.tp

    @property
    def fn(self) -> int:
        """True objects without a partner."""
        return self.true - self.tp

    @property
    def ap(self) -> float:
        """tp / (tp + fp + fn), 0 … 1: the Data Science Bowl's average precision, StarDist's accuracy."""
        return _ratio(self.tp, self.true + self.predicted - self.tp)

    @property
    def precision(self) -> float:
        """tp / (tp + fp), 0 … 1; NaN without predicted objects."""
        return _ratio(self.tp, self.predicted)

    @property
    def recall(self) -> float:
        """tp / (tp + fn), 0 … 1; NaN without true objects."""
        return _ratio(self.tp, self.true)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn), 0 … 1; the recognition quality (RQ) of panoptic quality is the same."""
        return _ratio(2 * self.tp, self.true + self.predicted)

    @property
    def sq(self) -> float:
        """Mean IoU of the partners; the segmentation quality of panoptic quality. NaN without partners."""
        return _ratio(self.iou_sum, self.tp)

    @property
    def pq(self) -> float:
        """Panoptic quality, 0 … 1."""
        return _ratio(2 * self.iou_sum, self.true + self.predicted)

    @property
    def mean_true_score(self) -> float:
        """Mean IoU over all true objects, 0 for those without a partner; NaN without true objects."""
        return _ratio(self.iou_sum, self.true)


def match(overlaps: Overlaps, threshold: float = 0.5) -> Matching:
    """Find the partners at a threshold.

    Args:
        overlaps: of the two id maps.
        threshold: least IoU of partners, above 0 and up to 1.

    Returns:
        The partners.

    Raises:
        InputError: the threshold lies elsewhere.

    Source:
        Caicedo et al. 2019, "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature
        Methods 16; Kirillov et al. 2019, "Panoptic Segmentation", CVPR; Weigert et al. 2020 (StarDist's matching).

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> match(find_overlaps(np.array([[7, 7, 0, 2]]), np.array([[1, 1, 1, 0]]))).ap
        0.5
    """
    if not 0 < threshold <= 1:
        raise InputError("the threshold is no IoU", found=threshold, expected="above 0 and up to 1")
    ious = overlaps.ious
    near = np.flatnonzero(ious >= threshold)
    if threshold >= 0.5:
        # IoU ≥ 0.5 means half of both: a second partner is the other exact half of the same object
        near = near[np.unique(overlaps.true[near], return_index=True)[1]]
        near = np.sort(near[np.unique(overlaps.predicted[near], return_index=True)[1]])
    else:
        share = ious[near] / (2 * max(len(near), 1))  # all shares together count less than one partner more
        near = near[best_pairs(overlaps.true[near], overlaps.predicted[near], 1 + share)]
    return Matching(threshold, near, float(ious[near].sum()), len(overlaps.truth_ids), len(overlaps.predicted_ids))


def best_pairs(rows: Counts, columns: Counts, weights: Shares) -> Counts:
    """Choose pairs, no row and no column twice, of the greatest total weight (each rounded to 2⁻³²).

    Args:
        rows: int64 K, the row of each pair; pairs stand in order of row, column.
        columns: int64 K.
        weights: float64 K, above 0.

    Returns:
        The positions of the chosen pairs, rising.

    Example:
        >>> best_pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.9, 0.6, 0.5])).tolist()
        [1, 2]
    """
    if not len(rows):
        return np.zeros(0, np.int64)
    row, column = (np.unique(ids, return_inverse=True)[1] for ids in (rows, columns))
    height, width = int(row.max()) + 1, int(column.max()) + 1
    # The solver leaves nobody alone, so each row and column gets a spare to stay with, and the spares of a chosen pair
    # stay with each other. All of that weighs 1, and a pair 1 more than its weight: the sum of the ones is fixed.
    first, second = np.arange(height), np.arange(width)
    graph = csr_array(
        (
            np.concatenate([ONE + np.rint(ONE * weights), np.full(height + width + len(row), ONE)]),
            (np.concatenate([row, first, height + second, height + column]),
             np.concatenate([column, width + first, second, width + row])),
        ),
        shape=(height + width, width + height),
    )  # fmt: skip
    partner = min_weight_full_bipartite_matching(graph, maximize=True)[1]
    return np.flatnonzero(partner[row] == column)


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else NAN
