"""Objects as label images: 0 for no object, else the object's number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unetkit.errors import FileError
from unetkit.formats import write_mask
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
    faults = {
        "a volume": image.objects.ids.ndim != 2,
        f"{image.objects.count} objects": image.objects.count > MOST,
        "a geo-reference": "geotiff" in image.geometry.extra,
    }
    if any(faults.values()):
        raise FileError(
            "a PNG cannot hold these objects",
            file=image.name,
            found=" and ".join(fault for fault, there in faults.items() if there),
            expected=f"an image without geo-reference and with at most {MOST} objects",
            mend="name the format tiff",
        )
    write_mask(path, image.objects.ids.astype(np.uint16), geometry=image.geometry, colours=False)
