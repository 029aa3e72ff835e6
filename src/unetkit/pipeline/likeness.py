"""How an image differs from those that the model was trained on: the size of its pixels, and its type of numbers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError, UsageError
from unetkit.formats.spacing import METRES
from unetkit.image import Geometry
from unetkit.plan import DataPlan

OTHER_SCALE = 1.25
"""A pixel size that differs by more than this factor from the training images' is worth a word."""

FARTHEST = 64
"""Times by which pixel sizes may differ to be matched; beyond, the unit is wrong rather than the size."""


def ratios(geometry: Geometry, data: DataPlan) -> tuple[float, ...] | None:
    """How many times larger the trained pixels are than the image's, along each axis; None where one is unknown.

    Args:
        geometry: of the image.
        data: of the plan.

    Example:
        >>> ratios(Geometry((250.0, 250.0), "nm"), DataPlan(channels=1, num_classes=2, spacing=(0.5, 0.5), unit="um"))
        (2.0, 2.0)
    """
    own, trained = geometry.spacing, data.spacing
    if own is None or trained is None or len(own) != len(trained):
        return None
    if geometry.unit == data.unit:
        factor = 1.0
    elif geometry.unit in METRES and data.unit in METRES:
        factor = METRES[data.unit] / METRES[geometry.unit]
    else:
        return None
    return tuple(round(theirs * factor / ours, 9) for ours, theirs in zip(own, trained, strict=True))


def scale_notes(geometry: Geometry, data: DataPlan) -> tuple[str, ...]:
    """What to say of an image whose pixels have another size than those the model was trained on."""
    times = ratios(geometry, data)
    if times is None or all(1 / OTHER_SCALE < ratio < OTHER_SCALE for ratio in times):
        return ()
    assert geometry.spacing is not None
    assert data.spacing is not None
    return (
        f"pixels of {_sizes(geometry.spacing)} {geometry.unit}, trained on {_sizes(data.spacing)} {data.unit}: "
        f"things look {' × '.join(f'{ratio:.2g}' for ratio in times)} times as large to the model; "
        "--match-spacing resamples",
    )


def type_notes(dtype: np.dtype[Any], trained: str | None, kinds: Collection[str]) -> tuple[str, ...]:
    """What to say of an image whose numbers are of another type than those the model was trained on.

    Args:
        dtype: of the image.
        trained: that of most training images; None where the run does not tell.
        kinds: in which ways the plans normalise: "image", "dataset", "none".

    Example:
        >>> type_notes(np.dtype("uint8"), "uint8", {"image"})
        ()
    """
    if trained is None or dtype.name == trained:
        return ()
    found = f"numbers of type {dtype}, trained on {trained}"
    if set(kinds) == {"image"}:
        return (f"{found}: each image is normalised by itself, so that this alone does no harm",)
    return (f"{found}, and images are not normalised by themselves: bring them to the trained range first",)


def require_trained_spacing(data: DataPlan) -> None:
    """Refuse to match pixel sizes with a model that knows none.

    Raises:
        UsageError: its training images told no pixel size in a unit of length.
    """
    if data.spacing is None or data.unit not in METRES:
        raise UsageError(
            "the model does not know the pixel size it was trained on",
            found=None if data.spacing is None else f"{_sizes(data.spacing)} {data.unit}",
            mend="train on images that state it (OME-TIFF, GeoTIFF, OME-Zarr), or leave --match-spacing out",
        )


def matched_shape(path: Path, shape: tuple[int, ...], geometry: Geometry, data: DataPlan) -> tuple[int, ...]:
    """The shape of an image in pixels of the trained size.

    Args:
        path: named in errors.
        shape: *S of the image.
        geometry: of the image.
        data: of the plan.

    Returns:
        *S; the image's own where the sizes agree.

    Raises:
        FileError: the image does not tell its pixel size, or it differs by more than can be meant.
    """
    times = ratios(geometry, data)
    if times is None or geometry.unit not in METRES:
        raise FileError(
            "does not tell the size of its pixels, which --match-spacing needs",
            file=path,
            found="none" if geometry.spacing is None else f"{_sizes(geometry.spacing)} {geometry.unit}",
            expected=f"{len(shape)} numbers in a unit of length",
            mend="save it with its pixel size (reproject a raster in degrees to metres), or leave --match-spacing out",
        )
    if any(not 1 / FARTHEST <= ratio <= FARTHEST for ratio in times):
        assert geometry.spacing is not None
        assert data.spacing is not None
        raise FileError(
            "has pixels of a size too far from the trained one",
            file=path,
            found=f"{_sizes(geometry.spacing)} {geometry.unit}",
            expected=f"within {FARTHEST} times {_sizes(data.spacing)} {data.unit}",
            mend="check the unit in the file",
        )
    return tuple(max(1, round(extent / ratio)) for extent, ratio in zip(shape, times, strict=True))


def _sizes(spacing: tuple[float, ...]) -> str:
    return " × ".join(f"{size:g}" for size in spacing)
