"""What a TIFF says about where its pixels lie and what its channels are called."""

from __future__ import annotations

from math import hypot
from typing import Any
from xml.etree import ElementTree

from unetkit.formats.spacing import finer_than_devices, known_unit
from unetkit.image import Geometry

GEO_TAGS: dict[str, tuple[int, str]] = {
    "ModelPixelScale": (33550, "d"),
    "ModelTiepoint": (33922, "d"),
    "ModelTransformation": (34264, "d"),
    "GeoKeyDirectory": (34735, "H"),
    "GeoDoubleParams": (34736, "d"),
    "GeoAsciiParams": (34737, "s"),
}
"""The tags of a geo-reference, as `Geometry.extra["geotiff"]` names them: code and type."""

GDAL_METADATA, GDAL_NODATA = 42112, 42113
MODEL_TYPE, PROJECTED_SYSTEM, LINEAR_UNIT = 1024, 3072, 3076
PROJECTED = 1
LINEAR_UNITS = {9001: "m", 9002: "ft", 9003: "us-ft"}
METRIC_SYSTEMS = (3857, *range(32601, 32661), *range(32701, 32761))  # web Mercator, UTM north and south
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
UM_PER_UNIT = {2: 25400.0, 3: 10000.0}  # inch, centimetre


def read_geometry(tiff: Any, kind: str, *, spatial_dims: int) -> Geometry:
    """Spacing and geo-reference of an open TIFF.

    Geo tags come first, then OME, then ImageJ, then bare resolution tags as far as they can be believed. A raster in
    degrees has no spacing: a degree is not one length.

    Args:
        tiff: tifffile's open file.
        kind: tifffile's name of the metadata that gave the axes.
        spatial_dims: 2 or 3.

    Returns:
        The geometry; geo tags stand in `extra["geotiff"]`, a value for missing data in `extra["nodata"]`.
    """
    tags = tiff.pages.first.tags
    extra: dict[str, Any] = {}
    geo = {name: _plain(tags.valueof(code)) for name, (code, _) in GEO_TAGS.items() if tags.get(code) is not None}
    nodata = _number(tags.valueof(GDAL_NODATA))
    if nodata is not None:
        extra["nodata"] = nodata
    if geo:
        extra["geotiff"] = geo
        return Geometry(*_geo_spacing(geo, spatial_dims), extra)
    if kind == "ome":
        return Geometry(*_ome_spacing(tiff.ome_metadata, spatial_dims), extra)
    if kind == "imagej":
        return Geometry(*_imagej_spacing(tiff.imagej_metadata, tags, spatial_dims), extra)
    bare = _bare_spacing(tags) if spatial_dims == 2 else Geometry()
    return Geometry(bare.spacing, bare.unit, extra)


def channel_names(tiff: Any, kind: str, channels: int) -> tuple[str, ...] | None:
    """Names of the channels from OME or GDAL metadata, or None where not every channel has one."""
    names: dict[int, str] = {}
    gdal = tiff.pages.first.tags.valueof(GDAL_METADATA)
    if kind == "ome":
        elements = [e for e in _ome_pixels(tiff.ome_metadata) if e.tag.rpartition("}")[2] == "Channel"]
        names = {i: e.attrib["Name"] for i, e in enumerate(elements) if e.attrib.get("Name")}
    elif isinstance(gdal, str):
        for item in _xml(gdal).iter("Item"):
            if item.attrib.get("name") == "DESCRIPTION" and item.attrib.get("sample", "").isdecimal() and item.text:
                names[int(item.attrib["sample"])] = item.text
    return tuple(names[i] for i in range(channels)) if set(range(channels)) == set(names) else None


def shift_geotiff(tags: dict[str, Any], row: int, column: int) -> dict[str, Any]:
    """The geo tags of a window that starts at this row and column of the whole raster.

    Example:
        >>> shift_geotiff({"ModelTiepoint": (0.0, 0.0, 0.0, 500.0, 900.0, 0.0)}, 2, 3)
        {'ModelTiepoint': (-3.0, -2.0, 0.0, 500.0, 900.0, 0.0)}
    """
    shifted = dict(tags)
    if "ModelTiepoint" in tags:  # points (column, row, plane, x, y, z)
        points = list(tags["ModelTiepoint"])
        points[0::6] = [value - column for value in points[0::6]]
        points[1::6] = [value - row for value in points[1::6]]
        shifted["ModelTiepoint"] = tuple(points)
    if "ModelTransformation" in tags:  # a 4 × 4 matrix, row by row
        matrix = list(tags["ModelTransformation"])
        for start in range(0, 12, 4):
            matrix[start + 3] += matrix[start] * column + matrix[start + 1] * row
        shifted["ModelTransformation"] = tuple(matrix)
    return shifted


def _plain(value: Any) -> Any:
    if isinstance(value, str | bytes):
        return value
    return tuple(value) if hasattr(value, "__iter__") else (value,)


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):  # no such tag, or a text that is no number
        return None


Spacing = tuple[tuple[float, ...] | None, str]
NO_SPACING: Spacing = (None, "px")


def _geo_spacing(geo: dict[str, Any], spatial_dims: int) -> Spacing:
    directory = geo.get("GeoKeyDirectory", ())
    keys = {directory[i]: directory[i + 3] for i in range(4, len(directory) - 3, 4) if directory[i + 1] == 0}
    unit = LINEAR_UNITS.get(keys.get(LINEAR_UNIT, 0))
    if LINEAR_UNIT not in keys and keys.get(PROJECTED_SYSTEM) in METRIC_SYSTEMS:
        unit = "m"
    if keys.get(MODEL_TYPE) != PROJECTED or unit is None or spatial_dims != 2:
        return NO_SPACING
    if len(geo.get("ModelPixelScale", ())) >= 2:
        column, row = geo["ModelPixelScale"][:2]
    elif len(geo.get("ModelTransformation", ())) == 16:
        matrix = geo["ModelTransformation"]
        column, row = hypot(matrix[0], matrix[4]), hypot(matrix[1], matrix[5])
    else:
        return NO_SPACING
    return ((float(row), float(column)), unit) if row > 0 and column > 0 else NO_SPACING


def _xml(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.strip().strip("\0"))


def _ome_pixels(text: str) -> ElementTree.Element:
    return next(element for element in _xml(text).iter() if element.tag.rpartition("}")[2] == "Pixels")


def _ome_spacing(text: str, spatial_dims: int) -> Spacing:
    attributes = _ome_pixels(text).attrib
    sizes, units = [], []
    for axis in "ZYX"[-spatial_dims:]:
        size = _number(attributes.get(f"PhysicalSize{axis}"))
        if size is None or not size > 0:
            return NO_SPACING
        sizes.append(size)
        units.append(attributes.get(f"PhysicalSize{axis}Unit", "µm"))
    if len(set(units)) != 1:
        return NO_SPACING
    unit = known_unit(units[0]) or ("px" if units[0] == "pixel" and len(set(sizes)) > 1 else None)
    return (tuple(sizes), unit) if unit else NO_SPACING


def _imagej_spacing(metadata: dict[str, Any], tags: Any, spatial_dims: int) -> Spacing:
    unit = known_unit(str(metadata.get("unit", "")))
    density = _density(tags)
    if unit is None or density is None:
        return NO_SPACING
    depth = _number(metadata.get("spacing", 1.0))  # ImageJ leaves it out where it is 1
    if spatial_dims == 3 and (depth is None or depth == 0):
        return NO_SPACING
    planes = (abs(depth),) if spatial_dims == 3 and depth is not None else ()
    return (*planes, 1 / density[0], 1 / density[1]), unit


def _bare_spacing(tags: Any) -> Geometry:
    density, um = _density(tags), UM_PER_UNIT.get(int(tags.valueof(RESOLUTION_UNIT, 2) or 0))
    return finer_than_devices(density[0] / um, density[1] / um) if density and um else Geometry()


def _density(tags: Any) -> tuple[float, float] | None:
    """Pixels per unit along rows and columns."""
    values = []
    for code in (Y_RESOLUTION, X_RESOLUTION):
        value = tags.valueof(code)
        if not isinstance(value, tuple) or len(value) != 2 or 0 in value:
            return None
        values.append(value[0] / value[1])
    return values[0], values[1]
