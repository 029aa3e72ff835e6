"""The objects of an image as they go to a format, and what a format has to provide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes
from unetkit.errors import InputError
from unetkit.image import Geometry
from unetkit.objects import ObjectMap
from unetkit.objects.outline import Outline


@dataclass(frozen=True, slots=True)
class ImageObjects:
    """The objects of one image, with what other programs want to know of them.

    Args:
        name: of the image, without suffix; files are called after it. Forward slashes make sub-folders.
        objects: the numbered objects.
        classes: names and colours of their classes.
        geometry: where the pixels lie.
        file: name of the image file, for formats that point to it; None: the name.
        measurements: name of a measurement to float n, one number an object, NaN where there is none.

    Raises:
        InputError: an object's class does not exist, or measurements do not fit the objects.

    Example:
        >>> objects = ObjectMap(np.array([[0, 1]], np.uint32), np.array([1], np.uint8))
        >>> ImageObjects("a", objects, Classes(names=("background", "cell"))).class_name(1)
        'cell'
    """

    name: str
    objects: ObjectMap
    classes: Classes
    geometry: Geometry = field(default_factory=Geometry)
    file: str | None = None
    measurements: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, known = self.objects.count, len(self.classes)
        if count and not 1 <= int(self.objects.classes.min()) <= int(self.objects.classes.max()) < known:
            found = f"{self.objects.classes.min()} to {self.objects.classes.max()}"
            raise InputError("objects of a class that does not exist", found=found, expected=f"1 to {known - 1}")
        for name, values in self.measurements.items():
            if len(values) != count:
                raise InputError(f"'{name}' does not fit the objects", found=len(values), expected=count)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.objects.ids.shape
        return height, width

    def class_of(self, number: int) -> int:
        """The class index of an object."""
        return int(self.objects.classes[number - 1])

    def class_name(self, number: int) -> str:
        """The name of its class."""
        return self.classes.names[self.class_of(number)]

    def values(self, number: int) -> dict[str, float]:
        """The confidence of an object, where it is known, and its measurements."""
        known = {} if self.objects.confidence is None else {"confidence": self.objects.confidence}
        found = {name: float(values[number - 1]) for name, values in {**known, **self.measurements}.items()}
        return {name: value for name, value in found.items() if np.isfinite(value)}


Add = Callable[[Outline], None]
"""Takes the next object of an image."""

Say = Callable[[str], None]
"""Told what the user should know of a file: what it leaves out, or how it is to be read."""

Draw = Callable[[ImageObjects, Path, Say], AbstractContextManager[Add]]
"""Begins a file of one image, takes its objects one by one, and ends the file."""

Begin = Callable[[ImageObjects], AbstractContextManager[Add]]
"""Begins an image within a file of many, takes its objects one by one, and ends the image."""

Collect = Callable[[Path, Classes, Say], AbstractContextManager[Begin]]
"""Begins a file of many images, then takes the objects of one image after the other, and ends the file."""


Require = Callable[[str, tuple[int, ...], Geometry], object]
"""(name, *S, geometry) of an image -> FileError where the format cannot hold its objects, whatever they are."""


@dataclass(frozen=True, slots=True)
class ObjectFormat:
    """One format of the registry; it has one of `draw`, `collect` and `write`.

    Args:
        summary: what it is for, in one line.
        file: name of the file, below the folder; with "{name}" there is one an image.
        draw: makes a file of an image from outlines.
        collect: makes a file of all images from outlines.
        write: makes a file of an image from the numbered pixels, also of a volume.
        beside: name of a file that is written once beside those of the images, and what writes it.
        require: refuses images whose objects it cannot hold, before there are any; None: it holds those of all.
    """

    summary: str
    file: str
    draw: Draw | None = None
    collect: Collect | None = None
    write: Callable[[ImageObjects, Path], None] | None = None
    beside: tuple[str, Callable[[Path, Classes], None]] | None = None
    require: Require | None = None
