"""BMP: Windows bitmaps of 1 to 32 bits. Read only: PNG holds the same pixels in less space."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from unetkit.formats.content import check_size, damaged
from unetkit.formats.format import Format, Layout, Stored
from unetkit.formats.spacing import finer_than_devices
from unetkit.image import Geometry

HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
HEAD = 14 + 124 + 1024


def _matches(head: bytes) -> bool:
    if len(head) < 26 or not head.startswith(b"BM"):
        return False
    return bool(struct.unpack_from("<I", head, 14)[0] in HEADER_SIZES)


def _layout(path: Path, image: BmpImageFile, head: bytes) -> Layout:
    width, height = image.size
    check_size(path, height, width)
    channels = len(image.getbands())
    if image.mode not in ("1", "L", "P", "RGB", "RGBA"):
        raise damaged(path, f"a bitmap of mode {image.mode}")
    palette = None
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    geometry = Geometry()
    if struct.unpack_from("<I", head, 14)[0] >= 40:
        x, y = struct.unpack_from("<ii", head, 38)
        geometry = finer_than_devices(y / 1e6, x / 1e6)
    return Layout(
        shape=(channels, height, width),
        dtype=np.dtype(np.bool_ if image.mode == "1" else np.uint8),
        alpha=(3,) if image.mode == "RGBA" else (),
        palette=palette,
        geometry=geometry,
    )


def header(path: Path) -> Layout:
    """What the file says about its pixels."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(0)
        with BmpImageFile(file) as image:
            return _layout(path, image, head)


def read(path: Path) -> Stored:
    """All numbers of the file."""
    content = path.read_bytes()
    with BmpImageFile(io.BytesIO(content)) as image:
        layout = _layout(path, image, content[:HEAD])
        pixels = np.array(image)
    return Stored(layout, pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0))


BMP = Format(name="bmp", suffixes=(".bmp",), matches=_matches, header=header, read=read)
