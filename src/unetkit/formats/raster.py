"""Rasters that only GDAL reads: JPEG 2000 (Sentinel-2) and VRT mosaics. Needs the extra `geo`.

GeoTIFFs are read by our own TIFF code. Other rasters of GDAL are left out where it reads a file that ends early as one
with fewer bands (Erdas Imagine), or where a file has no mark of its own. Here nothing but local files is opened: a VRT
names other files, and GDAL would follow it to the network, into archives and to programs.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from unetkit.errors import FileError
from unetkit.extras import load
from unetkit.formats.content import check_layout, damaged
from unetkit.formats.format import Format, Layout, Stored, Window
from unetkit.formats.tiff_metadata import read_geometry
from unetkit.formats.vrt import check_vrt
from unetkit.formats.windows import window_as_stored
from unetkit.image import Array, Geometry

JP2_MAGICS = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
VRT_START = b"<VRTDataset"
SETTINGS = {
    "GDAL_CACHEMAX": 64,  # megabytes
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
}
"""What GDAL may do while it reads."""


@contextmanager
def _opened(path: Path, driver: str) -> Iterator[Any]:
    rasterio = load("rasterio", "geo")
    if driver == "VRT":
        check_vrt(path)
    with rasterio.Env(**SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, driver=driver, sharing=False) as dataset:
            yield dataset


def _layout(path: Path, dataset: Any) -> Layout:
    if dataset.count == 0:
        raise damaged(path, "no bands")
    alpha = tuple(i for i, one in enumerate(dataset.colorinterp) if one.name == "alpha")
    masked = _is_masked(dataset)
    names = dataset.descriptions
    if masked:
        alpha, names = (dataset.count,), (*names, "mask")
    layout = Layout(
        shape=(dataset.count + masked, dataset.height, dataset.width),
        dtype=np.result_type(*dataset.dtypes),
        alpha=alpha,
        palette=_palette(dataset),
        geometry=_geometry(path, dataset),
        channels=names if all(names) else None,
        notes=_notes(dataset),
    )
    return check_layout(path, layout)


def _is_masked(dataset: Any) -> bool:
    """Whether a mask beside the bands says where there is data."""
    flags = {flag.name for flag in dataset.mask_flag_enums[0]}
    return "per_dataset" in flags and "alpha" not in flags


def _palette(dataset: Any) -> Any:
    if dataset.count != 1 or dataset.colorinterp[0].name != "palette":
        return None
    colours = dataset.colormap(1)
    return np.array([colours.get(i, (0, 0, 0, 255))[:3] for i in range(max(colours) + 1)], np.uint8)


def _geometry(path: Path, dataset: Any) -> Geometry:
    """The place as the tags of the GeoTIFF that GDAL would write, and the number for missing data."""
    memory = load("rasterio.io", "geo").MemoryFile()
    about = {"width": 1, "height": 1, "count": 1, "dtype": "uint8"}
    with memory:
        with memory.open(driver="GTiff", crs=dataset.crs, transform=dataset.transform, **about):
            pass
        with tifffile.TiffFile(io.BytesIO(memory.read())) as tiff:
            geometry = read_geometry(tiff, "", spatial_dims=2)
    stated = {repr(number): number for number in dataset.nodatavals}
    if len(stated) > 1:
        raise FileError(
            "states another number for missing data in each band",
            file=path,
            found=", ".join(stated),
            expected="one number",
            mend="gdal_translate -a_nodata NUMBER, after making the bands agree",
        )
    return geometry.with_nodata(next(iter(stated.values())))


def _notes(dataset: Any) -> tuple[str, ...]:
    if set(dataset.scales) == {1.0} and set(dataset.offsets) == {0.0}:
        return ()
    return ("states a scale or offset; the stored numbers are kept as they are",)


def _read(path: Path, window: Window | None, driver: str) -> Stored:
    with _opened(path, driver) as dataset:
        layout = _layout(path, dataset)
        whole = tuple(slice(0, extent) for extent in layout.shape[1:])
        rows, columns = whole if window is None else window_as_stored(window, layout)
        part = load("rasterio.windows", "geo").Window.from_slices(rows, columns)
        pixels: Array = dataset.read(window=part, out_dtype=layout.dtype)
        if _is_masked(dataset):
            opaque = np.iinfo(layout.dtype).max if layout.dtype.kind in "ui" else 1
            mask = np.where(dataset.dataset_mask(window=part) > 0, opaque, 0).astype(layout.dtype)
            pixels = np.concatenate([pixels, mask[None]])
    return Stored(layout, pixels)


def _header(path: Path, driver: str) -> Layout:
    with _opened(path, driver) as dataset:
        return _layout(path, dataset)


def _format(name: str, suffixes: tuple[str, ...], driver: str, starts: tuple[bytes, ...]) -> Format:
    return Format(
        name=name,
        suffixes=suffixes,
        matches=lambda head: head.lstrip().startswith(starts),
        header=partial(_header, driver=driver),
        read=partial(_read, window=None, driver=driver),
        read_window=partial(_read, driver=driver),
    )


JPEG2000 = _format("jpeg2000", (".jp2", ".j2k"), "JP2OpenJPEG", JP2_MAGICS)
VRT = _format("vrt", (".vrt",), "VRT", (VRT_START,))
