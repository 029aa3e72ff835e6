"""EXIF orientation: how a camera was held, for images and masks alike so that pairs stay aligned.

Source: CIPA DC-008 (Exif 2.32), tag 274; TIFF 6.0, page 36.
"""

from __future__ import annotations

import struct

from unetkit.formats.format import Window
from unetkit.image import Array

# orientation: rows and columns are exchanged, then rows are flipped, then columns are flipped
TURNS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}

WORDS = {
    2: "mirrored", 3: "turned by 180°", 4: "mirrored upside down", 5: "mirrored and turned by 90° to the left",
    6: "turned by 90° to the right", 7: "mirrored and turned by 90° to the right", 8: "turned by 90° to the left",
}  # fmt: skip


def upright(pixels: Array, orientation: int) -> Array:
    """Pixels … H W turned upright (a view)."""
    exchange, flip_rows, flip_columns = TURNS[orientation]
    if exchange:
        pixels = pixels.swapaxes(-1, -2)
    return pixels[..., :: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def upright_shape(shape: tuple[int, ...], orientation: int) -> tuple[int, ...]:
    """Spatial shape (…, H, W) after turning upright."""
    return (*shape[:-2], shape[-1], shape[-2]) if TURNS[orientation][0] else shape


def stored_window(window: Window, shape: tuple[int, ...], orientation: int) -> Window:
    """The window of the stored image that holds the pixels of a window of the upright one.

    Args:
        window: slices with start and stop into the upright image.
        shape: spatial shape as stored.
        orientation: EXIF orientation, 1 … 8.

    Returns:
        Slices into the stored image.
    """
    exchange, flip_rows, flip_columns = TURNS[orientation]
    height, width = upright_shape(shape, orientation)[-2:]
    rows, columns = window[-2:]
    rows = slice(height - rows.stop, height - rows.start) if flip_rows else rows
    columns = slice(width - columns.stop, width - columns.start) if flip_columns else columns
    return (*window[:-2], columns, rows) if exchange else (*window[:-2], rows, columns)


def orientation_note(orientation: int) -> tuple[str, ...]:
    """What to tell the user about an orientation that was applied."""
    return () if orientation == 1 else (f"{WORDS[orientation]}, as its orientation tag says",)


def exif_orientation(exif: bytes) -> int:
    """The orientation in an EXIF block (without the leading 'Exif' marker); 1 where it does not say.

    Args:
        exif: a TIFF structure, as EXIF stores it.

    Returns:
        1 … 8. A damaged block counts as upright: cameras and editors leave many of those.

    Example:
        >>> exif_orientation(b"")
        1
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * index)
            if tag == 274 and kind == 3:
                return value if value in TURNS else 1
    except struct.error:
        return 1
    return 1
