"""Which axis of a TIFF is channel, plane, row and column, from its metadata and tags and never from sizes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError
from unetkit.formats.content import damaged
from unetkit.formats.format import Window
from unetkit.image import Array

UNNAMED = "IQ"  # tifffile's letters for a sequence of pages that nobody named
MEANING = {"T": "time points", "R": "tiles or regions", "P": "positions", "A": "angles", "H": "phases", "E": "lambdas"}


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of the stored numbers: those that count pages, then the five of a page.

    A page has, in tifffile's order, separate samples, planes, rows, columns and interleaved samples.

    Args:
        leading: sizes of the axes that count pages.
        sizes: sizes of all axes.
        channel: axes that make the channels.
        plane: axes that make the planes; empty for a 2D image.
        notes: what had to be assumed.
    """

    leading: tuple[int, ...]
    sizes: tuple[int, ...]
    channel: tuple[int, ...]
    plane: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def row(self) -> int:
        """The axis of rows; columns follow it."""
        return len(self.leading) + 2

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) or (C, D, H, W)."""
        channels = prod(self.sizes[i] for i in self.channel)
        return (channels, *(self.sizes[i] for i in self.plane), self.sizes[self.row], self.sizes[self.row + 1])

    def region(self, window: Window) -> tuple[slice, ...]:
        """The slice of every stored axis for a window (*S) of the stored image with all its channels."""
        region = [slice(0, size) for size in self.sizes]
        region[self.row], region[self.row + 1] = window[-2:]
        for axis in self.plane:
            region[axis] = window[0]
        return tuple(region)

    def channels_first(self, array: Array) -> Array:
        """Stored numbers of a region as C *S."""
        kept = (*self.channel, *self.plane, self.row, self.row + 1)
        rest = tuple(axis for axis in range(len(self.sizes)) if axis not in kept)
        spatial = tuple(array.shape[axis] for axis in kept[len(self.channel) :])
        return np.ascontiguousarray(array.transpose(*rest, *kept).reshape(-1, *spatial))


def find_axes(path: Path, series: Any) -> Axes:
    """The axes of a tifffile series.

    Args:
        path: named in errors.
        series: what tifffile found.

    Returns:
        The axes.

    Raises:
        FileError: time points or other axes that an image here does not have; the message lists all axes.
    """
    letters, sizes = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    page = tuple(int(size) for size in series.keyframe.shaped)
    split = next((k for k in range(len(sizes) + 1) if prod(sizes[k:]) == prod(page)), None)
    if split is None:
        raise damaged(path, f"axes {letters} of sizes {sizes} that do not fit pages of {page}")
    leading = tuple(int(size) for size in sizes[:split])
    first = len(leading)
    roles = [*letters[:split], "S", "Z", "Y", "X", "S"]
    sizes = (*leading, *page)
    used = [axis for axis, size in enumerate(sizes) if size > 1 and axis not in (first + 2, first + 3)]
    channel = tuple(axis for axis in used if roles[axis] in "CS")
    plane = tuple(axis for axis in used if roles[axis] == "Z")
    unnamed = tuple(axis for axis in used if roles[axis] in UNNAMED)
    notes: tuple[str, ...] = ()
    if len(unnamed) == 1 and not plane:
        plane = unnamed
        notes = (
            f"{sizes[unnamed[0]]} pages without axis names taken for planes of a volume; if they are channels, save "
            "them with axes 'CYX'",
        )
    if len(channel) > 1 or len(plane) > 1 or len(channel) + len(plane) != len(used):
        raise _too_many_axes(path, roles, sizes, used)
    return Axes(leading, sizes, channel, plane, notes)


def _too_many_axes(path: Path, roles: list[str], sizes: tuple[int, ...], used: list[int]) -> FileError:
    names = {"C": "channels", "S": "samples", "Z": "planes", **MEANING}
    found = ", ".join(f"{sizes[axis]} {names.get(roles[axis], f'along axis {roles[axis]}')}" for axis in used)
    return FileError(
        "has axes besides channel, plane, row and column",
        file=path,
        found=f"{found} of {sizes[-3]} × {sizes[-2]} pixels",
        expected="channels, and planes of a volume",
        mend="save one file for each time point or position; in ImageJ, Image > Stacks > Tools > Stack Splitter",
    )
