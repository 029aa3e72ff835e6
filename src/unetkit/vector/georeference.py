"""From pixels to places on the Earth, by the tags of a GeoTIFF.

Source: OGC GeoTIFF 1.1, sections 7.1 (keys) and B.6 (from raster to model space).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError
from unetkit.image import Geometry

MODEL_TYPE, RASTER_TYPE, GEOGRAPHIC_SYSTEM, PROJECTED_SYSTEM = 1024, 1025, 2048, 3072
PIXEL_IS_POINT = 2
USER_DEFINED = 32767
WGS84 = 4326

Places = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Georeference:
    """Where the corners of pixels lie.

    Args:
        matrix: 2 3, (column, row, 1) to (x, y), of which (0, 0) is the upper left corner of the first pixel.
        epsg: code of the coordinate system that x and y are in.

    Example:
        >>> Georeference(np.array([[10.0, 0, 500000], [0, -10, 4649776]]), 32632).places(np.array([[1, 2]])).tolist()
        [[500010.0, 4649756.0]]
    """

    matrix: Places
    epsg: int

    @property
    def mirrored(self) -> bool:
        """Whether what runs clockwise in the image, rows counted downwards, runs clockwise on a map, y upwards."""
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)

    def places(self, points: npt.NDArray[Any]) -> Places:
        """P 2 (column, row) to P 2 (x, y) in the coordinate system."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2], np.float64)

    def on_earth(self, points: npt.NDArray[Any]) -> Places:
        """P 2 (column, row) to P 2 (longitude, latitude) in degrees of WGS 84; from other systems by rasterio.

        Raises:
            InputError: a corner has no place there.
        """
        places = self.places(points)
        if self.epsg != WGS84:
            from rasterio.warp import transform

            places = np.stack(transform(f"EPSG:{self.epsg}", f"EPSG:{WGS84}", *places.T.tolist()), axis=1)
        if not np.isfinite(places).all():
            raise InputError("the image reaches beyond its coordinate system", found=f"EPSG:{self.epsg}")
        return places

    def reaches_earth(self) -> bool:
        """Whether `on_earth` can be asked here."""
        return self.epsg == WGS84 or find_spec("rasterio") is not None


def georeference_of(geometry: Geometry) -> Georeference | None:
    """What the geo tags of an image say, or None where it has none.

    Raises:
        InputError: they do not place the pixels, or the coordinate system has no EPSG code.

    Example:
        >>> georeference_of(Geometry()) is None
        True
    """
    tags = geometry.extra.get("geotiff")
    if tags is None:
        return None
    directory = tags.get("GeoKeyDirectory", ())
    keys = {directory[i]: directory[i + 3] for i in range(4, len(directory) - 3, 4) if directory[i + 1] == 0}
    epsg = keys.get(PROJECTED_SYSTEM, keys.get(GEOGRAPHIC_SYSTEM, USER_DEFINED))
    matrix = _matrix(tags)
    if matrix is None or epsg in (0, USER_DEFINED):
        raise InputError(
            "the geo tags do not say where the pixels lie",
            found=", ".join(tags) if matrix is None else "a coordinate system without EPSG code",
            expected="scale and one tie point, or a transformation; and an EPSG code",
            mend="gdalwarp -t_srs EPSG:4326, or name the format qupath, which is in pixels",
        )
    if keys.get(RASTER_TYPE) == PIXEL_IS_POINT:  # the tags then place centres of pixels
        matrix[:, 2] -= matrix[:, :2] @ (0.5, 0.5)
    return Georeference(matrix, int(epsg))


def _matrix(tags: dict[str, Any]) -> Places | None:
    scale, point, whole = (tags.get(f"Model{name}", ()) for name in ("PixelScale", "Tiepoint", "Transformation"))
    if len(whole) == 16:
        return np.array(whole, np.float64).reshape(4, 4)[:2, [0, 1, 3]]
    if len(scale) < 2 or len(point) != 6:
        return None
    column, row, _, x, y, _ = point
    return np.array([[scale[0], 0, x - column * scale[0]], [0, -scale[1], y + row * scale[1]]], np.float64)
