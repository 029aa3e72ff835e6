"""What a look at a dataset keeps of each of its files: numbers, hashes and thumbnails, never the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unetkit.dataset.census import MaskCount
from unetkit.dataset.duplicates import NearCopies
from unetkit.image import Geometry

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
        small: `thumbnail`, about 32 pixels a side, grey.
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
    descriptor: Array = field(default_factory=_nothing)
    small: Array = field(default_factory=_nothing)
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
        census: the values as they stand in the file; None where they are not whole. Connected areas are counted in at
            most 400 masks, evenly spread.
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
    census: MaskCount | None = None

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
        copies: the near copies among the images.
    """

    root: Path
    images: tuple[ImageFacts, ...]
    masks: tuple[MaskFacts, ...]
    other: tuple[str, ...] = ()
    copies: NearCopies = field(default_factory=NearCopies, repr=False, compare=False)

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

    @cached_property
    def counted(self) -> Mapping[Path, MaskCount]:
        """The values of each mask that holds whole numbers, by file."""
        return {mask.path: mask.census for mask in self.masks if mask.census is not None}
