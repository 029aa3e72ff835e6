"""From pixels to objects: numbering connected regions, and dropping specks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import generate_binary_structure, label

from unetkit.classes import IGNORE
from unetkit.errors import InputError

Ids = npt.NDArray[np.int32]


def label_components(labels: npt.NDArray[Any], *, connectivity: int = 1) -> Ids:
    """Number the connected regions of each foreground class; regions of different classes never join.

    Args:
        labels: *S, bool or class indices with 0 as background and 255 as ignored; neither becomes an object.
        connectivity: along how many axes a step to a neighbour may go: 1 makes 4 neighbours in two dimensions and 6 in
            three, 2 makes 8 and 18, 3 makes 26.

    Returns:
        int32 *S, 0 for no object, else 1 … n: class by class, within a class in row-major order of the first pixel.

    Raises:
        InputError: `connectivity` is below 1 or above the number of axes.

    Example:
        >>> label_components(np.array([[1, 1, 2, 0, 1]], np.uint8)).tolist()
        [[1, 1, 3, 0, 2]]
    """
    if not 1 <= connectivity <= labels.ndim:
        raise InputError(
            "connectivity does not fit the mask", found=connectivity, expected=f"1 to {labels.ndim}, the number of axes"
        )
    structure = generate_binary_structure(labels.ndim, connectivity)
    ids = np.zeros(labels.shape, np.int32)
    total = 0
    present = np.unique(labels)
    for value in present[(present != 0) & (present != IGNORE)]:
        found, count = label(labels == value, structure)
        ids += np.where(found > 0, found + total, 0).astype(np.int32)
        total += count
    return ids


def remove_small(mask: npt.NDArray[np.bool_], least: int, *, connectivity: int = 1) -> npt.NDArray[np.bool_]:
    """The mask without the connected regions of fewer than `least` pixels.

    Args:
        mask: bool *S; not changed.
        least: pixels that a region must have to stay.
        connectivity: as for `label_components`.

    Returns:
        bool *S.

    Raises:
        InputError: `connectivity` is below 1 or above the number of axes.

    Example:
        >>> remove_small(np.array([[True, True, False, True]]), 2).tolist()
        [[True, True, False, False]]
    """
    ids = label_components(mask, connectivity=connectivity)
    keep = np.bincount(ids.ravel()) >= least
    keep[:1] = False
    return keep[ids]


def instance_mask(
    labels: npt.NDArray[Any], *, least: int = 1, connectivity: int = 1
) -> npt.NDArray[np.uint16] | npt.NDArray[np.uint32]:
    """Number the predicted objects the way instance mask files do: 0 is background, 1 … n the objects.

    Args:
        labels: *S, bool or class indices with 0 as background and 255 as ignored.
        least: objects of fewer pixels are left out.
        connectivity: as for `label_components`.

    Returns:
        *S, uint16, or uint32 where there are more than 65535 objects.

    Raises:
        InputError: `connectivity` is below 1 or above the number of axes.

    Example:
        >>> instance_mask(np.array([[1, 0, 1, 1]], np.uint8), least=2).tolist()
        [[0, 0, 1, 1]]
    """
    ids = label_components(labels, connectivity=connectivity)
    keep = np.bincount(ids.ravel()) >= least
    keep[:1] = False
    number = np.cumsum(keep) * keep
    return fewest_bits(number.astype(np.uint32))[ids]


def fewest_bits(ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16] | npt.NDArray[np.uint32]:
    """Object numbers in the smaller type that holds them."""
    return ids.astype(np.uint16) if not ids.size or ids.max() <= np.iinfo(np.uint16).max else ids
