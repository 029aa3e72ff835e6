"""The results of an image that is not held in memory: labels, probabilities and overlay, asked for window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.dataset.numbered import numbers_in_file
from unetkit.formats import Streamed, check_streamed, write_image, write_streamed
from unetkit.image import Array, Image
from unetkit.objects import BandedClasses, fewest_bits
from unetkit.pipeline.missing import classes_with_missing
from unetkit.prediction import Source
from unetkit.prediction.tiles import Window
from unetkit.report.overlay import overlay, to_rgb
from unetkit.separation import Decoding, Separator, basins_of
from unetkit.separation.decode import band_of

OVERVIEW = 2048
"""Side of the picture that stands for an overlay."""

OVERVIEW_BYTES = 64 * 2**20
"""Of the pixels read at a time for it."""


class Parts(Protocol):
    """A whole prediction, of which windows can be had; a `Journal` is one."""

    def labels(self, window: Window) -> npt.NDArray[np.uint8]:
        """Class indices: *window."""

    def probabilities(self, channel: int, window: Window) -> npt.NDArray[np.float32]:
        """Of one class, NaN where there is none: *window."""


@dataclass(frozen=True, slots=True)
class Results:
    """What is to be written of one image.

    Args:
        source: the image.
        classes: how label files are written.
        targets: any of "labels", "probabilities", "overlay" -> where to.
        num_classes: of the probabilities.
        format: of labels and probabilities, where their suffix does not say it.
        apart: how touching objects are told apart, from outputs after the classes; None for connected regions.
    """

    source: Source
    classes: Classes
    targets: Mapping[str, Path]
    num_classes: int
    format: str | None = None
    apart: tuple[Separator, Decoding] | None = None

    def require_writable(self) -> None:
        """Refuse results that cannot be written, before an hour is spent on them, with a FileError."""
        nothing = lambda channel, window: np.zeros(0)  # noqa: E731
        if "labels" in self.targets:
            coloured, ids = self.classes.encoding == "colours", self.classes.encoding == "instances"
            dtype = np.dtype("uint32" if ids else "uint8" if coloured else self.classes.dtype)
            shape = (3 if coloured else 1, *self.source.shape)
            labels = Streamed(shape, dtype, nothing, self.source.geometry, mask=True)
            check_streamed(self.targets["labels"], labels, format=self.format)
        if "probabilities" in self.targets:
            check_streamed(self.targets["probabilities"], self._probabilities(nothing), format=self.format)

    def write(self, parts: Parts, tell: Callable[[float], None], identity: str) -> list[str]:
        """Write them, each whole or not at all.

        Args:
            parts: the prediction.
            tell: told the share, 0 to 1, that is written.
            identity: what the prediction depends on besides the image.

        Returns:
            What the user should know.

        Raises:
            FileError: one cannot be written, or the disk is full.
        """
        results: dict[Path, Streamed] = {}
        if "labels" in self.targets:
            results[self.targets["labels"]] = self._labels(parts)
        if "probabilities" in self.targets:
            results[self.targets["probabilities"]] = self._probabilities(parts.probabilities)
        total = sum(math.prod(result.shape) for result in results.values())
        seen = 0
        for path, result in results.items():

            def read(channel: int, window: Window, result: Streamed = result) -> Array:
                nonlocal seen
                seen += math.prod(part.stop - part.start for part in window)
                tell(seen / total)
                return result.read(channel, window)

            written = replace(result, read=read, identity=f"{self.source.path} {identity}")
            write_streamed(path, written, format=self.format)
        notes = []
        if "overlay" in self.targets:
            picture, step = self._overview(parts)
            write_image(self.targets["overlay"], np.moveaxis(picture, -1, 0))
            if step > 1:
                notes.append(f"the overlay shows one pixel in {step} of each row and column")
        tell(1.0)
        return notes

    def _probabilities(self, read: Callable[[int, Window], Array]) -> Streamed:
        source, names = self.source, self.classes.names
        geometry = source.geometry.with_nodata(None if source.nodata is None else math.nan)
        shape, dtype = (self.num_classes, *source.shape), np.dtype(np.float32)
        return Streamed(shape, dtype, read, geometry, mask=False, channels=names)

    def _labels(self, parts: Parts) -> Streamed:
        """The label file as the training masks were written."""
        source, classes = self.source, self.classes
        stated, nodata = classes_with_missing(classes, source.nodata)
        geometry = source.geometry.with_nodata(nodata)
        if classes.encoding == "instances":
            return _numbered(source, self._objects(parts), classes)
        if classes.encoding == "colours":
            read = lambda channel, window: stated.encode(parts.labels(window))[..., channel]  # noqa: E731
            return Streamed((3, *source.shape), np.dtype(np.uint8), read, geometry, mask=True)
        read = lambda channel, window: stated.encode(parts.labels(window))  # noqa: E731
        return Streamed((1, *source.shape), np.dtype(classes.dtype), read, geometry, mask=True)

    def _objects(self, parts: Parts) -> Numbered:
        """What numbers the objects, band by band."""
        shape = self.source.shape
        across = tuple(slice(0, extent) for extent in shape[1:])
        if self.apart is None:
            read = lambda a, b: parts.labels((slice(a, b), *across))  # noqa: E731
            return BandedClasses(read, shape[0], band_of(shape), self.num_classes)
        separator, decoding = self.apart
        extras = range(self.num_classes, self.num_classes + separator.channels(len(shape)))

        def outputs(start: int, stop: int) -> tuple[Array, Array, Array]:
            window = (slice(start, stop), *across)
            extra = [parts.probabilities(channel, window) for channel in extras]
            whole = np.stack(extra) if extra else np.empty((0, stop - start, *shape[1:]), np.float32)
            return parts.labels(window), parts.probabilities(0, window), whole

        return basins_of(separator, outputs, shape, decoding.smoothing).cut(seed=decoding.seed, least=decoding.least)

    def _overview(self, parts: Parts) -> tuple[npt.NDArray[np.uint8], int]:
        """The overlay of the image (or the middle plane), thinned to what one can look at: H W 3, and the step."""
        source = self.source
        height, width = source.shape[-2:]
        step = -(-max(height, width) // OVERVIEW)
        middle = source.shape[0] // 2
        plane = [slice(middle, middle + 1)] if len(source.shape) == 3 else []
        rows = step * max(1, OVERVIEW_BYTES // (source.channels * width * source.dtype.itemsize) // step)
        pixels, labels = [], []
        for row in range(0, height, rows):
            window = (*plane, slice(row, min(row + rows, height)), slice(0, width))
            pixels.append(source.read(window)[..., ::step, ::step])
            labels.append(parts.labels(window)[..., ::step, ::step])
        image = Image(np.concatenate(pixels, -2), source.geometry, source.names)
        seen = np.concatenate(labels, -2)
        return overlay(to_rgb(image), seen[0] if plane else seen, None, self.classes), step


class Numbered(Protocol):
    """Objects that are numbered band by band."""

    @property
    def classes(self) -> npt.NDArray[np.uint8]:
        """The class of each."""

    def ids(self, start: int) -> npt.NDArray[np.uint32]:
        """Those of the band that begins at `start`."""


def _numbered(source: Source, objects: Numbered, classes: Classes) -> Streamed:
    """Objects, with the numbers they would have in one piece."""
    band, numbers = band_of(source.shape), fewest_bits(numbers_in_file(classes, objects.classes))
    held: dict[int, Array] = {}  # the bands that the last window touched

    def read(channel: int, window: Window) -> Array:
        top, bottom = window[0].start, window[0].stop
        starts = range(top // band * band, bottom, band)
        for start in [start for start in held if start not in starts]:
            del held[start]
        for start in starts:
            if start not in held:
                held[start] = numbers[objects.ids(start)]
        pieces = [held[start][(slice(max(top - start, 0), bottom - start), *window[1:])] for start in starts]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    return Streamed((1, *source.shape), numbers.dtype, read, source.geometry.with_nodata(None), mask=True)
