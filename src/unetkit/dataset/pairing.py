"""Which mask belongs to which image: the files of images/ and masks/ by their stems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unetkit.errors import DatasetError
from unetkit.formats import files_below, is_image_path

MASK_SUFFIXES = ("_mask", "_masks", "_label", "_labels", "_seg")
"""Endings that masks may have beyond the stem of their image."""

USUAL_NAMES = {"images": ("image", "imgs", "img", "imagens", "data", "raw", "x"), "masks": (
    "mask", "labels", "label", "annotations", "annotation", "segmentations", "gt", "ground_truth", "groundtruth", "y",
)}  # fmt: skip


LABEL_SOME = "paint masks/NAME.png, or mark points, scribbles or boxes in marks/NAME.json, for some of the images"
"""What to do where no image has a label."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The image files by name, and the mask of each image that has one.

    Args:
        images: name (path below images/ without suffix) to image file, in the order of the names.
        masks: name of the image to mask file.
        orphans: masks that belong to no image.
        notes: what was passed over or had to be guessed, for the user.
    """

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    orphans: tuple[Path, ...]
    notes: tuple[str, ...]


def pair(root: Path) -> Pairing:
    """Pair the files of images/ and masks/ below a folder by their stems.

    Args:
        root: the folder that holds both.

    Returns:
        The pairs; an image without a mask is in `images` alone.

    Raises:
        DatasetError: a folder is missing or empty, a stem has two files, or no image has a mask. Beside a folder
            marks/, masks may be missing.
    """
    marked = (root / "marks").is_dir()
    images_folder = _require_folder(root, "images")
    masks_folder = root / "masks" if marked else _require_folder(root, "masks")
    images, strangers = by_name(images_folder)
    masks, _ = by_name(masks_folder)
    if not images:
        raise DatasetError(
            "holds no image that can be read",
            file=images_folder,
            found=_some(p.name for p in strangers) or "nothing",
            expected="PNG, JPEG, BMP, TIFF or NPY files",
        )
    pairs, endings = _match(images, masks, masks_folder)
    if not pairs and (masks or not marked):
        raise DatasetError(
            "no image has a mask",
            file=root,
            found=f"images {_some(images)}; masks {_some(masks) or 'none'}",
            expected="the same stem on both sides, such as images/a.png and masks/a.png",
            mend="rename the masks after their images, in the same sub-folders" if masks else LABEL_SOME,
        )
    used = set(pairs.values())
    orphans = tuple(path for path in masks.values() if path not in used)
    notes = []
    if endings:
        notes.append(f"masks are matched by the ending {_some(endings)}: {_example(pairs)}")
    if orphans:
        notes.append(f"{len(orphans)} masks belong to no image and are left out: {_some(p.name for p in orphans)}")
    if strangers:
        notes.append(f"{len(strangers)} files in images/ are no images: {_some(p.name for p in strangers)}")
    return Pairing(images, pairs, orphans, tuple(notes))


def _example(pairs: Mapping[str, Path]) -> str:
    name, path = next((name, path) for name, path in pairs.items() if _name(path) != name.rpartition("/")[2])
    return f"{name} has the mask {path.name}"


def _match(
    images: Mapping[str, Path], masks: Mapping[str, Path], folder: Path
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The mask of each image: the same name, or one that a usual ending leads to. Also the endings that were used."""
    pairs: dict[str, Path] = {}
    endings: list[str] = []
    for name in images:
        if name in masks:
            pairs[name] = masks[name]
            continue
        candidates = [end for end in MASK_SUFFIXES if name + end in masks and name + end not in images]
        if len(candidates) > 1:
            raise DatasetError(
                f"image '{name}' has several masks",
                file=folder,
                found=", ".join(masks[name + end].name for end in candidates),
                mend=f"keep one and call it '{name}'",
            )
        if candidates:
            pairs[name] = masks[name + candidates[0]]
            endings.append(candidates[0])
    return pairs, tuple(dict.fromkeys(endings))


def find_partners(names: Iterable[str], others: Iterable[str]) -> dict[str, list[str]]:
    """Which masks of two folders may belong together: the same name, or else names that usual endings tell apart.

    Args:
        names: of the masks in one folder.
        others: of those in the other.

    Returns:
        For each of `names`, those of `others` that may be its partner; itself alone where it is among them.

    Example:
        >>> find_partners(["a", "b_mask", "c"], ["a", "a_mask", "b", "b_seg"])
        {'a': ['a'], 'b_mask': ['b', 'b_seg'], 'c': []}
    """
    wanted, offered = list(names), set(others)
    of_stem: dict[str, list[str]] = defaultdict(list)
    for other in sorted(offered.difference(wanted)):
        for stem in _stems(other):
            of_stem[stem].append(other)
    return {
        name: [name] if name in offered else sorted({other for stem in _stems(name) for other in of_stem[stem]})
        for name in wanted
    }


def _stems(name: str) -> set[str]:
    """The name itself, and the name without a usual ending."""
    return {name, *(name.removesuffix(ending) for ending in MASK_SUFFIXES)}


def by_name(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """The image files below a folder by name (path without suffix), and the other files.

    Raises:
        DatasetError: two files of one name.
    """
    found: dict[str, Path] = {}
    strangers: list[Path] = []
    for path in files_below(folder):
        if not is_image_path(path):
            strangers.append(path)
            continue
        parent = path.parent.relative_to(folder)
        name = (parent / _name(path)).as_posix()
        if name in found:
            raise DatasetError(
                f"two files share the stem '{name}'",
                file=folder,
                found=f"{found[name].name} and {path.name}",
                mend="rename one, or remove it if it is a copy",
            )
        found[name] = path
    return dict(sorted(found.items())), strangers


def _name(path: Path) -> str:
    return path.stem.removesuffix(".ome")


def _require_folder(root: Path, name: str) -> Path:
    if not root.exists():
        raise DatasetError("does not exist", file=root, mend="give the folder that holds images/ and masks/")
    if not root.is_dir():
        raise DatasetError("is a file", file=root, expected="the folder that holds images/ and masks/")
    folder = root / name
    if folder.is_dir():
        return folder
    entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    folders = [path.name for path in entries if path.is_dir()]
    pictures = [path.name for path in entries if is_image_path(path)]
    alike = [f for f in folders if f.lower() == name or f.lower() in USUAL_NAMES[name]]
    if root.name == name or (root.name == "images" and (root.parent / "images").is_dir()):
        mend = f"give the folder above: {root.resolve().parent}"
    elif alike:
        mend = f"rename '{alike[0]}' to '{name}'"
    elif pictures:
        mend = f"make the folders {root / 'images'} and {root / 'masks'} and move the images and masks into them"
    else:
        mend = f"make {folder} and put the {name} there"
    found = []
    if folders:
        found.append(f"the folders {_some(folders)}")
    if pictures:
        found.append(f"{len(pictures)} images that lie directly in it ({_some(pictures)})")
    raise DatasetError(
        f"has no folder '{name}'",
        file=root,
        found=" and ".join(found) or ("no folders and no images" if entries else "an empty folder"),
        expected="images/ and masks/ with the same stems",
        mend=mend,
    )


def _some(names: Iterable[str], most: int = 4) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f", … ({len(listed)} in all)" if len(listed) > most else "")
