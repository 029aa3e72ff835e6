"""Objects as label images: 0 for no object, else the object's number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unetkit.errors import FileError
from unetkit.formats import write_mask
from unetkit.image import Geometry
from unetkit.vector.format import ImageObjects

MOST = np.iinfo(np.uint16).max


def write_tiff(image: ImageObjects, path: Path) -> None:
    """A TIFF of 16 bits, or of 32 where there are more than 65535 objects, with the geometry of the image."""
    few = image.objects.count <= MOST
    ids = image.objects.ids.astype(np.uint16) if few else image.objects.ids
    write_mask(path, ids, geometry=image.geometry, colours=False)


def write_png(image: ImageObjects, path: Path) -> None:
    """A PNG of 16 bits.

    Raises:
        FileError: more than 65535 objects, a volume, or a geo-reference, which a PNG would lose.
    """
    require_plain(image.name, image.objects.ids.shape, image.geometry)
    if image.objects.count > MOST:
        raise _not_held(image.name, f"{image.objects.count} objects")
    write_mask(path, image.objects.ids.astype(np.uint16), geometry=image.geometry, colours=False)


def require_plain(name: str, shape: tuple[int, ...], geometry: Geometry) -> None:
    """Refuse what no PNG holds.

    Raises:
        FileError: a volume, or a geo-reference.
    """
    faults = {"a volume": len(shape) != 2, "a geo-reference": "geotiff" in geometry.extra}
    if any(faults.values()):
        raise _not_held(name, " and ".join(fault for fault, there in faults.items() if there))


def _not_held(name: str, found: str) -> FileError:
    return FileError(
        "a PNG cannot hold these objects",
        file=name,
        found=found,
        expected=f"an image without geo-reference and with at most {MOST} objects",
        mend="name the format tiff",
    )
