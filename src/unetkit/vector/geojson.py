"""Objects as GeoJSON: in pixels for QuPath, in map coordinates for geographic information systems.

Sources: RFC 7946; qupath.readthedocs.io, "Exporting annotations" (objectType, classification, measurements).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.errors import FileError, InputError
from unetkit.image import Geometry
from unetkit.objects.outline import Outline, Ring
from unetkit.vector.format import Add, ImageObjects, Say
from unetkit.vector.georeference import Georeference, georeference_of

GEOGRAPHIC = range(4000, 5000)
"""EPSG's codes of most systems in degrees; their coordinates need more digits than lengths do."""

TOGETHER = 1024
"""Objects whose corners are brought into another coordinate system at a time."""


@contextmanager
def draw_qupath(image: ImageObjects, path: Path, say: Say) -> Iterator[Add]:
    """Begin a GeoJSON of detections in pixels, y down, as QuPath opens it by dropping it onto the image."""
    del say
    colours = image.classes.colours
    with _collection(path, {}) as write:

        def add(outline: Outline) -> None:
            kind = {"name": image.class_name(outline.id), "color": list(colours[image.class_of(outline.id)])}
            about = {"objectType": "detection", "name": str(outline.id), "classification": kind}
            write(outline, np.ndarray.tolist, {**about, "measurements": image.values(outline.id)})

        yield add


@contextmanager
def draw_geojson(image: ImageObjects, path: Path, say: Say) -> Iterator[Add]:
    """Begin a GeoJSON in longitude and latitude of WGS 84, as RFC 7946 wants it.

    Where rasterio is not installed it is in the image's own coordinate system, and the file says which (member "crs" of
    GeoJSON 2008, which QGIS and GDAL understand).

    Raises:
        FileError: the image has no geo-reference that can be used.
    """
    place = require_place(image.name, image.size, image.geometry)
    known = place.reaches_earth()
    system = {} if known else {"crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{place.epsg}"}}}
    if not known:
        say(
            f"geojson: coordinates of {image.name} are in EPSG:{place.epsg}, as its member 'crs' says; "
            "for longitude and latitude: pip install 'unetkit[geo]'"
        )
    decimals = 9 if known or place.epsg in GEOGRAPHIC else 4  # a tenth of a millimetre

    with _collection(path, system) as write:
        waiting: list[Outline] = []

        def flush() -> None:
            rings = [ring for one in waiting for polygon in one.polygons for ring in polygon]
            if place.mirrored:  # outer rings run anticlockwise on the map
                rings = [ring[::-1] for ring in rings]
            corners = np.concatenate([*rings, np.zeros((0, 2))])
            placed = (place.on_earth(corners) if known else place.places(corners)).round(decimals)
            each = iter(np.split(placed, np.cumsum([len(ring) for ring in rings])[:-1]))
            for one in waiting:
                about = {"object": one.id, "class": image.class_name(one.id), "pixels": one.area}
                write(one, lambda ring: next(each).tolist(), {**about, **image.values(one.id)})
            waiting.clear()

        def add(outline: Outline) -> None:
            waiting.append(outline)
            if len(waiting) == TOGETHER:
                flush()

        yield add
        flush()


def require_place(name: str, shape: tuple[int, ...], geometry: Geometry) -> Georeference:
    """Where an image lies on the map.

    Raises:
        FileError: it has no geo-reference, or none that can be used.
    """
    del shape
    try:
        place = georeference_of(geometry)
    except InputError as error:
        raise FileError(error.what, file=name, found=error.found, expected=error.expected, mend=error.mend) from error
    if place is None:
        raise FileError(
            "has no geo-reference, so its objects have no map coordinates",
            file=name,
            expected="a GeoTIFF",
            mend="name the image with --images, or name the format qupath, which is in pixels",
        )
    return place


@contextmanager
def _collection(path: Path, system: dict[str, Any]) -> Iterator[Callable[[Outline, Callable[[Ring], Any], Any], None]]:
    """A FeatureCollection that is written object by object."""
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        head = json.dumps({"type": "FeatureCollection", **system})
        file.write(f'{head[:-1]}, "features": [')

        def write(outline: Outline, coordinates: Callable[[Ring], Any], properties: Any) -> None:
            nonlocal written
            pieces = [[_closed(coordinates(ring)) for ring in polygon] for polygon in outline.polygons]
            single = len(pieces) == 1
            geometry = {"type": "Polygon" if single else "MultiPolygon", "coordinates": pieces[0] if single else pieces}
            feature = {"type": "Feature", "geometry": geometry, "properties": properties}
            file.write((",\n" if written else "\n") + json.dumps(feature, ensure_ascii=False))
            written += 1

        yield write
        file.write("\n]}\n")


def _closed(points: list[Any]) -> list[Any]:
    return [*points, points[0]]
