"""Shapes in label maps: sizes of objects, local widths, touching edges, and where in the image a class lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, maximum_filter
from skimage.measure import label as connected_components

from unetkit.dataset.census import tally
from unetkit.image import Labels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowMoments:
    """For each class of one mask, its pixels and the sums of their rows and squared rows (rows run from 0 to 1)."""

    pixels: Floats
    rows: Floats
    squares: Floats


def diameters(objects: npt.NDArray[Any]) -> Floats:
    """Equivalent diameters of the objects of a mask, in pixels.

    Args:
        objects: array *S; numbers are instances 1 … n (0 is background), booleans are taken apart into connected
            components.

    Returns:
        The diameter of the disc (in 3D the ball) as large as each object.

    Example:
        >>> diameters(np.ones((2, 2), bool)).round(2).tolist()
        [2.26]
    """
    if objects.dtype == np.bool_:
        numbered = connected_components(objects, connectivity=objects.ndim)  # type: ignore[no-untyped-call]
        sizes = np.bincount(numbered.ravel())[1:]
    else:
        sizes = tally(objects, int(objects.max(initial=0)) + 1)[1:]
        sizes = sizes[sizes > 0]
    if objects.ndim == 2:
        return np.asarray(np.sqrt(4 * sizes / np.pi))
    return np.asarray(np.cbrt(6 * sizes / np.pi))


def widths(region: npt.NDArray[np.bool_]) -> Floats:
    """Local widths of a region, in pixels, exact to about one pixel: twice the distance to its edge, on its ridge.

    Args:
        region: boolean array *S; the image's border is no edge. Of a region wider than 2048 pixels (in 3D 160) the part
            around its middle is measured.

    Returns:
        One width for each pixel that lies nowhere nearer to the edge than its neighbours do; empty where all or
        nothing is region.

    Example:
        >>> stripe = np.zeros((20, 20), bool)
        >>> stripe[8:13] = True
        >>> float(np.median(widths(stripe)))
        5.0
    """
    if region.all() or not region.any():
        return np.zeros(0)
    cut = region[_window(region)]
    if cut.all():
        return np.zeros(0)
    distance = distance_transform_edt(cut)
    ridge = distance[(distance > 0) & (distance >= maximum_filter(distance, size=3))]
    return np.asarray(2 * ridge - 1)


def typical_width(local: Floats) -> float:
    """The width at the middle pixel of a region: the median of its local widths, each counted by its area.

    Plain counting would give the dents and specks along the edges, which have many ridge pixels and little area.

    Args:
        local: what `widths` gave, of one mask or several.

    Returns:
        A width in pixels; 0 where there are none.

    Example:
        >>> typical_width(np.array([1.0, 1.0, 9.0]))
        9.0
    """
    if not len(local):
        return 0.0
    ordered = np.sort(local)
    area = np.cumsum(ordered + 1)
    return float(ordered[np.searchsorted(area, area[-1] / 2)])


def _window(region: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """The box of a region with one pixel around it, cut to the largest size about the region's middle."""
    most = 2048 if region.ndim == 2 else 160
    box = []
    for axis in range(region.ndim):
        across = tuple(a for a in range(region.ndim) if a != axis)
        amounts = region.sum(axis=across)
        inside = np.flatnonzero(amounts)
        start, stop = max(0, int(inside[0]) - 1), min(region.shape[axis], int(inside[-1]) + 2)
        if stop - start > most:
            middle = int(np.searchsorted(np.cumsum(amounts), amounts.sum() / 2))
            start = min(max(start, middle - most // 2), stop - most)
            stop = start + most
        box.append(slice(start, stop))
    return tuple(box)


def touching(instances: npt.NDArray[Any]) -> tuple[int, int]:
    """How much objects touch each other.

    Args:
        instances: array *S, 0 background, else the number of an object.

    Returns:
        Edge pixels of objects, and how many of them have another object beside them.

    Example:
        >>> touching(np.array([[1, 2, 0, 0]]))
        (2, 2)
    """
    edge = np.zeros(instances.shape, bool)
    touched = np.zeros(instances.shape, bool)
    for axis in range(instances.ndim):
        for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            at = tuple(here if a == axis else slice(None) for a in range(instances.ndim))
            beside = tuple(there if a == axis else slice(None) for a in range(instances.ndim))
            differs = (instances[at] != 0) & (instances[at] != instances[beside])
            edge[at] |= differs
            touched[at] |= differs & (instances[beside] != 0)
    return int(edge.sum()), int(touched.sum())


def row_moments(labels: Labels, classes: int) -> RowMoments:
    """Where along the rows (the last axis but one) each class of a mask lies.

    Args:
        labels: array *S, values 0 … K-1, 255 ignored.
        classes: K.
    """
    height = labels.shape[-2]
    per_row = np.zeros((classes, height))
    rows = np.moveaxis(labels, -2, 0).reshape(height, -1)
    for c in range(classes):
        per_row[c] = (rows == c).sum(1)
    at = (np.arange(height) + 0.5) / height
    return RowMoments(per_row.sum(1), per_row @ at, per_row @ at**2)


def orientation(masks: Sequence[RowMoments]) -> float:
    """How well the class of a pixel predicts its row, in images that were not looked at for the prediction.

    Each image in turn is left out: the mean row of each class in the others predicts the rows of its pixels. What
    happens to lie on top in one image only explains nothing in the next, so that chance gives 0 and not a little.

    Args:
        masks: `row_moments` of each mask.

    Returns:
        Share of the rows' variance that is explained, 0 … 1, mean over the masks; 0 for a single mask.

    Example:
        >>> sky_above_road = np.repeat(np.uint8([[0], [0], [1], [1]]), 4, axis=1)
        >>> round(orientation([row_moments(sky_above_road, 2)] * 3), 2)
        0.8
    """
    if len(masks) < 2:
        return 0.0
    pixels, rows = sum(m.pixels for m in masks), sum(m.rows for m in masks)
    explained = []
    for mask in masks:
        others = pixels - mask.pixels
        predicted = np.where(others > 0, (rows - mask.rows) / np.maximum(others, 1), 0.5)
        residual = (mask.squares - 2 * predicted * mask.rows + predicted**2 * mask.pixels).sum()
        total = mask.squares.sum() - mask.rows.sum() ** 2 / max(mask.pixels.sum(), 1)
        explained.append(1 - residual / total if total > 0 else 0.0)
    return float(np.clip(np.mean(explained), 0, 1))
