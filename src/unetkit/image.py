"""An image and a label map, with everything needed to write a result that lies where the input lay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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

    @property
    def nodata(self) -> float | None:
        """The number that stands for missing data, where the file states one."""
        nodata: float | None = self.extra.get("nodata")
        return nodata

    def with_nodata(self, nodata: float | None) -> Geometry:
        """The same place with another number for missing data, or with none."""
        extra = {key: value for key, value in self.extra.items() if key != "nodata"}
        return replace(self, extra=extra if nodata is None else {**extra, "nodata": nodata})


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

    @property
    def nodata(self) -> float | None:
        """The number that stands for missing data, where the file states one."""
        return self.geometry.nodata


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


def without_data(pixels: Array, nodata: float | None) -> npt.NDArray[np.bool_] | None:
    """Where an image has no data.

    Args:
        pixels: array C *S.
        nodata: the number that stands for missing data; None where the file states none.

    Returns:
        bool *S: every channel holds that number or, where it is NaN, any channel is NaN. None where nothing is missing.

    Example:
        >>> without_data(np.array([[0, 7]]), 0)
        array([ True, False])
    """
    missing: npt.NDArray[np.bool_] | None
    if nodata is None:
        return None
    if np.isnan(nodata):
        missing = np.any(np.isnan(pixels), axis=0) if pixels.dtype.kind == "f" else None
    elif pixels.dtype.kind in "ui" and not holds(pixels.dtype, nodata):
        missing = None
    else:
        with np.errstate(over="ignore"):  # the text of a tag may round the largest float32 up
            missing = (pixels == np.asarray(nodata).astype(pixels.dtype)).all(0)
    return missing if missing is not None and missing.any() else None


def holds(dtype: np.dtype[Any], number: float) -> bool:
    """Whether a type has this number; fractional types are taken to have any.

    Example:
        >>> holds(np.dtype(np.uint8), 255), holds(np.dtype(np.uint8), -9999)
        (True, False)
    """
    if dtype.kind == "f":
        return True
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return bool(np.isfinite(number)) and number == int(number) and low <= int(number) <= high
