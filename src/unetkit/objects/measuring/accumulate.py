"""Measuring objects of an image that is seen band by band; a whole image is one band."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError
from unetkit.memory import require_memory
from unetkit.objects.measuring import intensity as intensities
from unetkit.objects.measuring.corners import count_corners, pattern_table, shared_corners, touching_pairs, unique_pairs
from unetkit.objects.measuring.crops import cavities, hull_voxels
from unetkit.objects.measuring.hull import Profile, hull_pixels, joined, profiles
from unetkit.objects.measuring.intensity import Intensity
from unetkit.objects.measuring.pieces import Pieces
from unetkit.objects.measuring.runs import Floats, Integers, Runs, Shape, find_runs, merged, shape_of_runs
from unetkit.objects.measuring.skeleton import skeletons

Spacing = tuple[float, ...]

BYTES_PER_OBJECT = 1000
"""What an object and its row take at most, in the plane with one channel (measured with a million objects)."""


@dataclass(slots=True)
class Sums:
    """What was seen of n objects so far, or in the end.

    Args:
        shape: area, box, centroid, second moments.
        corners: n columns of `pattern_table`.
        bands: in how many bands an object lies.
        channels: statistics of each channel.
        hull: pixels (voxels) of the convex hull; NaN where unknown.
        cavities: closed parts of the background in a volume; NaN where unknown.
        skeleton: length in pixels, branch points, end points, length in the unit of the spacing; NaN where unknown.
        pieces: connected parts.
        neighbours: pairs of touching objects, p 2, ids.
    """

    shape: Shape
    corners: Floats
    bands: Integers
    channels: list[Intensity]
    hull: Floats
    cavities: Floats
    skeleton: Floats
    pieces: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    neighbours: Integers = field(default_factory=lambda: np.zeros((0, 2), np.int64))


class Accumulator:
    """Measures objects from bands of an image that never is in memory as a whole.

    All columns come out as from the whole image, but for those that cannot be added up: medians, skeletons, and in
    volumes convex hulls and cavities are unknown for an object that lies in two bands or more.

    Args:
        shape: of the whole image, (H, W) or (D, H, W).
        count: n; objects have the ids 1 … n.
        channels: of the pixels that come along.
        spacing: distance between pixel centres along each axis; None where unknown.
        thin: bool n, of which objects a skeleton is wanted; None for none.

    Raises:
        InputError: an image of other than two or three axes, a spacing that does not fit, or more objects than the
            memory holds.

    Example:
        >>> seen = Accumulator((4, 3), 1)
        >>> seen.add(slice(0, 2), np.array([[0, 1, 1], [0, 1, 1]]))
        >>> seen.add(slice(2, 4), np.array([[0, 1, 1], [0, 0, 0]]))
        >>> seen.finish().shape.area.tolist()
        [6]
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        count: int,
        *,
        channels: int = 0,
        spacing: Spacing | None = None,
        thin: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        axes = len(shape)
        if axes not in (2, 3):
            raise InputError("objects are measured on two or three axes", found=f"shape {shape}")
        if spacing is not None and (len(spacing) != axes or not all(0 < step < np.inf for step in spacing)):
            raise InputError("the spacing does not fit the image", found=spacing, expected=f"{axes} numbers above 0")
        require_memory(
            count * BYTES_PER_OBJECT,
            "there are more objects than the memory holds",
            amount=f"{count:,} objects",
            mend="take out specks before (as instance_mask(labels, least=…) does), or measure parts of the image",
        )
        self.extent, self.count, self.spacing = shape, count, spacing
        self._thin = np.zeros(count, bool) if thin is None else thin
        self._patterns = pattern_table(axes, spacing if axes == 3 else None)
        empty = Shape(
            np.zeros(count, np.int64),
            np.full((count, axes), np.iinfo(np.int64).max),
            np.zeros((count, axes), np.int64),
            np.zeros((count, axes)),
            np.zeros((count, axes, axes)),
        )
        self._sums = Sums(
            empty,
            np.zeros((count, self._patterns.shape[1])),
            np.zeros(count, np.int64),
            [intensities.nothing(count) for _ in range(channels)],
            np.full(count, np.nan),
            np.full(count, np.nan),
            np.full((count, 4), np.nan),
        )
        self._pieces, self._pairs = Pieces(), [np.zeros((0, 2), np.int64)]
        self._right: list[Profile] = []
        self._left: list[Profile] = []
        self._seam: npt.NDArray[Any] = np.zeros(tuple(size + 2 for size in shape[1:]), np.uint32)
        self._next = 0

    def add(
        self,
        window: slice,
        ids: npt.NDArray[Any],
        pixels: npt.NDArray[Any] | None = None,
        missing: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """The next band of the image.

        Args:
            window: which rows (planes) of the image it holds; it begins where the last one ended.
            ids: band *others, whole numbers, 0 for no object, else 1 … n.
            pixels: C band *others; None where no channels were announced.
            missing: band *others, where the image has no data; those pixels, and what is not finite, do not count.

        Raises:
            InputError: a band that does not follow the last one, does not fit the image, or holds an unknown id.
        """
        self._check(window, ids, pixels)
        ids = ids.astype(np.uint32, copy=False)
        runs = find_runs(ids)
        at = runs.present - 1
        shape = shape_of_runs(runs)
        self._look_closer(ids, runs, shape)
        self._place(at, shape, window.start)
        self._sums.bands[at] += 1
        self._add_corners(np.pad(ids, [(0, 0), *[(1, 1)] * (ids.ndim - 1)]))
        self._pieces.add(ids)
        if ids.ndim == 2:
            for known, seen in zip((self._right, self._left), profiles(runs), strict=True):
                known.append(Profile(at[seen.index], seen.row + window.start, seen.reach))
        if pixels is not None:
            self._add_pixels(runs, ids > 0, pixels, missing)
        self._next = window.stop

    def finish(self) -> Sums:
        """All that was seen; to be called once, after the last band.

        Raises:
            InputError: the bands do not reach the end of the image.
        """
        if self._next != self.extent[0]:
            raise InputError("the bands do not cover the image", found=self._next, expected=self.extent[0])
        self._add_corners(np.zeros((1, *self._seam.shape), np.uint32))
        sums, several = self._sums, self._sums.bands > 1
        sums.hull[several], sums.cavities[several], sums.skeleton[several] = np.nan, np.nan, np.nan
        if len(self.extent) == 2:
            sums.hull = hull_pixels(joined(self._right), joined(self._left), self.count)
        sums.pieces = self._pieces.count(self.count)
        sums.neighbours = unique_pairs(np.concatenate(self._pairs))
        return sums

    def _check(self, window: slice, ids: npt.NDArray[Any], pixels: npt.NDArray[Any] | None) -> None:
        expected = (window.stop - window.start, *self.extent[1:])
        if window.start != self._next or window.stop > self.extent[0] or window.stop <= window.start:
            raise InputError("the band does not follow the last one", found=window, expected=f"from {self._next} on")
        if ids.shape != expected:
            raise InputError("the ids do not fit the band", found=ids.shape, expected=expected)
        lowest, highest = int(ids.min()), int(ids.max())
        if ids.dtype.kind not in "iu" or lowest < 0 or highest > self.count:
            found = f"ids {lowest} to {highest} of type {ids.dtype}"
            raise InputError("an object was not announced", found=found, expected=f"whole numbers up to {self.count}")
        channels = len(self._sums.channels)
        if (pixels is None) != (channels == 0) or (pixels is not None and pixels.shape != (channels, *expected)):
            given = "no pixels" if pixels is None else pixels.shape
            raise InputError("the pixels do not fit the band", found=given, expected=(channels, *expected))

    def _place(self, at: Integers, shape: Shape, start: int) -> None:
        """Add what a band says of some objects to what is known of them."""
        for along in (shape.low, shape.high, shape.mean):
            along[:, 0] += start
        known = self._sums.shape
        fields = ("area", "low", "high", "mean", "scatter")
        both = merged(Shape(*(getattr(known, name)[at] for name in fields)), shape)
        for name in fields:
            getattr(known, name)[at] = getattr(both, name)

    def _add_corners(self, band: npt.NDArray[Any]) -> None:
        corners = shared_corners(np.concatenate([self._seam[None], band]))
        self._seam = band[-1].copy()
        numbers = np.zeros(self.count + 1, np.int64)
        numbers[corners.reshape(-1)] = 1
        numbers[0] = 0
        present = np.flatnonzero(numbers)
        numbers[present] = np.arange(1, len(present) + 1)
        corners = numbers[corners]
        self._sums.corners[present - 1] += count_corners(corners, len(present), self._patterns)
        self._pairs.append(present[touching_pairs(corners) - 1])

    def _add_pixels(
        self, runs: Runs, inside: npt.NDArray[np.bool_], pixels: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None
    ) -> None:
        index = np.repeat(runs.index, runs.length)
        at = runs.present - 1
        for channel, known in zip(pixels, self._sums.channels, strict=True):
            values = channel[inside]
            valid = np.isfinite(values) if missing is None else np.isfinite(values) & ~missing[inside]
            of = index
            if not valid.all():
                of, values = index[valid], values[valid]
            seen = intensities.intensity(of, values, len(at))
            fields = ("count", "mean", "scatter", "low", "high", "median")
            both = intensities.merged(Intensity(*(getattr(known, name)[at] for name in fields)), seen)
            for name in fields:
                getattr(known, name)[at] = getattr(both, name)

    def _look_closer(self, ids: npt.NDArray[Any], runs: Runs, shape: Shape) -> None:
        """What needs each object by itself; of one that goes on in another band it is forgotten in the end."""
        thin = np.flatnonzero(self._thin[runs.present - 1])
        if ids.ndim == 2 and not len(thin):
            return
        boxes = [
            tuple(slice(*ends) for ends in zip(low, high, strict=True))
            for low, high in zip(shape.low.tolist(), shape.high.tolist(), strict=True)
        ]
        if ids.ndim == 3:
            for number, box in zip(runs.present.tolist(), boxes, strict=True):
                mask = ids[box] == number
                self._sums.hull[number - 1] = hull_voxels(mask)
                self._sums.cavities[number - 1] = cavities(mask)
        if not len(thin):
            return
        wanted, own = runs.present[thin], [boxes[i] for i in thin]
        steps = (1.0,) * ids.ndim
        self._sums.skeleton[wanted - 1, :3] = np.stack(skeletons(ids, wanted, own, steps), axis=1)
        if self.spacing is not None:
            lengths = self._sums.skeleton[wanted - 1, 0] * self.spacing[0]
            if len(set(self.spacing)) > 1:
                lengths = skeletons(ids, wanted, own, self.spacing)[0]
            self._sums.skeleton[wanted - 1, 3] = lengths
