"""How the objects of two id maps lie on each other: one sparse table, from which every score of objects is counted.

The maps are read once, as runs of pixels that have the same pair of ids. A table of 20 000 × 20 000 objects is never
laid out: only pairs that touch are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from unetkit.errors import InputError

Ids = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]

UNLABELLED_SHARE = 0.5
"""A prediction with more than this share of its pixels where nobody labelled is not held against anyone."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """The objects of a truth and of a prediction, and how many pixels each pair of them shares.

    Args:
        truth_ids: the T ids of the true objects, rising.
        predicted_ids: the P ids of the predicted objects, rising.
        truth_sizes: int64 T, labelled pixels of each true object, above 0.
        predicted_sizes: int64 P, labelled pixels of each predicted object, above 0.
        true: int64 K, the position in `truth_ids` of each pair that overlaps; pairs stand in order of true, predicted.
        predicted: int64 K, the position in `predicted_ids`.
        pixels: int64 K, the pixels that the pair shares, above 0.
    """

    truth_ids: Ids
    predicted_ids: Ids
    truth_sizes: Counts
    predicted_sizes: Counts
    true: Counts
    predicted: Counts
    pixels: Counts

    @property
    def unions(self) -> Counts:
        """Pixels that either object of each pair has, int64 K."""
        return self.truth_sizes[self.true] + self.predicted_sizes[self.predicted] - self.pixels

    @property
    def ious(self) -> Shares:
        """Intersection over union of each pair, float64 K, above 0 and up to 1."""
        return self.pixels / self.unions

    def only(self, true: Mask, predicted: Mask) -> Overlaps:
        """The same with some of the objects alone, as if the others were background.

        Args:
            true: bool T, the true objects to keep.
            predicted: bool P, the predicted objects to keep.
        """
        pairs = true[self.true] & predicted[self.predicted]
        return Overlaps(
            self.truth_ids[true],
            self.predicted_ids[predicted],
            self.truth_sizes[true],
            self.predicted_sizes[predicted],
            (np.cumsum(true) - 1)[self.true[pairs]],
            (np.cumsum(predicted) - 1)[self.predicted[pairs]],
            self.pixels[pairs],
        )


def find_overlaps(prediction: Ids, truth: Ids, valid: Mask | None = None) -> Overlaps:
    """Count the pixels that each predicted and each true object share.

    Pixels that nobody labelled belong to no object. A prediction of which more than half lies there is left out
    altogether, unless what is left of it overlaps a true object by an IoU of 0.5 or more.

    Args:
        prediction: *S whole numbers of any size, 0 for no object, else one number an object; gaps do no harm.
        truth: *S likewise. The two need not use the same numbers.
        valid: bool *S, False where nobody labelled; None means that all is labelled.

    Returns:
        The table of overlaps.

    Raises:
        InputError: the sizes differ, or a map does not hold whole numbers from 0.

    Source:
        Kirillov et al. 2019, "Panoptic Segmentation", CVPR, section 4.1, for what is left out.

    Example:
        >>> found = find_overlaps(np.array([[7, 7, 0, 2]]), np.array([[1, 1, 1, 0]]))
        >>> found.truth_ids.tolist(), found.predicted_ids.tolist(), found.pixels.tolist(), found.ious.round(2).tolist()
        ([1], [2, 7], [2], [0.67])
    """
    _check(prediction, truth, valid)
    starts, lengths = _runs(prediction, truth, valid)
    truth_ids, true = np.unique(truth.reshape(-1)[starts], return_inverse=True)
    predicted_ids, predicted = np.unique(prediction.reshape(-1)[starts], return_inverse=True)
    known = np.ones(len(starts), np.bool_) if valid is None else valid.reshape(-1)[starts]
    shape = (len(truth_ids), len(predicted_ids))
    # the constructor of a sparse array adds up what lies in the same place
    table = csr_array((lengths[known], (true[known], predicted[known])), shape=shape).tocoo()
    sizes = [np.bincount(at, table.data, count).astype(np.int64) for at, count in zip(table.coords, shape, strict=True)]
    everything = Overlaps(
        truth_ids,
        predicted_ids,
        sizes[0],
        sizes[1],
        table.coords[0].astype(np.int64),
        table.coords[1].astype(np.int64),
        table.data.astype(np.int64),
    )
    objects = everything.only((truth_ids != 0) & (sizes[0] > 0), (predicted_ids != 0) & (sizes[1] > 0))
    if known.all():
        return objects
    unlabelled = np.bincount(predicted[~known], lengths[~known], len(predicted_ids))
    return _without_unlabelled(objects, unlabelled[np.isin(predicted_ids, objects.predicted_ids)])


def _without_unlabelled(objects: Overlaps, unlabelled: npt.NDArray[Any]) -> Overlaps:
    """The objects without the predictions that lie mostly where nobody labelled, `unlabelled` pixels of each."""
    doubtful = unlabelled > UNLABELLED_SHARE * (unlabelled + objects.predicted_sizes)
    doubtful[objects.predicted[objects.ious >= 0.5]] = False
    return objects.only(np.ones(len(objects.truth_ids), np.bool_), ~doubtful)


def _runs(prediction: Ids, truth: Ids, valid: Mask | None) -> tuple[Counts, Counts]:
    """Where runs of the same ids begin in the flattened maps, and how long they are."""
    changes = np.zeros(truth.size, np.bool_)
    changes[:1] = True
    for values in (prediction, truth, valid):
        if values is not None:
            flat = values.reshape(-1)
            changes[1:] |= flat[1:] != flat[:-1]
    starts = np.flatnonzero(changes)
    return starts, np.diff(starts, append=truth.size)


def _check(prediction: Ids, truth: Ids, valid: Mask | None) -> None:
    for name, ids in (("prediction", prediction), ("truth", truth)):
        if ids.shape != truth.shape:
            raise InputError(f"{name} and truth differ in size", found=ids.shape, expected=truth.shape)
        if ids.dtype.kind not in "ui":
            raise InputError(
                f"{name} does not number its objects",
                found=ids.dtype,
                expected="whole numbers: 0 for no object, one number an object",
                mend="number the connected regions of a mask first: unetkit.objects.label_components(mask)",
            )
        if ids.dtype.kind == "i" and ids.size and ids.min() < 0:
            raise InputError(f"{name} holds numbers below 0", found=ids.min(), expected="0 for no object, else 1 …")
    if valid is not None and (valid.dtype != np.bool_ or valid.shape != truth.shape):
        raise InputError(
            "valid does not fit the truth", found=f"{valid.dtype} {valid.shape}", expected=f"bool {truth.shape}"
        )
