"""Which array of a Zarr folder is the image, which axis is which, and where the pixels lie.

Source: OME-Zarr (NGFF) 0.4 and 0.5, https://ngff.openmicroscopy.org/0.5/. Arrays without OME metadata are understood by
the names of their dimensions, and without names as NPY files are: H W, C H W or C D H W.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unetkit.errors import FileError
from unetkit.formats.content import check_channels_first, damaged
from unetkit.formats.spacing import METRES, known_unit
from unetkit.image import Geometry

VERSIONS = ("0.4", "0.5")
LETTERS = "tczyx"
WORDS = {"time": "t", "channel": "c", "band": "c"}
"""What plain arrays call the axes that OME-Zarr calls t and c."""

UNNAMED = {2: "yx", 3: "cyx", 4: "czyx"}


@dataclass(frozen=True, slots=True)
class Found:
    """An image among what a Zarr folder holds.

    Args:
        array: zarr's array of the largest level.
        axes: one letter an axis of the array, of t, c, z, y, x.
        geometry: spacing; `extra["translation"]` where the first pixel is not at the origin.
        channels: names of the channels.
        notes: what the user should know.
    """

    array: Any
    axes: str
    geometry: Geometry
    channels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def find_image(path: Path, node: Any) -> Found:
    """The image in an opened Zarr folder.

    Args:
        path: named in errors.
        node: zarr's group or array.

    Returns:
        The image; its axes are of a size that an image can have.

    Raises:
        FileError: a plate, a collection, labels alone, or axes that an image here does not have.
    """
    found = _of_array(path, node) if hasattr(node, "shape") else _of_group(path, node)
    sizes = dict(zip(found.axes, found.array.shape, strict=True))
    if sizes.get("t", 1) != 1:
        raise FileError(
            "has time points",
            file=path,
            found=f"{sizes['t']} of them",
            expected="one image",
            mend="save each time point as a Zarr of its own",
        )
    return found


def _of_array(path: Path, array: Any) -> Found:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if names and all(names):
        axes = [WORDS.get(str(name).lower(), str(name).lower()) for name in names]
        return Found(array, _checked_axes(path, axes, len(array.shape)), _with_nodata(array, Geometry()))
    if len(array.shape) not in UNNAMED:
        raise FileError(
            "has a number of axes that no image has",
            file=path,
            found=f"shape {array.shape} without names of dimensions",
            expected="H W, C H W or C D H W, or dimensions named t, c, z, y, x",
            mend="save one image a Zarr",
        )
    axes_of_npy = UNNAMED[len(array.shape)]
    check_channels_first(path, (1, *array.shape) if axes_of_npy == "yx" else tuple(array.shape))
    return Found(array, axes_of_npy, _with_nodata(array, Geometry()))


def _of_group(path: Path, group: Any) -> Found:
    attributes = group.attrs.asdict()
    ome = attributes.get("ome", attributes)
    if "multiscales" not in ome:
        return _of_collection(path, group, ome)
    multiscale = ome["multiscales"][0]
    version = ome.get("version") or multiscale.get("version")
    if version not in VERSIONS:
        raise FileError(
            "is OME-Zarr of a version that is not read",
            file=path,
            found=version or "no version",
            expected=" or ".join(VERSIONS),
            mend="convert it to OME-Zarr 0.5",
        )
    level = multiscale["datasets"][0]
    if level["path"] not in group:
        raise damaged(path, f"no array '{level['path']}', which its metadata name")
    array = group[level["path"]]
    names = [str(axis["name"]).lower() for axis in multiscale["axes"]]
    axes = _checked_axes(path, names, len(array.shape))
    geometry = _geometry(multiscale, level, axes)
    more = len(ome["multiscales"]) - 1
    notes = (f"{more} further images in the Zarr left out",) if more else ()
    sizes = dict(zip(axes, array.shape, strict=True))
    return Found(array, axes, _with_nodata(array, geometry), _channel_names(ome, sizes.get("c", 1)), notes)


def _of_collection(path: Path, group: Any, ome: Mapping[str, Any]) -> Found:
    """A group that is no image itself: one whose only image is number 0, as bioformats2raw writes it, will do."""
    if "bioformats2raw.layout" in ome and "0" in group and "1" not in group:
        return _of_group(path, group["0"])
    kinds = {
        "plate": "a high-content screening plate",
        "well": "a well of a plate",
        "bioformats2raw.layout": "several images",
        "labels": "a list of label images",
    }
    arrays = sorted(name for name, _ in group.arrays())
    plain = f"a group of the arrays {', '.join(arrays[:4])}" if arrays else "a group without an image"
    raise FileError(
        "is not one image",
        file=path,
        found=next((what for key, what in kinds.items() if key in ome), plain),
        expected="an OME-Zarr image (multiscales), or a plain array",
        mend="copy or link the folder of one image or array in it to a name that ends in .zarr, and name that",
    )


def _checked_axes(path: Path, names: Sequence[str], count: int) -> str:
    strange = [name for name in names if name not in LETTERS or len(name) != 1]
    if strange or len(names) != count or len(set(names)) != count or not {"y", "x"} <= set(names):
        raise FileError(
            "has axes besides channel, plane, row and column",
            file=path,
            found=f"axes {', '.join(names)} of an array of {count}",
            expected="y and x, and perhaps t, c and z, each once",
            mend="save it with these axes",
        )
    return "".join(names)


def _geometry(multiscale: Mapping[str, Any], level: Mapping[str, Any], axes: str) -> Geometry:
    """Spacing and place of the largest level, in the unit of the columns."""
    scale, translation = [1.0] * len(axes), [0.0] * len(axes)
    for transform in (*level["coordinateTransformations"], *multiscale.get("coordinateTransformations", ())):
        if transform["type"] == "scale":
            factors = [float(factor) for factor in transform["scale"]]
            scale = [a * b for a, b in zip(scale, factors, strict=True)]
            translation = [a * b for a, b in zip(translation, factors, strict=True)]
        elif transform["type"] == "translation":
            translation = [a + float(b) for a, b in zip(translation, transform["translation"], strict=True)]
    sizes = dict(zip(axes, scale, strict=True))
    shifts = dict(zip(axes, translation, strict=True))
    units = {axis: known_unit(str(one.get("unit", ""))) for axis, one in zip(axes, multiscale["axes"], strict=True)}
    spatial = [axis for axis in axes if axis in "zyx"]
    spatial.sort(key="zyx".index)
    unit = units["x"]
    own = [units[axis] for axis in spatial]
    if unit is None or None in own:  # numbers without a unit tell the shape of a pixel, if they differ
        spacing = None if len({sizes[axis] for axis in spatial}) == 1 else tuple(sizes[axis] for axis in spatial)
        unit = "px"
        factors = [1.0] * len(spatial)
    else:
        factors = [METRES[each] / METRES[unit] if each != unit else 1.0 for each in own if each]
        spacing = tuple(sizes[axis] * factor for axis, factor in zip(spatial, factors, strict=True))
    place = tuple(shifts[axis] * factor for axis, factor in zip(spatial, factors, strict=True))
    return Geometry(spacing, unit, {"translation": place} if any(place) else {})


def _with_nodata(array: Any, geometry: Geometry) -> Geometry:
    """What an array's attributes say of missing data: `_FillValue`, as the CF conventions name it."""
    value = array.attrs.get("_FillValue")
    try:
        return geometry if value is None else geometry.with_nodata(float(value))
    except (TypeError, ValueError):  # other libraries also write it as encoded bytes
        return geometry


def _channel_names(ome: Mapping[str, Any], channels: int) -> tuple[str, ...] | None:
    labels = [one.get("label") for one in (ome.get("omero") or {}).get("channels") or ()]
    return tuple(map(str, labels)) if len(labels) == channels and all(labels) else None
