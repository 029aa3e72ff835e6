"""Whether masks number their objects one by one, and reading such numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import label as connected_components

from unetkit.dataset.census import is_coloured
from unetkit.errors import FileError
from unetkit.formats import read_mask

Ids = npt.NDArray[np.integer[Any]]

WHOLE = 0.5
"""Of the numbers of objects at least this share lies in one piece; a class as a rule lies in many."""


def read_ids(path: Path, ignore_values: Sequence[int] = ()) -> Ids:
    """The numbers of a mask's objects.

    Args:
        path: a mask file.
        ignore_values: numbers of pixels that nobody labelled.

    Returns:
        *S whole numbers, 0 for no object and where nobody labelled.

    Raises:
        FileError: the mask is unreadable, holds colours, fractions or numbers below 0.
    """
    values = read_mask(path).values
    if is_coloured(values):
        raise FileError("does not number its objects", file=path, found="colours", expected="one number an object")
    if values.dtype.kind not in "ui":
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            raise FileError("does not number its objects", file=path, found="fractions", expected="whole numbers")
        values = whole
    ids = np.where(np.isin(values, ignore_values), 0, values) if ignore_values else values
    if ids.size and ids.min() < 0:
        raise FileError("does not number its objects", file=path, found=ids.min(), expected="0 for no object, 1 …")
    return np.asarray(ids)


def why_no_objects(paths: Sequence[Path], ignore_values: Sequence[int] = ()) -> str | None:
    """Why the numbers of these masks are rather classes than objects; None where they may well be objects.

    An object lies in one piece. A class lies in as many as it has objects.

    Args:
        paths: mask files.
        ignore_values: numbers of pixels that nobody labelled.

    Returns:
        What speaks against objects, in words.

    Raises:
        FileError: as `read_ids`.
    """
    numbers, whole, most = 0, 0, 0
    for path in paths:
        ids = read_ids(path, ignore_values)
        pieces = connected_components(ids, background=0, connectivity=ids.ndim)  # type: ignore[no-untyped-call]
        first = np.unique(pieces, return_index=True)[1]
        owners = ids.reshape(-1)[first]
        count = np.unique(owners[owners != 0], return_counts=True)[1]
        numbers, whole, most = numbers + len(count), whole + int((count == 1).sum()), max(most, len(count))
    if numbers and whole < WHOLE * numbers:
        return f"at most {most} numbers a mask, of which {whole / numbers:.0%} lie in one piece: rather classes"
    return None
