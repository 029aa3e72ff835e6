"""Objects as label images: 0 for no object, else its number, which holds the class too where masks have it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.dataset.numbered import numbers_in_file
from unetkit.errors import FileError
from unetkit.formats import write_mask
from unetkit.image import Geometry
from unetkit.objects import fewest_bits
from unetkit.vector.format import ImageObjects

MOST = np.iinfo(np.uint16).max


def _numbers(image: ImageObjects) -> npt.NDArray[Any]:
    """What stands for no object and for each object, in the smaller type that holds it."""
    return fewest_bits(numbers_in_file(image.classes, image.objects.classes))


def write_tiff(image: ImageObjects, path: Path) -> None:
    """A TIFF of 16 bits, or of 32 where there are numbers above 65535, with the geometry of the image."""
    write_mask(path, _numbers(image)[image.objects.ids], geometry=image.geometry, colours=False)


def write_png(image: ImageObjects, path: Path) -> None:
    """A PNG of 16 bits.

    Raises:
        FileError: numbers above 65535, a volume, or a geo-reference, which a PNG would lose.
    """
    require_plain(image.name, image.objects.ids.shape, image.geometry)
    numbers = _numbers(image)
    if numbers.max() > MOST:
        raise _not_held(image.name, f"numbers up to {numbers.max()}")
    write_mask(path, numbers[image.objects.ids], geometry=image.geometry, colours=False)


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
        expected=f"an image without geo-reference and with numbers up to {MOST}",
        mend="name the format tiff",
    )
