"""COCO's compressed run-length code of a mask, as pycocotools reads it.

Source: cocodataset/cocoapi, common/maskApi.c (rleEncode, rleToString). Lengths of runs of 0 and 1 in turn, beginning
with 0, column by column; from the fourth on each as its difference from the last but one; in groups of five bits, low
ones first, each a character from "0" on, with a sixth bit where more follow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.int64]

GROUPS = 13
"""Of five bits, in a number of 64."""


def run_lengths(mask: npt.NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]) -> Lengths:
    """Lengths of the runs in column-major order, of an image that holds nothing but a mask.

    Args:
        mask: bool h w, at least one pixel of it true.
        corner: row and column of the mask's first pixel in the image.
        size: height and width of the image.

    Example:
        >>> run_lengths(np.array([[True, True]]), (1, 0), (2, 2)).tolist()
        [1, 1, 1, 1]
    """
    height, width = size
    edges = np.zeros((mask.shape[1], mask.shape[0] + 2), bool)  # column by column, with a margin
    edges[:, 1:-1] = mask.T
    column, row = np.nonzero(edges[:, 1:] != edges[:, :-1])  # where a run begins, and where it ends, in turn
    places = (corner[1] + column) * height + corner[0] + row
    begins, ends = places[0::2], places[1::2]
    apart = np.flatnonzero(begins[1:] != ends[:-1])  # a run that reaches the lower border may go on in the next column
    changes = np.stack([begins[np.append(0, apart + 1)], ends[np.append(apart, -1)]], axis=1).reshape(-1)
    rest = height * width - changes[-1:]
    return np.diff(changes, prepend=0, append=changes[-1:] + rest[rest > 0])


def compress(lengths: Lengths) -> str:
    """The lengths of runs as COCO's string.

    Example:
        >>> compress(np.array([1, 1, 1, 1]))
        '1110'
    """
    numbers = lengths.copy()
    numbers[3:] -= lengths[1:-2]
    shifted = numbers[:, None] >> (5 * np.arange(GROUPS))  # N G
    bits = shifted & 31
    unsaid = (shifted >> 5) != np.where(bits & 16, -1, 0)
    more = np.minimum.accumulate(unsaid, axis=1)
    used = np.concatenate([np.ones((len(numbers), 1), bool), more[:, :-1]], axis=1)
    return bytes((48 + (bits | 32 * more))[used].astype(np.uint8)).decode("ascii")
