"""What each format writes, somebody else's reader gives back: the same pixels, classes and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import roifile
import shapely
import tifffile
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tests.vector.conftest import CLASSES
from unetkit.image import Geometry
from unetkit.objects import ObjectMap
from unetkit.vector import OBJECT_FORMATS, ImageObjects
from unetkit.vector.rle import compress, run_lengths
from unetkit.vector.write import writing_objects
from unetkit.vector.yolo import join_rings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools

Mask = npt.NDArray[np.bool_]
Found = dict[int, tuple[str | None, Mask]]
"""Number to class name (None where the format has none) and pixels."""


def inside(polygon: Any, shape: tuple[int, int]) -> Mask:
    """Pixels whose centres lie in a polygon of shapely, in pixels."""
    rows, columns = np.indices(shape)
    return np.asarray(shapely.contains_xy(polygon, columns + 0.5, rows + 0.5))


def even_odd(rings: list[Any], shape: tuple[int, int]) -> Mask:
    """Pixels inside an odd number of rings."""
    filled = np.zeros(shape, bool)
    for ring in rings:
        filled ^= inside(shapely.Polygon(ring), shape)
    return filled


def numbered(ids: npt.NDArray[Any]) -> Found:
    return {number: (None, ids == number) for number in np.unique(ids).tolist() if number}


def read_tiff(out: Path, image: ImageObjects) -> Found:
    return numbered(tifffile.imread(out / f"{image.name}.objects.tif"))


def read_png(out: Path, image: ImageObjects) -> Found:
    with Image.open(out / f"{image.name}.objects.png") as file:
        return numbered(np.asarray(file))


def read_coco(out: Path, image: ImageObjects, file: str = "coco.json") -> Found:
    coco = COCO()
    coco.dataset = json.loads((out / file).read_text("utf-8"))
    coco.createIndex()
    (number,) = (i for i, about in coco.imgs.items() if about["file_name"] == image.file)
    assert (coco.imgs[number]["height"], coco.imgs[number]["width"]) == image.size
    found: Found = {}
    for one in coco.loadAnns(coco.getAnnIds(imgIds=[number])):
        mask = coco.annToMask(one).astype(bool)
        assert one["area"] == mask.sum()
        assert one["bbox"] == coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))).tolist()
        assert one["iscrowd"] == 0
        found[one["attributes"]["object"]] = (coco.cats[one["category_id"]]["name"], mask)
    return found


def read_yolo(out: Path, image: ImageObjects) -> Found:
    height, width = image.size
    names = yaml.safe_load((out / "yolo/data.yaml").read_text("utf-8"))["names"]
    found: Found = {}
    for line in (out / f"yolo/labels/{image.name}.txt").read_text("utf-8").splitlines():
        kind, *numbers = line.split()
        assert all(0 <= float(number) <= 1 for number in numbers)
        ring = np.array(numbers, float).reshape(-1, 2) * (width, height)
        scale = 8  # pillow fills borders too: in a finer image they count for little
        canvas = Image.new("1", (width * scale, height * scale))
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in ring * scale - 0.5], fill=1)
        share = np.asarray(canvas, float).reshape(height, scale, width, scale).mean((1, 3))
        found[len(found) + 1] = (names[int(kind)], share > 0.5)
    return found


def read_qupath(out: Path, image: ImageObjects) -> Found:
    data = json.loads((out / f"{image.name}.qupath.geojson").read_text("utf-8"))
    found: Found = {}
    for feature in data["features"]:
        polygon, about = shapely.geometry.shape(feature["geometry"]), feature["properties"]
        assert polygon.is_valid
        assert about["objectType"] == "detection"
        name = about["classification"]["name"]
        assert tuple(about["classification"]["color"]) == CLASSES.colours[CLASSES.names.index(name)]
        found[int(about["name"])] = (name, inside(polygon, image.size))
    return found


def read_geojson(out: Path, image: ImageObjects) -> Found:
    warp = pytest.importorskip("rasterio.warp", reason="rasterio is not installed")
    data = json.loads((out / f"{image.name}.geojson").read_text("utf-8"))
    assert "crs" not in data
    found: Found = {}
    for feature in data["features"]:
        polygon, about = shapely.geometry.shape(feature["geometry"]), feature["properties"]
        for part in getattr(polygon, "geoms", [polygon]):  # RFC 7946: outer rings anticlockwise
            assert part.exterior.is_ccw
            assert not any(hole.is_ccw for hole in part.interiors)

        def in_pixels(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            x, y = warp.transform("EPSG:4326", "EPSG:32632", *points.T.tolist())
            return np.stack([(np.array(x) - 500000) / 10, (5000000 - np.array(y)) / 10], 1).round(4)

        found[about["object"]] = (about["class"], inside(shapely.transform(polygon, in_pixels), image.size))
    return found


def read_imagej(out: Path, image: ImageObjects) -> Found:
    found: Found = {}
    for roi in roifile.roiread(out / f"{image.name}.rois.zip"):
        number, _, name = roi.name.partition(" ")
        red, green, blue = CLASSES.colours[CLASSES.names.index(name)]
        assert roi.stroke_color == bytes((255, red, green, blue))
        mask = even_odd(roi.coordinates(multi=True), image.size)
        rows, columns = np.nonzero(mask)
        assert (roi.top, roi.left) == (rows.min(), columns.min())
        assert (roi.bottom, roi.right) == (rows.max() + 1, columns.max() + 1)
        found[int(number)] = (name, mask)
    return found


def read_svg(out: Path, image: ImageObjects) -> Found:
    root = ElementTree.parse(out / f"{image.name}.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.attrib["viewBox"] == "0 0 {1} {0}".format(*image.size)
    found: Found = {}
    for path in root.iter(f"{space}path"):
        rings = [re.findall(r"\d+ \d+", ring) for ring in path.attrib["d"].split("Z") if ring]
        points = [[tuple(map(int, pair.split())) for pair in ring] for ring in rings]
        number, _, name = str(path.findtext(f"{space}title")).partition(" ")
        assert path.attrib["class"] == f"c{CLASSES.names.index(name)}"
        found[int(number)] = (name, even_odd(points, image.size))
    return found


READERS: Mapping[str, Callable[[Path, ImageObjects], Found]] = {
    "tiff": read_tiff,
    "png": read_png,
    "coco": read_coco,
    "coco-rle": lambda out, image: read_coco(out, image, "coco-rle.json"),
    "yolo": read_yolo,
    "qupath": read_qupath,
    "geojson": read_geojson,
    "imagej": read_imagej,
    "svg": read_svg,
}


@pytest.mark.parametrize("name", OBJECT_FORMATS)
def test_another_reader_finds_the_same_objects(
    name: str, awkward: ImageObjects, second: ImageObjects, tmp_path: Path
) -> None:
    images = [replace(image, geometry=Geometry()) if name == "png" else image for image in (awkward, second)]
    with writing_objects(tmp_path, [name], CLASSES) as put:
        for image in images:
            put(image)
    for image in images:
        found = READERS[name](tmp_path, image)
        assert list(found) == list(range(1, image.objects.count + 1))
        for number, (kind, mask) in found.items():
            assert kind in (None, image.class_name(number))
            truth = image.objects.ids == number
            if name == "yolo":  # bridges may take a pixel
                assert (mask & truth).sum() > 0.97 * (mask | truth).sum()
            else:
                assert np.array_equal(mask, truth), f"object {number}"


@pytest.mark.parametrize("name", OBJECT_FORMATS)
def test_an_image_without_objects_and_the_same_bytes_each_time(
    name: str, awkward: ImageObjects, second: ImageObjects, tmp_path: Path
) -> None:
    place = Geometry() if name == "png" else awkward.geometry
    nothing = ObjectMap(np.zeros((3, 4), np.uint32), np.zeros(0, np.uint8))
    written = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        with writing_objects(folder, [name], CLASSES) as put:
            for image in (second, replace(awkward, name="empty", objects=nothing), awkward):
                put(replace(image, geometry=place))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        written.append([(path.relative_to(folder), path.read_bytes()) for path in files])
        for path in files:
            if path.suffix in (".json", ".geojson"):
                json.loads(path.read_text("utf-8"))
    assert written[0] == written[1]
    assert len(written[0]) == (1 if "coco" in name else 4 if name == "yolo" else 3)


@given(
    arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)).filter(lambda mask: bool(mask.any())),
    st.tuples(*[st.integers(0, 4)] * 4),
)
def test_run_length_codes_are_those_of_pycocotools(mask: Mask, margins: tuple[int, int, int, int]) -> None:
    top, left, bottom, right = margins
    whole = np.pad(mask, ((top, bottom), (left, right))).astype(np.uint8)
    expected = coco_mask.encode(np.asfortranarray(whole))["counts"].decode()
    height, width = whole.shape
    assert compress(run_lengths(mask, (top, left), (height, width))) == expected


def test_large_run_length_codes() -> None:
    mask = np.zeros((3000, 2000), bool)
    mask[5:2900:7, 3:1900:11] = True
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert compress(run_lengths(mask, (0, 0), (3000, 2000))) == expected


def test_confidence_and_measurements_go_along(awkward: ImageObjects, tmp_path: Path) -> None:
    measured = replace(awkward, measurements={"perimeter um": np.arange(7.0)})
    with writing_objects(tmp_path, ["coco", "qupath"], CLASSES) as put:
        put(measured)
    annotations = json.loads((tmp_path / "coco.json").read_text("utf-8"))["annotations"]
    assert [one.get("score") for one in annotations] == [0.5, 0.75, 1, 0, 0.25, None, 0.125]
    assert annotations[3]["attributes"] == {"object": 4, "perimeter um": 3.0}
    features = json.loads((tmp_path / "plate/a.qupath.geojson").read_text("utf-8"))["features"]
    assert features[1]["properties"]["measurements"] == {"confidence": 0.75, "perimeter um": 1.0}
    assert features[5]["properties"]["measurements"] == {"perimeter um": 5.0}


def test_joined_rings_keep_every_corner_and_close() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.int32)
    joined = join_rings([square, square + 3, square + 5])
    assert {tuple(point) for point in joined.tolist()} == {tuple(p) for s in (0, 3, 5) for p in (square + s).tolist()}
    assert len(joined) == 4 + 2 * (5 + 1)
