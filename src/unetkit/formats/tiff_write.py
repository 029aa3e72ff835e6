"""Writing TIFF: losslessly compressed, the same bytes every time, with spacing (OME) or geo-reference (GeoTIFF)."""

from __future__ import annotations

import math
import uuid
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from unetkit.errors import FileError
from unetkit.files import replacing
from unetkit.formats.format import Output, Palette, Streamed, Window
from unetkit.formats.tiff_metadata import GDAL_METADATA, GDAL_NODATA, GEO_TAGS
from unetkit.image import Array, Geometry

OME_TYPES = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
OME_UNITS = {
    "nm": "nm", "um": "µm", "mm": "mm", "cm": "cm", "m": "m", "km": "km", "ft": "ft", "px": "pixel",
}  # fmt: skip
TILE = 256
TILED_FROM = 1024  # rows or columns beyond which a window should not have to decode everything
CLASSIC_LIMIT = 2**32 - 2**25


def write(path: Path, output: Output) -> None:
    """Store an image or a mask, deflate-compressed, whole or not at all.

    A 2D image without spacing becomes a plain TIFF; volumes and images with spacing become OME-TIFF, which Fiji, QuPath
    and Bio-Formats read; images with geo tags become GeoTIFF. Large images are tiled. A volume of one plane is read
    back as a 2D image, because TIFF does not tell the two apart.

    Args:
        path: where the file shall stand.
        output: pixels (C, H, W) or (C, D, H, W) of any number type.

    Raises:
        FileError: TIFF cannot hold these numbers, this palette or this geometry.
    """
    pixels = output.pixels
    options = _options(path, output, pixels.shape, pixels.dtype)
    data = pixels[0] if len(pixels) == 1 else pixels
    if options.get("planarconfig") == "contig":
        data = np.moveaxis(pixels, 0, -1)
    data = np.ascontiguousarray(data)
    if options.get("ome"):
        # A checksum in place of a random number keeps the bytes the same every time.
        name = f"{data.shape} {data.dtype} {zlib.crc32(data.data.cast('B'))}"
        options["metadata"] = _ome(path, output, pixels.shape, name)
    if output.palette is not None:
        options |= _palette(path, output.palette, int(pixels.max()), pixels.shape, pixels.dtype)
    if max(pixels.shape[-2:]) > TILED_FROM:
        options["tile"] = (TILE, TILE)
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, data, **options)


def write_streamed(path: Path, output: Streamed) -> None:
    """The same file in tiles, of numbers that are never in memory together.

    Args:
        path: where the file shall stand.
        output: asked for one tile after the other, row by row, plane by plane and, but for RGB, channel by channel.

    Raises:
        FileError: as for `write`, or the disk is full.
    """
    options = _options(path, output, output.shape, output.dtype)
    if options.get("ome"):
        name = f"{output.shape} {output.dtype} {output.geometry} {output.identity}"
        options["metadata"] = _ome(path, output, output.shape, name)
    shape, interleaved = output.shape, options.get("planarconfig") == "contig"
    stored = (*shape[1:], shape[0]) if interleaved else shape[1:] if shape[0] == 1 else shape
    groups = [range(shape[0])] if interleaved else [[channel] for channel in range(shape[0])]

    def pieces() -> Iterator[Array]:
        for channels in groups:
            for plane in range(shape[1]) if len(shape) == 4 else (None,):
                for row, column in product(range(0, shape[-2], TILE), range(0, shape[-1], TILE)):
                    window = (slice(row, min(row + TILE, shape[-2])), slice(column, min(column + TILE, shape[-1])))
                    yield piece(channels, window if plane is None else (slice(plane, plane + 1), *window))

    def piece(channels: Sequence[int], window: Window) -> Array:
        parts = [
            output.read(channel, window).reshape([part.stop - part.start for part in window[-2:]])
            for channel in channels
        ]
        tile = np.zeros((TILE, TILE, len(parts)), output.dtype)
        tile[: parts[0].shape[0], : parts[0].shape[1]] = np.stack(parts, -1)
        return tile if interleaved else tile[..., 0]

    with replacing(path) as temporary:
        tifffile.imwrite(temporary, pieces(), shape=stored, dtype=output.dtype, tile=(TILE, TILE), **options)


def check_streamed(path: Path, output: Streamed) -> None:
    """Refuse what TIFF cannot hold, before there is anything to be written.

    Raises:
        FileError: these numbers or this geometry.
    """
    if _options(path, output, output.shape, output.dtype).get("ome"):
        _ome(path, output, output.shape, "")


def _options(path: Path, output: Output | Streamed, shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, Any]:
    """What tifffile has to be told."""
    geometry = output.geometry
    _check_writable(path, geometry, shape, dtype)
    options: dict[str, Any] = {
        "compression": "zlib",
        "predictor": not output.mask and dtype.kind in "ui" and dtype.itemsize <= 4,
        "bigtiff": math.prod(shape) * dtype.itemsize > CLASSIC_LIMIT,
        "extratags": _geo_tags(geometry) + _name_tags(output.channels, shape),
        "metadata": None,
    }
    if (len(shape) == 4 or geometry.spacing is not None) and "geotiff" not in geometry.extra:
        return options | {"ome": True, "photometric": "minisblack", "extratags": _geo_tags(geometry)}
    return options | _bands(shape[0], dtype)


def _bands(channels: int, dtype: np.dtype[Any]) -> dict[str, Any]:
    """A grey, RGB or many-band page. Only three channels of bytes or words are called RGB."""
    if channels == 1:
        return {"photometric": "minisblack"}
    if channels == 3 and dtype in (np.uint8, np.uint16):
        return {"photometric": "rgb", "planarconfig": "contig"}
    extra = ["unspecified"] * (channels - 1)
    return {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": extra}


def _geo_tags(geometry: Geometry) -> list[tuple[int, str, int, Any, bool]]:
    tags: list[tuple[int, str, int, Any, bool]] = []
    for name, value in geometry.extra.get("geotiff", {}).items():
        code, kind = GEO_TAGS[name]
        tags.append((code, kind, 0 if kind == "s" else len(value), value, True))
    if geometry.nodata is not None:
        tags.append((GDAL_NODATA, "s", 0, f"{geometry.nodata:.17g}", True))
    return tags


def _name_tags(channels: tuple[str, ...] | None, shape: tuple[int, ...]) -> list[tuple[int, str, int, Any, bool]]:
    """The names of the bands, as GDAL writes them."""
    if channels is None or len(channels) != shape[0]:
        return []
    root = ElementTree.Element("GDALMetadata")
    for number, name in enumerate(channels):
        item = ElementTree.SubElement(root, "Item", name="DESCRIPTION", sample=str(number), role="description")
        item.text = name
    return [(GDAL_METADATA, "s", 0, ElementTree.tostring(root, "us-ascii").decode(), True)]


def _ome(path: Path, output: Output | Streamed, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    geometry = output.geometry
    axes = ("C" if shape[0] > 1 else "") + ("ZYX" if len(shape) == 4 else "YX")
    metadata: dict[str, Any] = {"axes": axes, "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, name))}
    if output.channels is not None and len(output.channels) == shape[0] > 1:
        metadata["Channel"] = {"Name": list(output.channels)}
    if geometry.spacing is not None:
        if geometry.unit not in OME_UNITS or len(geometry.spacing) != len(shape) - 1:
            raise FileError(
                "the spacing does not fit the image",
                file=path,
                found=f"{geometry.spacing} {geometry.unit}",
                expected=f"{len(shape) - 1} numbers in one of {', '.join(OME_UNITS)}",
                mend="convert the spacing, or pass geometry=None to drop it",
            )
        for axis, size in zip("ZYX"[-len(geometry.spacing) :], geometry.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": float(size), f"PhysicalSize{axis}Unit": OME_UNITS[geometry.unit]}
    return metadata


def _check_writable(path: Path, geometry: Geometry, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    references = [key for key in geometry.extra if key != "nodata"]
    placed = "geotiff" in references
    ome = not placed and (len(shape) == 4 or geometry.spacing is not None)
    if dtype.kind not in "buif" or dtype.itemsize > 8 or (ome and dtype.name not in OME_TYPES):
        raise FileError(
            "TIFF cannot hold these numbers" + (" together with planes or spacing" if ome else ""),
            file=path,
            found=f"type {dtype}",
            expected=", ".join(OME_TYPES),
            mend="convert to int32, uint32 or float32 after checking the range",
        )
    if dtype.kind == "b" and shape[0] > 1:
        raise FileError(
            "TIFF holds 1-bit pixels in one channel only", file=path, found=shape[0], mend="convert to uint8"
        )
    strange = [key for key in references if key != "geotiff"]
    if strange or (placed and len(shape) == 4):
        raise FileError(
            "TIFF cannot hold this reference system",
            file=path,
            found=", ".join(strange) or "geo tags on a volume",
            expected="geo tags on a 2D image, or spacing",
            mend="write the format the image came from, or pass a geometry with its spacing only",
        )


def _palette(path: Path, palette: Palette, top: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, Any]:
    """What tifffile has to be told of the colours of values up to `top`."""
    if dtype != np.uint8 or not top < len(palette) <= 256 or shape[0] != 1:
        raise FileError(
            "the palette does not fit the mask",
            file=path,
            found=f"{dtype} values up to {top} and {len(palette)} colours",
            expected="uint8 values and a colour for each, at most 256",
            mend="leave the palette out, or state a colour for every value",
        )
    colours = np.zeros((3, 256), np.uint16)
    colours[:, : len(palette)] = np.array(palette, np.uint16).T * 257
    return {"photometric": "palette", "colormap": colours}
