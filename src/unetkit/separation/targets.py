"""What the extra outputs of a network should be, made from the numbered objects of a patch."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.objects.band import neighbours

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

REACH = 16.0
"""Pixels from its edge at which the inside of a large object counts as its middle."""


def touching(ids: Ids) -> Mask:
    """Where a pixel of one object is a neighbour, corners included, of a pixel of another: bool *S."""
    found = np.zeros(ids.shape, bool)
    for offset in product((-1, 0, 1), repeat=ids.ndim):
        if any(offset):
            here, there = neighbours(offset)
            found[here] |= (ids[here] > 0) & (ids[there] > 0) & (ids[here] != ids[there])
    return found


def edge_distance(ids: Ids) -> Floats:
    """How deep inside its object each pixel lies, px; 0 outside and where objects touch. Image borders are no edges."""
    inside = (ids > 0) & ~touching(ids)
    if inside.all():
        return np.full(ids.shape, REACH, np.float32)
    distance: Floats = ndimage.distance_transform_edt(inside).astype(np.float32)
    return distance


def normalised_distance(ids: Ids) -> Floats:
    """The same over its greatest value in the object, at most REACH: 0 at the edge, 1 in the middle.

    So small objects peak as high as large ones, and of an object that a patch cuts off, little changes.
    """
    distance = edge_distance(ids)
    numbers, index = np.unique(ids, return_inverse=True)
    index = index.reshape(ids.shape)
    deepest = np.asarray(ndimage.maximum(distance, index, np.arange(len(numbers))))
    deepest = np.clip(deepest, 1, REACH).astype(np.float32)
    share: Floats = np.minimum(distance / deepest[index], 1).astype(np.float32)
    return share


def rim(ids: Ids) -> Floats:
    """1 on the outermost two pixels of every object, else 0."""
    return ((ids > 0) & (edge_distance(ids) <= 2)).astype(np.float32)


def inward(ids: Ids) -> Floats:
    """The direction, d *S of length 1, in which the middle of each pixel's object lies; 0 outside."""
    smooth = ndimage.gaussian_filter(edge_distance(ids), 2.0)
    slope = np.stack(np.gradient(smooth)) if min(ids.shape) > 1 else np.zeros((ids.ndim, *ids.shape))
    length = np.sqrt((slope**2).sum(0))
    return np.where((ids > 0) & (length > 1e-3), slope / np.maximum(length, 1e-3), 0).astype(np.float32)
