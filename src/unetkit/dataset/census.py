"""What a mask file holds: its values, how often each occurs, how solid its areas are, in how many pieces it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from skimage.measure import label as connected_components

from unetkit.classes import Colour, require_whole
from unetkit.errors import FileError
from unetkit.formats import RawMask, read_mask

BLOCK = 2**22
"""Pixels counted at a time: `bincount` makes eight bytes of each."""

LISTED = 2**26
"""Numbers below this are counted in a list, larger ones by sorting."""

LOOKED = 2**26
"""Pixels of a mask whose connected areas are counted: numbering them takes sixteen bytes of each."""

Integers = npt.NDArray[np.int64]
Item = TypeVar("Item")
Index = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Indexed:
    """The different values of a mask, and which of them each pixel has.

    Args:
        values: the V different values, rising: int64, but of a mask of floats its own type, so that fractions stay
            fractions, and uint64 where only that holds them. All NaN are one value, the last.
        counts: pixels of each value.
        index: *S, the position of each pixel's value among them, in the smallest type that holds it.
    """

    values: npt.NDArray[Any]
    counts: Integers
    index: Index


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
        pieces: in how many connected areas each value lies, corners connecting; empty where it was not asked for. Of a
            mask of more than LOOKED pixels, the part around its middle is looked at; 0 for what is not there.
        holes: how many holes each value has there: areas of 0 that it alone surrounds; empty where `pieces` is.
    """

    path: Path
    coloured: bool
    dtype: np.dtype[Any]
    palette: tuple[Colour, ...] | None
    values: Integers
    counts: Integers
    repeats: Integers
    pieces: Integers
    holes: Integers


def count_mask(path: Path) -> MaskCount:
    """Count the values of one mask file.

    Args:
        path: a mask in any format that `read_mask` reads.

    Returns:
        Its values and their counts. Pieces are counted where there are at least two numbers besides 0.

    Raises:
        FileError: unreadable, numbers that are not whole, or larger than 64 bits with a sign hold.
    """
    raw = read_mask(path)
    return count_raw(path, raw, index_values(numbers_of(raw)))


def count_raw(path: Path, raw: RawMask, indexed: Indexed, *, with_pieces: bool = True) -> MaskCount:
    """Count the values of one mask that was read already.

    Args:
        path: its file.
        raw: the mask.
        indexed: what `index_values` gave of its numbers.
        with_pieces: whether to count the connected areas, which takes longest.

    Raises:
        FileError: numbers that are not whole, or larger than 64 bits with a sign hold.
    """
    values, counts, index = indexed.values, indexed.counts, indexed.index
    coloured = is_coloured(raw.values)
    if values.dtype == np.uint64:
        raise FileError(
            "mask holds larger numbers than can be told apart here",
            file=path,
            found=values[-1],
            expected=f"at most {np.iinfo(np.int64).max}",
            mend="number the objects 1 … n anew",
        )
    if values.dtype.kind == "f":
        values = _whole(values, counts, path)
    pieces = holes = np.zeros(0, np.int64)
    if with_pieces and not coloured and np.count_nonzero(values) > 1:
        looked = index[_middle(index.shape)]
        pieces = _pieces(looked, len(values))
        holes = _holes(looked, len(values), int(np.searchsorted(values, 0))) if 0 in values else np.zeros_like(pieces)
    repeats = _repeats(index, len(values))
    return MaskCount(path, coloured, raw.values.dtype, raw.palette, values, counts, repeats, pieces, holes)


def numbers_of(raw: RawMask) -> npt.NDArray[Any]:
    """One number a pixel, *S: the mask's own, or its colours as 0xRRGGBB."""
    return colour_keys(raw.values) if is_coloured(raw.values) else raw.values


def index_values(numbers: npt.NDArray[Any]) -> Indexed:
    """The different values of a mask, and which of them each pixel has.

    Args:
        numbers: *S of any real type, or booleans.
    """
    if numbers.dtype.kind == "b":
        numbers = numbers.view(np.uint8)
    size = _listed(numbers)
    if size:  # counting and looking up beat sorting and searching
        counts = tally(numbers, size)
        values = np.flatnonzero(counts)
        table = np.zeros(len(counts), _index_type(len(values)))
        table[values] = np.arange(len(values))
        return Indexed(values, counts[values], table[numbers])
    values = np.unique(numbers)
    index = np.searchsorted(values, numbers).astype(_index_type(len(values)))
    if values.dtype.kind != "f" and (values.dtype != np.uint64 or values[-1:].max(initial=0) < 2**63):
        values = values.astype(np.int64)
    return Indexed(values, tally(index, len(values)), index)


def _listed(numbers: npt.NDArray[Any]) -> int:
    """How long a list of all numbers up to the highest is; 0 where it is too long, or numbers are no places in it."""
    if numbers.dtype.kind not in "ui" or not numbers.size:
        return 0
    if numbers.dtype.kind == "u" and numbers.dtype.itemsize <= 2:
        return int(256**numbers.dtype.itemsize)
    return int(numbers.max()) + 1 if numbers.min() >= 0 and numbers.max() < LISTED else 0


def _index_type(count: int) -> type[np.integer[Any]]:
    return np.uint8 if count <= 2**8 else np.uint16 if count <= 2**16 else np.uint32 if count <= 2**32 else np.intp


def tally(index: npt.NDArray[Any], size: int) -> Integers:
    """How often each of the numbers 0 … size-1 occurs, counted in blocks."""
    flat = index.reshape(-1)
    counts = np.zeros(size, np.int64)
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK]
        top = int(block.max()) + 1
        counts[:top] += np.bincount(block, minlength=top)
    return counts


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spread over their order."""
    at = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[i] for i in at]


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
    none = np.zeros(0, np.int64)
    return MaskCount(count.path, True, count.dtype, count.palette, values, counts, repeats, none, none)


def pool(counts: Sequence[MaskCount]) -> tuple[Integers, Integers, Integers]:
    """Values, counts and repeats of several masks together, smallest value first."""
    values, at = np.unique(np.concatenate([c.values for c in counts]), return_inverse=True)
    pixels, repeats = (np.concatenate(column) for column in ([c.counts for c in counts], [c.repeats for c in counts]))
    return values, _sum_by(at, pixels, len(values)), _sum_by(at, repeats, len(values))


def _sum_by(at: npt.NDArray[np.intp], amounts: Integers, size: int) -> Integers:
    return np.asarray(np.bincount(at, weights=amounts, minlength=size).astype(np.int64))


def _whole(values: npt.NDArray[Any], counts: Integers, path: Path) -> Integers:
    finite = np.isfinite(values)
    if not finite.all():
        raise FileError(
            "mask holds NaN or infinite values",
            file=path,
            found=f"{int(counts[~finite].sum())} of them",
            mend="write a number of its own there and name it in classes.yaml as 'ignore_values: [...]'",
        )
    rounded = np.rint(values)
    if (rounded != values).any():
        found = values[rounded != values]
        raise FileError(
            "mask holds fractions",
            file=path,
            found=", ".join(f"{v:.4g}" for v in found[:4]) + (", …" if len(found) > 4 else ""),
            expected="whole numbers, one a class",
            mend="threshold the mask (a probability map is not a mask)",
        )
    require_whole(np.abs(values), path)
    return np.asarray(rounded.astype(np.int64))


def _repeats(indices: Index, size: int) -> Integers:
    pairs = ((indices[..., :-1], indices[..., 1:]), (indices[..., :-1, :], indices[..., 1:, :]))
    same = [tally(here[here == following], size) for here, following in pairs]
    return np.asarray(np.maximum(*same))


def _pieces(indices: Index, size: int) -> Integers:
    areas, number = connected_components(indices, background=-1, return_num=True, connectivity=indices.ndim)  # type: ignore[no-untyped-call]
    value_of = np.zeros(number + 1, np.intp)
    value_of[areas.ravel()] = indices.ravel()
    return np.asarray(np.bincount(value_of[1:], minlength=size).astype(np.int64))


def _middle(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of a mask around its middle that has at most LOOKED pixels, and its proportions."""
    share = min(1.0, (LOOKED / max(prod(shape), 1)) ** (1 / len(shape)))
    sides = [max(int(share * extent), 1) for extent in shape]
    return tuple(
        slice((extent - side) // 2, (extent - side) // 2 + side) for extent, side in zip(shape, sides, strict=True)
    )


def _holes(indices: Index, size: int, background: int) -> Integers:
    """Of each value, how many areas of the background it alone surrounds."""
    empty, number = connected_components(indices == background, background=0, return_num=True, connectivity=1)  # type: ignore[no-untyped-call]
    low, high = np.full(number + 1, size), np.full(number + 1, -1)
    for axis in range(indices.ndim):
        areas, values = np.moveaxis(empty, axis, 0), np.moveaxis(indices, axis, 0)
        for edge in (0, -1):
            high[areas[edge]] = size  # an area at the border of the mask is no hole
        for area, beside in ((areas[:-1], values[1:]), (areas[1:], values[:-1])):
            met = (area > 0) & (beside != background)
            np.minimum.at(low, area[met], beside[met])
            np.maximum.at(high, area[met], beside[met])
    closed = low[1:] == high[1:]
    return np.asarray(np.bincount(low[1:][closed], minlength=size).astype(np.int64))
