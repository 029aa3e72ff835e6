"""What became of every object: found, merged, split, missed or invented.

A prediction *holds* a true object when it covers more than half of it, and is a *part* of one when more than half of
the prediction lies in it.

| kind | a true object … | a predicted object … |
| --- | --- | --- |
| found | has a prediction of IoU above 0.5 | has a true object of IoU above 0.5 |
| merged | is held together with others by one prediction | holds two or more true objects |
| split | has two or more parts | is one of two or more parts of a true object |
| missed | is none of these | |
| invented | | is none of these |

The first line that fits counts. A `merge` is a prediction that holds two or more true objects, a `split` a true object
with two or more parts, whether or not one of them was found besides. That is the rule of the Cell Tracking Challenge
(Matula et al. 2015, "Cell Tracking Accuracy Measurement Based on Comparison of Acyclic Oriented Graphs", PLOS ONE 10:
more than half of the true object), read in both directions. Coelho et al. 2009 ("Nuclear segmentation in microscope
cell images", ISBI), who count splits and merges too, give an object to the largest share of it, even below a half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unetkit.metrics.instances.overlaps import Counts, Ids, Mask, Overlaps

FOUND, MERGED, SPLIT, MISSED, INVENTED = range(1, 6)

KINDS: dict[str, int] = {"found": FOUND, "merged": MERGED, "split": SPLIT, "missed": MISSED, "invented": INVENTED}

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Kinds:
    """What became of every object.

    Args:
        truth_ids: the T ids of the true objects, rising.
        predicted_ids: the P ids of the predicted objects, rising.
        true: uint8 T, FOUND, MERGED, SPLIT or MISSED.
        predicted: uint8 P, FOUND, MERGED, SPLIT or INVENTED.
        merges: predictions that hold two or more true objects.
        splits: true objects with two or more parts.
    """

    truth_ids: Ids
    predicted_ids: Ids
    true: Codes
    predicted: Codes
    merges: int
    splits: int


def object_kinds(overlaps: Overlaps) -> Kinds:
    """Say of every object whether it was found, merged, split, missed or invented.

    Args:
        overlaps: of the two id maps.

    Returns:
        One kind an object.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> kinds = object_kinds(find_overlaps(np.array([[5, 5, 5, 5, 5]]), np.array([[1, 1, 2, 2, 2]])))
        >>> kinds.true.tolist(), kinds.predicted.tolist(), kinds.merges
        ([2, 1], [1], 1)
    """
    true, predicted, holds, part = overlaps.true, overlaps.predicted, holding(overlaps), parting(overlaps)
    held = np.bincount(predicted[holds], minlength=len(overlaps.predicted_ids))
    parts = np.bincount(true[part], minlength=len(overlaps.truth_ids))
    same = overlaps.ious > 0.5
    merging, splitting = holds & (held[predicted] > 1), part & (parts[true] > 1)
    return Kinds(
        overlaps.truth_ids,
        overlaps.predicted_ids,
        _codes(len(overlaps.truth_ids), MISSED, true[splitting], true[merging], true[same]),
        _codes(len(overlaps.predicted_ids), INVENTED, predicted[splitting], predicted[merging], predicted[same]),
        int(np.count_nonzero(held > 1)),
        int(np.count_nonzero(parts > 1)),
    )


def holding(overlaps: Overlaps) -> Mask:
    """Whether the prediction of each overlapping pair holds its true object, bool K.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> holding(find_overlaps(np.array([[5, 5, 5, 5, 5]]), np.array([[1, 1, 2, 2, 2]]))).tolist()
        [True, True]
    """
    return 2 * overlaps.pixels > overlaps.truth_sizes[overlaps.true]


def parting(overlaps: Overlaps) -> Mask:
    """Whether the prediction of each overlapping pair is a part of its true object, bool K.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> parting(find_overlaps(np.array([[5, 5, 5, 5, 5]]), np.array([[1, 1, 2, 2, 2]]))).tolist()
        [False, True]
    """
    return 2 * overlaps.pixels > overlaps.predicted_sizes[overlaps.predicted]


def _codes(count: int, otherwise: int, split: Counts, merged: Counts, found: Counts) -> Codes:
    codes = np.full(count, otherwise, np.uint8)
    codes[split], codes[merged] = SPLIT, MERGED
    codes[found] = FOUND
    return codes
