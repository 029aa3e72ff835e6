"""One look at every file of a dataset: the table of facts that the rules of the mask doctor work on.

Each image and each mask is read once, one at a time, and only numbers of it are kept, so that a dataset larger than
memory can be surveyed. Nothing here judges, and nothing here raises for what is wrong with a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unetkit.dataset.census import colour_keys, is_coloured
from unetkit.dataset.duplicates import pixel_hash, thumbnail_descriptor
from unetkit.dataset.pairing import MASK_SUFFIXES
from unetkit.errors import UnetkitError
from unetkit.formats import FORMATS, SUFFIXES, is_image_path, read_header, read_image, read_mask, read_window
from unetkit.image import Geometry, Image

LARGE = 2**30
"""Images of more decoded bytes than this are looked at through a window in their middle."""

_WINDOW = 2048
_HEAD = 4096

Array = npt.NDArray[Any]
FaultKind = Literal["empty-file", "text-pointer", "truncated", "unreadable"]


def _nothing() -> Array:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file could not be read.

    Args:
        kind: which of the four ways of being unreadable.
        text: the reader's own words.
    """

    kind: FaultKind
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class ImageFacts:
    """What was seen of one image file. All but the first three fields are empty where `fault` is set.

    Args:
        name: path below images/ without suffix.
        path: the file.
        file: the path from the dataset's root, as findings name it.
        fault: why it could not be read.
        format: name in FORMATS, found from the content.
        channels: number of channels.
        shape: spatial shape.
        dtype: NumPy type of the pixels.
        geometry: spacing and reference system.
        notes: what the reader changed or left out.
        digest: `pixel_hash`; empty where only a window was looked at.
        descriptor: `thumbnail_descriptor`.
        low: smallest finite pixel.
        high: largest finite pixel.
        saturated: share of pixels at the largest value of an integer type, in all channels at once.
        not_finite: number of NaN and infinite pixels.
        size: decoded bytes.
        whole: False where only a window was looked at.
    """

    name: str
    path: Path
    file: str
    fault: Fault | None = None
    format: str = ""
    channels: int = 0
    shape: tuple[int, ...] = ()
    dtype: str = ""
    geometry: Geometry = field(default_factory=Geometry)
    notes: tuple[str, ...] = ()
    digest: str = ""
    descriptor: Array | None = None
    low: float = 0.0
    high: float = 0.0
    saturated: float = 0.0
    not_finite: int = 0
    size: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class MaskFacts:
    """What was seen of one mask file. All but the first three fields are empty where `fault` is set.

    Args:
        name: name of its image; where it has none, path below masks/ without suffix.
        path: the file.
        file: the path from the dataset's root.
        fault: why it could not be read.
        format: name in FORMATS.
        shape: spatial shape.
        dtype: NumPy type of the numbers.
        colours: whether the mask holds RGB colours; the values are then 0xRRGGBB.
        palette: whether the file has a palette.
        values: the different values, rising.
        counts: pixels of each value.
        coherent: of each value, pixels whose right or lower neighbour has the same value.
        border: of each value, pixels on the border of the mask.
        brightness: mean of the image under each value; empty where the image does not fit.
        digest: hash of the numbers.
    """

    name: str
    path: Path
    file: str
    fault: Fault | None = None
    format: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    colours: bool = False
    palette: bool = False
    values: Array = field(default_factory=_nothing)
    counts: Array = field(default_factory=_nothing)
    coherent: Array = field(default_factory=_nothing)
    border: Array = field(default_factory=_nothing)
    brightness: Array = field(default_factory=_nothing)
    digest: str = ""

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(self.counts.sum())

    def count(self, value: float) -> int:
        """Pixels of one value; 0 where it does not occur."""
        return int(self.counts[self.values == value].sum())


@dataclass(frozen=True)
class Survey:
    """All facts of a dataset.

    Args:
        root: the dataset's folder.
        images: facts of each file below images/, by path.
        masks: facts of each file below masks/.
        other: files below images/ and masks/ that no format claims.
    """

    root: Path
    images: tuple[ImageFacts, ...]
    masks: tuple[MaskFacts, ...]
    other: tuple[str, ...] = ()

    @property
    def readable_images(self) -> tuple[ImageFacts, ...]:
        """Images without a fault."""
        return tuple(image for image in self.images if image.fault is None)

    @property
    def readable_masks(self) -> tuple[MaskFacts, ...]:
        """Masks without a fault that belong to an image."""
        names = {image.name for image in self.images}
        return tuple(mask for mask in self.masks if mask.fault is None and mask.name in names)

    @property
    def pairs(self) -> tuple[tuple[ImageFacts, MaskFacts], ...]:
        """Readable images with their readable masks."""
        masks = {mask.name: mask for mask in self.readable_masks}
        return tuple((image, masks[image.name]) for image in self.readable_images if image.name in masks)


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
    for path in image_files:
        facts, grey = _look_at_image(root, path)
        images.append(facts)
        masks += [_look_at_mask(root, facts.name, mask, grey) for mask in masks_of.pop(facts.name, [])]
        if progress is not None:
            progress(len(images) + len(masks), total)
    masks += [_look_at_mask(root, name, path, None) for name, paths in masks_of.items() for path in paths]
    if progress is not None:
        progress(total, total)
    masks = _grey_as_colours(masks)
    other = tuple(path.relative_to(root).as_posix() for path in strange + strange_masks)
    return Survey(root, tuple(images), tuple(sorted(masks, key=lambda mask: mask.file)), other)


def files_below(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, through links to folders too, in order; none where it is missing."""
    below: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        below += [Path(parent) / name for name in names if not name.startswith(".")]
    return sorted(below)


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


def _look_at_image(root: Path, path: Path) -> tuple[ImageFacts, Array | None]:
    """The facts, and the image as one grey channel for the look at its mask."""
    facts = ImageFacts(_name(root / "images", path), path, path.relative_to(root).as_posix())
    try:
        header = read_header(path)
        size = int(np.prod(header.shape, dtype=np.int64)) * header.dtype.itemsize
        facts = replace(
            facts,
            format=header.format,
            channels=header.shape[0],
            shape=header.shape[1:],
            dtype=header.dtype.name,
            geometry=header.geometry,
            size=size,
            whole=size <= LARGE,
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
    except (UnetkitError, OSError, MemoryError) as error:
        return replace(facts, fault=_fault(path, error)), None
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
    facts = replace(
        facts,
        descriptor=thumbnail_descriptor(replace(image, pixels=pixels)),
        low=float(numbers.min()) if numbers.size else 0.0,
        high=float(numbers.max()) if numbers.size else 0.0,
        saturated=saturated,
        not_finite=not_finite,
    )
    return facts, pixels.mean(axis=0, dtype=np.float32) if facts.whole else None


def _look_at_mask(root: Path, name: str, path: Path, grey: Array | None) -> MaskFacts:
    facts = MaskFacts(name, path, path.relative_to(root).as_posix())
    try:
        header = read_header(path)
        raw = read_mask(path)
    except (UnetkitError, OSError, MemoryError) as error:
        return replace(facts, fault=_fault(path, error))
    colours = is_coloured(raw.values)
    numbers: Array = colour_keys(raw.values) if colours else raw.values
    values, index = _index(numbers)
    brightness = _nothing()
    counts = np.bincount(index.ravel(), minlength=len(values))
    if grey is not None and grey.shape == index.shape:
        brightness = np.bincount(index.ravel(), grey.ravel(), len(values)) / counts
    return replace(
        facts,
        format=header.format,
        shape=numbers.shape,
        dtype=raw.values.dtype.name,
        colours=colours,
        palette=raw.palette is not None,
        values=values,
        counts=counts,
        coherent=_coherent(index, len(values)),
        border=_border(index, len(values)),
        brightness=brightness,
        digest=pixel_hash(Image(numbers[None])),
    )


def _grey_as_colours(masks: list[MaskFacts]) -> list[MaskFacts]:
    """RGB masks that hold only black (or another shade of grey) are read as numbers: count them as colours again."""
    keys = {value for mask in masks if mask.colours for value in mask.values.tolist()}
    alike = []
    for mask in masks:
        shades = {value: value * 0x10101 for value in mask.values.tolist()}
        if not mask.colours and not mask.palette and shades and keys.issuperset(shades.values()):
            mask = replace(mask, colours=True, values=np.array(list(shades.values())))
        alike.append(mask)
    return alike


def _index(numbers: Array) -> tuple[Array, Array]:
    """The different values, and for each pixel which of them it holds (like unique's inverse, faster for bytes)."""
    if numbers.dtype.kind == "b":  # as an index, a bool would select and not look up
        numbers = np.where(numbers, 1, 0).astype(np.uint8)
    if numbers.dtype.kind == "u" and numbers.dtype.itemsize <= 2:
        present = np.bincount(numbers.ravel(), minlength=256) > 0
        values = np.flatnonzero(present)
        return values, (np.cumsum(present) - 1)[numbers]
    values, index = np.unique(numbers, return_inverse=True)
    return values, index.reshape(numbers.shape)


def _coherent(index: Array, count: int) -> Array:
    """Of each value, how many pixels continue to the right or downwards: many for drawn areas, few for ringing."""
    same = np.zeros(index.shape, bool)
    for axis in (-1, -2):
        near = np.moveaxis(index, axis, -1)
        np.moveaxis(same, axis, -1)[..., :-1] |= near[..., :-1] == near[..., 1:]
    return np.bincount(index[same], minlength=count)


def _border(index: Array, count: int) -> Array:
    edges = [np.take(index, at, axis).ravel() for axis in range(index.ndim) for at in (0, -1)]
    return np.bincount(np.concatenate(edges), minlength=count)


def format_of_suffix(path: Path) -> str:
    """The format that a file's suffix promises; empty where no format claims it."""
    if path.suffix.lower() not in SUFFIXES:
        return ""
    return next(name for name, format in FORMATS.items() if path.suffix.lower() in format.suffixes)
