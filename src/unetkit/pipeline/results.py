"""The results of an image: what they are made of, and how they are written where they are not held in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.dataset.numbered import numbers_in_file
from unetkit.files import scratch, writing
from unetkit.formats import Streamed, check_streamed, write_image, write_streamed
from unetkit.image import Array, Image
from unetkit.objects import ObjectMap, fewest_bits
from unetkit.pipeline import object_files
from unetkit.pipeline.missing import classes_with_missing
from unetkit.pipeline.numbering import Numbered, Numbering, Parts, find_objects
from unetkit.pipeline.object_files import ObjectFiles
from unetkit.pipeline.targets import Targets
from unetkit.prediction import Source
from unetkit.prediction.tiles import Window
from unetkit.report.object_overlay import paint_objects
from unetkit.report.overlay import overlay, to_rgb
from unetkit.separation.decode import band_of

OVERVIEW = 2048
"""Side of the picture that stands for an overlay."""

OVERVIEW_BYTES = 64 * 2**20
"""Of the pixels read at a time for it."""


@dataclass(frozen=True, slots=True)
class Results:
    """What is to be written of one image.

    Args:
        name: of the image, below the output folder.
        path: of the image.
        pixels: the image as the file holds it.
        source: the image as the model takes it: as the file holds it, or grey repeated as three colours.
        classes: how label files are written.
        targets: what to write -> where to.
        numbering: how objects are told apart.
        objects: what writes them; None where nothing of them is asked for.
        format: of labels, probabilities and objects, where their suffix does not say it.
    """

    name: str
    path: Path
    pixels: Source
    source: Source
    classes: Classes
    targets: Targets
    numbering: Numbering
    objects: ObjectFiles | None = None
    format: str | None = None

    @property
    def outlines_objects(self) -> bool:
        """Whether the overlay shows objects rather than classes: where they were asked for, or learnt to come apart."""
        return "overlay" in self.targets and ("objects" in self.targets or self.numbering.apart is not None)

    @property
    def needs_objects(self) -> bool:
        """Whether any result is made of objects that connected regions of the labels are not."""
        learnt = self.numbering.apart is not None and self.classes.encoding == "instances" and "labels" in self.targets
        return "objects" in self.targets or self.outlines_objects or learnt

    @property
    def needs_probabilities(self) -> bool:
        """Whether any result is made of more than labels."""
        return "probabilities" in self.targets or self.needs_objects

    def write_objects(self, objects: ObjectMap) -> tuple[str, ...]:
        """Write what was asked of the objects, all of them; what a rule removes is 0 in them from then on.

        Returns:
            What the user should know.
        """
        assert self.objects is not None
        return self.objects.write(self.name, objects, self.pixels, self.path, self.targets, self.format)

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
        if "objects" in self.targets:
            object_files.require_writable(self.targets["objects"], self.source, self.format)

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
        with ExitStack() as stack:
            numbered, objects = None, None
            if self.needs_objects or ("labels" in self.targets and self.classes.encoding == "instances"):
                numbered = self.numbering.of(parts)
            if numbered is not None and ("objects" in self.targets or self.outlines_objects):
                beside = next(iter(self.targets.values()))
                with writing(beside):
                    folder = stack.enter_context(scratch(beside))
                objects = find_objects(numbered, parts, self.source.shape, folder)
            self._write_pixels(parts, numbered, tell, identity)
            notes: list[str] = []
            if objects is not None and "objects" in self.targets:
                notes += self.write_objects(objects)
            if "overlay" in self.targets:
                picture, step = self._overview(parts, objects if self.outlines_objects else None)
                write_image(self.targets["overlay"], np.moveaxis(picture, -1, 0))
                if step > 1:
                    notes.append(f"the overlay shows one pixel in {step} of each row and column")
        tell(1.0)
        return notes

    def _write_pixels(
        self, parts: Parts, numbered: Numbered | None, tell: Callable[[float], None], identity: str
    ) -> None:
        """Labels and probabilities."""
        results: dict[Path, Streamed] = {}
        if "labels" in self.targets:
            results[self.targets["labels"]] = self._labels(parts, numbered)
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

    def _probabilities(self, read: Callable[[int, Window], Array]) -> Streamed:
        source, names = self.source, self.classes.names
        geometry = source.geometry.with_nodata(None if source.nodata is None else math.nan)
        shape, dtype = (self.numbering.num_classes, *source.shape), np.dtype(np.float32)
        return Streamed(shape, dtype, read, geometry, mask=False, channels=names)

    def _labels(self, parts: Parts, numbered: Numbered | None) -> Streamed:
        """The label file as the training masks were written."""
        source, classes = self.source, self.classes
        stated, nodata = classes_with_missing(classes, source.nodata)
        geometry = source.geometry.with_nodata(nodata)
        if classes.encoding == "instances":
            assert numbered is not None
            return _numbered(source, numbered, classes)
        if classes.encoding == "colours":
            read = lambda channel, window: stated.encode(parts.labels(window))[..., channel]  # noqa: E731
            return Streamed((3, *source.shape), np.dtype(np.uint8), read, geometry, mask=True)
        read = lambda channel, window: stated.encode(parts.labels(window))  # noqa: E731
        return Streamed((1, *source.shape), np.dtype(classes.dtype), read, geometry, mask=True)

    def _overview(self, parts: Parts, objects: ObjectMap | None) -> tuple[npt.NDArray[np.uint8], int]:
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
        if objects is not None:
            shown = objects.ids[middle] if plane else objects.ids
            objects = ObjectMap(np.ascontiguousarray(shown[::step, ::step]), objects.classes)
        return painted(image, seen[0] if plane else seen, objects, self.classes), step


def painted(
    image: Image, labels: npt.NDArray[np.uint8], objects: ObjectMap | None, classes: Classes
) -> npt.NDArray[np.uint8]:
    """The overlay of an image: its objects outlined and numbered or, without them, its classes: H W 3."""
    picture = to_rgb(image)
    return overlay(picture, labels, None, classes) if objects is None else paint_objects(picture, objects, classes)


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
