"""What is to be written of predicted objects, and whether that can be, before anything is predicted."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unetkit.classes import Classes
from unetkit.errors import FileError, UsageError
from unetkit.formats import Header, read_header
from unetkit.image import Geometry, Image
from unetkit.measuring import Settings, spacing_of
from unetkit.objects import ObjectMap, measure
from unetkit.objects.measuring import check_table_path, removed
from unetkit.vector.write import require_formats


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """What `predict` writes of objects beside their numbers.

    Args:
        settings: how they are measured: spacing, names of channels, thin classes, rules that remove some.
        table: "csv" or "parquet".
        formats: names of `unetkit.vector.OBJECT_FORMATS`.

    Example:
        >>> ObjectOptions(Settings(rules=("area_px > 20",)), formats=("qupath",)).table
        'csv'
    """

    settings: Settings = field(default_factory=Settings)
    table: str = "csv"
    formats: tuple[str, ...] = ()


def require_possible(options: ObjectOptions, paths: Iterable[Path], classes: Classes, spatial_dims: int) -> None:
    """Refuse options that cannot be met by these images.

    Args:
        options: what was asked for.
        paths: the images; those that cannot be read are passed over, and complained of when their turn comes.
        classes: of the run.
        spatial_dims: 2 or 3, of the run's images.

    Raises:
        UsageError: a rule about a column that an image's table has not, a class that there is not, formats that hold
            no volumes.
        UnknownName: no such format.
        MissingExtra: Parquet without its extra.
    """
    check_table_path(f"objects.{options.table}")
    chosen = require_formats(options.formats) if options.formats else {}
    flat = [name for name, one in chosen.items() if one.write is None]
    if spatial_dims == 3 and flat:
        raise UsageError(f"{', '.join(flat)} cannot hold the objects of volumes", mend="name the format tiff")
    seen: set[tuple[object, ...]] = set()
    for path in paths:
        with suppress(FileError):
            header = read_header(path)
            kind = (len(header.shape), header.shape[0], header.channels, header.geometry.spacing, header.geometry.unit)
            if kind not in seen:
                seen.add(kind)
                _try(options.settings, path, header, classes)


def _try(settings: Settings, path: Path, header: Header, classes: Classes) -> None:
    """Make the table of an image in which there is no object, and keep its rules."""
    axes = len(header.shape) - 1
    spacing, unit = spacing_of(path, axes, Geometry(), header.geometry, settings)
    pixels = np.zeros((header.shape[0], *[1] * axes), np.uint8)
    nothing = ObjectMap(np.zeros((1,) * axes, np.uint32), np.zeros(0, np.uint8), np.zeros(0, np.float32))
    table = measure(
        nothing,
        Image(pixels, channels=header.channels),
        spacing=spacing,
        unit=unit,
        class_names=classes.names,
        channel_names=settings.channel_names,
        thin_classes=settings.thin_classes,
    )
    try:
        removed(table, list(settings.rules))
    except UsageError as error:
        raise UsageError(error.what, file=path, found=error.found, expected=error.expected, mend=error.mend) from error
