"""JPEG: 8, 12 and 16 bits, grey, YCbCr, RGB, CMYK and YCCK. Read only: writing it would change the pixels.

The markers are walked here, because a decoder fills the missing half of a cut file with grey.
Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np

from unetkit.formats.content import check_size, damaged
from unetkit.formats.format import Format, Layout, Stored
from unetkit.formats.orientation import exif_orientation
from unetkit.image import Array

START = b"\xff\xd8"
END = b"\xff\xd9"
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
SCAN, APP1, APP14 = 0xDA, 0xE1, 0xEE
EXIF = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class _Markers:
    bits: int
    height: int
    width: int
    channels: int
    orientation: int
    adobe: bool
    scan: int  # offset of the first scan


def _markers(path: Path, file: BinaryIO) -> _Markers:
    frame: tuple[int, int, int, int] | None = None
    orientation, adobe = 1, False
    file.seek(2)
    while True:
        head = file.read(2)
        if len(head) < 2:
            raise damaged(path, "the end of the file before any pixels")
        if head == b"\xff\xff":  # a fill byte before the marker
            file.seek(-1, 1)
            continue
        if head[0] != 0xFF:
            raise damaged(path, f"bytes {head.hex(' ')} where a JPEG marker should stand")
        size = file.read(2)
        if len(size) < 2:
            raise damaged(path, "the end of the file before any pixels")
        if head[1] == SCAN:
            break
        data = file.read(max(int.from_bytes(size) - 2, 0))
        if head[1] in FRAMES:
            frame = struct.unpack_from(">BHHB", data)
        elif head[1] == APP1 and data.startswith(EXIF) and orientation == 1:
            orientation = exif_orientation(data[len(EXIF) :])
        elif head[1] == APP14 and data.startswith(b"Adobe"):
            adobe = True
    if frame is None:
        raise damaged(path, "pixels without a frame that says their size")
    return _Markers(*frame, orientation=orientation, adobe=adobe, scan=file.tell())


def _layout(path: Path, markers: _Markers) -> Layout:
    check_size(path, markers.height, markers.width)
    if markers.channels not in (1, 3, 4):
        raise damaged(path, f"{markers.channels} channels")
    return Layout(
        shape=(markers.channels, markers.height, markers.width),
        dtype=np.dtype(np.uint8 if markers.bits <= 8 else np.uint16),
        inks=markers.channels == 4,
        orientation=markers.orientation,
    )


def header(path: Path) -> Layout:
    """What the file says about its pixels."""
    with path.open("rb") as file:
        return _layout(path, _markers(path, file))


def read(path: Path) -> Stored:
    """All numbers of the file."""
    with path.open("rb") as file:
        markers = _markers(path, file)
        layout = _layout(path, markers)
        file.seek(0)
        content = file.read()
    # Inside coded pixels 0xFF is always followed by something else, so this finds the end of the image.
    if content.find(END, markers.scan) < 0:
        raise damaged(path, f"{len(content)} bytes without an end marker: a part of the image is missing")
    pixels: Array = imagecodecs.jpeg8_decode(content, outcolorspace="CMYK" if markers.channels == 4 else None)
    if markers.adobe and layout.inks:  # Adobe's programs store inks inverted
        pixels = np.iinfo(pixels.dtype).max - pixels
    pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    if pixels.shape != layout.shape:
        raise damaged(path, f"pixels of shape {pixels.shape} where the header says {layout.shape}")
    return Stored(layout, pixels)


JPEG = Format(
    name="jpeg",
    suffixes=(".jpg", ".jpeg"),
    matches=lambda head: head.startswith(START + b"\xff"),
    header=header,
    read=read,
)
