"""What a format has to provide, and what passes between a format and the functions users call.

A format says what a file holds (`Layout`) and hands over its numbers as they are stored (`Stored`); what that means for
an image or a mask (alpha, palette, rotation) is decided once, in `convert.py`, for all formats alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.image import Array, Geometry

Window = tuple[slice, ...]
Palette = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file says about its pixels, before anything is rotated, dropped or expanded.

    Args:
        shape: (C, *S) as stored, alpha channels included, palette indices as one channel.
        dtype: type of the stored numbers, in the machine's byte order.
        alpha: indices of the channels that hold transparency.
        palette: colour of each palette index as uint8 array K 3, or None.
        inks: the four channels are amounts of cyan, magenta, yellow and black.
        scale: what multiplies stored numbers to fill 0 … 255 (17 for a 4-bit PNG).
        orientation: EXIF orientation, 1 … 8.
        geometry: spacing and reference of the stored pixels.
        channels: names of the stored channels, where the file gives them.
        notes: what the user should know about this file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: tuple[int, ...] = ()
    palette: npt.NDArray[np.uint8] | None = None
    inks: bool = False
    scale: int = 1
    orientation: int = 1
    geometry: Geometry = field(default_factory=Geometry)
    channels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """The numbers of a file, or of a window of it, as C *S in stored order, with what the file says about them."""

    layout: Layout
    pixels: Array


@dataclass(frozen=True, slots=True)
class Output:
    """What a writer shall store.

    Args:
        pixels: array (C, *S); a mask has one channel, or three uint8 channels of colour.
        geometry: spacing and reference to keep.
        palette: colour of each mask value, or None.
        mask: whether the numbers are labels.
        channels: names of the channels; formats without room for names leave them out.
    """

    pixels: Array
    geometry: Geometry
    palette: Palette | None
    mask: bool
    channels: tuple[str, ...] | None = None

    @property
    def references(self) -> tuple[str, ...]:
        """What of the geometry places the pixels in the world, besides their spacing."""
        return tuple(key for key in self.geometry.extra if key != "nodata")


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a writer shall store piece by piece.

    Args:
        shape: (C, *S); a mask has one channel, or three uint8 channels of colour.
        dtype: of the numbers.
        read: (channel, window of *S) -> the numbers, *window.
        geometry: spacing and reference to keep.
        mask: whether the numbers are labels.
        identity: stands for the contents where a format wants a name for them that no other file has.
        channels: names of the channels; formats without room for names leave them out.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, Window], Array]
    geometry: Geometry
    mask: bool
    identity: str = ""
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One file format.

    Args:
        name: the name in `FORMATS`.
        suffixes: file name endings, lower case, the usual one first.
        matches: whether the first 4096 bytes are of this format; of a folder, `content.FOLDER` and the names in it.
        header: what the file says about its pixels, without decoding them.
        read: all numbers of the file.
        read_window: the numbers of a window of the upright image, touching only the parts of the file it needs;
            None where the format can only be decoded whole.
        read_mask: a mask as it stands, for formats without channels; None where masks are read as images are.
        write: store an `Output` under the path, whole or not at all; None where writing would lose something.
        write_streamed: the same, asking for one piece of the numbers after the other; None where the format cannot.
        check_streamed: refuse what `write_streamed` would refuse, before there is anything to be written.
        folder: whether an image is a folder.
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[bytes], bool]
    header: Callable[[Path], Layout]
    read: Callable[[Path], Stored]
    read_window: Callable[[Path, Window], Stored] | None = None
    read_mask: Callable[[Path], RawMask] | None = None
    write: Callable[[Path, Output], None] | None = None
    write_streamed: Callable[[Path, Streamed], None] | None = None
    check_streamed: Callable[[Path, Streamed], None] | None = None
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """What `read_image` would return, known without decoding pixels.

    Args:
        shape: (C, H, W) or (C, D, H, W).
        dtype: type of the pixels.
        geometry: spacing and reference system.
        channels: names of the channels, where the file gives them.
        windowed: whether `read_window` reads only what it needs of the file.
        format: name of the format, a key of `FORMATS`.
        notes: what the user should know about the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    geometry: Geometry
    channels: tuple[str, ...] | None
    windowed: bool
    format: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawMask:
    """The numbers of a mask file, untouched.

    Args:
        values: array *S of numbers (palette indices for a palette file), or *S 3 of uint8 RGB colours.
        palette: colour of each palette index, or None.
        path: the file it came from.
        geometry: spacing and reference system.
        notes: what reading changed or left out.
    """

    values: Array
    palette: Palette | None = None
    path: Path | None = None
    geometry: Geometry = field(default_factory=Geometry)
    notes: tuple[str, ...] = ()
