"""Measuring objects of an image that is never in memory as a whole: of a label file, or of a prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.counting import Extent
from unetkit.dataset.numbered import compact_ids, whole_numbers
from unetkit.formats import read_header, read_window
from unetkit.image import Array, Image, without_data
from unetkit.measuring.labels import NAMES, Settings, extent_of, require_same_size, spacing_of
from unetkit.objects import Accumulator, BandedClasses, ObjectMap, Table
from unetkit.objects.measuring import is_thin, names_of_channels, tabulate

BAND = 2**25
"""Pixels that are looked at together."""

Ids = Callable[[int, int], npt.NDArray[Any]]
"""(start, stop) along the first axis -> ids 1 … n of that band, 0 for no object."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """The image that objects are measured on, band by band.

    Args:
        read: (start, stop) along the first axis -> C band *others.
        names: of the channels, as they stand in columns.
        nodata: the number that stands for missing data; None where there is none.
    """

    read: Callable[[int, int], Array]
    names: tuple[str, ...]
    nodata: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """How an image lies that objects are measured in.

    Args:
        shape: *S.
        spacing: distance between pixel centres along each axis; None where unknown.
        unit: of the spacing.
        rows: rows (planes) that are looked at together.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    unit: str | None
    rows: int

    @property
    def extent(self) -> Extent:
        """What a summary wants to know of it."""
        return extent_of(self.shape, self.spacing, self.unit)


def measure_bands(
    ids: Ids,
    objects: ObjectMap,
    frame: Frame,
    *,
    class_names: tuple[str, ...],
    thin_classes: tuple[str, ...] = (),
    pixels: Pixels | None = None,
    originals: npt.NDArray[Any] | None = None,
) -> Table:
    """The table that measuring the whole image would give, but for what cannot be added up (see `Accumulator`).

    Args:
        ids: the objects of a band.
        objects: their classes and confidence; its own ids are not looked at.
        frame: size and spacing of the image.
        class_names: of all classes, background first.
        thin_classes: names of the classes that get skeleton length and width.
        pixels: the image, for the intensities; None leaves them out.
        originals: n, what the objects are called in the table; None: 1 … n.

    Raises:
        UsageError: a thin class that there is not.
        InputError: a spacing without a unit, or more objects than the memory holds.
    """
    thin = is_thin(objects, class_names, thin_classes)
    names = () if pixels is None else pixels.names
    seen = Accumulator(frame.shape, objects.count, channels=len(names), spacing=frame.spacing, thin=thin)
    for start in range(0, frame.shape[0], frame.rows):
        stop = min(start + frame.rows, frame.shape[0])
        values = None if pixels is None else pixels.read(start, stop)
        missing = None if values is None or pixels is None else without_data(values, pixels.nodata)
        seen.add(slice(start, stop), ids(start, stop), values, missing)
    return tabulate(
        seen.finish(),
        objects,
        frame.shape,
        spacing=frame.spacing,
        unit=frame.unit,
        class_names=class_names,
        channel_names=names,
        thin=bool(thin_classes),
        ids=originals,
    )


@dataclass(frozen=True, slots=True)
class _Labels:
    """The objects of a file, band by band.

    Args:
        ids: of a band.
        classes: class index of each of the n objects.
        originals: their numbers in the file; None where they have none.
    """

    ids: Ids
    classes: npt.NDArray[np.uint8]
    originals: npt.NDArray[Any] | None


def measure_streamed(
    path: Path, partner: Path | None, classes: Classes | None, settings: Settings, *, band: int = BAND
) -> tuple[Table, Extent]:
    """The table of a label file, as of `measure_bands`.

    Args:
        path: a label file of one channel in a format that can be read in windows.
        partner: the image, or None.
        classes: what the numbers mean; None where they are numbers of objects.
        settings: spacing, names, rules.
        band: pixels that are looked at together.

    Returns:
        The table, and the size of the image.

    Raises:
        InputError: the image has another size.
        FileError: a file that cannot be read, or with numbers that are no ids.
    """
    header = read_header(path)
    shape = header.shape[1:]
    rows = max(1, band // prod(shape[1:]))
    labels = _read(path, shape, rows, classes)
    picture = read_header(partner) if partner is not None else None
    require_same_size(partner, picture.shape[1:] if picture is not None else None, shape)
    spacing, unit = spacing_of(path, len(shape), header.geometry, picture.geometry if picture else None, settings)
    pixels = None
    if partner is not None and picture is not None:
        corner = Image(_band(partner, shape, 0, 1), channels=picture.channels)
        names = names_of_channels(corner, settings.channel_names)
        pixels = Pixels(lambda start, stop: _band(partner, shape, start, stop), names, picture.geometry.nodata)
    frame = Frame(shape, spacing, unit, rows)
    table = measure_bands(
        labels.ids,
        ObjectMap(np.zeros((0,) * len(shape), np.uint32), labels.classes),
        frame,
        class_names=NAMES if classes is None else classes.names,
        thin_classes=settings.thin_classes,
        pixels=pixels,
        originals=labels.originals,
    )
    return table, frame.extent


def _band(path: Path, shape: tuple[int, ...], start: int, stop: int) -> Array:
    return read_window(path, (slice(start, stop), *(slice(0, size) for size in shape[1:]))).pixels


def _read(path: Path, shape: tuple[int, ...], rows: int, classes: Classes | None) -> _Labels:
    def band(start: int, stop: int) -> Array:
        values: Array = _band(path, shape, start, stop)[0]
        return values

    if classes is None:
        return _numbered(band, shape, rows, path)
    if not classes.label_divisor:
        return _of_classes(lambda start, stop: classes.decode(band(start, stop), file=path), shape, rows, classes)
    divisor = classes.label_divisor

    def alone(start: int, stop: int) -> npt.NDArray[np.uint8]:
        values = band(start, stop)
        return np.where(values < divisor, classes.decode(values, file=path), 0).astype(np.uint8)

    def with_object(start: int, stop: int) -> Array:
        values = band(start, stop)
        return np.where((values < divisor) | np.isin(values, classes.ignore_values), 0, values)

    numbered = _numbered(with_object, shape, rows, path)
    return _joined(numbered, _of_classes(alone, shape, rows, classes), classes)


def _joined(numbered: _Labels, regions: _Labels, classes: Classes) -> _Labels:
    """Objects of which a number holds class and object, and after them the regions of a class alone."""
    count = np.uint32(len(numbered.classes))

    def ids(start: int, stop: int) -> npt.NDArray[Any]:
        own = regions.ids(start, stop)
        return np.where(own > 0, own + count, numbered.ids(start, stop))

    assert numbered.originals is not None
    kinds = np.append(classes.decode(numbered.originals), regions.classes)
    originals = np.append(numbered.originals, np.array(classes.values)[regions.classes])
    return _Labels(ids, kinds, originals)


def _numbered(read: Callable[[int, int], Array], shape: tuple[int, ...], rows: int, path: Path) -> _Labels:
    originals: npt.NDArray[Any] = np.zeros(0, np.uint64)
    for start in range(0, shape[0], rows):
        _, seen = compact_ids(read(start, min(start + rows, shape[0])), path)
        originals = np.union1d(originals, seen.astype(np.uint64))

    def ids(start: int, stop: int) -> npt.NDArray[Any]:
        small, seen = compact_ids(read(start, stop), path)
        number = np.concatenate(
            [np.zeros(1, np.uint32), (np.searchsorted(originals, seen.astype(np.uint64)) + 1).astype(np.uint32)]
        )
        found: npt.NDArray[Any] = number[small]
        return found

    return _Labels(ids, np.ones(len(originals), np.uint8), whole_numbers(originals))


def _of_classes(
    labels: Callable[[int, int], npt.NDArray[np.uint8]], shape: tuple[int, ...], rows: int, classes: Classes
) -> _Labels:
    found = BandedClasses(labels, shape[0], rows, len(classes), connectivity=len(shape))
    return _Labels(lambda start, stop: found.ids(start), found.classes, None)
