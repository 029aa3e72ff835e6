"""An image and a label map, with everything needed to write a result that lies where the input lay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.classes import Classes

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.uint8]

SPATIAL_AXES = ("plane", "row", "column")


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the pixels lie: spacing along (plane,) row, column, its unit, and what a format wants kept.

    Args:
        spacing: distance between pixel centres along each spatial axis, or None where the file does not say.
        unit: unit of the spacing, such as "um" or "mm"; "px" where there is none.
        extra: what the format needs to place the pixels again (coordinate system, orientation, …).
    """

    spacing: tuple[float, ...] | None = None
    unit: str = "px"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """Pixels as C *S (channels first; S is row, column or plane, row, column), in the file's own type and range.

    Args:
        pixels: array of shape (C, H, W) or (C, D, H, W).
        geometry: spacing and reference system.
        channels: names of the channels, where the file gives them.
        path: the file it came from.
        notes: what reading changed or left out, for the user to see ("alpha channel dropped").
    """

    pixels: Array
    geometry: Geometry = Geometry()
    channels: tuple[str, ...] | None = None
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape: (H, W) or (D, H, W)."""
        return self.pixels.shape[1:]


@dataclass(frozen=True, slots=True)
class LabelMap:
    """One class index a pixel, as *S uint8; 255 is ignored.

    Args:
        labels: array of shape (H, W) or (D, H, W), values 0 … K-1 or 255.
        classes: what the indices mean and how mask files write them.
        geometry: spacing and reference system.
        path: the file it came from.
    """

    labels: Labels
    classes: Classes
    geometry: Geometry = Geometry()
    path: Path | None = None
