"""The marks of a dataset: every file below marks/, whoever wrote it.

marks/NAME.json     unetkit's own, of the image NAME
marks/NAME.xml      Pascal VOC
marks/NAME.txt      YOLO; marks/classes.txt names its classes, the first that of number 0
marks/ANY.json      COCO, of many images
marks/nothing.txt   names of images that show nothing, one a line
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unetkit.errors import DatasetError
from unetkit.files import read_bytes, read_json
from unetkit.formats import files_below
from unetkit.labels.foreign import is_coco, read_coco, read_voc, read_yolo
from unetkit.labels.marks import Marks, checked_marks, require_inside

CLASSES, NOTHING = "classes.txt", "nothing.txt"
SUFFIXES = (".json", ".xml", ".txt")


@dataclass(frozen=True, slots=True)
class FoundMarks:
    """What marks/ holds.

    Args:
        of: the marks of each image that has some, by its name.
        files: where they stand.
        notes: what was cut off or passed over, for the user.
    """

    of: Mapping[str, Marks]
    files: Mapping[str, Path]
    notes: tuple[str, ...]


def find_marks(folder: Path, sizes: Mapping[str, Sequence[int]]) -> FoundMarks:
    """Read all marks below a folder.

    Args:
        folder: DATA/marks, which may be missing.
        sizes: (rows, columns) of every image, by name.

    Returns:
        The marks of each image.

    Raises:
        FileError: a file that cannot be read, or a mark that lies outside of its image or has no area.
        DatasetError: an image with two files of marks, or no file that belongs to an image.
    """
    of: dict[str, Marks] = {}
    files: dict[str, Path] = {}
    notes: list[str] = []
    for path in files_below(folder):
        if path.name == CLASSES or path.suffix.lower() not in SUFFIXES:
            continue
        found, strange = _read(path, folder, sizes)
        if strange:
            notes.append(
                f"{path.name} marks {_some(strange)}, which {'is' if len(strange) == 1 else 'are'} not in images/"
            )
        for name, marks in found.items():
            if name in of:
                raise DatasetError(
                    f"image '{name}' is marked in two files",
                    file=folder,
                    found=f"{files[name].name} and {path.name}",
                    mend="join them, or delete one",
                )
            if reaching := require_inside(marks, sizes[name], path):
                notes.append(f"{reaching} marks of {path.name} reach beyond their image and count up to its border")
            of[name], files[name] = marks, path
    if notes and not of:
        raise DatasetError("no file of marks belongs to an image", file=folder, found="; ".join(notes[:3]))
    return FoundMarks(dict(sorted(of.items())), files, tuple(notes))


def _read(path: Path, folder: Path, sizes: Mapping[str, Sequence[int]]) -> tuple[dict[str, Marks], list[str]]:
    """The marks in a file by image, and the names of images that are not there."""
    name = path.relative_to(folder).with_suffix("").as_posix()
    value: Any = read_json(path) if path.suffix.lower() == ".json" else None
    if is_coco(value):
        found = read_coco(value, path, sizes)
        missing = len(value["images"]) - len(found)
        return found, [f"{missing} images"] if missing else []
    if path.name == NOTHING and name not in sizes:
        names = [line.strip() for line in read_bytes(path).decode("utf-8", "replace").splitlines() if line.strip()]
        empty = {name: Marks(complete=True) for name in names if name in sizes}
        return empty, [name for name in names if name not in sizes]
    if name not in sizes:
        return {}, [name]
    if value is not None:
        return {name: checked_marks(value, path)}, []
    if path.suffix.lower() == ".xml":
        return {name: read_voc(path, sizes[name])}, []
    return {name: read_yolo(path, sizes[name], _class_names(folder))}, []


def _class_names(folder: Path) -> list[str]:
    path = folder / CLASSES
    if not path.is_file():
        return []
    return [line.strip() for line in read_bytes(path).decode("utf-8", "replace").splitlines() if line.strip()]


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
