"""Writing TIFF: losslessly compressed, the same bytes every time, with spacing (OME) or geo-reference (GeoTIFF)."""

from __future__ import annotations

import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from unetkit.errors import FileError
from unetkit.files import replacing
from unetkit.formats.format import Output
from unetkit.formats.tiff_metadata import GEO_TAGS
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
    pixels, geometry = output.pixels, output.geometry
    _check_writable(path, output)
    plain = pixels.ndim == 3 and geometry.spacing is None
    options: dict[str, Any] = {
        "compression": "zlib",
        "predictor": not output.mask and pixels.dtype.kind in "ui" and pixels.dtype.itemsize <= 4,
        "bigtiff": pixels.nbytes > CLASSIC_LIMIT,
    }
    if max(pixels.shape[-2:]) > TILED_FROM:
        options["tile"] = (TILE, TILE)
    if plain or "geotiff" in geometry.extra:
        data, arrangement = _bands(pixels)
        options |= {"metadata": None, "extratags": _geo_tags(geometry), **arrangement}
    else:
        data = pixels[0] if len(pixels) == 1 else pixels
        options |= {"ome": True, "metadata": _ome(path, output, data), "photometric": "minisblack"}
    if output.palette is not None:
        options |= {"photometric": "palette", "colormap": _colour_map(path, output)}
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, np.ascontiguousarray(data), **options)


def _bands(pixels: Array) -> tuple[Array, dict[str, Any]]:
    """C H W as a grey, RGB or many-band page. Only three channels of bytes or words are called RGB."""
    if len(pixels) == 1:
        return pixels[0], {"photometric": "minisblack"}
    if len(pixels) == 3 and pixels.dtype in (np.uint8, np.uint16):
        return np.moveaxis(pixels, 0, -1), {"photometric": "rgb", "planarconfig": "contig"}
    extra = ["unspecified"] * (len(pixels) - 1)
    return pixels, {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": extra}


def _geo_tags(geometry: Geometry) -> list[tuple[int, str, int, Any, bool]]:
    tags = []
    for name, value in geometry.extra.get("geotiff", {}).items():
        code, kind = GEO_TAGS[name]
        tags.append((code, kind, 0 if kind == "s" else len(value), value, True))
    return tags


def _ome(path: Path, output: Output, data: Array) -> dict[str, Any]:
    geometry, volume = output.geometry, output.pixels.ndim == 4
    axes = ("C" if len(output.pixels) > 1 else "") + ("ZYX" if volume else "YX")
    # A checksum in place of a random number keeps the bytes the same every time.
    name = f"{data.shape} {data.dtype} {zlib.crc32(np.ascontiguousarray(data).data.cast('B'))}"
    metadata: dict[str, Any] = {"axes": axes, "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, name))}
    if geometry.spacing is not None:
        if geometry.unit not in OME_UNITS or len(geometry.spacing) != len(output.pixels.shape) - 1:
            raise FileError(
                "the spacing does not fit the image",
                file=path,
                found=f"{geometry.spacing} {geometry.unit}",
                expected=f"{output.pixels.ndim - 1} numbers in one of {', '.join(OME_UNITS)}",
                mend="convert the spacing, or pass geometry=None to drop it",
            )
        for axis, size in zip("ZYX"[-len(geometry.spacing) :], geometry.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": float(size), f"PhysicalSize{axis}Unit": OME_UNITS[geometry.unit]}
    return metadata


def _check_writable(path: Path, output: Output) -> None:
    pixels, placed = output.pixels, "geotiff" in output.references
    ome = not placed and (pixels.ndim == 4 or output.geometry.spacing is not None)
    if pixels.dtype.kind not in "buif" or pixels.dtype.itemsize > 8 or (ome and pixels.dtype.name not in OME_TYPES):
        raise FileError(
            "TIFF cannot hold these numbers" + (" together with planes or spacing" if ome else ""),
            file=path,
            found=f"type {pixels.dtype}",
            expected=", ".join(OME_TYPES),
            mend="convert to int32, uint32 or float32 after checking the range",
        )
    if pixels.dtype == bool and len(pixels) > 1:
        raise FileError(
            "TIFF holds 1-bit pixels in one channel only", file=path, found=len(pixels), mend="convert to uint8"
        )
    strange = [key for key in output.references if key != "geotiff"]
    if strange or (placed and pixels.ndim == 4):
        raise FileError(
            "TIFF cannot hold this reference system",
            file=path,
            found=", ".join(strange) or "geo tags on a volume",
            expected="geo tags on a 2D image, or spacing",
            mend="write the format the image came from, or pass a geometry with its spacing only",
        )


def _colour_map(path: Path, output: Output) -> Array:
    palette = output.palette or ()
    top = int(output.pixels.max())
    if output.pixels.dtype != np.uint8 or not top < len(palette) <= 256 or len(output.pixels) != 1:
        raise FileError(
            "the palette does not fit the mask",
            file=path,
            found=f"{output.pixels.dtype} values up to {top} and {len(palette)} colours",
            expected="uint8 values and a colour for each, at most 256",
            mend="leave the palette out, or state a colour for every value",
        )
    colours = np.zeros((3, 256), np.uint16)
    colours[:, : len(palette)] = np.array(palette, np.uint16).T * 257
    return colours
