"""Measure the objects in anybody's label files: objects that are numbered, or masks of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.counting import Extent
from unetkit.dataset.encoding import find_classes, infer_classes, label_map
from unetkit.dataset.groups import find_groups
from unetkit.dataset.numbered import compact_ids, numbered_objects, regions_of_classes
from unetkit.dataset.pairing import by_name, find_partners
from unetkit.errors import DatasetError, InputError, UsageError
from unetkit.formats import read_header, read_image, read_mask
from unetkit.measuring.labels import NAMES, Settings, extent_of, require_same_size, spacing_of
from unetkit.measuring.streamed import measure_streamed
from unetkit.objects import ObjectMap, Table, measure
from unetkit.objects.measuring import concatenated, removed

LARGE = 2**27
"""Label files of more pixels are measured band by band where their format can be read so."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The objects of all files.

    Args:
        table: one row an object, with the column `image` first; ids may repeat between images, never within one.
        extents: size of each image, by name.
        groups: group of each image, by name; empty where nothing is known.
        read_as: how the label files were read, for the user.
    """

    table: Table
    extents: Mapping[str, Extent]
    groups: Mapping[str, str]
    read_as: str


def measure_files(
    labels: str | PathLike[str],
    images: str | PathLike[str] | None = None,
    *,
    settings: Settings | None = None,
    numbered: bool | None = None,
    classes: str | PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Every object in a label file, or in all label files of a folder.

    Args:
        labels: a file, or a folder; numbers of objects (whole, up to 64 bits) or masks of classes.
        images: the image, or the folder of images of the same names, for the intensities; None leaves them out.
        settings: spacing, names, rules.
        numbered: whether the files hold numbers of objects (True) or masks of classes (False), whose connected regions
            become objects (8 neighbours in the plane, 26 in space); None decides by the values.
        classes: a classes.yaml with the names of the classes.
        progress: called with the number of files that are done, and of all.

    Returns:
        The table of all objects, with what a summary needs.

    Raises:
        InputError: no files, an image missing or of another size.
        FileError: a file that cannot be read, or with numbers that are no ids.
        UsageError: a rule or class that cannot be.

    Example:
        >>> import tempfile
        >>> from unetkit.formats import write_mask
        >>> file = Path(tempfile.mkdtemp()) / "cells.png"
        >>> write_mask(file, np.array([[7, 7, 0, 9]], np.uint16))
        >>> measure_files(file, numbered=True).table["id"].tolist()
        [7, 9]
    """
    settings = settings or Settings()
    files = _files(Path(labels), "label files")
    partners = _partners(files, _files(Path(images), "images")) if images is not None else {}
    known = _classes(list(files.values()), numbered, Path(classes) if classes is not None else None)
    tables, extents = [], {}
    for number, (name, path) in enumerate(files.items()):
        if progress is not None:
            progress(number, len(files))
        table, extents[name] = _measure_file(path, partners.get(name), known, settings)
        table = removed(table, list(settings.rules))
        tables.append(table.with_column("image", np.full(len(table), name, object), first=True))
    names = known.names if known is not None else NAMES
    read_as = "numbers of objects" if known is None else f"masks of the classes {', '.join(known.names)}"
    if known is not None and known.label_divisor:
        read_as = f"numbers of objects of the classes {', '.join(known.names[1:])}"
    joined = concatenated(tables)
    table = Table(joined.columns, joined.units, tuple(names[1:]), joined.notes)
    return Measured(table, extents, groups_near(Path(labels), list(files)), read_as)


def _measure_file(
    path: Path, partner: Path | None, classes: Classes | None, settings: Settings
) -> tuple[Table, Extent]:
    header = read_header(path)
    if prod(header.shape) > LARGE and header.windowed and header.shape[0] == 1:
        return measure_streamed(path, partner, classes, settings)
    raw = read_mask(path)
    image = read_image(partner) if partner is not None else None
    originals: npt.NDArray[Any] | None = None
    if classes is None:
        ids, originals = compact_ids(raw.values, path)
        objects = ObjectMap(ids, np.ones(len(originals), np.uint8))
    elif classes.label_divisor:
        objects, originals = numbered_objects(raw, classes)
    else:
        objects = regions_of_classes(label_map(raw, classes).labels)
    require_same_size(partner, image.shape if image is not None else None, objects.ids.shape)
    place = image.geometry if image is not None else None
    spacing, unit = spacing_of(path, objects.ids.ndim, raw.geometry, place, settings)
    table = measure(
        objects,
        image,
        spacing=spacing,
        unit=unit,
        class_names=NAMES if classes is None else classes.names,
        channel_names=settings.channel_names,
        thin_classes=settings.thin_classes,
        ids=originals,
    )
    return table, extent_of(objects.ids.shape, spacing, unit)


def _files(place: Path, what: str) -> dict[str, Path]:
    """Image files by name: of a folder, or one alone."""
    if place.is_dir():
        files, _ = by_name(place)
        if not files:
            raise InputError(f"holds no {what}", file=place)
        return files
    if not place.exists():
        raise InputError("does not exist", file=place, expected=f"a file, or a folder of {what}")
    return {place.stem.removesuffix(".ome"): place}


def _partners(files: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, Path]:
    """The image of every label file, by name; of one file alone the one image alone."""
    if len(files) == len(images) == 1:
        return dict(zip(files, images.values(), strict=True))
    found = find_partners(files, images)
    unclear = [name for name, names in found.items() if len(names) != 1]
    if unclear:
        raise InputError(
            f"{len(unclear)} of {len(files)} label files have no image, or several",
            found=", ".join(unclear[:6]) + (", …" if len(unclear) > 6 else ""),
            expected="an image of the same name for each",
        )
    return {name: images[names[0]] for name, names in found.items()}


def _classes(files: Sequence[Path], numbered: bool | None, stated: Path | None) -> Classes | None:
    """What masks of classes mean; None where the files hold numbers of objects."""
    if numbered and stated is not None:
        raise UsageError("files of numbered objects have no classes", found=f"--ids and --classes {stated}")
    if numbered:
        return None
    try:
        found = find_classes(stated, files) if stated is not None else infer_classes(files)
    except DatasetError as error:
        if numbered is None and stated is None:
            raise InputError(
                f"whether the files hold objects or classes is not clear: {error.what}",
                file=error.file,
                found=error.found,
                mend="say --ids where each number is an object, --masks --classes FILE where it is a class",
            ) from error
        raise
    of_one_class = found.encoding == "instances" and not found.label_divisor
    return None if of_one_class and numbered is None else found


def groups_near(place: Path, names: Sequence[str]) -> dict[str, str]:
    """Groups as a file in the folder, or in the one above it, states them.

    Args:
        place: the folder of images or label files, or one of them.
        names: of the images.

    Raises:
        DatasetError: a groups file that cannot be read.
    """
    folder = place if place.is_dir() else place.parent
    named = folder if folder.name not in ("", "..") else folder.resolve()
    for root in (folder, named.parent):
        if (root / "groups.csv").exists() or (root / "groups.json").exists():
            return find_groups(root, names, ())[0]
    return {}
