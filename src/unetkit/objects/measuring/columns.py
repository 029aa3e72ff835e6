"""From what was seen of objects to the columns of their table, each with its definition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from unetkit.image import SPATIAL_AXES
from unetkit.objects.measuring.accumulate import Sums
from unetkit.objects.measuring.corners import perimeter
from unetkit.objects.measuring.intensity import Intensity
from unetkit.objects.measuring.runs import Floats, Integers
from unetkit.objects.measuring.table import Column

DEFINITIONS: dict[str, str] = {
    "image": "Name of the label file: its path below the folder, without suffix.",
    "id": "The object's number in the label file; of masks of classes, 1, 2, … in each image.",
    "class": "Name of its class.",
    "centroid_AXIS_UNIT": "Mean position of its pixels; the centre of the first pixel is 0.",
    "AXIS_start_UNIT": "Bounding box: first row (plane, column), counted from 0; in a unit, the edge of that pixel.",
    "AXIS_stop_UNIT": "Bounding box: last row plus one; in a unit, the far edge of the last pixel.",
    "area_UNIT": "Number of pixels, times the area of one.",
    "volume_UNIT": "Number of voxels, times the volume of one.",
    "perimeter_UNIT": "Length of the outline, holes included: Crofton's formula in four directions (Lehmann and "
    "Legland 2012), in pixels scikit-image's `perimeter_crofton`.",
    "surface_UNIT": "Area of the surface, cavities included: marching cubes at 0.5 (Lewiner et al. 2003). Of a ball it "
    "is 8 to 9 % too large.",
    "equivalent_diameter_UNIT": "Diameter of the disc of the same area (ball of the same volume).",
    "axis_major_UNIT": "Longest axis of the ellipse (ellipsoid) with the same second moments.",
    "axis_middle_UNIT": "Its middle axis.",
    "axis_minor_UNIT": "Its shortest axis.",
    "orientation_deg": "Angle from the row axis (down) to the major axis, −90 to 90, towards the column axis; unknown "
    "where the object has no direction.",
    "direction_AXIS": "Unit vector along the major axis, its first non-zero number positive; unknown where there "
    "is none.",
    "eccentricity": "√(1 − minor² / major²): 0 of a disc, towards 1 of a line; unknown for a single pixel.",
    "solidity": "Share of the pixels in the convex hull that belong to the object. In the plane the hull is that of "
    "the pixels' centres (counted by Pick's theorem), in volumes scikit-image's `convex_hull_image`.",
    "pieces": "Connected parts; pixels that touch at a corner are connected.",
    "holes": "Parts of the background that the object closes off; what lies in them does not matter.",
    "tunnels": "Ways through the object: pieces + holes − Euler number.",
    "euler": "Euler number: pieces − holes; in volumes pieces − tunnels + holes.",
    "mean_CHANNEL": "Mean of the channel's pixels in the object. Pixels without data do not count, here and below.",
    "median_CHANNEL": "Their median.",
    "std_CHANNEL": "Their standard deviation (of all pixels, not of a sample).",
    "min_CHANNEL": "Their smallest value.",
    "max_CHANNEL": "Their largest value.",
    "neighbours": "Number of objects that touch it, corners included.",
    "neighbour_ids": "Their ids, with spaces between them.",
    "nearest_centroid_UNIT": "Distance from its centroid to the nearest other centroid in the image.",
    "touches_border": "Whether it reaches the border of the image, where it may have been cut.",
    "skeleton_length_UNIT": "Of thin classes: length of the skeleton with all branches, out to the outline at each end "
    "(Vossepoel and Smeulders 1982).",
    "width_UNIT": "Of thin classes: area / skeleton length; in volumes the diameter of the cylinder of that volume and "
    "length.",
    "branch_points": "Of thin classes: places where three or more branches meet.",
    "end_points": "Of thin classes: ends of branches.",
    "confidence": "Of predicted objects: how sure the network is of it, 0 to 1, the mean over its pixels of the "
    "probability of its class.",
    "removed_by": "The first rule that did not keep it; empty where all did.",
}
"""Every column, with AXIS, UNIT and CHANNEL for what is filled in; the tests and the reference run over it."""


def definition_of(name: str) -> str | None:
    """The pattern in `DEFINITIONS` that a column's name follows, or None.

    Example:
        >>> definition_of("axis_major_um"), definition_of("mean_DAPI"), definition_of("charm")
        ('axis_major_UNIT', 'mean_CHANNEL', None)
    """
    for pattern in DEFINITIONS:
        shape = pattern.replace("AXIS", f"({'|'.join(SPATIAL_AXES)})").replace("CHANNEL", r"\w+")
        if re.fullmatch(shape.replace("UNIT", r"(px|[a-zA-Z_]+\d?)"), name):
            return pattern
    return None


def column_unit(unit: str) -> str:
    """A unit as it stands in the names of columns.

    Example:
        >>> column_unit("us-ft")
        'us_ft'
    """
    return re.sub(r"\W", "_", unit)


@dataclass(frozen=True, slots=True)
class Scale:
    """One of the two measures a length is given in.

    Args:
        unit: "px", or such as "um".
        spacing: of the pixels along each axis, in it.
    """

    unit: str
    spacing: Floats


class Columns:
    """The columns of a table and their units, as they are made.

    Args:
        sums: what was seen, of the objects that shall be in the table.
        extent: shape of the image.
        spacing: of its pixels, None where unknown.
        unit: of the spacing.
    """

    def __init__(self, sums: Sums, extent: tuple[int, ...], spacing: Sequence[float] | None, unit: str) -> None:
        self.sums, self.extent = sums, extent
        self.axes = SPATIAL_AXES[-len(extent) :]
        self.scales = [Scale("px", np.ones(len(extent)))]
        if spacing is not None:
            self.scales.append(Scale(column_unit(unit), np.asarray(spacing, np.float64)))
        self.columns: dict[str, Column] = {}
        self.units: dict[str, str] = {}

    def add(self, name: str, scale: Scale, values: Floats, power: int = 1) -> None:
        """A column of lengths (areas, volumes) in one measure; pixels are always called px."""
        unit = scale.unit if power == 1 or scale.unit == "px" else f"{scale.unit}{power}"
        self.columns[f"{name}_{unit}"] = values
        self.units[f"{name}_{unit}"] = unit

    def places(self) -> None:
        """Centroids and bounding boxes."""
        shape = self.sums.shape
        for scale in self.scales:
            for axis, name in enumerate(self.axes):
                self.add(f"centroid_{name}", scale, shape.mean[:, axis] * scale.spacing[axis])
        for scale in self.scales:
            for axis, name in enumerate(self.axes):
                step, edge = scale.spacing[axis], 0.0 if scale.unit == "px" else 0.5
                self.add(f"{name}_start", scale, (shape.low[:, axis] - edge) * step)
                self.add(f"{name}_stop", scale, (shape.high[:, axis] - edge) * step)

    def sizes(self) -> None:
        """Area and perimeter, or volume and surface, and the diameter of a round object of that size."""
        area, axes = self.sums.shape.area, len(self.axes)
        size, border = ("area", "perimeter") if axes == 2 else ("volume", "surface")
        for scale in self.scales:
            self.add(size, scale, area * scale.spacing.prod(), axes)
        for number, scale in enumerate(self.scales):
            if axes == 2:
                row, column = scale.spacing.tolist()
                length = perimeter(self.sums.corners[:, 1:], (row, column))
            else:
                length = self.sums.corners[:, 1 + number]
            self.add(border, scale, length, axes - 1)
        for scale in self.scales:
            scaled = area * scale.spacing.prod()
            diameter = 2 * np.sqrt(scaled / np.pi) if axes == 2 else np.cbrt(6 * scaled / np.pi)
            self.add("equivalent_diameter", scale, diameter)

    def forms(self) -> None:
        """Axes, direction and eccentricity of the ellipse with the same second moments; in the unit, if any."""
        names = ("major", "middle", "minor") if len(self.axes) == 3 else ("major", "minor")
        factor = 2 * np.sqrt(len(self.axes) + 2)
        for scale in self.scales:
            covariance = self.sums.shape.scatter / np.maximum(self.sums.shape.area, 1)[:, None, None]
            values, vectors = np.linalg.eigh(covariance * np.outer(scale.spacing, scale.spacing))
            lengths = factor * np.sqrt(np.clip(values[:, ::-1], 0, None))
            for axis, name in enumerate(names):
                self.add(f"axis_{name}", scale, lengths[:, axis])
        # what follows has no unit, and is that of the last scale: of the true lengths where they are known
        lost = lengths[:, 0] - lengths[:, 1] <= 1e-9 * np.maximum(lengths[:, 0], 1e-300)
        along = vectors[:, :, -1].copy()
        along[lost] = np.nan
        if len(self.axes) == 2:
            angle = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
            self.columns["orientation_deg"] = np.where(
                angle > 90, angle - 180, np.where(angle <= -90, angle + 180, angle)
            )
            self.units["orientation_deg"] = "deg"
        else:
            sign = np.sign(
                np.where(along[:, 0] != 0, along[:, 0], np.where(along[:, 1] != 0, along[:, 1], along[:, 2]))
            )
            for axis, name in enumerate(self.axes):
                self.columns[f"direction_{name}"] = along[:, axis] * sign
        ratio = np.divide(lengths[:, -1], lengths[:, 0], out=np.full(len(along), np.nan), where=lengths[:, 0] > 0)
        self.columns["eccentricity"] = np.sqrt(1 - ratio**2)

    def topology(self) -> None:
        """Solidity, pieces, holes, Euler number."""
        sums = self.sums
        self.columns["solidity"] = sums.shape.area / sums.hull
        euler = np.rint(sums.corners[:, 0])
        self.columns["pieces"] = sums.pieces
        if len(self.axes) == 2:
            self.columns["holes"] = sums.pieces - euler.astype(np.int64)
        else:
            self.columns["holes"] = sums.cavities
            self.columns["tunnels"] = sums.pieces + sums.cavities - euler
        self.columns["euler"] = euler.astype(np.int64)

    def intensities(self, names: Sequence[str]) -> None:
        """Five numbers a channel."""
        for name, one in zip(names, self.sums.channels, strict=True):
            numbers = {"mean": one.mean, "median": one.median, "std": one.std, "min": one.low, "max": one.high}
            self.columns |= {f"{what}_{name}": values for what, values in numbers.items()}

    def surroundings(self, ids: Column) -> None:
        """Touching neighbours, the nearest centroid, and whether the image cuts the object.

        Args:
            ids: of the objects, in the order of the rows.
        """
        count, pairs = len(ids), self.sums.neighbours
        both = np.concatenate([pairs, pairs[:, ::-1]])
        both = both[np.lexsort((both[:, 1], both[:, 0]))]
        number = np.bincount(both[:, 0], minlength=count)
        self.columns["neighbours"] = number.astype(np.int64)
        texts = ids[both[:, 1]].astype(str).tolist()
        ends = [0, *np.cumsum(number).tolist()]
        listed = [" ".join(texts[start:end]) for start, end in pairwise(ends)]
        self.columns["neighbour_ids"] = np.array(listed, object)
        for scale in self.scales:
            self.add("nearest_centroid", scale, _nearest(self.sums.shape.mean * scale.spacing))
        shape = self.sums.shape
        self.columns["touches_border"] = ((shape.low == 0) | (shape.high == np.array(self.extent))).any(1)

    def skeletons(self) -> None:
        """Length, width, branch and end points of thin objects."""
        area = self.sums.shape.area
        lengths = [self.sums.skeleton[:, 0], self.sums.skeleton[:, 3]]
        for scale, length in zip(self.scales, lengths, strict=False):
            self.add("skeleton_length", scale, length)
        for scale, length in zip(self.scales, lengths, strict=False):
            across = area * scale.spacing.prod() / length
            self.add("width", scale, across if len(self.axes) == 2 else 2 * np.sqrt(across / np.pi))
        self.columns["branch_points"] = self.sums.skeleton[:, 1]
        self.columns["end_points"] = self.sums.skeleton[:, 2]


def only(sums: Sums, kept: npt.NDArray[np.bool_]) -> Sums:
    """What was seen of some of the objects (bool n); pairs of neighbours become positions among them."""
    shape = type(sums.shape)(*(getattr(sums.shape, f)[kept] for f in ("area", "low", "high", "mean", "scatter")))
    fields = ("count", "mean", "scatter", "low", "high", "median")
    channels = [Intensity(*(getattr(one, name)[kept] for name in fields)) for one in sums.channels]
    position: Integers = np.cumsum(kept) - 1
    pairs = position[sums.neighbours - 1]
    return Sums(
        shape, sums.corners[kept], sums.bands[kept], channels, sums.hull[kept], sums.cavities[kept],
        sums.skeleton[kept], sums.pieces[kept], pairs,
    )  # fmt: skip


def _nearest(points: Floats) -> Floats:
    if len(points) < 2:
        return np.full(len(points), np.nan)
    distance, _ = cKDTree(points).query(points, k=2)
    return np.asarray(distance[:, 1], np.float64)
