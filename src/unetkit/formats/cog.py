"""Cloud-optimised GeoTIFF: tiles, and smaller copies (overviews) inside. Written by GDAL; read as the TIFF it is.

Needs the extra `geo`. Source: OGC Cloud Optimized GeoTIFF 1.0, as GDAL's COG driver writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError
from unetkit.extras import load
from unetkit.files import replacing, scratch
from unetkit.formats import tiff_write
from unetkit.formats.format import Output, Streamed
from unetkit.formats.tiff import TIFF

BLOCK = 512
CACHE = 64
"""Megabytes of blocks that GDAL may hold."""


def write(path: Path, output: Output) -> None:
    """Store an image or a mask, whole or not at all.

    Raises:
        FileError: as for `write_streamed`, or there is a palette.
        MissingExtra: rasterio is not installed.
    """
    _check(path, output)
    _copied(path, output, lambda plain: tiff_write.write(plain, output))


def write_streamed(path: Path, output: Streamed) -> None:
    """The same, of numbers that are never in memory together: a TIFF first, of which GDAL makes another.

    Of labels, the most frequent of four stands for them in the next overview; of a mask of colours, one of the four; of
    anything else, their mean.

    Args:
        path: where the file shall stand.
        output: asked for one tile after the other.

    Raises:
        FileError: a volume, a geometry that TIFF cannot hold, or the disk is full.
        MissingExtra: rasterio is not installed.
    """
    _check(path, output)
    _copied(path, output, lambda plain: tiff_write.write_streamed(plain, output))


def check_streamed(path: Path, output: Streamed) -> None:
    """Refuse what `write_streamed` would refuse, before there is anything to be written."""
    _check(path, output)
    tiff_write.check_streamed(path, output)


def _check(path: Path, output: Output | Streamed) -> None:
    load("rasterio", "geo")
    shape, dtype = _form(output)
    if len(shape) == 4 or dtype in (np.bool_, np.float16):
        raise FileError(
            "cannot be written as a cloud-optimised GeoTIFF",
            file=path,
            found="a volume" if len(shape) == 4 else f"type {dtype}",
            expected="a 2D image of 8 to 64 bits",
            mend="--as tif",
        )
    if isinstance(output, Output) and output.palette is not None:
        raise FileError("holds no palette", file=path, found="a palette", mend="write .png, or pass palette=None")
    if output.geometry.spacing is not None and "geotiff" not in output.geometry.extra:
        raise FileError(
            "a cloud-optimised GeoTIFF holds no spacing without a reference system",
            file=path,
            found=f"{output.geometry.spacing} {output.geometry.unit}",
            expected="an image with geo tags, or none of both",
            mend="--as tif, which keeps the spacing",
        )


def _form(output: Output | Streamed) -> tuple[tuple[int, ...], np.dtype[Any]]:
    return (output.pixels.shape, output.pixels.dtype) if isinstance(output, Output) else (output.shape, output.dtype)


def _copied(path: Path, output: Output | Streamed, write_plain: Callable[[Path], None]) -> None:
    """A plain TIFF beside the path, and of it what GDAL calls a COG."""
    rasterio, shutil = load("rasterio", "geo"), load("rasterio.shutil", "geo")
    shape, dtype = _form(output)
    coloured = output.mask and shape[0] > 1
    options = {
        "BLOCKSIZE": BLOCK,
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "YES" if not output.mask and dtype.itemsize <= 4 else "NO",
        "BIGTIFF": "IF_SAFER",
        "OVERVIEW_RESAMPLING": "NEAREST" if coloured else "MODE" if output.mask else "AVERAGE",
    }
    with replacing(path) as temporary, scratch(path) as folder, _told_of(path):
        write_plain(folder / "plain.tif")
        with rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_PAM_ENABLED="NO"):
            shutil.copy(str(folder / "plain.tif"), str(folder / "cog.tif"), driver="COG", **options)
        (folder / "cog.tif").replace(temporary)


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Faults of the two files that a COG is made by way of, told of the COG itself."""
    try:
        yield
    except FileError as error:
        raise FileError(error.what, file=path, found=error.found, expected=error.expected, mend=error.mend) from error
    except Exception as error:  # what GDAL raises has no public class in common
        raise OSError(str(error)) from error


COG = replace(
    TIFF,
    name="cog",
    suffixes=(),
    matches=lambda head: False,
    write=write,
    write_streamed=write_streamed,
    check_streamed=check_streamed,
)
