"""What training takes for true beyond what points and boxes say: seeds, stated in the plan, never used for scores.

- A point grows to a disc, at most half way to the next point; where every object has its point, the lines half way
  between them (the edges of the Voronoi diagram) are background: Qu et al., "Weakly supervised deep nuclei
  segmentation using points annotation in histopathology images", MIDL 2019.
- Of a box, the middle fifth is its class, the rest of the inside stays open and, where every object has its box, all
  outside is background: Khoreva et al., "Simple does it: weakly supervised instance and semantic segmentation", CVPR
  2017 (there Box^i).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage
from scipy.spatial import KDTree

from unetkit.labels.marks import Mark

Labels = npt.NDArray[np.uint8]


class SeedsPlan(BaseModel):
    """How points and boxes train.

    Args:
        point_radius: of the disc around a point that counts as its class, in pixels; at most half way to the next
            point.
        point_borders: whether the lines half way between the points of an image count as background, where every
            object has its point.
        box_core: share of a box's area, in its middle, that counts as its class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    point_radius: float = Field(2.0, ge=0)
    point_borders: bool = True
    box_core: float = Field(0.2, ge=0, le=1)


def sow_points(labels: Labels, points: list[tuple[Mark, int]], *, complete: bool, plan: SeedsPlan) -> None:
    """Add the seeds of points to a class map, in place.

    Args:
        labels: *S, 255 where nobody said.
        points: those on objects, each with its class index.
        complete: whether every object has its mark.
        plan: how.
    """
    if not points:
        return
    sites = np.array([mark.at[0] for mark, _ in points])
    apart = _nearest(sites)
    if plan.point_borders and complete and len(points) > 1:
        labels[_borders(sites, labels.shape)] = 0
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    for (row, column), (_, index), distance in zip(sites, points, apart, strict=True):
        radius = min(plan.point_radius, distance / 2 - 1)
        labels[(rows + 0.5 - row) ** 2 + (columns + 0.5 - column) ** 2 <= max(radius, 0) ** 2] = index


def _nearest(sites: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From each of N positions (N 2) to the nearest other one; infinity for a single one."""
    if len(sites) < 2:
        return np.full(len(sites), np.inf)
    distances: npt.NDArray[np.float64] = KDTree(sites).query(sites, k=2)[0][:, 1]
    return distances


def _borders(sites: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Where the nearest site changes from a pixel to the next one on the right or below."""
    away = np.ones(shape, bool)
    at = tuple(np.clip(sites.astype(int), 0, np.array(shape) - 1).T)
    away[at] = False
    nearest = ndimage.distance_transform_edt(away, return_distances=False, return_indices=True)
    owner = np.ravel_multi_index(tuple(nearest), shape)
    changes = np.zeros(shape, bool)
    changes[:-1] |= owner[:-1] != owner[1:]
    changes[:, :-1] |= owner[:, :-1] != owner[:, 1:]
    return changes


def _area(box: Mark) -> float:
    (top, left), (bottom, right) = box.at
    return (bottom - top) * (right - left)


def sow_boxes(labels: Labels, boxes: list[tuple[Mark, int]], plan: SeedsPlan) -> None:
    """Add the cores of boxes to a class map, in place; those of smaller boxes lie on top.

    Args:
        labels: *S, 255 where nobody said.
        boxes: each with its class index.
        plan: how.
    """
    if not plan.box_core:
        return
    side = sqrt(plan.box_core)
    for mark, index in sorted(boxes, key=lambda box: -_area(box[0])):
        (top, left), (bottom, right) = mark.at
        spans = []
        for low, high in ((top, bottom), (left, right)):
            middle, half = (low + high) / 2, side * (high - low) / 2
            start = max(int(middle - half + 0.5), 0)
            spans.append(slice(start, max(int(middle + half + 0.5), start + 1)))
        labels[tuple(spans)] = index
