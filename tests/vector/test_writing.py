"""Files stand whole or not at all, in their places on the Earth; what a format cannot hold is one clear error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tifffile

from tests.vector.conftest import CLASSES, PLACE
from unetkit.errors import FileError, InputError, UnetkitError, UnknownName, UsageError
from unetkit.image import Geometry
from unetkit.objects import ObjectMap, outlines
from unetkit.vector import OBJECT_FORMATS, ImageObjects, georeference
from unetkit.vector.georeference import georeference_of
from unetkit.vector.write import write_objects, writing_objects

EVERY = [name for name in OBJECT_FORMATS if name != "png"]
ONE = ObjectMap(np.array([[0, 0], [0, 1]], np.uint32), np.ones(1, np.uint8))


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def written(place: dict[str, Any], out: Path) -> tuple[dict[str, Any], list[str]]:
    """The GeoJSON of one pixel in the second row and column of a placed image, and what was said."""
    said: list[str] = []
    write_objects(ONE, Geometry(extra={"geotiff": place}), CLASSES, "a", out, ["geojson"], say=said.append)
    return json.loads((out / "a.geojson").read_text("utf-8")), said


def ring_of(data: dict[str, Any]) -> list[list[float]]:
    (feature,) = data["features"]
    (ring,) = feature["geometry"]["coordinates"]
    return list(ring)


def test_all_formats_at_once(awkward: ImageObjects, tmp_path: Path) -> None:
    files = write_objects(awkward.objects, awkward.geometry, CLASSES, "plate/a", tmp_path, EVERY)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in files) == files_below(tmp_path)
    assert len(files) == len(EVERY) + 1  # YOLO's data.yaml


def test_without_rasterio_coordinates_are_in_the_system_that_the_file_names(tmp_path: Path) -> None:
    with mock.patch.object(georeference, "find_spec", return_value=None):
        data, said = written(PLACE, tmp_path)
    assert data["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32632"
    corners = [[500010, 4999980], [500020, 4999980], [500020, 4999990], [500010, 4999990], [500010, 4999980]]
    assert ring_of(data) == corners  # anticlockwise on the map
    assert "EPSG:32632" in said[0]


def test_degrees_are_written_as_they_are(tmp_path: Path) -> None:
    place = {
        "ModelPixelScale": (0.5, 0.25, 0.0),
        "ModelTiepoint": (1.0, 1.0, 0.0, 8.0, 50.0, 0.0),  # of the pixel that is the object
        "GeoKeyDirectory": (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326),
    }
    with mock.patch.object(georeference, "find_spec", return_value=None):
        data, said = written(place, tmp_path)
    assert "crs" not in data
    assert not said
    assert ring_of(data) == [[8, 49.75], [8.5, 49.75], [8.5, 50], [8, 50], [8, 49.75]]


def test_a_raster_of_points_begins_half_a_pixel_earlier_and_may_be_turned() -> None:
    points = {**PLACE, "GeoKeyDirectory": (1, 1, 0, 2, 1025, 0, 1, 2, 3072, 0, 1, 32632)}
    found = georeference_of(Geometry(extra={"geotiff": points}))
    assert found is not None
    assert found.places(np.zeros((1, 2))).tolist() == [[499995, 5000005]]
    turned = {
        "ModelTransformation": (0, 2, 0, 100, 2, 0, 0, 200, *[0] * 8),
        "GeoKeyDirectory": PLACE["GeoKeyDirectory"],
    }
    found = georeference_of(Geometry(extra={"geotiff": turned}))
    assert found is not None
    assert found.places(np.array([[3, 1]])).tolist() == [[102, 206]]
    assert found.mirrored


def test_a_utm_raster_lies_where_the_zone_says(tmp_path: Path) -> None:
    pytest.importorskip("rasterio", reason="rasterio is not installed")
    data, said = written(PLACE, tmp_path)
    assert not said
    assert "crs" not in data
    longitude, latitude = np.array(ring_of(data)).mean(0)
    assert longitude == pytest.approx(9.0, abs=0.001)  # 500 000 m is the zone's meridian, 9° east
    assert latitude == pytest.approx(45.15, abs=0.01)  # 5 000 000 m from the equator


@pytest.mark.parametrize(
    "place",
    [
        {**PLACE, "ModelTiepoint": (0.0,) * 12},
        {**PLACE, "GeoKeyDirectory": (1, 1, 0, 1, 3072, 0, 1, 32767)},
        {"GeoKeyDirectory": PLACE["GeoKeyDirectory"]},
    ],
)
def test_geo_tags_that_do_not_place_pixels(place: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"^a: the geo tags do not say where the pixels lie.*qupath"):
        written(place, tmp_path)
    assert files_below(tmp_path) == []


def volume() -> ImageObjects:
    return ImageObjects("v", ObjectMap(np.ones((2, 3, 4), np.uint32), np.ones(1, np.uint8)), CLASSES)


def many() -> ImageObjects:
    ids = np.arange(1, 65537, dtype=np.uint32).reshape(256, 256)
    return ImageObjects("m", ObjectMap(ids, np.ones(65536, np.uint8)), CLASSES)


def wide() -> ImageObjects:
    return ImageObjects("w", ObjectMap(np.ones((1, 32768), np.uint32), np.ones(1, np.uint8)), CLASSES)


def outside() -> ImageObjects:
    return ImageObjects("../w", ONE, CLASSES)


@pytest.mark.parametrize(
    ("make", "format", "message"),
    [
        (volume, "svg", "v: svg cannot hold the objects of a volume; found 2×3×4.*name the format tiff"),
        (volume, "png", "v: a PNG cannot hold these objects; found a volume"),
        (many, "png", "m: a PNG cannot hold these objects; found numbers up to 65536.*name the format tiff"),
        (wide, "imagej", "w: ImageJ's regions do not reach so far; found 1 × 32768 pixels"),
        (wide, "geojson", "w: has no geo-reference"),
        (outside, "svg", "../w: cannot name files"),
    ],
)
def test_what_a_format_cannot_hold_is_said_and_leaves_nothing(
    make: Callable[[], ImageObjects], format: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=f"^{message}"), writing_objects(tmp_path / "out", [format], CLASSES) as put:
        put(make())
    assert files_below(tmp_path) == []


def test_volumes_and_many_objects_as_label_tiff(tmp_path: Path) -> None:
    with writing_objects(tmp_path, ["tiff"], CLASSES) as put:
        put(volume())
        put(many())
    assert tifffile.imread(tmp_path / "v.objects.tif").shape == (2, 3, 4)
    assert tifffile.imread(tmp_path / "v.objects.tif").dtype == np.uint16
    ids = tifffile.imread(tmp_path / "m.objects.tif")
    assert (ids.dtype, ids.max()) == (np.uint32, 65536)


def test_an_image_that_fails_leaves_nothing_and_the_next_ones_are_written(
    awkward: ImageObjects, tmp_path: Path
) -> None:
    nowhere = replace(awkward, name="nowhere", file="nowhere.tif", geometry=Geometry())
    formats = ["coco", "svg", "geojson"]
    with writing_objects(tmp_path, formats, CLASSES) as put:
        with pytest.raises(FileError, match="has no geo-reference"):
            put(nowhere)
        put(awkward)
    data = json.loads((tmp_path / "coco.json").read_text("utf-8"))
    assert [image["file_name"] for image in data["images"]] == ["a.tif"]
    assert [one["id"] for one in data["annotations"]] == list(range(1, 8))
    assert files_below(tmp_path) == ["coco.json", "plate/a.geojson", "plate/a.svg"]


def test_a_fault_amid_the_objects_takes_back_what_was_written(awkward: ImageObjects, tmp_path: Path) -> None:
    with writing_objects(tmp_path, ["coco", "svg"], CLASSES) as put:
        put(replace(awkward, name="first"))
        good = list(outlines(awkward.objects))

        def failing(objects: ObjectMap) -> Any:
            yield good[0]
            raise InputError("the disk is full")

        with mock.patch("unetkit.vector.write.outlines", failing), pytest.raises(InputError, match="disk is full"):
            put(awkward)
    data = json.loads((tmp_path / "coco.json").read_text("utf-8"))
    assert len(data["annotations"]) == 7
    assert len(data["images"]) == 1
    assert files_below(tmp_path) == ["coco.json", "first.svg"]


def test_an_error_in_the_block_leaves_no_file_of_all_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="elsewhere"), writing_objects(tmp_path, ["coco", "yolo"], CLASSES):
        raise InputError("elsewhere")
    assert files_below(tmp_path) == []


def test_files_that_exist_stay_unless_overwriting_is_said(tmp_path: Path) -> None:
    for format in OBJECT_FORMATS:
        if format != "geojson":
            write_objects(ONE, Geometry(), CLASSES, "a", tmp_path, [format])
            before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
            with pytest.raises(UsageError, match=r"a file of objects exists already.*--overwrite"):
                write_objects(ONE, Geometry(), CLASSES, "a", tmp_path, [format])
            assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
            write_objects(ONE, Geometry(), CLASSES, "a", tmp_path, [format], overwrite=True)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ImageObjects("a", ObjectMap(ONE.ids, np.array([3], np.uint8)), CLASSES), InputError, "does not exist"),
        (lambda: ImageObjects("a", ObjectMap(ONE.ids, np.array([0], np.uint8)), CLASSES), InputError, "does not exist"),
        (lambda: ImageObjects("a", ONE, CLASSES, measurements={"x": np.zeros(2)}), InputError, "'x' does not fit"),
        (lambda: write_objects(ONE, Geometry(), CLASSES, "a", "out", []), UsageError, "no format was named"),
        (lambda: write_objects(ONE, Geometry(), CLASSES, "a", "out", ["qpath"]), UnknownName, "'qupath'"),
    ],
)
def test_wrong_use(make: Callable[[], object], error: type[UnetkitError], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_two_images_of_one_name(tmp_path: Path) -> None:
    one = ImageObjects("a", ONE, CLASSES)
    with writing_objects(tmp_path, ["coco"], CLASSES) as put:
        put(one)
        with pytest.raises(FileError, match="two images have the same name"):
            put(one)
