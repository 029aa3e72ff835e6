"""What a mask file holds: its values, how often each occurs, how solid its areas are, in how many pieces it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import label as connected_components

from unetkit.classes import Colour
from unetkit.errors import FileError
from unetkit.formats import read_mask

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MaskCount:
    """The values of one mask file, smallest first. A colour counts as the number 0xRRGGBB.

    Args:
        path: the file.
        coloured: whether the values are colours.
        dtype: NumPy type of the file's numbers.
        palette: colours of a palette file, by index.
        values: the V different values.
        counts: on how many pixels each occurs.
        repeats: on how many of them the next pixel (of the next column or the next row, whichever is more often so)
            has the same value: nearly all in a drawn area, few in compression noise and soft edges.
        pieces: in how many connected areas each value lies; empty where it was not asked for.
    """

    path: Path
    coloured: bool
    dtype: np.dtype[Any]
    palette: tuple[Colour, ...] | None
    values: Integers
    counts: Integers
    repeats: Integers
    pieces: Integers


def count_mask(path: Path) -> MaskCount:
    """Count the values of one mask file.

    Args:
        path: a mask in any format that `read_mask` reads.

    Returns:
        Its values and their counts. Pieces are counted where there are at least two numbers besides 0.

    Raises:
        FileError: unreadable, or numbers that are not whole.
    """
    raw = read_mask(path)
    coloured = is_coloured(raw.values)
    numbers = colour_keys(raw.values) if coloured else raw.values
    if numbers.dtype.kind == "f":
        numbers = _whole(numbers, path)
    values, indices = _index(numbers)
    numbered = not coloured and np.count_nonzero(values) > 1
    pieces = _pieces(indices, len(values)) if numbered else np.zeros(0, np.int64)
    counts = np.bincount(indices.ravel(), minlength=len(values)).astype(np.int64)
    repeats = _repeats(indices, len(values))
    return MaskCount(path, coloured, raw.values.dtype, raw.palette, values, counts, repeats, pieces)


def is_coloured(values: npt.NDArray[Any]) -> bool:
    """Whether a mask's array is RGB (*S 3) and not numbers (*S)."""
    return values.dtype == np.uint8 and values.ndim >= 3 and values.shape[-1] == 3


def colour_keys(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """RGB bytes *S 3 as numbers 0xRRGGBB *S."""
    wide = values.astype(np.int32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def colour_of(key: int) -> Colour:
    """The colour (red, green, blue) of a number 0xRRGGBB."""
    return (key >> 16 & 255, key >> 8 & 255, key & 255)


def as_colours(count: MaskCount) -> MaskCount:
    """The same count with numbers turned into colours: through the palette, or as shades of grey.

    Raises:
        FileError: numbers above 255, or an index the palette does not hold.
    """
    if count.coloured:
        return count
    top = len(count.palette) if count.palette else 256
    if count.values[-1] >= top or count.values[0] < 0:
        raise FileError(
            "mask holds numbers where the other masks hold colours",
            file=count.path,
            found=f"values up to {count.values[-1]}",
            expected="RGB colours",
        )
    shades = count.palette or tuple((v, v, v) for v in range(256))
    keys = np.array([r << 16 | g << 8 | b for r, g, b in (shades[v] for v in count.values)], np.int64)
    values, at = np.unique(keys, return_inverse=True)
    counts, repeats = (_sum_by(at, column, len(values)) for column in (count.counts, count.repeats))
    return MaskCount(count.path, True, count.dtype, count.palette, values, counts, repeats, np.zeros(0, np.int64))


def pool(counts: Sequence[MaskCount]) -> tuple[Integers, Integers, Integers]:
    """Values, counts and repeats of several masks together, smallest value first."""
    values, at = np.unique(np.concatenate([c.values for c in counts]), return_inverse=True)
    pixels, repeats = (np.concatenate(column) for column in ([c.counts for c in counts], [c.repeats for c in counts]))
    return values, _sum_by(at, pixels, len(values)), _sum_by(at, repeats, len(values))


def _sum_by(at: npt.NDArray[np.intp], amounts: Integers, size: int) -> Integers:
    return np.asarray(np.bincount(at, weights=amounts, minlength=size).astype(np.int64))


def _whole(numbers: npt.NDArray[Any], path: Path) -> Integers:
    if not np.isfinite(numbers).all():
        raise FileError(
            "mask holds NaN or infinite values",
            file=path,
            found=f"{int((~np.isfinite(numbers)).sum())} of them",
            mend="write a number of its own there and name it in classes.yaml as 'ignore_values: [...]'",
        )
    rounded = np.rint(numbers)
    if (rounded != numbers).any():
        found = np.unique(numbers[rounded != numbers])
        raise FileError(
            "mask holds fractions",
            file=path,
            found=", ".join(f"{v:.4g}" for v in found[:4]) + (", …" if len(found) > 4 else ""),
            expected="whole numbers, one a class",
            mend="threshold the mask (a probability map is not a mask)",
        )
    return np.asarray(rounded.astype(np.int64))


def _index(numbers: npt.NDArray[Any]) -> tuple[Integers, npt.NDArray[np.intp]]:
    """The different values, and for each pixel the position of its value among them."""
    if numbers.dtype in (np.bool_, np.uint8, np.uint16):  # counting beats sorting
        present = np.bincount(numbers.ravel()) > 0
        return np.flatnonzero(present).astype(np.int64), (np.cumsum(present) - 1)[numbers.astype(np.intp)]
    values = np.unique(numbers)
    return values.astype(np.int64), np.searchsorted(values, numbers)


def _repeats(indices: npt.NDArray[np.intp], size: int) -> Integers:
    pairs = ((indices[..., :-1], indices[..., 1:]), (indices[..., :-1, :], indices[..., 1:, :]))
    same = [np.bincount(here[here == following], minlength=size) for here, following in pairs]
    return np.asarray(np.maximum(*same).astype(np.int64))


def _pieces(indices: npt.NDArray[np.intp], size: int) -> Integers:
    areas, number = connected_components(indices, background=-1, return_num=True, connectivity=indices.ndim)  # type: ignore[no-untyped-call]
    value_of = np.zeros(number + 1, np.intp)
    value_of[areas.ravel()] = indices.ravel()
    return np.asarray(np.bincount(value_of[1:], minlength=size).astype(np.int64))
