"""TIFF: any number of channels and bits, volumes, tiles, strips, BigTIFF, with ImageJ, OME and GeoTIFF metadata.

Which axis is which follows from the metadata and tags alone, never from sizes. Sources: TIFF 6.0; the OME-TIFF
specification (2016-06); OGC GeoTIFF 1.1. The pixels are decoded by tifffile and imagecodecs.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from unetkit.errors import FileError
from unetkit.formats.content import check_layout, damaged
from unetkit.formats.format import Format, Layout, Stored, Window
from unetkit.formats.orientation import TURNS
from unetkit.formats.tiff_axes import Axes, find_axes
from unetkit.formats.tiff_metadata import channel_names, read_geometry
from unetkit.formats.tiff_segments import read_region
from unetkit.formats.tiff_write import check_streamed, write, write_streamed
from unetkit.formats.windows import window_as_stored
from unetkit.image import Array

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
READABLE = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, 4, SEPARATED, YCBCR, CIELAB)
DECODED_TO_RGB = (6, 7, 33003, 33004, 33005, 34892, 50001)  # JPEG, JPEG 2000 and WebP decoders turn YCbCr into RGB
ALPHA = (1, 2)
TRANSPARENCY = 4  # bit of NewSubfileType: the page says which pixels of another page are transparent
NEEDED_TAGS = (*range(254, 260), 262, 266, 270, 273, 274, *range(277, 280), 284, 317, 320, *range(322, 326), 338, 339,
               347, 33550, 33922, 34264, 34735)  # fmt: skip


class _Collected(logging.Handler):
    """What tifffile logs in this thread while one file is read.

    An error is a part of the file that it left out: pages, or a tag. Only tags that decide over pixels or place count.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        message = record.getMessage()
        tag = re.search(r"TiffTag (\d+)", message)
        harmless = record.levelno < logging.ERROR or (tag is not None and int(tag[1]) not in NEEDED_TAGS)
        (self.warnings if harmless else self.errors).append(message)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, _Collected]]:
    log = logging.getLogger("tifffile")
    collected = _Collected()
    log.addHandler(collected)
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff, collected
    finally:
        log.removeHandler(collected)


def _series(path: Path, tiff: tifffile.TiffFile, collected: _Collected) -> tuple[Any, tuple[str, ...]]:
    """The one image in the file; previews, labels and transparency masks beside it do not count."""
    series = list(tiff.series)
    if not collected.errors and series:
        first, rest = series[0], series[1:]
        promised = "imagej" if tiff.is_imagej else "ome" if tiff.is_ome else first.kind
        if first.kind != promised:
            raise damaged(path, f"pages that do not fit what its {promised.upper()} metadata say")
        large = [one for one in rest if one.size * 2 > first.size and not one.keyframe.subfiletype & TRANSPARENCY]
        if large:
            raise FileError(
                "holds more than one image",
                file=path,
                found=", ".join(f"{'×'.join(map(str, one.shape))} {one.dtype}" for one in series[:8]),
                expected="one image, or pages of one size and type",
                mend="save each image in a file of its own",
            )
        notes = (f"{len(rest)} further images in the file (previews, labels, transparency) left out",) if rest else ()
        return first, notes
    raise damaged(path, collected.errors[0] if collected.errors else "no image")


def _layout(path: Path, tiff: tifffile.TiffFile, collected: _Collected) -> tuple[Layout, Axes, Any]:
    series, notes = _series(path, tiff, collected)
    page = series.keyframe
    if series.dtype is None or page.dtype is None:
        raise damaged(path, f"{page.bitspersample} bits a sample of format {page.sampleformat}")
    axes = find_axes(path, series)
    photometric = _photometric(path, page)
    layout = Layout(
        shape=axes.shape,
        dtype=series.dtype.newbyteorder("="),
        alpha=_alpha(page, axes.shape[0]),
        palette=_palette(path, page) if photometric == PALETTE else None,
        inks=photometric == SEPARATED and page.samplesperpixel >= 4,
        channels=channel_names(tiff, series.kind, axes.shape[0]),
        notes=notes + axes.notes + _photometric_notes(photometric),
    )
    check_layout(path, layout)
    if layout.inks and (
        axes.shape[0] - len(layout.alpha) != 4 or layout.dtype.kind != "u" or layout.dtype.itemsize > 2
    ):
        raise _unreadable(path, f"{axes.shape[0]} inks of {layout.dtype}")
    geometry = read_geometry(tiff, series.kind, spatial_dims=len(axes.shape) - 1)
    orientation = page.tags.valueof(274, 1)
    orientation = orientation if orientation in TURNS and "geotiff" not in geometry.extra else 1
    logged = tuple(f"tifffile: {message}" for message in dict.fromkeys(collected.warnings))
    layout = replace(layout, geometry=geometry, orientation=orientation, notes=layout.notes + logged[:3])
    return layout, axes, series


def _photometric(path: Path, page: Any) -> int:
    photometric = int(page.photometric)
    if photometric not in READABLE or (photometric == YCBCR and int(page.compression) not in DECODED_TO_RGB):
        raise _unreadable(path, f"photometric interpretation {page.photometric.name}")
    return photometric


def _unreadable(path: Path, found: str) -> FileError:
    return FileError(
        "stores colours in a way that is not supported",
        file=path,
        found=found,
        expected="grey, RGB, palette, 8 or 16-bit CMYK, or plain bands",
        mend="save it as RGB or plain bands from the program that made it",
    )


def _photometric_notes(photometric: int) -> tuple[str, ...]:
    if photometric == WHITE_IS_ZERO:
        return ("stored with 0 as white; the numbers are kept as they are",)
    return ("holds CIELAB numbers, which are kept as they are",) if photometric == CIELAB else ()


def _alpha(page: Any, channels: int) -> tuple[int, ...]:
    """Channels that the file itself calls alpha; samples it calls unspecified are bands."""
    extra = [int(value) for value in page.extrasamples]
    if channels != page.samplesperpixel or len(extra) >= channels:
        return ()
    first = channels - len(extra)
    return tuple(first + i for i, value in enumerate(extra) if value in ALPHA)


def _palette(path: Path, page: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    colours = page.colormap
    if colours is None:
        raise damaged(path, "a palette image without palette")
    # The specification wants 16 bits; some writers store 8.
    scaled = colours >> 8 if int(colours.max()) > 255 else colours
    return np.ascontiguousarray(scaled.T.astype(np.uint8))


def _transparency(tiff: tifffile.TiffFile, layout: Layout) -> Any:
    """The pages that say where a geo-referenced image has data (GDAL's mask), or None."""
    if "geotiff" not in layout.geometry.extra or layout.geometry.nodata is not None or layout.alpha:
        return None
    masks = (one for one in tiff.series if one.keyframe.subfiletype == TRANSPARENCY and len(one.shape) == 2)
    return next((one for one in masks if one.shape == layout.shape[1:]), None)


def _with_alpha(layout: Layout) -> Layout:
    channels = layout.shape[0]
    names = (*layout.channels, "mask") if layout.channels else None
    return replace(layout, shape=(channels + 1, *layout.shape[1:]), alpha=(channels,), channels=names)


def header(path: Path) -> Layout:
    """What the file says about its pixels."""
    with _opened(path) as (tiff, collected):
        layout = _layout(path, tiff, collected)[0]
        return layout if _transparency(tiff, layout) is None else _with_alpha(layout)


def read(path: Path) -> Stored:
    """All numbers of the file."""
    return _read(path, None)


def read_window(path: Path, window: Window) -> Stored:
    """The numbers of a window; only the strips or tiles that it touches are read and decoded."""
    return _read(path, window)


def _read(path: Path, window: Window | None) -> Stored:
    with _opened(path) as (tiff, collected):
        layout, axes, series = _layout(path, tiff, collected)
        stored = tuple(slice(0, n) for n in layout.shape[1:]) if window is None else window_as_stored(window, layout)
        pixels: Array = axes.channels_first(read_region(path, series, axes.leading, axes.region(stored)))
        mask = _transparency(tiff, layout)
        if mask is not None:
            own = find_axes(path, mask)
            seen = own.channels_first(read_region(path, mask, own.leading, own.region(stored))).view(np.uint8) != 0
            opaque = np.iinfo(layout.dtype).max if layout.dtype.kind in "ui" else 1
            pixels = np.concatenate([pixels, np.where(seen, opaque, 0).astype(pixels.dtype)])
            layout = _with_alpha(layout)
        if collected.errors:
            raise damaged(path, collected.errors[0])
    return Stored(layout, pixels)


TIFF = Format(
    name="tiff",
    suffixes=(".tif", ".tiff"),
    matches=lambda head: head.startswith(MAGICS),
    header=header,
    read=read,
    read_window=read_window,
    write=write,
    write_streamed=write_streamed,
    check_streamed=check_streamed,
)
