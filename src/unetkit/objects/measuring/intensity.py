"""What the pixels of each object hold: mean, median, spread and extremes of a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.objects.measuring.runs import Floats


@dataclass(frozen=True, slots=True)
class Intensity:
    """Statistics of one channel in n objects; NaN where an object has no valid pixel.

    Args:
        count: valid pixels.
        mean: of them.
        scatter: sum of squared deviations from the mean.
        low: smallest.
        high: largest.
        median: of them.
    """

    count: Floats
    mean: Floats
    scatter: Floats
    low: Floats
    high: Floats
    median: Floats

    @property
    def std(self) -> Floats:
        """Standard deviation, of all pixels and not of a sample."""
        return np.sqrt(_divided(self.scatter, self.count))


def intensity(index: npt.NDArray[np.int64], values: npt.NDArray[Any], count: int) -> Intensity:
    """The statistics of one channel.

    Args:
        index: the object of each pixel, 0 … n-1.
        values: of the pixels, finite.
        count: n.
    """
    size = np.bincount(index, minlength=count).astype(np.float64)
    mean = _divided(np.bincount(index, weights=values, minlength=count).astype(np.float64), size)
    deviation = np.square(values - mean[index])
    scatter = np.bincount(index, weights=deviation, minlength=count).astype(np.float64)
    scatter[size == 0] = np.nan
    ordered = _sorted(index, values)
    there = size > 0
    last = np.cumsum(size[there]).astype(np.int64) - 1
    first = last - size[there].astype(np.int64) + 1
    low, high, median = np.full((3, count), np.nan)
    low[there], high[there] = ordered[first], ordered[last]
    below, above = ordered[first + (last - first) // 2], ordered[first + (last - first + 1) // 2]
    median[there] = (below.astype(np.float64) + above.astype(np.float64)) / 2
    return Intensity(size, mean, scatter, low, high, median)


def merged(one: Intensity, other: Intensity) -> Intensity:
    """The statistics of objects of which `one` saw a part and `other` the rest; no median can be had of both."""
    count = one.count + other.count
    share = _divided(other.count, count)
    first, second = one.count > 0, other.count > 0
    apart = np.where(first & second, other.mean - one.mean, 0.0)
    base = np.where(first, one.mean, other.mean)
    mean = base + np.where(first & second, apart * share, 0.0)
    inner = np.where(first, one.scatter, 0) + np.where(second, other.scatter, 0)
    scatter = np.where(count > 0, inner + apart**2 * one.count * np.nan_to_num(share), np.nan)
    median = np.where(first & second, np.nan, np.where(first, one.median, other.median))
    return Intensity(count, mean, scatter, np.fmin(one.low, other.low), np.fmax(one.high, other.high), median)


def nothing(count: int) -> Intensity:
    """Of n objects of which no pixel was seen."""
    return Intensity(np.zeros(count), *np.full((5, count), np.nan))


def _divided(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def _sorted(index: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values by object, ascending within each: as one sort of numbers of 64 bits where a value fits into 32."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind not in "buif" or size > 4:
        ordered: npt.NDArray[Any] = values[np.lexsort((values, index))]
        return ordered
    keys = index.astype(np.uint64) << np.uint64(32)
    if kind == "f":
        keys |= _order_of_floats(values.astype(np.float32))
        keys.sort()
        return _floats_of_order((keys & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    shift = 1 << 31 if kind == "i" else 0
    keys |= (values.astype(np.int64) + shift).astype(np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64) - shift


def _order_of_floats(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """Whole numbers that stand in the order of the floats: their bits, with those of negative ones turned over."""
    bits = values.view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _floats_of_order(keys: npt.NDArray[np.uint32]) -> npt.NDArray[np.float32]:
    return np.where(keys >> 31, keys & np.uint32((1 << 31) - 1), ~keys).view(np.float32)
