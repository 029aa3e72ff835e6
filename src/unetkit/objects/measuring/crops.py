"""What has to look at each object of a volume by itself: its convex hull and its cavities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label
from skimage.morphology import convex_hull_image


def hull_voxels(mask: npt.NDArray[np.bool_]) -> int:
    """Voxels whose centre lies in the convex hull of the object, *S bool, True somewhere."""
    return int(convex_hull_image(mask).sum())  # type: ignore[no-untyped-call]


def cavities(mask: npt.NDArray[np.bool_]) -> int:
    """Parts of the background that the object, *S bool, closes off on all sides (6 neighbours)."""
    _, parts = label(~np.pad(mask, 1))
    return int(parts) - 1
