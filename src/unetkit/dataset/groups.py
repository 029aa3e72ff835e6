"""Which images belong together (one patient, plate, scene …), so that a split never tears them apart."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unetkit.errors import DatasetError
from unetkit.files import read_json

SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def find_groups(
    root: Path, names: Sequence[str], labelled: Sequence[str]
) -> tuple[dict[str, str], str, tuple[str, ...]]:
    """The group of each image, where a file states it or the sub-folders show it.

    Args:
        root: the data folder; groups.csv or groups.json is looked for there.
        names: all images.
        labelled: those with a mask, which must all have a group if any has.

    Returns:
        Name to group (empty where nothing is known), where that comes from, and notes for the user.

    Raises:
        DatasetError: two groups files, an unreadable one, or a labelled image without a group.
    """
    table, document = root / "groups.csv", root / "groups.json"
    if table.exists() and document.exists():
        raise DatasetError("holds groups.csv and groups.json", file=root, mend="delete one of them")
    if table.exists():
        path, stated = table, _read_table(table)
    elif document.exists():
        path, stated = document, _read_document(document)
    else:
        return _from_folders(names)
    groups = {name: stated[name] for name in names if name in stated}
    missing = [name for name in labelled if name not in groups]
    if missing:
        raise DatasetError(
            f"{len(missing)} labelled images have no group",
            file=path,
            found=", ".join(missing[:6]) + (", …" if len(missing) > 6 else ""),
            expected="a group for every labelled image, by its path below images/ without suffix",
            mend="add them (an image that belongs to no other gets a group of its own)",
        )
    strangers = [name for name in stated if name not in groups]
    notes = () if not strangers else (f"{path.name} names images that are not there: {', '.join(strangers[:4])}",)
    return groups, path.name, notes


def _from_folders(names: Sequence[str]) -> tuple[dict[str, str], str, tuple[str, ...]]:
    """Each sub-folder of images/ a group, where there are three or two with several images each."""
    sizes = Counter(name.split("/")[0] for name in names if "/" in name)
    everywhere = sum(sizes.values()) == len(names)
    several = len(sizes) >= 3 or (len(sizes) == 2 and min(sizes.values()) > 1)
    if not everywhere or not several or max(sizes.values()) == 1 or split_of_folders(names):
        return {}, "nothing", ()
    note = f"each of the {len(sizes)} sub-folders of images/ counts as one group (groups.csv states it otherwise)"
    return {name: name.split("/")[0] for name in names}, "sub-folders of images/", (note,)


def split_of_folders(names: Sequence[str]) -> dict[str, list[str]]:
    """Names by part, where the sub-folders of images/ are called train, val and test; else empty."""
    parts: dict[str, list[str]] = {}
    for name in names:
        part = SPLIT_FOLDERS.get(name.split("/")[0].lower()) if "/" in name else None
        if part is None:
            return {}
        parts.setdefault(part, []).append(name)
    return parts if len(parts) > 1 and "train" in parts else {}


def _read_table(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError("cannot be read", file=path, found=error) from error
    lines = [line for line in text.splitlines() if line.strip()]
    delimiter = next((mark for mark in ",;\t" if lines and mark in lines[0]), ",")
    rows = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    header = [(field or "").strip().lower() for field in rows.fieldnames or ()]
    if "image" not in header or "group" not in header:
        raise DatasetError(
            "has no columns 'image' and 'group'",
            file=path,
            found=lines[0] if lines else "an empty file",
            expected="the first line 'image,group'",
        )
    rows.fieldnames = header
    return _clean(((row["image"], row["group"]) for row in rows), path)


def _read_document(path: Path) -> dict[str, str]:
    data = read_json(path)
    if not isinstance(data, Mapping) or any(isinstance(value, (list, dict)) for value in data.values()):
        raise DatasetError("does not give each image a group", file=path, expected='{"image stem": "group", …}')
    return _clean(data.items(), path)


def _clean(pairs: Iterable[tuple[object, object]], path: Path) -> dict[str, str]:
    groups: dict[str, str] = {}
    for image, group in pairs:
        name, value = str(image or "").strip(), "" if group is None else str(group).strip()
        if not name or not value:
            continue  # an empty cell gives no group; a labelled image without one is refused later
        if groups.setdefault(name, value) != value:
            raise DatasetError(f"image '{name}' has two groups", file=path, found=f"{groups[name]} and {value}")
    return groups
