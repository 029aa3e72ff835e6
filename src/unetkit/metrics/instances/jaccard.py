"""Overlap of objects as one number an image: aggregated Jaccard index, and the Cell Tracking Challenge's SEG."""

from __future__ import annotations

import numpy as np

from unetkit.metrics.instances.matching import NAN, best_pairs
from unetkit.metrics.instances.overlaps import Counts, Overlaps


def aji(overlaps: Overlaps) -> float:
    """Aggregated Jaccard index, 0 … 1; NaN without any object.

    Each true object takes the prediction of the highest IoU, which several may share. The shared pixels of these pairs,
    over the pixels of their unions, of the true objects that nothing overlaps and of the predictions that none took.

    Source:
        Kumar et al. 2017, "A Dataset and a Technique for Generalized Nuclear Segmentation for Computational
        Pathology", IEEE Transactions on Medical Imaging 36(7), algorithm 1.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> aji(find_overlaps(np.array([[7, 7, 0, 2]]), np.array([[1, 1, 1, 0]])))
        0.5
    """
    order = np.lexsort((overlaps.pixels, overlaps.ious, overlaps.true))
    last = np.flatnonzero(np.diff(overlaps.true[order], append=-1))  # the highest IoU of each true object
    return _aggregated(overlaps, order[last])


def aji_plus(overlaps: Overlaps) -> float:
    """Aggregated Jaccard index with pairs of which no prediction is in two, 0 … 1; NaN without any object.

    The pairs are those of the greatest total IoU. One prediction that covers several true objects is thus counted once.

    Source:
        Graham et al. 2019, "HoVer-Net", Medical Image Analysis 58; the name is that of its code.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> merged = find_overlaps(np.array([[1, 1, 1]]), np.array([[1, 1, 2]]))
        >>> aji(merged), aji_plus(merged)
        (0.5, 0.5)
    """
    return _aggregated(overlaps, best_pairs(overlaps.true, overlaps.predicted, overlaps.ious))


def _aggregated(overlaps: Overlaps, pairs: Counts) -> float:
    alone_true, alone_predicted = np.ones(len(overlaps.truth_ids), bool), np.ones(len(overlaps.predicted_ids), bool)
    alone_true[overlaps.true[pairs]] = False
    alone_predicted[overlaps.predicted[pairs]] = False
    alone = overlaps.truth_sizes[alone_true].sum() + overlaps.predicted_sizes[alone_predicted].sum()
    whole = overlaps.unions[pairs].sum() + alone
    return float(overlaps.pixels[pairs].sum() / whole) if whole else NAN


def seg(overlaps: Overlaps) -> float:
    """The Cell Tracking Challenge's SEG, 0 … 1; NaN without true objects.

    The mean over the true objects of the IoU with the prediction that covers more than half of it, or 0 where none
    does. Invented objects cost nothing.

    Source:
        Maška et al. 2014, "A benchmark for comparison of cell tracking algorithms", Bioinformatics 30(11).

    Example:
        >>> from unetkit.metrics.instances import find_overlaps
        >>> round(seg(find_overlaps(np.array([[7, 7, 0, 2]]), np.array([[1, 1, 1, 0]]))), 3)
        0.667
    """
    holding = 2 * overlaps.pixels > overlaps.truth_sizes[overlaps.true]
    count = len(overlaps.truth_ids)
    return float(overlaps.ious[holding].sum() / count) if count else NAN
