"""The objects of a prediction: told apart and numbered band by band, in memory and on disk alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.files import writing
from unetkit.image import Array
from unetkit.objects import BandedClasses, Confidence, ObjectMap
from unetkit.prediction import Predictor
from unetkit.prediction.tiles import Window
from unetkit.separation import Decoding, Separator, basins_of, cut, rescaled
from unetkit.separation.decode import band_of

Labels = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.uint32]


class Parts(Protocol):
    """A whole prediction, of which windows can be had; a `Journal` is one."""

    def labels(self, window: Window) -> Labels:
        """Class indices: *window."""

    def probabilities(self, channel: int, window: Window) -> npt.NDArray[np.float32]:
        """Of one class, or of an output after the classes, NaN where there is none: *window."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """A prediction that is held in memory.

    Args:
        all_labels: *S.
        outputs: (K + E) *S.
    """

    all_labels: Labels
    outputs: npt.NDArray[np.float32]

    def labels(self, window: Window) -> Labels:
        """As for `Parts`."""
        return self.all_labels[window]

    def probabilities(self, channel: int, window: Window) -> npt.NDArray[np.float32]:
        """As for `Parts`."""
        of_one: npt.NDArray[np.float32] = self.outputs[channel]
        return of_one[window]


class Numbered(Protocol):
    """Objects that are numbered band by band."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def classes(self) -> Labels:
        """The class of each."""

    def ids(self, start: int) -> Ids:
        """Those of the band that begins at `start`."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the objects of an image are told apart.

    Args:
        shape: *S of the image.
        num_classes: K; those from 1 on make objects.
        connectivity: along how many axes neighbours may differ, of connected regions.
        apart: what tells touching objects apart, from outputs after the classes; None for connected regions.
    """

    shape: tuple[int, ...]
    num_classes: int
    connectivity: int
    apart: tuple[Separator, Decoding] | None = None

    def of(self, parts: Parts) -> Numbered:
        """The objects of a prediction."""
        shape = self.shape
        across = tuple(slice(0, extent) for extent in shape[1:])
        if self.apart is None:
            read = lambda start, stop: parts.labels((slice(start, stop), *across))  # noqa: E731
            return BandedClasses(read, shape[0], band_of(shape), self.num_classes, connectivity=self.connectivity)
        separator, decoding = self.apart
        extras = range(self.num_classes, self.num_classes + separator.channels(len(shape)))

        def outputs(start: int, stop: int) -> tuple[Array, Array, Array]:
            window = (slice(start, stop), *across)
            extra = [parts.probabilities(channel, window) for channel in extras]
            whole = np.stack(extra) if extra else np.empty((0, stop - start, *shape[1:]), np.float32)
            return parts.labels(window), parts.probabilities(0, window), whole

        return cut(basins_of(separator, outputs, shape, decoding), decoding)


def numbering_of(predictor: Predictor, classes: Classes, own: tuple[int, ...], seen: tuple[int, ...]) -> Numbering:
    """How a model tells objects apart.

    Connected regions are those that `unetkit measure` finds in the label file: the numbers that stand in it, or the
    regions of its classes, which hang together by corners too.

    Args:
        predictor: the model.
        classes: how label files are written.
        own: *S of the image.
        seen: *S of what the network sees of it.
    """
    apart = None
    if predictor.plan.separates:
        apart = predictor.plan.separator, rescaled(predictor.decoding, own, seen)
    connectivity = 1 if classes.encoding == "instances" else len(own)
    return Numbering(own, predictor.plan.data.num_classes, connectivity, apart)


def find_objects(numbered: Numbered, parts: Parts, shape: tuple[int, ...], folder: Path | None = None) -> ObjectMap:
    """The objects with their classes and confidence.

    Args:
        numbered: they, band by band.
        parts: the prediction.
        shape: *S of the image.
        folder: where to keep the numbers of an image that is larger than memory; None: in memory.

    Returns:
        Their map; with a folder, its numbers stay in a file there for as long as it is used.

    Raises:
        FileError: the disk is full.
    """
    sure = Confidence(numbered.count)

    def bands() -> Iterator[Ids]:
        for start in range(0, shape[0], band_of(shape)):
            ids = numbered.ids(start)
            window = (slice(start, start + len(ids)), *(slice(0, extent) for extent in shape[1:]))
            sure.add(ids, parts.labels(window), partial(parts.probabilities, window=window))
            yield ids

    ids = np.concatenate(list(bands())) if folder is None else _on_disk(folder / "ids", bands(), shape)
    return ObjectMap(ids, numbered.classes, sure.mean())


def _on_disk(path: Path, bands: Iterable[Ids], shape: tuple[int, ...]) -> Ids:
    """Written rather than mapped, for a full disk would end a process that writes to a map."""
    with writing(path), path.open("wb") as file:
        for band in bands:
            file.write(band.tobytes())
    return np.memmap(path, np.uint32, "r+", shape=shape)
