"""The files of predicted objects: their numbers, their table, what other programs open, and a summary of all images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes, has_background
from unetkit.counting import Extent, summarise, summary_columns, typical_columns, write_summary
from unetkit.errors import FileError
from unetkit.formats import Streamed, check_streamed, read_header, write_streamed
from unetkit.image import Array, Geometry, Image
from unetkit.measuring import Frame, Pixels, measure_bands, spacing_of
from unetkit.measuring.streamed import BAND
from unetkit.objects import ObjectMap, Table, read_table, write_table
from unetkit.objects.measuring import concatenated, names_of_channels, removed
from unetkit.pipeline.object_options import ObjectOptions
from unetkit.pipeline.targets import Targets
from unetkit.prediction import Source
from unetkit.prediction.tiles import Window
from unetkit.vector import ImageObjects
from unetkit.vector.write import Put, writing_objects

WIDE = 8
"""Bytes of a pixel's channels from which on fewer pixels are measured together."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many objects an image has.

    Args:
        kept: by class.
        removed: those that a rule removed.
    """

    kept: Mapping[str, int]
    removed: int


class ObjectFiles:
    """Writes the objects of one image after the other.

    Args:
        options: what of them.
        classes: of the run.
        put: writes them for other programs; None where that was not asked for.
        said: what `put` says, as it says it.
        summing: whether tables are kept for a summary of all images.

    Attributes:
        counted: the objects of each image that was written, by its name.
        said: what is still to be told of files of all images.
    """

    def __init__(
        self, options: ObjectOptions, classes: Classes, put: Put | None, said: list[str], *, summing: bool
    ) -> None:
        self.options, self.classes, self.said = options, classes, said
        self.counted: dict[str, Counted] = {}
        self._put, self._summing = put, summing
        self._tables: list[Table] = []
        self._extents: dict[str, Extent] = {}

    def write(
        self, name: str, objects: ObjectMap, source: Source, path: Path, targets: Targets, format: str | None
    ) -> tuple[str, ...]:
        """Write those of an image; what a rule removes is 0 in `objects` from then on.

        Args:
            name: of the image, below the output folder.
            objects: they, all of them.
            source: the image, as its file holds it.
            path: that file.
            targets: where to: "objects" and "table".
            format: of the numbers, where their suffix does not say it.

        Returns:
            What the user should know.

        Raises:
            InputError: more objects than the memory holds, or than a format can.
            FileError: a file cannot be written.
        """
        table = self._measured(name, objects, source, path)
        gone = table["removed_by"] != ""
        _take_out(objects, table["id"][gone])
        if self._put is not None:
            self._put(self._for_others(name, objects, table, source, path))
        write_table(targets["table"], table)
        write_streamed(targets["objects"], ids_as_stored(source, objects), format=format)
        kinds = table["class"][~gone].tolist()
        self.counted[name] = Counted({one: kinds.count(one) for one in self.classes.names[1:]}, int(gone.sum()))
        notes = (*table.notes, *self.said)
        self.said.clear()
        if not has_background(self.classes):
            notes += (f"what is '{self.classes.names[0]}', the first class, is no object",)
        return notes

    def remember(self, name: str, path: Path, targets: Targets) -> None:
        """Let an image that was predicted before count in the summary.

        Raises:
            FileError: its table cannot be read.
        """
        if not self._summing:
            return
        file, header = targets["table"], read_header(path)
        table = read_table(file, class_names=self.classes.names[1:])
        size = "area_px" if len(header.shape) == 3 else "volume_px"
        missing = [column for column in ("image", "class", size, "removed_by") if column not in table.columns]
        if missing:
            raise FileError(
                "is no table of this image's objects",
                file=file,
                found=f"no column {', '.join(missing)}",
                mend="--overwrite, or name another --out",
            )
        self._sum_up(name, table, self._frame(path, header.shape[1:], header.geometry))

    def write_summary(self, path: Path, groups: Mapping[str, str]) -> tuple[Path, ...]:
        """Write PATH.csv and PATH.json over all images, if they are wanted and there are any.

        Args:
            path: without suffix.
            groups: image to group, where any are known.
        """
        if not self._tables:
            return ()
        return write_summary(path, summarise(concatenated(self._tables), self._extents, groups))

    def _frame(self, path: Path, shape: tuple[int, ...], geometry: Geometry, pixel_bytes: int = 1) -> Frame:
        spacing, unit = spacing_of(path, len(shape), geometry, None, self.options.settings)
        rows = BAND // (prod(shape[1:]) * max(1, pixel_bytes // WIDE))
        return Frame(shape, spacing, unit, max(1, rows))

    def _measured(self, name: str, objects: ObjectMap, source: Source, path: Path) -> Table:
        settings, across = self.options.settings, tuple(slice(0, extent) for extent in source.shape[1:])
        corner = Image(np.zeros((source.channels, *[1] * len(source.shape)), np.uint8), channels=source.names)
        pixels = Pixels(
            lambda start, stop: source.read((slice(start, stop), *across)),
            names_of_channels(corner, settings.channel_names),
            source.nodata,
        )
        frame = self._frame(path, source.shape, source.geometry, source.channels * source.dtype.itemsize)
        table = measure_bands(
            lambda start, stop: objects.ids[start:stop],
            objects,
            frame,
            class_names=self.classes.names,
            thin_classes=settings.thin_classes,
            pixels=pixels,
        )
        table = removed(table, list(settings.rules))
        table = table.with_column("image", np.full(len(table), name, object), first=True)
        if self._summing:
            self._sum_up(name, table, frame)
        return table

    def _sum_up(self, name: str, table: Table, frame: Frame) -> None:
        self._tables.append(summary_columns(table))
        self._extents[name] = frame.extent

    def _for_others(self, name: str, objects: ObjectMap, table: Table, source: Source, path: Path) -> ImageObjects:
        measurements = {}
        for column in typical_columns(table):
            if column != "confidence":  # the objects know it themselves
                values = np.full(objects.count, np.nan)
                values[table["id"] - 1] = table[column]
                measurements[column] = values
        file = (PurePosixPath(name).parent / path.name).as_posix()
        return ImageObjects(name, objects, self.classes, _placed(source), file, measurements)


@contextmanager
def object_files(
    out: Path, options: ObjectOptions, classes: Classes, *, overwrite: bool, summing: bool
) -> Iterator[ObjectFiles]:
    """Write the objects of images; files of all images together stand when the block ends well.

    Args:
        out: folder for them.
        options: what is written.
        classes: of the run.
        overwrite: whether files that exist may be replaced.
        summing: as for `ObjectFiles`.
    """
    said: list[str] = []
    if not options.formats:
        yield ObjectFiles(options, classes, None, said, summing=summing)
        return
    with writing_objects(out, options.formats, classes, overwrite=overwrite, say=said.append) as put:
        yield ObjectFiles(options, classes, put, said, summing=summing)


def ids_as_stored(source: Source, objects: ObjectMap) -> Streamed:
    """The numbers in 16 bits, or 32 where there are more than 65535 objects, removed ones included."""
    dtype = np.dtype(np.uint16 if objects.count <= np.iinfo(np.uint16).max else np.uint32)

    def read(channel: int, window: Window) -> Array:
        del channel
        return objects.ids[window].astype(dtype)

    identity = f"{source.path} objects"
    return Streamed((1, *source.shape), dtype, read, _placed(source), mask=True, identity=identity)


def require_writable(path: Path, source: Source, format: str | None) -> None:
    """Refuse numbers that cannot be written there, before there are any, with a FileError."""
    shape = (1, *source.shape)
    nothing = Streamed(shape, np.dtype(np.uint32), lambda *_: np.zeros(0, np.uint32), _placed(source), mask=True)
    check_streamed(path, nothing, format=format)


def _placed(source: Source) -> Geometry:
    """Where the pixels lie; of numbers, none stands for missing data."""
    return source.geometry.with_nodata(None)


def _take_out(objects: ObjectMap, numbers: npt.NDArray[np.integer]) -> None:
    """Give the pixels of some objects back to the background, in place: the numbers may be in a file."""
    if not len(numbers):
        return
    number = np.arange(objects.count + 1, dtype=np.uint32)
    number[numbers] = 0
    rows = max(1, BAND // prod(objects.ids.shape[1:]))
    for start in range(0, len(objects.ids), rows):
        objects.ids[start : start + rows] = number[objects.ids[start : start + rows]]
