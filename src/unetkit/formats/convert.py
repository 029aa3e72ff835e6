"""From the numbers a file stores to an image or a mask: the same rules for every format."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError
from unetkit.formats.format import Header, Layout, Palette, RawMask, Stored, Window
from unetkit.formats.orientation import TURNS, orientation_note, upright, upright_shape
from unetkit.image import Array, Geometry, Image


def as_header(layout: Layout, *, windowed: bool, format: str) -> Header:
    """The header of the image that `as_image` would make."""
    kept = _kept(layout)
    return Header(
        shape=(_channel_count(layout), *upright_shape(layout.shape[1:], layout.orientation)),
        dtype=np.dtype(np.uint8) if layout.palette is not None or layout.dtype == bool else _with_room(layout),
        geometry=_upright_geometry(layout),
        channels=tuple(layout.channels[i] for i in kept) if layout.channels else None,
        windowed=windowed,
        format=format,
        notes=layout.notes + orientation_note(layout.orientation),
    )


def as_image(path: Path, stored: Stored) -> Image:
    """Stored numbers as an image: upright, without alpha, palettes and inks as RGB, 1-bit pixels as 0 and 255.

    The fully transparent pixels of a raster with a place in the world have no data: they get a number of their own, for
    which whole numbers become those of the next larger signed type.

    Args:
        path: the file they came from.
        stored: the numbers.

    Returns:
        The image, in an array of its own.

    Raises:
        FileError: a palette index has no colour.
    """
    layout = stored.layout
    pixels, notes = _with_missing(stored) if _tells_missing(layout) else _without_alpha(stored)
    if layout.palette is not None:
        _check_indices(path, pixels[0], layout.palette)
        pixels = np.moveaxis(layout.palette[pixels[0]], -1, 0)
        notes += ("palette expanded to RGB",)
    elif layout.inks:
        pixels, notes = inks_to_rgb(pixels), (*notes, INKS_NOTE)
    elif pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif layout.scale != 1:
        pixels = pixels * pixels.dtype.type(layout.scale)
    header = as_header(layout, windowed=False, format="")
    pixels = np.ascontiguousarray(upright(pixels, layout.orientation))
    return Image(pixels, header.geometry, header.channels, path, header.notes + notes)


def as_mask(path: Path, stored: Stored, *, collapse: bool = True) -> RawMask:
    """Stored numbers as a mask: upright, without alpha, numbers untouched.

    Args:
        path: the file they came from.
        stored: the numbers.
        collapse: whether three equal channels mean one.

    Returns:
        The mask.

    Raises:
        FileError: more channels than one number or one 8-bit colour a pixel.
    """
    layout = stored.layout
    pixels, notes = _without_alpha(stored)
    if layout.inks:
        pixels, notes = inks_to_rgb(pixels), (*notes, INKS_NOTE)
    pixels = upright(pixels, layout.orientation)
    if len(pixels) == 3 and collapse and (pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all():
        pixels = pixels[:1]
    if len(pixels) == 1:
        values = pixels[0]
    elif len(pixels) == 3:
        values = np.moveaxis(_bytes_per_colour(path, pixels), 0, -1)
    else:
        raise FileError(
            "has too many channels for a mask",
            file=path,
            found=f"{len(pixels)} channels",
            expected="one number or one RGB colour a pixel",
            mend="save the classes as one channel of numbers",
        )
    header = as_header(layout, windowed=False, format="")
    notes = header.notes + notes
    return RawMask(np.ascontiguousarray(values), _as_palette(path, pixels, layout), path, header.geometry, notes)


def crop(stored: Stored, window: Window) -> Stored:
    """A window of numbers that had to be decoded whole.

    Args:
        stored: the numbers of the whole file.
        window: slices into the stored image.

    Returns:
        The numbers inside the window.
    """
    return Stored(stored.layout, stored.pixels[(slice(None), *window)])


INKS_NOTE = "CMYK inks converted to RGB without their colour profile"


def inks_to_rgb(pixels: Array) -> Array:
    """Cyan, magenta, yellow and black amounts (4 *S, 0 = no ink, uint8 or uint16) to RGB (3 *S) of the same type."""
    full = int(np.iinfo(pixels.dtype).max)
    light = full - pixels.astype(np.uint64)
    rgb: Array = ((light[:3] * light[3] + full // 2) // full).astype(pixels.dtype)
    return rgb


def _kept(layout: Layout) -> list[int]:
    return [i for i in range(layout.shape[0]) if i not in layout.alpha]


def _channel_count(layout: Layout) -> int:
    return 3 if layout.palette is not None or layout.inks else len(_kept(layout))


def _upright_geometry(layout: Layout) -> Geometry:
    geometry = layout.geometry
    if _tells_missing(layout):
        geometry = geometry.with_nodata(_missing_number(layout))
    if geometry.spacing is None or not TURNS[layout.orientation][0]:
        return geometry
    return Geometry(upright_shape(geometry.spacing, layout.orientation), geometry.unit, geometry.extra)  # type: ignore[arg-type]


LARGER = {1: np.int16, 2: np.int32, 4: np.int64}
"""Signed types that have room for a number more than whole numbers of so many bytes."""


def _tells_missing(layout: Layout) -> bool:
    """Whether transparency means missing data: in rasters that lie somewhere, and state no number for it."""
    placed = "geotiff" in layout.geometry.extra and layout.geometry.nodata is None
    plain = layout.palette is None and not layout.inks and layout.scale == 1
    room = layout.dtype.kind == "f" or (layout.dtype.kind in "ui" and layout.dtype.itemsize in LARGER)
    return bool(layout.alpha) and placed and plain and room


def _with_room(layout: Layout) -> np.dtype[Any]:
    """The type of the image's numbers, the one for missing data among them."""
    if not _tells_missing(layout) or layout.dtype.kind == "f":
        return layout.dtype
    return np.dtype(LARGER[layout.dtype.itemsize])


def _missing_number(layout: Layout) -> float:
    return math.nan if layout.dtype.kind == "f" else float(np.iinfo(_with_room(layout)).min)


def _with_missing(stored: Stored) -> tuple[Array, tuple[str, ...]]:
    layout, number = stored.layout, _missing_number(stored.layout)
    pixels = stored.pixels[_kept(layout)].astype(_with_room(layout))
    pixels[:, (stored.pixels[list(layout.alpha)] == 0).all(0)] = number
    return pixels, (f"transparent pixels have no data ({number:g})",)


def _without_alpha(stored: Stored) -> tuple[Array, tuple[str, ...]]:
    layout = stored.layout
    if not layout.alpha:
        if stored.pixels.dtype == bool:  # decoders may leave bytes of 255 in a bool, which then compare as no bool does
            return np.ascontiguousarray(stored.pixels).view(np.uint8) != 0, ()
        return stored.pixels, ()
    alpha = stored.pixels[list(layout.alpha)]
    opaque: Any = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
    share = float((alpha != opaque).any(axis=0).mean())
    if share == 0:
        note = "alpha channel dropped; it was opaque everywhere and carried no information"
    else:
        note = f"alpha channel dropped although it carried information: {share:.1%} of the pixels are transparent"
    return stored.pixels[_kept(layout)], (note,)


def _check_indices(path: Path, indices: Array, palette: Array) -> None:
    top = int(indices.max())
    if top >= len(palette):
        raise FileError(
            "uses a palette index that has no colour", file=path, found=top, expected=f"0 to {len(palette) - 1}"
        )


def _as_palette(path: Path, pixels: Array, layout: Layout) -> Palette | None:
    if layout.palette is None:
        return None
    _check_indices(path, pixels[0], layout.palette)
    return tuple((int(r), int(g), int(b)) for r, g, b in layout.palette)


def _bytes_per_colour(path: Path, pixels: Array) -> Array:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16 and not (pixels % 257).any():  # 8-bit colours saved with 16 bits: 255 became 65535
        return (pixels // 257).astype(np.uint8)
    raise FileError(
        "has colours that are not 8-bit",
        file=path,
        found=f"3 channels of {pixels.dtype}",
        expected="one number a pixel, or 8-bit RGB",
        mend="save the mask as 8-bit RGB, or the classes as one channel of numbers",
    )
