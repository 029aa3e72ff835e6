"""PNG: 1 to 16 bits, grey, RGB and palette.

The chunks are walked here, so that a damaged or cut file is found even where a decoder would fill in grey, and so that
decoders see only the chunks that make pixels. Source: PNG specification, third edition (W3C 2025).
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngImageFile

from unetkit.errors import FileError
from unetkit.files import replacing
from unetkit.formats.content import check_size, damaged
from unetkit.formats.format import Format, Layout, Output, Stored
from unetkit.formats.orientation import exif_orientation
from unetkit.formats.spacing import finer_than_devices, parse_spacing, per_metre, spell_spacing
from unetkit.image import Array, Geometry

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SPACING_KEY = b"Spacing\0"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
MAX_DEFLATE = 1100  # deflate cannot shrink anything further than about 1032 times


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int  # of the data, after length and kind
    size: int


def _chunks(path: Path, file: BinaryIO) -> list[_Chunk]:
    total = file.seek(0, io.SEEK_END)
    at = len(SIGNATURE)
    chunks: list[_Chunk] = []
    while not chunks or chunks[-1].kind != b"IEND":
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            raise damaged(path, f"the file ends after {total} bytes, before the end of the image")
        size, kind = struct.unpack(">I4s", head)
        if at + 12 + size > total:
            raise damaged(path, f"{total} bytes, but a part called {kind.decode('latin-1')!r} needs {at + 12 + size}")
        chunks.append(_Chunk(kind, at + 8, size))
        at += 12 + size
    return chunks


def _data(file: BinaryIO, chunks: list[_Chunk], kind: bytes) -> bytes:
    for chunk in chunks:
        if chunk.kind == kind:
            file.seek(chunk.start)
            return file.read(chunk.size)
    return b""


def _layout(path: Path, file: BinaryIO, chunks: list[_Chunk]) -> Layout:
    width, height, bits, colour = struct.unpack_from(">IIBB", _data(file, chunks, b"IHDR"))
    if colour not in CHANNELS or bits not in (1, 2, 4, 8, 16):
        raise damaged(path, f"colour type {colour} with {bits} bits")
    check_size(path, height, width)
    dtype = np.dtype(np.uint16 if bits == 16 else np.bool_ if (bits, colour) == (1, GREY) else np.uint8)
    channels = CHANNELS[colour]
    palette = None
    if colour == PALETTE:
        palette = np.frombuffer(_data(file, chunks, b"PLTE"), np.uint8).reshape(-1, 3)
    return Layout(
        shape=(channels, height, width),
        dtype=dtype,
        alpha=(channels - 1,) if colour in (GREY_ALPHA, RGB_ALPHA) else (),
        palette=palette,
        scale=255 // (2**bits - 1) if colour == GREY and bits in (2, 4) else 1,
        orientation=exif_orientation(_data(file, chunks, b"eXIf")),
        geometry=_geometry(file, chunks),
        notes=_notes(file, chunks, colour),
    )


def _notes(file: BinaryIO, chunks: list[_Chunk], colour: int) -> tuple[str, ...]:
    notes = []
    transparency = _data(file, chunks, b"tRNS")
    if transparency and colour == PALETTE:
        clear = sum(value < 255 for value in transparency)
        notes.append(f"transparency of {clear} palette colours dropped" if clear else "opaque transparency dropped")
    elif transparency:
        notes.append("one colour is marked as transparent; its pixels keep their colour")
    if _data(file, chunks, b"acTL"):
        notes.append("animated PNG: only its still image is read")
    return tuple(notes)


def _geometry(file: BinaryIO, chunks: list[_Chunk]) -> Geometry:
    for chunk in chunks:
        if chunk.kind == b"tEXt":
            file.seek(chunk.start)
            text = file.read(chunk.size)
            if text.startswith(SPACING_KEY):
                return parse_spacing(text.removeprefix(SPACING_KEY).decode("latin-1"))
    physical = _data(file, chunks, b"pHYs")
    if len(physical) == 9 and physical[8] == 1:
        x, y, _ = struct.unpack(">IIB", physical)
        return finer_than_devices(y / 1e6, x / 1e6)
    return Geometry()


def header(path: Path) -> Layout:
    """What the file says about its pixels."""
    with path.open("rb") as file:
        return _layout(path, file, _chunks(path, file))


def read(path: Path) -> Stored:
    """All numbers of the file, every chunk checked against its checksum."""
    content = path.read_bytes()
    file = io.BytesIO(content)
    chunks = _chunks(path, file)
    layout = _layout(path, file, chunks)
    view = memoryview(content)
    for chunk in chunks:
        end = chunk.start + chunk.size
        if zlib.crc32(view[chunk.start - 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise damaged(path, f"a wrong checksum in part {chunk.kind.decode('latin-1')!r}")
    compressed = sum(chunk.size for chunk in chunks if chunk.kind == b"IDAT")
    bits = struct.unpack_from(">B", content, chunks[0].start + 8)[0]
    if layout.shape[0] * layout.shape[1] * layout.shape[2] * bits // 8 > MAX_DEFLATE * compressed + 1024:
        raise damaged(path, f"{compressed} compressed bytes for {layout.shape[1]} × {layout.shape[2]} pixels")
    parts = [view[c.start - 8 : c.start + c.size + 4] for c in chunks if c.kind in PIXEL_CHUNKS]
    pixels = _decode(b"".join((SIGNATURE, *parts)), bits)
    pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    return Stored(layout, pixels // np.uint8(layout.scale) if layout.scale != 1 else pixels)


def _decode(content: bytes, bits: int) -> Array:
    """Pixels H W or H W C. Pillow has no 16-bit RGB, and imagecodecs expands palettes: each does what it can."""
    if bits == 16:
        decoded: Array = imagecodecs.png_decode(content)
        return decoded
    with PngImageFile(io.BytesIO(content)) as image:
        return np.array(image)


def write(path: Path, output: Output) -> None:
    """Store grey, RGB or a palette mask, whole or not at all, without loss.

    Args:
        path: where the file shall stand.
        output: pixels (1 or 3 channels, H W) of type bool (1 channel), uint8 or uint16.

    Raises:
        FileError: PNG cannot hold these numbers, this shape or this geometry.
    """
    pixels, geometry = output.pixels, output.geometry
    _check_writable(path, output)
    if output.palette is not None:
        encoded = _palette_png(path, pixels[0], output.palette)
    elif pixels.dtype == bool:
        encoded = _pillow_png(Pillow.fromarray(pixels[0]))
    else:
        samples = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
        encoded = bytes(imagecodecs.png_encode(np.ascontiguousarray(samples), level=6))
    extra = b""
    if geometry.spacing is not None:
        extra += _chunk(b"tEXt", SPACING_KEY + spell_spacing(geometry).encode("ascii"))
        density = per_metre(geometry)
        if density is not None:
            extra += _chunk(b"pHYs", struct.pack(">IIB", density[1], density[0], 1))
    after_header = len(SIGNATURE) + 25
    with replacing(path) as temporary:
        temporary.write_bytes(encoded[:after_header] + extra + encoded[after_header:])


def _check_writable(path: Path, output: Output) -> None:
    pixels = output.pixels
    if pixels.ndim != 3 or len(pixels) not in (1, 3):
        raise FileError(
            "PNG cannot hold this shape",
            file=path,
            found=f"{len(pixels)} channels, {pixels.ndim - 1} spatial axes",
            expected="1 or 3 channels of a 2D image",
            mend="write .tif, which holds any number of channels and volumes",
        )
    if pixels.dtype not in (np.uint8, np.uint16) and not (pixels.dtype == bool and len(pixels) == 1):
        raise FileError(
            "PNG cannot hold these numbers without loss",
            file=path,
            found=f"type {pixels.dtype}",
            expected="uint8, uint16, or bool for one channel",
            mend="write .tif or .npy, or convert to uint8 or uint16 after checking the range",
        )
    if output.references:
        raise FileError(
            "PNG cannot hold a geo-reference or another reference system",
            file=path,
            found=", ".join(output.references),
            expected="spacing only",
            mend="write .tif, which keeps geo tags, or pass geometry=None to drop it",
        )
    geometry = output.geometry
    spelled = spell_spacing(geometry)
    if geometry.spacing is not None and (
        not spelled.isascii() or parse_spacing(spelled) != Geometry(geometry.spacing, geometry.unit)
    ):
        raise FileError(
            "the spacing does not fit the image",
            file=path,
            found=spelled,
            expected="two numbers and a unit of plain letters",
            mend="convert the spacing, or pass geometry=None to drop it",
        )


def _palette_png(path: Path, indices: Array, palette: tuple[tuple[int, int, int], ...]) -> bytes:
    if indices.dtype not in (np.uint8, np.bool_) or not 1 <= len(palette) <= 256 or int(indices.max()) >= len(palette):
        raise FileError(
            "the palette does not fit the mask",
            file=path,
            found=f"{indices.dtype} values up to {int(indices.max())} and {len(palette)} colours",
            expected="uint8 values and a colour for each, at most 256",
            mend="leave the palette out, or state a colour for every value",
        )
    image = Pillow.fromarray(indices.astype(np.uint8))
    image.putpalette(bytes(value for colour in palette for value in colour))
    return _pillow_png(image, bits=8)


def _pillow_png(image: Pillow.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = Format(
    name="png",
    suffixes=(".png",),
    matches=lambda head: head.startswith(SIGNATURE),
    header=header,
    read=read,
    write=write,
)
