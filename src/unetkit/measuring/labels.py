"""What label files hold: objects with numbers of any size, or classes whose connected regions are objects."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from unetkit.counting import Extent
from unetkit.errors import InputError, UsageError
from unetkit.image import Geometry
from unetkit.objects.measuring import column_unit

NAMES = ("background", "object")
"""Classes of files that hold numbers of objects."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How objects in files are to be measured.

    Args:
        spacing: distance between pixel centres, one number for all axes or one an axis; None takes that of the files.
        unit: of the spacing.
        channel_names: of the images.
        thin_classes: names of the classes that get skeleton length and width.
        rules: what objects have to fulfil; see `apply_rule`.
    """

    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    channel_names: tuple[str, ...] | None = None
    thin_classes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def spacing_of(
    path: Path, axes: int, geometry: Geometry, image: Geometry | None, settings: Settings
) -> tuple[tuple[float, ...] | None, str | None]:
    """Spacing and unit: what the user states, else what the label file, else what the image says.

    Raises:
        UsageError: as many numbers as there are neither one nor axes.
    """
    stated = settings.spacing
    if stated is not None:
        steps = stated * axes if len(stated) == 1 else stated
        if len(steps) != axes:
            raise UsageError("the spacing does not fit", found=f"{stated} for {path.name}", expected=f"{axes} numbers")
        return steps, settings.unit
    for one in (geometry, image):
        if one is not None and one.spacing is not None and one.unit != "px":
            return tuple(one.spacing), one.unit
    return None, None


def extent_of(shape: tuple[int, ...], spacing: tuple[float, ...] | None, unit: str | None) -> Extent:
    """How large an image of this shape is."""
    pixels = prod(shape)
    size = None if spacing is None else pixels * prod(spacing)
    return Extent(pixels, size, None if unit is None else column_unit(unit), len(shape))


def require_same_size(image: Path | None, found: tuple[int, ...] | None, expected: tuple[int, ...]) -> None:
    """Refuse an image that is not of the size of its labels.

    Raises:
        InputError: it is not.
    """
    if found is not None and found != expected:
        raise InputError("image and labels differ in size", file=image, found=found, expected=expected)
