"""Writing OME-Zarr 0.5: one image in levels of half the size each, piece by piece, whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError
from unetkit.extras import load
from unetkit.files import replacing_folder
from unetkit.formats.format import Output, Streamed, Window
from unetkit.image import Array, Geometry, holds

CHUNK = {2: (512, 512), 3: (16, 256, 256)}
"""What is compressed, and read again, in one piece."""

ACROSS = 8
"""Chunks side by side in one file (a shard), so that a large image is not a million files."""

SMALLEST = 512
"""Levels end with the one whose rows and columns are no more."""

UNITS = {
    "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer",
    "ft": "foot",
}  # fmt: skip
KEPT = ("nodata", "translation")
"""What of a geometry's extra has a place in an OME-Zarr."""


def write(path: Path, output: Output) -> None:
    """Store an image or a mask, whole or not at all.

    Raises:
        FileError: as for `write_streamed`, or there is a palette.
    """
    if output.palette is not None:
        raise FileError("Zarr holds no palette", file=path, found="a palette", mend="write .png, or pass palette=None")
    pixels = output.pixels
    read = lambda channel, window: pixels[(channel, *window)]  # noqa: E731
    write_streamed(
        path, Streamed(pixels.shape, pixels.dtype, read, output.geometry, output.mask, channels=output.channels)
    )


def write_streamed(path: Path, output: Streamed) -> None:
    """Store numbers that are never in memory together, as OME-Zarr 0.5 (Zarr 3, zstd, sharded).

    Each level halves rows and columns, not planes: of labels, the most frequent of four stands for them (of equally
    frequent ones the first); of a mask of colours, the first of four; of anything else, their mean.

    Args:
        path: where the folder shall stand.
        output: asked for one piece after the other, channel by channel.

    Raises:
        FileError: Zarr cannot hold this geometry, or the disk is full.
    """
    check_streamed(path, output)
    zarr = load("zarr", "zarr")
    with replacing_folder(path) as temporary:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=3)
        array = _level(group, 0, output, output.shape)
        for channel, window in _pieces(output.shape):
            array[_index(output.shape, channel, window)] = output.read(channel, window).reshape(_sizes(window))
        number = 0
        while max(array.shape[-2:]) > SMALLEST:
            number += 1
            array = _halved(group, number, array, output)
        group.update_attributes({"ome": _metadata(path, output, number + 1)})


def check_streamed(path: Path, output: Streamed) -> None:
    """Refuse what an OME-Zarr cannot hold, before there is anything to be written.

    Raises:
        FileError: this reference system or unit.
        MissingExtra: zarr is not installed.
    """
    load("zarr", "zarr")
    _metadata(path, output, 1)


def _level(group: Any, number: int, output: Streamed, shape: tuple[int, ...]) -> Any:
    """An empty array for one level."""
    spatial = tuple(min(side, extent) for side, extent in zip(CHUNK[len(shape) - 1], shape[1:], strict=True))
    lead = (1,) if shape[0] > 1 else ()
    wide = min(ACROSS, -(-shape[-1] // spatial[-1]))
    nodata = output.geometry.nodata
    fill = 0 if nodata is None else nodata
    return group.create_array(
        str(number),
        shape=shape if lead else shape[1:],
        dtype=output.dtype,
        chunks=(*lead, *spatial),
        shards=(*lead, *spatial[:-1], spatial[-1] * wide) if wide > 1 else None,
        compressors=load("zarr", "zarr").codecs.ZstdCodec(level=3),
        fill_value=output.dtype.type(fill) if holds(output.dtype, fill) else output.dtype.type(0),
        dimension_names=_axes(shape),
        attributes={} if nodata is None else {"_FillValue": _as_json(nodata)},
    )


def _as_json(number: float) -> float | str:
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else str(number)
    return int(number) if number == int(number) else number


def _axes(shape: tuple[int, ...]) -> tuple[str, ...]:
    return (*("c" * (shape[0] > 1)), *"zyx"[-(len(shape) - 1) :])


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[int, Window]]:
    """Channel and window of one file (shard) after the other."""
    *others, columns = CHUNK[len(shape) - 1]
    sides = (*others, columns * ACROSS)
    for channel in range(shape[0]):
        for starts in product(*(range(0, extent, side) for extent, side in zip(shape[1:], sides, strict=True))):
            window = zip(starts, sides, shape[1:], strict=True)
            yield channel, tuple(slice(start, min(start + side, extent)) for start, side, extent in window)


def _index(shape: tuple[int, ...], channel: int, window: Window) -> tuple[int | slice, ...]:
    return (channel, *window) if shape[0] > 1 else window


def _sizes(window: Window) -> list[int]:
    return [part.stop - part.start for part in window]


def _halved(group: Any, number: int, finer: Any, output: Streamed) -> Any:
    """The next level, made of the one before."""
    lead = finer.shape[:-2] if output.shape[0] > 1 else (1, *finer.shape[:-2])
    extents = finer.shape[-2:]
    shape = (*lead, *(-(-extent // 2) for extent in extents))
    array = _level(group, number, output, shape)
    coloured = output.mask and output.shape[0] > 1
    reduce = _first if coloured else _most_frequent if output.mask else _mean
    for channel, window in _pieces(shape):
        twice = [slice(2 * p.start, min(2 * p.stop, n)) for p, n in zip(window[-2:], extents, strict=True)]
        numbers = np.asarray(finer[_index(shape, channel, (*window[:-2], *twice))])
        odd = [(0, 0)] * (numbers.ndim - 2) + [(0, size % 2) for size in numbers.shape[-2:]]
        numbers = np.pad(numbers, odd, mode="edge")
        four = np.stack([numbers[..., row::2, column::2] for row in (0, 1) for column in (0, 1)])
        array[_index(shape, channel, window)] = reduce(four)
    return array


def _first(four: Array) -> Array:
    first: Array = four[0]
    return first


def _most_frequent(four: Array) -> Array:
    """Of four numbers at each place (4 …), the most frequent; of equally frequent ones the first."""
    counts = (four[:, None] == four[None]).sum(1, dtype=np.uint8)
    chosen: Array = np.take_along_axis(four, counts.argmax(0)[None], 0)[0]
    return chosen


def _mean(four: Array) -> Array:
    """Of four numbers at each place, the mean of those that are any (not NaN), in their own type."""
    if four.dtype.kind != "f":
        exact = four.astype(np.float64).mean(0)
        rounded: Array = (np.rint(exact) if four.dtype.kind in "ui" else exact >= 0.5).astype(four.dtype)
        return rounded
    known = ~np.isnan(four)
    count = known.sum(0)
    total = np.where(known, four, 0).sum(0, dtype=np.float64)
    mean: Array = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(four.dtype)
    return mean


def _metadata(path: Path, output: Streamed, levels: int) -> dict[str, Any]:
    """The `ome` attributes."""
    geometry, dims = output.geometry, len(output.shape) - 1
    _check_geometry(path, geometry, dims)
    kinds = {"c": "channel"}
    unit = {"unit": UNITS[geometry.unit]} if geometry.unit in UNITS and geometry.spacing else {}
    axes: list[dict[str, str]] = [
        {"name": axis, "type": kinds.get(axis, "space"), **({} if axis == "c" else unit)}
        for axis in _axes(output.shape)
    ]
    coloured = output.mask and output.shape[0] > 1
    multiscale = {
        "name": path.stem,
        "axes": axes,
        "datasets": [{"path": str(n), "coordinateTransformations": _transforms(output, n)} for n in range(levels)],
        "type": "nearest" if coloured else "mode" if output.mask else "mean",
    }
    metadata: dict[str, Any] = {"version": "0.5", "multiscales": [multiscale]}
    if output.channels is not None:
        metadata["omero"] = {"channels": [_channel(name, output.dtype) for name in output.channels]}
    return metadata


def _transforms(output: Streamed, level: int) -> list[dict[str, Any]]:
    """Scale, and where the centre of the level's first pixel lies."""
    dims = len(output.shape) - 1
    spacing = output.geometry.spacing or (1.0,) * dims
    place = output.geometry.extra.get("translation", (0.0,) * dims)
    factors = [1] * (dims - 2) + [2**level] * 2
    lead = len(_axes(output.shape)) - dims
    scale = [float(size * factor) for size, factor in zip(spacing, factors, strict=True)]
    shift = [float(at + size * (f - 1) / 2) for at, size, f in zip(place, spacing, factors, strict=True)]
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [1.0] * lead + scale}]
    if any(shift):
        transforms.append({"type": "translation", "translation": [0.0] * lead + shift})
    return transforms


def _channel(name: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    low, high = (0.0, 1.0) if dtype.kind not in "ui" else (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    return {"label": name, "color": "FFFFFF", "window": {"min": low, "max": high, "start": low, "end": high}}


def _check_geometry(path: Path, geometry: Geometry, dims: int) -> None:
    strange = [key for key in geometry.extra if key not in KEPT]
    if strange:
        raise FileError(
            "Zarr cannot hold this reference system",
            file=path,
            found=", ".join(strange),
            expected="spacing",
            mend="write .tif, which keeps it, or pass a geometry with its spacing only",
        )
    spacing = geometry.spacing
    if spacing is not None and (len(spacing) != dims or geometry.unit not in (*UNITS, "px")):
        raise FileError(
            "the spacing does not fit the image",
            file=path,
            found=f"{spacing} {geometry.unit}",
            expected=f"{dims} numbers in one of {', '.join(UNITS)}",
            mend="convert the spacing, or pass geometry=None to drop it",
        )
