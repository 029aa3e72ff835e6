"""COCO's compressed run-length code of a mask, as pycocotools reads it.

Source: cocodataset/cocoapi, common/maskApi.c (rleEncode, rleToString). Lengths of runs of 0 and 1 in turn, beginning
with 0, column by column; from the fourth on each as its difference from the last but one; in groups of five bits, low
ones first, each a character from "0" on, with a sixth bit where more follow.
"""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt


def run_lengths(mask: npt.NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]) -> list[int]:
    """Lengths of the runs in column-major order, of an image that holds nothing but a mask.

    Args:
        mask: bool h w, at least one pixel of it true.
        corner: row and column of the mask's first pixel in the image.
        size: height and width of the image.

    Example:
        >>> run_lengths(np.array([[True, True]]), (1, 0), (2, 2))
        [1, 1, 1, 1]
    """
    height, width = size
    edges = np.diff(mask.T.astype(np.int8), prepend=0, append=0)  # w h+1, column by column
    offset = corner[0] + height * (corner[1] + np.arange(len(edges)))
    changes = []
    for sign in (1, -1):
        column, row = np.nonzero(edges == sign)
        changes.append(offset[column] + row)
    begins, ends = changes
    apart = np.flatnonzero(begins[1:] != ends[:-1])  # a run that reaches the lower border may go on in the next column
    begins = np.concatenate([begins[:1], begins[apart + 1]])
    ends = np.concatenate([ends[apart], ends[-1:]])
    positions = chain([0], np.stack([begins, ends], axis=1).reshape(-1).tolist())
    lengths = [b - a for a, b in pairwise(positions)]
    rest = height * width - int(ends[-1])
    return [*lengths, rest] if rest else lengths


def compress(lengths: list[int]) -> str:
    """The lengths of runs as COCO's string.

    Example:
        >>> compress([1, 1, 1, 1])
        '1110'
    """
    characters = []
    for at, length in enumerate(lengths):
        number = length - lengths[at - 2] if at > 2 else length
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            characters.append(chr(48 + (bits | 32 if more else bits)))
    return "".join(characters)
