"""What evaluation keeps of the objects of each image: what they are like, and pictures of what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.counting import Extent, Summary, summarise, summary_rows
from unetkit.evaluation import shared_groups
from unetkit.image import Image
from unetkit.measuring.labels import extent_of
from unetkit.metrics.instances import Kinds, Overlaps, find_overlaps, match, object_kinds
from unetkit.objects import ObjectMap, Table, measure
from unetkit.objects.measuring import column_unit, concatenated
from unetkit.report import ErrorCrop, ObjectSheet
from unetkit.report.object_errors import overlay_object_errors, worst_crops, wrong_pixels
from unetkit.report.object_words import error_words
from unetkit.report.overlay import Bytes, to_rgb
from unetkit.report.story import unit_words

CROPS = 12
"""So many places stand in the report, worst first; of one image at least two may."""

OBJECTS_ACROSS = 8
"""A crop is about so many objects wide …"""

SIDES = (64, 256)
"""… but not narrower nor wider than this, in pixels; a narrow one is enlarged, so that its lines stay thin."""

COLUMNS = ("image", "class", "area_", "volume_", "equivalent_diameter_", "solidity", "nearest_centroid_", "removed_by")
"""Beginnings of the columns that are kept of every object."""

CLASSES = 4
"""So many classes have a histogram of their sizes."""

ALL = "all classes"

Plane = npt.NDArray[np.uint32]
Window = tuple[slice, slice]
Histogram = tuple[str, str, Sequence[float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Scene:
    """An image with its true and predicted objects.

    Args:
        name: of the image.
        group: patient, plate, scene …; None where nobody said.
        image: its pixels.
        predicted, truth: its objects.
        valid: bool *S, False where nobody labelled.
        step: the picture of the whole image shows one pixel in so many of each row and column.
    """

    name: str
    group: str | None
    image: Image
    predicted: ObjectMap
    truth: ObjectMap
    valid: npt.NDArray[np.bool_]
    step: int = 1


class ObjectGallery:
    """Fills itself while images are predicted for an evaluation.

    Args:
        class_names: of all classes, background first.
        images: how many images there will be.
        most: of so many images the errors are kept as pictures.

    Attributes:
        pictures: AP50, name and errors of the worst images, H W 3, lowest AP50 first, images without objects last.
        crops: share of wrong pixels of a place, and the place; worst first.
    """

    def __init__(self, class_names: Sequence[str], images: int, most: int) -> None:
        self.class_names, self.most = tuple(class_names), most
        self.crops_of_one = max(2, CROPS // max(images, 1))
        self.pictures: list[tuple[float, str, Bytes]] = []
        self.crops: list[tuple[float, ErrorCrop]] = []
        self._tables: dict[str, list[Table]] = {"true": [], "predicted": []}
        self._extents: dict[str, Extent] = {}
        self._groups: dict[str, str | None] = {}

    def see(self, scene: Scene) -> None:
        """Keep what is needed of one image."""
        overlaps = find_overlaps(scene.predicted.ids, scene.truth.ids, scene.valid)
        kinds = object_kinds(overlaps)
        self._measure(scene, overlaps)
        planes = _shown(scene, kinds)
        self._paint(scene, planes, kinds, match(overlaps).ap)
        self._crop(scene, planes, overlaps, kinds)

    def sheet(self, *, seed: int = 0) -> ObjectSheet | None:
        """What the report shows; None where no image had its objects told apart."""
        if not self._extents:
            return None
        tables = {of: concatenated(tables) for of, tables in self._tables.items()}
        counted = {of: _per_image(table, self._extents) for of, table in tables.items()}
        return ObjectSheet(
            rows=self._rows(tables, seed),
            values=_histograms(tables, self.class_names, self._extents),
            counts=[(name, counted["true"][name], counted["predicted"][name]) for name in self._extents],
            crops=[crop for _, crop in self.crops],
        )

    def _measure(self, scene: Scene, overlaps: Overlaps) -> None:
        geometry = scene.image.geometry
        known = geometry.spacing is not None and geometry.unit != "px"
        spacing, unit = (geometry.spacing, geometry.unit) if known else (None, None)
        for of, objects, counts in (
            ("true", scene.truth, overlaps.truth_ids),
            ("predicted", scene.predicted, overlaps.predicted_ids),
        ):
            kept = replace(objects, ids=np.where(scene.valid & np.isin(objects.ids, counts), objects.ids, 0))
            table = measure(kept, spacing=spacing, unit=unit, class_names=self.class_names)
            table = table.with_column("image", np.full(len(table), scene.name, object), first=True)
            columns = {name: values for name, values in table.columns.items() if name.startswith(COLUMNS)}
            self._tables[of].append(replace(table, columns=columns))
        whole, share = extent_of(scene.valid.shape, spacing, unit), float(scene.valid.mean())
        size = None if whole.size is None else whole.size * share
        self._extents[scene.name] = replace(whole, pixels=int(scene.valid.sum()), size=size)
        self._groups[scene.name] = scene.group

    def _paint(self, scene: Scene, planes: _Planes, kinds: Kinds, score: float) -> None:
        thin = (slice(None, None, scene.step), slice(None, None, scene.step))
        image = replace(planes.image, pixels=planes.image.pixels[(slice(None), *thin)])
        errors = overlay_object_errors(to_rgb(image), planes.predicted[thin], planes.truth[thin], kinds)
        ranked = sorted([*self.pictures, (score, scene.name, errors)], key=lambda one: np.nan_to_num(one[0], nan=2.0))
        self.pictures = ranked[: self.most]

    def _crop(self, scene: Scene, planes: _Planes, overlaps: Overlaps, kinds: Kinds) -> None:
        side, (pixel, unit) = _side(planes.truth, planes.predicted), _pixel(scene.image)
        seen: list[Window] = []
        for window in worst_crops(planes.predicted, planes.truth, kinds, side=side, most=self.crops_of_one):
            predicted, truth = planes.predicted[window], planes.truth[window]
            wrong = float(wrong_pixels(predicted, truth, kinds).mean())
            known = any(_overlap(window, one) for one in seen)
            if known or (len(self.crops) == CROPS and wrong <= self.crops[-1][0]):
                continue
            seen.append(window)
            words = error_words(planes.predicted, planes.truth, window, overlaps, kinds, pixel=pixel, unit=unit)
            image = to_rgb(replace(planes.image, pixels=planes.image.pixels[(slice(None), *window)]))
            image, predicted, truth = (
                _enlarged(one, SIDES[1] // max(truth.shape)) for one in (image, predicted, truth)
            )
            crop = ErrorCrop(scene.name, words, image, overlay_object_errors(image, predicted, truth, kinds))
            self.crops = sorted([*self.crops, (wrong, crop)], key=lambda one: -one[0])[:CROPS]

    def _rows(self, tables: Mapping[str, Table], seed: int) -> list[dict[str, Any]]:
        """Counts, densities and medians, of true and predicted objects, of each class and of all together."""
        given = shared_groups(list(self._groups.values()))
        groups = dict(zip(self._groups, given, strict=True)) if given else {}
        rows = []
        for of, table in tables.items():
            summaries: list[Summary] = [summarise(table, self._extents, groups, seed=seed)]
            if len(self.class_names) > 2:
                together = replace(table.with_column("class", np.full(len(table), ALL, object)), class_names=(ALL,))
                summaries.insert(0, summarise(together, self._extents, groups, seed=seed))
            rows += [{"of": of, **row} for summary in summaries for row in summary_rows(summary)]
        return rows


@dataclass(frozen=True, slots=True)
class _Planes:
    """What is shown of a scene: all of it, or one plane of a volume."""

    image: Image
    predicted: Plane
    truth: Plane


def _shown(scene: Scene, kinds: Kinds) -> _Planes:
    """Of a volume the plane with the most wrong voxels, the middle one where nothing is wrong."""
    predicted, truth = scene.predicted.ids, scene.truth.ids
    if truth.ndim == 2:
        return _Planes(scene.image, predicted, truth)
    wrong = wrong_pixels(predicted, truth, kinds).sum((1, 2))
    plane = int(wrong.argmax()) if wrong.any() else len(truth) // 2
    return _Planes(replace(scene.image, pixels=scene.image.pixels[:, plane]), predicted[plane], truth[plane])


def _side(truth: Plane, predicted: Plane) -> int:
    """How wide a crop is: some typical objects, true ones where there are any."""
    sizes = np.bincount((truth if truth.any() else predicted).reshape(-1))[1:]
    across = OBJECTS_ACROSS * float(np.sqrt(np.median(sizes[sizes > 0]))) if sizes.any() else 0.0
    return int(np.clip(across, *SIDES))


def _enlarged(array: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    return array.repeat(times, 0).repeat(times, 1) if times > 1 else array


def _pixel(image: Image) -> tuple[float, str]:
    """Area (volume) of a pixel, and its unit as people write it."""
    spacing, unit = image.geometry.spacing, image.geometry.unit
    if spacing is None or unit == "px":
        return 1.0, "px" if len(image.shape) == 2 else "voxels"
    return prod(spacing), unit_words(f"{column_unit(unit)}{len(image.shape)}")


def _overlap(a: Window, b: Window) -> bool:
    """Whether two windows of one size share more than half of what they show."""
    shared = [max(0, min(one.stop, two.stop) - max(one.start, two.start)) for one, two in zip(a, b, strict=True)]
    return bool(2 * prod(shared) > prod(one.stop - one.start for one in a))


def _per_image(table: Table, extents: Mapping[str, Extent]) -> dict[str, int]:
    names, counts = np.unique(table["image"].astype(str), return_counts=True)
    return dict.fromkeys(extents, 0) | dict(zip(names.tolist(), counts.tolist(), strict=True))


def _histograms(
    tables: Mapping[str, Table], class_names: Sequence[str], extents: Mapping[str, Extent]
) -> list[Histogram]:
    """The sizes of the objects of each class, of the most frequent ones; then form and distance of all objects."""

    def of(title: str, column: str, axis: str, class_name: str | None = None) -> Histogram:
        chosen = [
            table if class_name is None else table.rows(table["class"] == class_name) for table in tables.values()
        ]
        true, predicted = (table[column].tolist() for table in chosen)
        return title, axis, true, predicted

    units = {(extent.unit, extent.axes) for extent in extents.values()}
    unit, axes = units.pop() if len(units) == 1 else (None, 2)
    size = "area" if "area_px" in tables["true"].columns else "volume"
    of_size, of_length = ("px", "px") if unit is None else (f"{unit}{axes}", unit)
    shown = "voxels" if (size, unit) == ("volume", None) else unit_words(of_size)
    number_of = {name: int((tables["true"]["class"] == name).sum()) for name in class_names[1:]}
    frequent = sorted(number_of, key=lambda name: -number_of[name])[:CLASSES]
    several = len(number_of) > 1
    return [
        *(
            of(f"Size of {name}" if several else "Size", f"{size}_{of_size}", f"{size} ({shown})", name)
            for name in frequent
        ),
        of(
            "Distance to the nearest object",
            f"nearest_centroid_{of_length}",
            f"between centroids ({unit_words(of_length)})",
        ),
        of("Solidity", "solidity", "share of the convex hull that the object fills"),
    ]
