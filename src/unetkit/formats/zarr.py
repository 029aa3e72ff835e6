"""Zarr: arrays in chunks, in a folder; OME-Zarr 0.4 and 0.5, and plain arrays. Needs the extra `zarr`.

A chunk that is not there stands for the array's fill value, as Zarr has it; it costs nothing to read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError
from unetkit.extras import load
from unetkit.formats.content import FOLDER, check_layout
from unetkit.formats.format import Format, Layout, Stored, Window
from unetkit.formats.windows import window_as_stored
from unetkit.formats.zarr_metadata import Found, find_image
from unetkit.formats.zarr_write import check_streamed, write, write_streamed
from unetkit.image import Array

MARKS = {b"zarr.json", b".zgroup", b".zarray"}


def _matches(head: bytes) -> bool:
    return head.startswith(FOLDER) and not MARKS.isdisjoint(head.removeprefix(FOLDER).split(b"\n"))


def _open(path: Path) -> tuple[Found, Layout]:
    zarr = load("zarr", "zarr")
    found = find_image(path, zarr.open(str(path), mode="r"))
    if "pickle" in str(found.array.metadata.to_dict()):
        raise FileError(
            "holds pickled Python objects, which can run programs when loaded",
            file=path,
            found="the codec pickle",
            expected="numbers",
            mend="save the array without it",
        )
    sizes = dict(zip(found.axes, found.array.shape, strict=True))
    planes = (sizes["z"],) if sizes.get("z", 1) > 1 else ()
    layout = Layout(
        shape=(sizes.get("c", 1), *planes, sizes["y"], sizes["x"]),
        dtype=np.dtype(found.array.dtype).newbyteorder("="),
        geometry=found.geometry if planes or "z" not in sizes else _flat(found),
        channels=found.channels,
        notes=found.notes,
    )
    return found, check_layout(path, layout)


def _flat(found: Found) -> Any:
    """The geometry of an image whose volume is one plane."""
    geometry = found.geometry
    extra = dict(geometry.extra)
    if "translation" in extra:
        extra["translation"] = extra["translation"][1:]
    return replace(geometry, spacing=geometry.spacing and geometry.spacing[1:], extra=extra)


def _numbers(found: Found, layout: Layout, window: Window) -> Array:
    """C *window of the stored image, whatever the order of its axes."""
    parts = {"t": slice(0, 1), "c": slice(0, layout.shape[0]), "z": slice(0, 1)}
    parts |= dict(zip("zyx"[-len(window) :], window, strict=True))
    numbers = np.asarray(found.array[tuple(parts[axis] for axis in found.axes)])
    order = sorted(range(len(found.axes)), key=lambda axis: "tczyx".index(found.axes[axis]))
    sizes = [part.stop - part.start for part in window]
    return np.ascontiguousarray(numbers.transpose(order), layout.dtype).reshape(layout.shape[0], *sizes)


def header(path: Path) -> Layout:
    """What the folder says about its pixels."""
    return _open(path)[1]


def read(path: Path) -> Stored:
    """All numbers of the largest level."""
    found, layout = _open(path)
    return Stored(layout, _numbers(found, layout, tuple(slice(0, extent) for extent in layout.shape[1:])))


def read_window(path: Path, window: Window) -> Stored:
    """The numbers of a window; only the chunks that it touches are read."""
    found, layout = _open(path)
    return Stored(layout, _numbers(found, layout, window_as_stored(window, layout)))


ZARR = Format(
    name="zarr",
    suffixes=(".zarr",),
    matches=_matches,
    header=header,
    read=read,
    read_window=read_window,
    write=write,
    write_streamed=write_streamed,
    check_streamed=check_streamed,
    folder=True,
)
