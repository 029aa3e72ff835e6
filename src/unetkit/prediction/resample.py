"""An image at another pixel size, window by window, and its probabilities brought back to its own pixels.

The kernel is a triangle (linear interpolation) as wide as two pixels of the coarser grid, so that shrinking averages
all that a coarse pixel covers: that of `torch.nn.functional.interpolate(mode="bilinear", antialias=True)`. Edges of
both grids coincide. Each number is the same sum in the same order whatever window asks for it, so that windows give
what the whole image gives, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE
from unetkit.image import Array, Geometry, without_data
from unetkit.prediction.source import Source, require_finite
from unetkit.prediction.tiles import Window

PIXELS = 2**22
"""Looked at together, of either grid; larger windows are put together from smaller ones."""

ENOUGH = 0.5
"""A pixel of the other grid has data where so much of what it covers has."""


def resampled(source: Source, shape: tuple[int, ...]) -> Source:
    """The image in pixels of another size, in the file's own type and range.

    Args:
        source: the image.
        shape: *S, wanted; it covers what the image covers.

    Returns:
        The image in these pixels; a window reads only what it needs.

    Example:
        >>> from unetkit.image import Image
        >>> from unetkit.prediction import source_of
        >>> resampled(source_of(Image(np.array([[[0, 8], [8, 0]]], np.uint8))), (1, 1)).image().pixels.tolist()
        [[[4]]]
    """
    geometry = source.geometry
    spacing = None
    if geometry.spacing is not None:
        sizes = zip(geometry.spacing, source.shape, shape, strict=True)
        spacing = tuple(size * own / new for size, own, new in sizes)
    extra = {} if source.nodata is None else {"nodata": source.nodata}
    return replace(
        source, shape=shape, read=partial(_read, source, shape), geometry=Geometry(spacing, geometry.unit, extra)
    )


def _read(source: Source, shape: tuple[int, ...], window: Window) -> Array:
    """C *window of the resampled image."""
    out = np.empty((source.channels, *_sizes(window)), source.dtype)
    wide = np.result_type(source.dtype, np.float32)
    for part in _parts(window, source.shape, shape):
        spans = _spans(part, source.shape, shape)
        below = tuple(span.window for span in spans)
        pixels = source.read(below)
        require_finite(source, pixels, below)
        missing = without_data(pixels, source.nodata)
        numbers = pixels.astype(wide)
        if source.nodata is None:
            values = _interpolate(numbers, spans)
        else:
            values, share = _interpolate_known(numbers, missing, spans)
            values[:, share < ENOUGH] = source.nodata
        if source.dtype.kind in "ui":
            values = np.rint(values)
        out[(slice(None), *_within(part, window))] = values
    return out


@dataclass(frozen=True, slots=True)
class OwnGrid:
    """A prediction of the resampled image, in the pixels of the image itself.

    Labels are the class that is the most probable after probabilities were brought back.

    Args:
        read: (class, window of the resampled image) -> its probabilities, NaN where there is no data.
        source: the image.
        shape: *S of the resampled image.
        num_classes: how many.
    """

    read: Callable[[int, Window], Array]
    source: Source
    shape: tuple[int, ...]
    num_classes: int

    def labels(self, window: Window) -> npt.NDArray[np.uint8]:
        """Class indices, 255 where the image has no data: uint8 *window."""
        labels = np.empty(_sizes(window), np.uint8)
        for part in _parts(window, self.shape, self.source.shape):
            best = self._back(0, part)
            own = np.where(np.isnan(best), IGNORE, 0).astype(np.uint8)
            for number in range(1, self.num_classes):
                values = self._back(number, part)
                larger = values > best
                own[larger], best[larger] = number, values[larger]
            labels[_within(part, window)] = own
        return labels

    def probabilities(self, channel: int, window: Window) -> npt.NDArray[np.float32]:
        """Of one class, NaN where the image has no data: float32 *window."""
        out = np.empty(_sizes(window), np.float32)
        for part in _parts(window, self.shape, self.source.shape):
            out[_within(part, window)] = self._back(channel, part)
        return out

    def _back(self, channel: int, window: Window) -> npt.NDArray[np.float32]:
        spans = _spans(window, self.shape, self.source.shape)
        values = self.read(channel, tuple(span.window for span in spans))[None]
        back: npt.NDArray[np.float32]
        if self.source.nodata is None:
            back = _interpolate(values, spans)[0]
        else:
            known, share = _interpolate_known(values, np.isnan(values[0]), spans)
            back = np.where(share > 0, known[0], np.nan).astype(np.float32)
            missing = without_data(self.source.read(window), self.source.nodata)
            if missing is not None:
                back[missing] = np.nan
        return back


@dataclass(frozen=True, slots=True)
class _Span:
    """Of one axis: which pixels below are needed, and for each pixel above the places and weights of those it takes."""

    window: slice
    places: npt.NDArray[np.int64]  # N taps, in the window
    weights: npt.NDArray[np.float64]  # N taps


def _spans(window: Window, below: tuple[int, ...], above: tuple[int, ...]) -> list[_Span]:
    return [_span(part, n, m) for part, n, m in zip(window, below, above, strict=True)]


def _span(part: slice, below: int, above: int) -> _Span:
    scale = below / above
    support = max(scale, 1.0)
    centres = (np.arange(part.start, part.stop) + 0.5) * scale - 0.5
    first = np.floor(centres - support).astype(np.int64) + 1
    places = first[:, None] + np.arange(math.ceil(2 * support) + 1)
    weights = np.maximum(0.0, 1.0 - np.abs(places - centres[:, None]) / support)
    weights[(places < 0) | (places >= below)] = 0.0
    weights /= weights.sum(1, keepdims=True)
    used = places[weights > 0]
    low, high = int(used.min()), int(used.max()) + 1
    return _Span(slice(low, high), places.clip(low, high - 1) - low, weights)


def _interpolate(values: Array, spans: list[_Span]) -> Array:
    """Numbers C *below at the places above: axis by axis, tap by tap."""
    for axis, span in enumerate(spans, 1):
        shape = [1] * values.ndim
        shape[axis] = -1
        total: Any = 0
        for tap in range(span.weights.shape[1]):
            weight = span.weights[:, tap].astype(values.dtype).reshape(shape)
            total = total + weight * values.take(span.places[:, tap], axis)
        values = total
    return values


def _interpolate_known(
    values: Array, missing: npt.NDArray[np.bool_] | None, spans: list[_Span]
) -> tuple[Array, npt.NDArray[np.float64]]:
    """The same from the numbers that are not missing, and the share of them, 0 to 1."""
    known = np.ones(values.shape[1:]) if missing is None else (~missing).astype(np.float64)
    share = _interpolate(known[None], spans)[0]
    sums = _interpolate(np.where(known > 0, values, 0).astype(values.dtype), spans)
    return sums / np.where(share > 0, share, 1).astype(values.dtype), share


def _parts(window: Window, below: tuple[int, ...], above: tuple[int, ...]) -> Iterator[Window]:
    """The window in bands of its first axis, of at most PIXELS pixels on either grid where that can be."""
    growth = [max(1.0, n / m) for n, m in zip(below, above, strict=True)]
    row = math.prod(size * more for size, more in zip(_sizes(window)[1:], growth[1:], strict=True))
    rows = max(1, int(PIXELS / row / growth[0]))
    for start in range(window[0].start, window[0].stop, rows):
        yield (slice(start, min(start + rows, window[0].stop)), *window[1:])


def _within(part: Window, window: Window) -> Window:
    return tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))


def _sizes(window: Window) -> list[int]:
    return [part.stop - part.start for part in window]
