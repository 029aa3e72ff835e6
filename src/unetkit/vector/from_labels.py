"""From anybody's label files to files of objects: maps of object numbers, or masks of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from unetkit.classes import Classes, read_stated
from unetkit.dataset.encoding import infer_classes, label_map, states_all
from unetkit.dataset.numbered import numbered_objects
from unetkit.dataset.pairing import by_name, find_partners
from unetkit.errors import FileError, InputError, UnclearMasks
from unetkit.formats import RawMask, is_image_path, read_header, read_mask
from unetkit.objects import ObjectMap, label_components, with_classes
from unetkit.vector.format import ImageObjects, Say
from unetkit.vector.write import require_formats, require_free, shared_files, writing_objects

Kind = Literal["ids", "classes"]


@dataclass(frozen=True, slots=True)
class ExportedObjects:
    """What `export_labels` wrote.

    Args:
        files: all of them.
        objects: how many there are in each image, by its name.
        classes: how the label files were read.
    """

    files: tuple[Path, ...]
    objects: Mapping[str, int]
    classes: Classes


def export_labels(
    labels: Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    formats: Sequence[str],
    *,
    images: str | PathLike[str] | None = None,
    classes: str | PathLike[str] | None = None,
    kind: Kind | None = None,
    overwrite: bool = False,
    say: Say = lambda line: None,
) -> ExportedObjects:
    """Write the objects in label files for other programs.

    Args:
        labels: label files, and folders of them.
        out: folder for the files.
        formats: names of `OBJECT_FORMATS`.
        images: the image that the labels belong to, or the folder of images of the same names; it gives geo-reference,
            pixel size and file names. None: the label files' own.
        classes: a classes.yaml; None looks for one beside the labels and in the folder above.
        kind: "ids": each number is an object; "classes": each connected region of a class is one. None finds out from
            all label files together.
        overwrite: whether files that exist may be replaced.
        say: told what a file leaves out, or how it is to be read.

    Raises:
        UsageError: no or an unknown format, or a file exists.
        InputError: labels that cannot be read, paired or told from another, or that a format cannot hold.

    Example:
        >>> export_labels(["predicted"], "objects", ["coco", "qupath"], images="images")  # doctest: +SKIP
    """
    files = _label_files([Path(path) for path in labels])
    require_formats(formats)
    if not overwrite:
        require_free(list(files), formats, out)
    partners = _images(Path(images), files) if images is not None else files
    known = _classes(list(files.values()), Path(classes) if classes is not None else None, kind)
    counts: dict[str, int] = {}
    written: list[Path] = []
    with writing_objects(out, formats, known, overwrite=overwrite, say=say) as put:
        for name, path in files.items():
            raw = read_mask(path)
            objects = objects_of(raw, known, say)
            geometry, file = raw.geometry, partners[name]
            if images is not None:
                header = read_header(file)
                if header.shape[1:] != objects.ids.shape:
                    size = _size(header.shape[1:])
                    raise FileError(
                        "differs in size from its image", file=path, found=_size(objects.ids.shape), expected=size
                    )
                geometry = header.geometry
            counts[name] = objects.count
            written += put(
                ImageObjects(name, objects, known, geometry, (PurePosixPath(name).parent / file.name).as_posix())
            )
    return ExportedObjects((*written, *shared_files(out, formats)), counts, known)


def objects_of(raw: RawMask, classes: Classes, say: Say = lambda line: None) -> ObjectMap:
    """The objects in a label file.

    Numbers of objects are kept where they are 1 … n; else they are given anew in the same order, and `say` is told.

    Args:
        raw: the file's numbers or colours.
        classes: what they mean; for encoding "instances" each number is one object, in however many pieces, else each
            region of a class that hangs together by edges of pixels is.
        say: told what was changed.

    Raises:
        FileError: numbers that cannot be those of objects, or that stand for no class.

    Example:
        >>> classes = Classes(names=("background", "cell"), encoding="instances")
        >>> objects_of(RawMask(np.array([[0, 2**40], [7, 0]])), classes).ids.tolist()
        [[0, 2], [1, 0]]
    """
    if classes.encoding == "instances":
        objects, numbers = numbered_objects(raw, classes)
        if not np.array_equal(numbers, np.arange(1, objects.count + 1)):
            count, highest = objects.count, int(numbers.max())
            order = f"with numbers up to {highest}, are numbered 1 to {count} in that order"
            say(f"{raw.path}: its {count} objects, {order}")
        return objects
    labels = label_map(raw, classes).labels
    return with_classes(label_components(labels), labels)


def _label_files(paths: Sequence[Path]) -> dict[str, Path]:
    """Label files by name: the path below their folder, without suffix."""
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise InputError("does not exist", file=path, expected="a label file, or a folder of them")
        if path.is_dir():
            own, _ = by_name(path)
            if not own:
                raise InputError("holds no label files", file=path)
        elif is_image_path(path):
            own = {path.stem.removesuffix(".ome"): path}
        else:
            raise InputError("is no label file", file=path, expected="such as .tif or .png")
        for name, file in own.items():
            if name in found:
                both = f"{found[name]} and {file}"
                raise InputError(f"two label files are called '{name}'", found=both, mend="export them to two folders")
            found[name] = file
    return found


def _images(images: Path, labels: Mapping[str, Path]) -> dict[str, Path]:
    """The image of each label file."""
    if not images.exists():
        raise InputError("does not exist", file=images, expected="an image, or a folder of images")
    if images.is_file():
        if len(labels) > 1:
            raise InputError("one image cannot belong to several label files", file=images, found=len(labels))
        return dict.fromkeys(labels, images)
    offered, _ = by_name(images)
    partners = find_partners(labels, offered)
    unclear = [name for name, found in partners.items() if len(found) != 1]
    if unclear:
        name = unclear[0]
        raise InputError(
            f"the images of {len(unclear)} of {len(labels)} label files are not clear",
            file=images,
            found=f"for {name}: {' or '.join(partners[name]) or 'none'}",
            expected="one image of the same name for each",
        )
    return {name: offered[found[0]] for name, found in partners.items()}


def _classes(labels: Sequence[Path], file: Path | None, kind: Kind | None) -> Classes:
    """What the numbers mean: as stated, else found out from all label files."""
    folder = labels[0].parent
    usual = (one for one in (folder / "classes.yaml", folder.parent / "classes.yaml") if one.is_file())
    file = file if file is not None else next(usual, None)
    stated = read_stated(file) if file is not None else {}
    if kind == "ids":
        stated["encoding"] = "instances"
    elif kind == "classes" and stated.get("encoding") == "instances":
        stated = {name: value for name, value in stated.items() if name not in ("encoding", "label_divisor")}
    if (kind == "ids" and not stated.get("label_divisor")) or states_all(stated):
        return _stated_classes(stated, file)
    try:
        found = infer_classes(labels, stated=stated)
    except UnclearMasks as error:
        if kind is None:
            mend = "say --as ids where each number is an object, --as classes where it is a class"
            raise InputError(error.what, file=folder, found=error.found, mend=mend) from error
        return infer_classes(labels, stated={**stated, "encoding": "values"})
    if kind == "classes" and found.encoding == "instances":
        return infer_classes(labels, stated={**stated, "encoding": "values"})
    return found


def _stated_classes(stated: Mapping[str, Any], file: Path | None) -> Classes:
    try:
        return Classes.model_validate({"names": ("background", "object"), "evidence": "as stated", **stated})
    except ValidationError as error:
        raise FileError(error.errors()[0]["msg"].removeprefix("Value error, "), file=file) from error


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
