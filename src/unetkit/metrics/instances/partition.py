"""Rand and information scores: a segmentation as a partition of the pixels, as the ISBI 2012 challenge scored it.

Only pixels inside true objects count ("foreground-restricted"): how wide the borders are drawn there is a matter of
taste. p_ij is the share of them that lies in true object i and predicted object j, t_i and s_j its sums over j and i.
A pixel that the prediction leaves to no object is an object of its own.

    Rand          split = Σ p² / Σ t²    merge = Σ p² / Σ s²    f = 2 Σ p² / (Σ s² + Σ t²)
    information   split = I / H(s)       merge = I / H(t)       f = 2 I / (H(s) + H(t))

with entropy H and mutual information I of the two partitions. All run from 0 to 1, 1 is best; cutting objects up lowers
`split`, joining them lowers `merge`.

Source: Arganda-Carreras et al. 2015, "Crowdsourcing the creation of image segmentation algorithms for connectomics",
Frontiers in Neuroanatomy 9:142.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, label

from unetkit.errors import InputError
from unetkit.metrics.instances.matching import NAN
from unetkit.metrics.instances.overlaps import Ids, Mask, Overlaps, Shares, find_overlaps

DENSE = 0.5
"""Scores of partitions are telling where true objects cover at least this share of the labelled pixels."""

SWEEP = tuple(round(0.1 * step, 1) for step in range(10))
"""The thresholds that the challenge tried: 0, 0.1 … 0.9."""


class PartitionScore(NamedTuple):
    """Two parts of a score and their harmonic mean, each 0 … 1; NaN where undefined."""

    split: float
    merge: float
    f: float


class Variation(NamedTuple):
    """Variation of information in bits, 0 is best: H(prediction | truth) of splits, H(truth | prediction) of merges.

    Source: Meilă 2007, "Comparing clusterings – an information based distance", J. Multivariate Analysis 98.
    """

    split: float
    merge: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """The scores of a map of probabilities at each threshold, and the best of them.

    Args:
        thresholds: T numbers.
        v_rand: float64 T, Rand F-score.
        v_info: float64 T, information F-score.
    """

    thresholds: tuple[float, ...]
    v_rand: Shares
    v_info: Shares

    @property
    def best_v_rand(self) -> float:
        """The highest V-Rand; NaN where it is undefined at every threshold."""
        return _highest(self.v_rand)

    @property
    def best_v_info(self) -> float:
        """The highest V-Info; NaN where it is undefined at every threshold."""
        return _highest(self.v_info)


def v_rand(overlaps: Overlaps) -> PartitionScore:
    """Foreground-restricted Rand score V-Rand; NaN without true objects.

    Example:
        >>> one, two = np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]])
        >>> v_rand(find_overlaps(two, one)).split, v_rand(find_overlaps(one, two)).merge
        (0.5, 0.5)
    """
    alone = _alone(overlaps)
    both = (overlaps.pixels.astype(np.float64) ** 2).sum() + alone
    predicted = (_covering(overlaps) ** 2).sum() + alone
    true = (overlaps.truth_sizes.astype(np.float64) ** 2).sum()
    return PartitionScore(_ratio(both, true), _ratio(both, predicted), _ratio(2 * both, true + predicted))


def v_info(overlaps: Overlaps) -> PartitionScore:
    """Foreground-restricted information score V-Info; NaN where there is no true object, or one in both maps.

    Example:
        >>> two = np.array([[1, 1, 2, 2]])
        >>> v_info(find_overlaps(two, two)).f
        1.0
    """
    true, predicted, both = _entropies(overlaps)
    shared = max(true + predicted - both, 0.0)
    return PartitionScore(_ratio(shared, predicted), _ratio(shared, true), _ratio(2 * shared, true + predicted))


def variation_of_information(overlaps: Overlaps) -> Variation:
    """Foreground-restricted variation of information in bits; NaN without true objects.

    Example:
        >>> variation_of_information(find_overlaps(np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])))
        Variation(split=1.0, merge=0.0)
    """
    if not len(overlaps.truth_ids):
        return Variation(NAN, NAN)
    true, predicted, both = _entropies(overlaps)
    return Variation(max(both - true, 0.0), max(both - predicted, 0.0))


def thinned(ids: Ids) -> Ids:
    """The objects grown until they meet: each pixel between them goes to the nearest.

    Borders are thus thinned to nothing, however wide they were drawn, and no two objects join. Skeletons, the other way
    to thin, shrink back from the edge of the image and there join what they should keep apart.

    Args:
        ids: *S whole numbers, 0 between the objects.

    Returns:
        *S, the nearest object's number everywhere; 0 only where there is no object at all.

    Example:
        >>> thinned(np.array([[1, 1, 0, 0, 0, 5]])).tolist()
        [[1, 1, 1, 1, 5, 5]]
    """
    if not ids.any():
        return ids
    nearest = distance_transform_edt(ids == 0, return_distances=False, return_indices=True)
    grown: Ids = ids[tuple(nearest)]
    return grown


def best_thresholds(
    probability: npt.NDArray[np.floating[Any]],
    truth: Mask,
    *,
    valid: Mask | None = None,
    thresholds: Sequence[float] = SWEEP,
    thin: bool = True,
) -> Sweep:
    """V-Rand and V-Info of a map of probabilities at each threshold, as the ISBI 2012 challenge ranked its entries.

    The challenge scored slices one by one and took the threshold of the highest mean over them.

    Args:
        probability: float *S, 0 … 1, that a pixel is inside a cell and not on a border.
        truth: bool *S, True inside cells. The objects of both are their regions (face neighbours: 4 in two dimensions).
        valid: bool *S, False where nobody labelled.
        thresholds: a pixel is inside above each of them.
        thin: whether to thin the predicted borders first, so that drawing them wide costs nothing.

    Returns:
        Both scores at each threshold.

    Raises:
        InputError: sizes or types do not fit, or there is no threshold.

    Example:
        >>> truth = np.ones((9, 9), bool)
        >>> truth[:, 4] = False
        >>> best_thresholds(np.where(truth, 0.9, 0.2), truth).v_rand.round(2).tolist()[:4]
        [0.67, 0.67, 1.0, 1.0]
    """
    if probability.dtype.kind != "f":
        raise InputError("the prediction holds no probabilities", found=probability.dtype, expected="0.0 … 1.0")
    if not len(thresholds):
        raise InputError("there is no threshold to try", expected="such as 0.5")
    true_ids = _regions(truth)
    rand, information = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    for position, threshold in enumerate(thresholds):
        ids = _regions(probability > threshold)
        overlaps = find_overlaps(thinned(ids) if thin else ids, true_ids, valid)
        rand[position], information[position] = v_rand(overlaps).f, v_info(overlaps).f
    return Sweep(tuple(thresholds), rand, information)


def _regions(inside: Mask) -> Ids:
    ids: Ids = label(inside)[0]
    return ids


def _covering(overlaps: Overlaps) -> Shares:
    """Pixels of each predicted object inside true objects."""
    return np.bincount(overlaps.predicted, overlaps.pixels, len(overlaps.predicted_ids)).astype(np.float64)


def _alone(overlaps: Overlaps) -> int:
    """Pixels of true objects that the prediction leaves to no object."""
    return int(overlaps.truth_sizes.sum() - overlaps.pixels.sum())


def _entropies(overlaps: Overlaps) -> tuple[float, float, float]:
    """H(truth), H(prediction) and the joint entropy of the pixels inside true objects, in bits."""
    total, alone = int(overlaps.truth_sizes.sum()), _alone(overlaps)
    singles = alone / total * log2(total) if total else 0.0
    true, predicted, both = (
        _entropy(sizes, total) for sizes in (overlaps.truth_sizes, _covering(overlaps), overlaps.pixels)
    )
    return true, predicted + singles, both + singles


def _entropy(sizes: npt.NDArray[Any], total: int) -> float:
    shares = sizes[sizes > 0] / max(total, 1)
    return float(-(shares * np.log2(shares)).sum())


def _ratio(part: float, whole: float) -> float:
    return min(float(part / whole), 1.0) if whole > 0 else NAN


def _highest(scores: Shares) -> float:
    known = scores[~np.isnan(scores)]
    return float(known.max()) if len(known) else NAN
