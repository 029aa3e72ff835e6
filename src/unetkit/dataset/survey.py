"""One look at every file of a dataset: the facts that checking, splitting and measuring it share.

Each image and each mask is read once, one at a time, and only numbers of it are kept, so that a dataset larger than
memory can be surveyed. Nothing here judges, and nothing here raises for what is wrong with a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.dataset.census import (
    BLOCK,
    Index,
    count_raw,
    evenly,
    index_values,
    is_coloured,
    numbers_of,
    tally,
)
from unetkit.dataset.duplicates import pixel_hash, thumbnail_descriptor
from unetkit.dataset.encoding import MAX_READ
from unetkit.dataset.pairing import MASK_SUFFIXES
from unetkit.dataset.records import Fault, ImageFacts, MaskFacts, Survey
from unetkit.dataset.series import thumbnail
from unetkit.errors import FileError, UnetkitError
from unetkit.formats import (
    FORMATS,
    SUFFIXES,
    files_below,
    is_image_path,
    read_header,
    read_image,
    read_mask,
    read_window,
)
from unetkit.image import Image
from unetkit.memory import require_memory

LARGE = 2**30
"""Images of more decoded bytes than this are looked at through a window in their middle."""

_WINDOW = 2048
_HEAD = 4096

Array = npt.NDArray[Any]


def survey(root: Path, progress: Callable[[int, int], None] | None = None) -> Survey:
    """Look once at every file below images/ and masks/.

    Args:
        root: the dataset's folder; what is missing in it gives empty tables.
        progress: called as progress(files looked at, files in all).

    Returns:
        The facts. Files are in the order of their paths.

    Raises:
        Nothing for what is wrong with a file: that is in its `fault`.
    """
    image_files, strange = _files(root / "images")
    mask_files, strange_masks = _files(root / "masks")
    names = {_name(root / "images", path) for path in image_files}
    masks_of: dict[str, list[Path]] = {}
    for path in mask_files:
        masks_of.setdefault(_image_of(_name(root / "masks", path), names), []).append(path)
    images: list[ImageFacts] = []
    masks: list[MaskFacts] = []
    total = len(image_files) + len(mask_files)
    closely = set(evenly(mask_files, MAX_READ))
    for path in image_files:
        facts, grey = _image_or_fault(root, path)
        images.append(facts)
        for mask in masks_of.pop(facts.name, []):
            masks.append(_look_at_mask(root, facts.name, mask, grey, with_pieces=mask in closely))
        if progress is not None:
            progress(len(images) + len(masks), total)
    for name, paths in masks_of.items():
        masks += [_look_at_mask(root, name, path, None, with_pieces=path in closely) for path in paths]
    if progress is not None:
        progress(total, total)
    masks = _grey_as_colours(masks)
    other = tuple(path.relative_to(root).as_posix() for path in strange + strange_masks)
    return Survey(root, tuple(images), tuple(sorted(masks, key=lambda mask: mask.file)), other)


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    below = files_below(folder)
    return [path for path in below if is_image_path(path)], [path for path in below if not is_image_path(path)]


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix().removesuffix(".ome")


def _image_of(name: str, images: set[str]) -> str:
    """The image a mask's name means: the same name, or the name without one of the usual endings ("_mask")."""
    if name in images:
        return name
    bare = (name.removesuffix(ending) for ending in MASK_SUFFIXES)
    return next((short for short in bare if short != name and short in images), name)


def _fault(path: Path, error: UnetkitError | OSError | MemoryError) -> Fault:
    text = str(error) or type(error).__name__
    if path.is_dir():
        return Fault("unreadable", text)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as unreadable:
        return Fault("unreadable", str(unreadable.strerror or unreadable))
    if not head:
        return Fault("empty-file", "the file has no content")
    if not any(byte < 9 or byte == 127 for byte in head) and head.isascii():
        first = head.decode("ascii").splitlines()[0][:60]
        return Fault("text-pointer", f"the file holds text that starts with '{first}'")
    cut = isinstance(error, UnetkitError) and "truncated" in error.what
    known = any(format.matches(head) for format in FORMATS.values())
    return Fault("truncated" if cut and known else "unreadable", text)


def _image_or_fault(root: Path, path: Path) -> tuple[ImageFacts, Array | None]:
    try:
        return look_at_image(root, path)
    except (UnetkitError, OSError, MemoryError) as error:
        return replace(_unseen(root, path), fault=_fault(path, error)), None


def _unseen(root: Path, path: Path) -> ImageFacts:
    return ImageFacts(_name(root / "images", path), path, path.relative_to(root).as_posix())


def look_at_image(root: Path, path: Path, *, whole: bool = False) -> tuple[ImageFacts, Array | None]:
    """Decode one image and keep what is to be known of it.

    Args:
        root: the dataset's folder.
        path: a file below its images/.
        whole: whether also an image of more than LARGE bytes is decoded whole.

    Returns:
        The facts, and the image as one grey channel *S for the look at its mask; None where only a window was seen.

    Raises:
        FileError: unreadable.
    """
    header = read_header(path)
    size = int(np.prod(header.shape, dtype=np.int64)) * header.dtype.itemsize
    facts = replace(
        _unseen(root, path),
        format=header.format,
        channels=header.shape[0],
        shape=header.shape[1:],
        dtype=header.dtype.name,
        geometry=header.geometry,
        size=size,
        whole=whole or size <= LARGE,
    )
    if facts.whole:
        image = read_image(path)
        facts = replace(
            facts,
            channels=image.pixels.shape[0],
            shape=image.shape,
            dtype=image.pixels.dtype.name,
            geometry=image.geometry,
            notes=image.notes,
            digest=pixel_hash(image),
        )
    elif header.windowed:
        middle = (slice((n - min(n, _WINDOW)) // 2, (n + min(n, _WINDOW)) // 2) for n in header.shape[1:])
        image = read_window(path, tuple(middle))
    else:
        return facts, None
    return _measure(facts, image)


def _measure(facts: ImageFacts, image: Image) -> tuple[ImageFacts, Array | None]:
    pixels = image.pixels
    numbers = pixels
    not_finite = 0
    if pixels.dtype.kind == "f":
        finite = np.isfinite(pixels)
        not_finite = int(pixels.size - np.count_nonzero(finite))
        if not_finite:
            numbers, pixels = pixels[finite], np.where(finite, pixels, 0)
    saturated = 0.0
    if pixels.dtype.kind in "iu":
        saturated = float((pixels == np.iinfo(pixels.dtype).max).all(axis=0).mean())
    grey = pixels.mean(axis=0, dtype=np.float32)
    facts = replace(
        facts,
        descriptor=thumbnail_descriptor(replace(image, pixels=pixels)),
        small=thumbnail(grey),
        low=float(numbers.min()) if numbers.size else 0.0,
        high=float(numbers.max()) if numbers.size else 0.0,
        saturated=saturated,
        not_finite=not_finite,
    )
    return facts, grey if facts.whole else None


def _look_at_mask(root: Path, name: str, path: Path, grey: Array | None, *, with_pieces: bool) -> MaskFacts:
    facts = MaskFacts(name, path, path.relative_to(root).as_posix())
    try:
        header = read_header(path)
        require_memory(
            prod(header.shape) * (3 * header.dtype.itemsize + 3),
            "mask is larger than the memory holds",
            amount=f"{prod(header.shape):,} pixels",
            mend="cut image and mask into parts",
            file=path,
        )
        raw = read_mask(path)
    except (UnetkitError, OSError, MemoryError) as error:
        return replace(facts, fault=_fault(path, error))
    numbers = numbers_of(raw)
    indexed = index_values(numbers)
    values, index = indexed.values, indexed.index
    brightness = np.zeros(0)
    if grey is not None and grey.shape == index.shape:
        brightness = _sums(index, grey, len(values)) / indexed.counts
    try:
        census = count_raw(path, raw, indexed, with_pieces=with_pieces)
    except FileError:  # not whole: its values say so
        census = None
    return replace(
        facts,
        format=header.format,
        shape=numbers.shape,
        dtype=raw.values.dtype.name,
        colours=is_coloured(raw.values),
        palette=raw.palette is not None,
        values=values,
        counts=indexed.counts,
        coherent=_coherent(index, len(values)),
        border=_border(index, len(values)),
        brightness=brightness,
        digest=pixel_hash(Image(numbers[None])),
        census=census,
    )


def _grey_as_colours(masks: list[MaskFacts]) -> list[MaskFacts]:
    """RGB masks that hold only black (or another shade of grey) are read as numbers: count them as colours again."""
    keys = {value for mask in masks if mask.colours for value in mask.values.tolist()}
    alike = []
    for mask in masks:
        few = 0 < len(mask.values) <= len(keys)  # never the millions that objects have
        if few and not mask.colours and not mask.palette:
            shades = [value * 0x10101 for value in mask.values.tolist()]
            if keys.issuperset(shades):
                mask = replace(mask, colours=True, values=np.array(shades))
        alike.append(mask)
    return alike


def _sums(index: Index, amounts: Array, count: int) -> Array:
    """Of each value, the sum of the amounts on its pixels, taken in blocks."""
    flat, weights = index.reshape(-1), amounts.reshape(-1)
    sums = np.zeros(count)
    for start in range(0, flat.size, BLOCK):
        block = slice(start, start + BLOCK)
        sums += np.bincount(flat[block], weights[block], count)
    return sums


def _coherent(index: Index, count: int) -> Array:
    """Of each value, how many pixels continue to the right or downwards: many for drawn areas, few for ringing."""
    same = np.zeros(index.shape, bool)
    for axis in (-1, -2):
        near = np.moveaxis(index, axis, -1)
        np.moveaxis(same, axis, -1)[..., :-1] |= near[..., :-1] == near[..., 1:]
    return tally(index[same], count)


def _border(index: Index, count: int) -> Array:
    edges = [np.take(index, at, axis).ravel() for axis in range(index.ndim) for at in (0, -1)]
    return np.bincount(np.concatenate(edges), minlength=count)


def format_of_suffix(path: Path) -> str:
    """The format that a file's suffix promises; empty where no format claims it."""
    if path.suffix.lower() not in SUFFIXES:
        return ""
    return next(name for name, format in FORMATS.items() if path.suffix.lower() in format.suffixes)
