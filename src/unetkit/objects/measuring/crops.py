"""What has to look at each object of a volume by itself: its convex hull and its cavities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label
from scipy.spatial import ConvexHull


def hull_voxels(mask: npt.NDArray[np.bool_]) -> int:
    """Voxels whose centre lies in the convex hull of the object, *S bool, True somewhere.

    As in scikit-image's `convex_hull_image`, the hull is that of the middles of the voxels' faces, so that an object of
    one layer has one, too.
    """
    lines = np.argwhere(mask.any(-1))
    along = mask[tuple(lines.T)]
    first, last = along.argmax(1), mask.shape[-1] - 1 - along[:, ::-1].argmax(1)
    ends = np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])
    halves = np.concatenate([np.eye(mask.ndim), -np.eye(mask.ndim)]) / 2
    hull = ConvexHull((ends[:, None, :] + halves).reshape(-1, mask.ndim))
    inside = np.indices(mask.shape).reshape(mask.ndim, -1).T.astype(np.float64)
    for plane in np.unique(hull.equations.round(12), axis=0):
        inside = inside[inside @ plane[:-1] + plane[-1] <= 1e-9]
    return len(inside)


def cavities(mask: npt.NDArray[np.bool_]) -> int:
    """Parts of the background that the object, *S bool, closes off on all sides (6 neighbours)."""
    _, parts = label(~np.pad(mask, 1))
    return int(parts) - 1
