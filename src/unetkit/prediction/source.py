"""Where pixels come from, window by window: an image in memory, or a file that is never read whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from os import PathLike
from pathlib import Path

import numpy as np

from unetkit.dataset.normalize import NormalizationPlan, Statistics, measure_sample, sampling_step
from unetkit.errors import FileError
from unetkit.formats import Header, read_header, read_image, read_window
from unetkit.image import Array, Geometry, Image
from unetkit.prediction.tiles import Window

BAND_BYTES = 192 * 2**20
"""Rows of a file are read over its full width while they take no more: strips and tiles are then decoded once."""

BLOCK = {2: (1024, 8192), 3: (8, 1024, 4096)}
"""The pieces in which a file is looked through once."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image, of which windows are read.

    Args:
        channels: C.
        shape: *S, spatial.
        dtype: type of the pixels.
        read: window of *S -> C *window, in the file's own type.
        geometry: spacing, reference system and the number for missing data.
        names: of the channels, where the file gives them.
        path: the file.
        notes: what reading changed or left out.
        in_memory: whether reading costs nothing.
    """

    channels: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    read: Callable[[Window], Array]
    geometry: Geometry = Geometry()  # noqa: RUF009 - frozen
    names: tuple[str, ...] | None = None
    path: Path | None = None
    notes: tuple[str, ...] = ()
    in_memory: bool = True

    @property
    def nodata(self) -> float | None:
        """The number that stands for missing data, where the file states one."""
        return self.geometry.nodata

    def repeated(self, channels: int) -> Source:
        """One channel as several equal ones."""
        return replace(
            self,
            channels=channels,
            names=None,
            read=lambda window: np.repeat(self.read(window), channels, 0),
            notes=(*self.notes, "grey repeated as red, green, blue"),
        )

    def image(self) -> Image:
        """All of it."""
        pixels = self.read(tuple(slice(0, extent) for extent in self.shape))
        return Image(pixels, self.geometry, self.names, self.path, self.notes)


def source_of(image: Image) -> Source:
    """An image in memory as a source."""
    pixels = image.pixels
    return Source(
        len(pixels),
        image.shape,
        pixels.dtype,
        lambda window: pixels[(slice(None), *window)],
        image.geometry,
        image.channels,
        image.path,
        image.notes,
    )


def open_source(path: str | PathLike[str], *, most: int = 0, result_bytes: int = 0) -> Source:
    """The image in a file; where that would take more than `most` bytes and the format allows, nothing is read yet.

    Args:
        path: an image file.
        most: bytes up to which an image is read whole.
        result_bytes: a pixel, of what will be made of it.

    Raises:
        FileError: as for `unetkit.formats.read_image`.

    Example:
        >>> open_source("scan.tif").shape  # doctest: +SKIP
        (40000, 40000)
    """
    path = Path(path)
    header = read_header(path)
    pixel_bytes = header.shape[0] * header.dtype.itemsize + result_bytes
    if not header.windowed or math.prod(header.shape[1:]) * pixel_bytes <= most:
        return source_of(read_image(path))
    corner = read_window(path, tuple(slice(0, 1) for _ in header.shape[1:]))
    return Source(
        header.shape[0],
        header.shape[1:],
        header.dtype,
        _Bands(path, header).read,
        header.geometry,
        header.channels,
        path,
        # what a note says of how much was dropped would be true of the corner alone
        tuple("alpha channel dropped" if "alpha" in note else note for note in corner.notes),
        in_memory=False,
    )


class _Bands:
    """Windows of a file, by way of full-width bands of it, the last of which is kept."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.shape = path, header.shape[1:]
        self.row_bytes = header.shape[0] * math.prod(self.shape[1:]) * header.dtype.itemsize
        self.start = self.stop = 0
        self.band: Array | None = None

    def read(self, window: Window) -> Array:
        """C *window."""
        rows, *others = window
        if (rows.stop - rows.start) * self.row_bytes > BAND_BYTES:
            return read_window(self.path, window).pixels
        if self.band is None or not self.start <= rows.start < rows.stop <= self.stop:
            self.band = None  # two bands at once would take twice the memory
            whole = tuple(slice(0, extent) for extent in self.shape[1:])
            self.band = read_window(self.path, (rows, *whole)).pixels
            self.start, self.stop = rows.start, rows.stop
        return self.band[(slice(None), slice(rows.start - self.start, rows.stop - self.start), *others)]


def measure_source(
    source: Source, ways: set[NormalizationPlan], *, progress: Callable[[float], None] | None = None
) -> dict[NormalizationPlan, Statistics]:
    """The statistics of an image, just as `measure` takes them, in one look through it.

    Args:
        source: the image.
        ways: how the networks' plans normalise.
        progress: told the share, 0 to 1, that was looked through.

    Returns:
        The statistics for each way.

    Raises:
        FileError: NaN or infinite pixels that do not stand for missing data; the message says where.
    """
    count = math.prod(source.shape)
    step = sampling_step(source.channels, count)
    sample = np.empty((source.channels, -(-count // step)), source.dtype)
    plane = math.prod(source.shape[1:])
    seen = 0
    for block in _blocks(source.shape):
        pixels = source.read(block)
        require_finite(source, pixels, block)
        first, last = (-(-edge * plane // step) for edge in (block[0].start, block[0].stop))
        numbers = np.arange(first, last)
        places = np.unravel_index(numbers * step, source.shape)
        inside = np.logical_and.reduce(
            [(place >= part.start) & (place < part.stop) for place, part in zip(places, block, strict=True)]
        )
        within = tuple(place[inside] - part.start for place, part in zip(places, block, strict=True))
        sample[:, numbers[inside]] = pixels[(slice(None), *within)]
        seen += math.prod(pixels.shape[1:])
        if progress is not None:
            progress(seen / count)
    return {way: measure_sample(sample, way, nodata=source.nodata, file=source.path) for way in ways}


def _blocks(shape: tuple[int, ...]) -> Iterator[Window]:
    sides = BLOCK[len(shape)]
    for starts in product(*(range(0, extent, side) for extent, side in zip(shape, sides, strict=True))):
        yield tuple(slice(a, min(a + side, n)) for a, side, n in zip(starts, sides, shape, strict=True))


def require_finite(source: Source, pixels: Array, block: Window) -> None:
    """Refuse NaN and infinite pixels that do not stand for missing data.

    Args:
        source: the image.
        pixels: C *block, a part of it.
        block: which part.

    Raises:
        FileError: there are some; the message says where.
    """
    if pixels.dtype.kind != "f":
        return
    wrong = ~np.isfinite(pixels)
    if source.nodata is not None and not np.isfinite(source.nodata):
        wrong &= ~(np.isnan(pixels) if np.isnan(source.nodata) else pixels == source.nodata)
    if wrong.any():
        place = tuple(int(i) + part.start for i, part in zip(np.argwhere(wrong)[0][1:], block, strict=True))
        raise FileError(
            "holds NaN or infinite pixels",
            file=source.path,
            found=f"the first at {place}",
            mend="replace them before predicting, or state NaN as the file's nodata value",
        )


def require_match(source: Source, spatial_dims: int, channels: int) -> None:
    """Refuse an image of other dimensions or channels than a network was trained on.

    Raises:
        FileError: it has; the message says how many.
    """
    if len(source.shape) != spatial_dims:
        raise FileError(
            "has the wrong number of dimensions for this model",
            file=source.path,
            found=f"{len(source.shape)} spatial dimensions {source.shape}",
            expected=f"{spatial_dims}",
        )
    if source.channels != channels:
        raise FileError(
            "has the wrong number of channels for this model",
            file=source.path,
            found=source.channels,
            expected=channels,
            mend="give images like those the model was trained on",
        )
