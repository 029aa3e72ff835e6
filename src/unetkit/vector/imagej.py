"""Objects as regions of interest of ImageJ: a zip that its ROI Manager opens.

Source: ij.io.RoiEncoder and RoiDecoder of ImageJ 1.54. Numbers are big-endian. An object in one piece without holes is
a traced polygon, any other a composite of its rings, holes running the other way round.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt

from unetkit.errors import FileError
from unetkit.image import Geometry
from unetkit.objects.outline import Outline, Ring
from unetkit.vector.format import Add, ImageObjects, Say

VERSION = 228
RECTANGLE, TRACED = 1, 7  # composites are stored as rectangles with rings behind them
HEADER, HEADER_2 = 64, 64
LONGEST_SIDE = np.iinfo(np.int16).max
MOST_CORNERS = np.iinfo(np.uint16).max
MOVE, LINE, CLOSE = 0.0, 1.0, 4.0


@contextmanager
def draw_imagej(image: ImageObjects, path: Path, say: Say) -> Iterator[Add]:
    """Begin a zip of regions, called "0012 cell" after the object's number and class, in the colour of the class.

    Raises:
        FileError: a side of the image is longer than 32767 pixels, ImageJ's largest coordinate.
    """
    del say
    require_short_sides(image.name, image.size, image.geometry)
    digits = max(4, len(str(image.objects.count)))
    with ZipFile(path, "w", ZIP_DEFLATED) as file:

        def add(outline: Outline) -> None:
            kind = image.class_of(outline.id)
            name = f"{outline.id:0{digits}d} {image.classes.names[kind]}"
            entry = ZipInfo(f"{name.replace('/', '_')}.roi")  # of 1980, so that the same objects give the same bytes
            entry.compress_type = ZIP_DEFLATED
            file.writestr(entry, encode_roi(outline, name, image.classes.colours[kind]))

        yield add


def require_short_sides(name: str, shape: tuple[int, ...], geometry: Geometry) -> None:
    """Refuse images larger than ImageJ's coordinates reach.

    Raises:
        FileError: a side is longer than 32767 pixels.
    """
    del geometry
    if max(shape) > LONGEST_SIDE:
        raise FileError(
            "ImageJ's regions do not reach so far",
            file=name,
            found=f"{' × '.join(map(str, shape))} pixels",
            expected=f"sides of at most {LONGEST_SIDE}",
            mend="name the format qupath, or cut the image",
        )


def encode_roi(outline: Outline, name: str, colour: tuple[int, int, int]) -> bytes:
    """One region as the bytes of a .roi file.

    Args:
        outline: of the object; coordinates up to 32767.
        name: that the ROI Manager shows.
        colour: red, green and blue of the line.

    Example:
        >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.int32)
        >>> encode_roi(Outline(1, ((square,),), 1), "1", (255, 0, 0))[:4]
        b'Iout'
    """
    left, top, right, bottom = outline.box
    rings = [ring for polygon in outline.polygons for ring in polygon]
    plain = len(rings) == 1 and len(rings[0]) <= MOST_CORNERS
    if plain:
        body = (rings[0] - (left, top)).T.astype(">i2").tobytes()
    else:
        shape = np.concatenate([_shape(ring) for ring in rings])
        body = shape.astype(">f4").tobytes()
    header = bytearray(HEADER)
    struct.pack_into(">4sHBx4h", header, 0, b"Iout", VERSION, TRACED if plain else RECTANGLE, top, left, bottom, right)
    struct.pack_into(">H", header, 16, len(rings[0]) if plain else 0)
    struct.pack_into(">i", header, 36, 0 if plain else len(shape))
    struct.pack_into(">4B", header, 40, 255, *colour)
    struct.pack_into(">i", header, 60, HEADER + len(body))
    letters = name.encode("utf-16-be")
    more = bytearray(HEADER_2)
    struct.pack_into(">ii", more, 16, HEADER + len(body) + HEADER_2, len(letters) // 2)
    return bytes(header) + body + bytes(more) + letters


def _shape(ring: Ring) -> npt.NDArray[np.float32]:
    """A ring as a path of java.awt: move, lines, close."""
    steps = np.empty((len(ring), 3), np.float32)
    steps[:, 0], steps[:, 1:] = LINE, ring
    steps[0, 0] = MOVE
    return np.append(steps.reshape(-1), np.float32(CLOSE))
