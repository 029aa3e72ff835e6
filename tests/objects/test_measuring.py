"""Every column of a table of objects against scikit-image, against drawn shapes, or against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.measure import marching_cubes, mesh_surface_area, regionprops
from skimage.morphology import convex_hull_image

from tests.objects.drawn import blobs, noise
from unetkit.errors import InputError, UsageError
from unetkit.image import Geometry, Image
from unetkit.objects import ObjectMap, Table, keep_objects, measure
from unetkit.objects.measuring import DEFINITIONS, definition_of

PLANE, SPACE = (90, 120), (18, 22, 26)


def of(mask: np.ndarray, **options: object) -> Table:
    """The table of a single object."""
    return measure(ObjectMap(mask.astype(np.uint32), np.array([1], np.uint8)), **options)  # type: ignore[arg-type]


def disc(radius: float, size: int = 0) -> np.ndarray:
    size = size or int(2 * radius + 5)
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return rows**2 + columns**2 <= radius**2


@pytest.fixture(scope="module")
def plane() -> tuple[Table, list]:
    objects = blobs(PLANE)
    pixels = noise(2, PLANE, "float64")
    return measure(objects, Image(pixels)), regionprops(objects.ids.astype(np.int32), np.moveaxis(pixels, 0, -1))


@pytest.mark.parametrize(
    ("column", "reference"),
    [
        ("id", lambda p: p.label),
        ("centroid_row_px", lambda p: p.centroid[0]),
        ("centroid_column_px", lambda p: p.centroid[1]),
        ("row_start_px", lambda p: p.bbox[0]),
        ("column_start_px", lambda p: p.bbox[1]),
        ("row_stop_px", lambda p: p.bbox[2]),
        ("column_stop_px", lambda p: p.bbox[3]),
        ("area_px", lambda p: p.area),
        ("perimeter_px", lambda p: p.perimeter_crofton),
        ("equivalent_diameter_px", lambda p: p.equivalent_diameter_area),
        ("axis_major_px", lambda p: p.axis_major_length),
        ("axis_minor_px", lambda p: p.axis_minor_length),
        ("euler", lambda p: p.euler_number),
        ("pieces", lambda p: ndimage.label(p.image, np.ones((3, 3)))[1]),
        ("holes", lambda p: ndimage.label(~np.pad(p.image, 1))[1] - 1),
        ("mean_1", lambda p: p.intensity_mean[1]),
        ("median_1", lambda p: p.intensity_median[1]),
        ("std_1", lambda p: p.intensity_std[1]),
        ("min_0", lambda p: p.intensity_min[0]),
        ("max_0", lambda p: p.intensity_max[0]),
        (
            "solidity",
            lambda p: p.area / convex_hull_image(p.image, offset_coordinates=False).sum() if p.area > 9 else None,
        ),
    ],
)
def test_planes_are_measured_as_scikit_image_does(plane: tuple[Table, list], column: str, reference: object) -> None:
    table, regions = plane
    expected = [reference(region) for region in regions]  # type: ignore[operator]
    pairs = [(found, right) for found, right in zip(table[column].tolist(), expected, strict=True) if right is not None]
    assert len(pairs) > 20
    np.testing.assert_allclose(*np.array(pairs, float).T, rtol=1e-9, atol=1e-9)


def test_direction_and_eccentricity_where_there_is_a_direction(plane: tuple[Table, list]) -> None:
    table, regions = plane
    round_ones = 0
    for orientation, eccentricity, region in zip(
        table["orientation_deg"].tolist(), table["eccentricity"].tolist(), regions, strict=True
    ):
        if region.axis_major_length - region.axis_minor_length < 1e-9:
            assert math.isnan(orientation)
            round_ones += 1
        else:
            turned = abs(orientation - math.degrees(region.orientation)) % 180
            assert min(turned, 180 - turned) < 1e-6
        assert math.isnan(eccentricity) if region.area == 1 else abs(eccentricity - region.eccentricity) < 1e-7
    assert round_ones


def test_the_hull_of_centres_is_within_that_of_whole_pixels(plane: tuple[Table, list]) -> None:
    """The hull of regionprops reaches half a pixel further; from 100 pixels on that is less than 0.1 of solidity."""
    table, regions = plane
    pairs = [(found, p.solidity, p.area) for found, p in zip(table["solidity"].tolist(), regions, strict=True)]
    assert all(right - 1e-9 <= found <= 1 for found, right, _ in pairs)
    assert 0 < max(found - right for found, right, area in pairs if area >= 100) < 0.1
    assert of(disc(10))["solidity"].tolist() == [1.0]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "int32", "int64", "float32", "float64"])
def test_intensities_of_every_type(dtype: str) -> None:
    objects = blobs(PLANE)
    pixels = noise(1, PLANE, dtype) if dtype != "bool" else noise(1, PLANE, "int16") > 0
    table = measure(objects, Image(pixels))
    for number in (1, 2, objects.count):
        values = pixels[0][objects.ids == number].astype(np.float64)
        for name, right in (
            ("mean", np.mean),
            ("median", np.median),
            ("std", np.std),
            ("min", np.min),
            ("max", np.max),
        ):
            assert table[f"{name}_0"][number - 1] == pytest.approx(right(values), rel=1e-6, abs=1e-9)


def test_pixels_without_data_do_not_count() -> None:
    pixels = np.array([[[1.0, np.nan, 5.0, np.nan]]])
    table = measure(ObjectMap(np.array([[1, 1, 1, 2]], np.uint32), np.array([1, 1], np.uint8)), Image(pixels))
    assert table["mean_0"].tolist()[0] == 3
    assert math.isnan(table["mean_0"][1])
    assert math.isnan(table["median_0"][1])
    marked = Image(np.array([[[1, 0, 5, 0]]], np.uint8), Geometry(extra={"nodata": 0.0}))
    table = measure(ObjectMap(np.array([[1, 1, 1, 2]], np.uint32), np.array([1, 1], np.uint8)), marked)
    assert table["min_0"].tolist()[0] == 1


def test_a_spacing_gives_the_same_columns_in_its_unit() -> None:
    objects = blobs(PLANE)
    table = measure(objects, spacing=(0.5, 0.5), unit="µm".replace("µ", "u"))
    for name, power in (
        ("area", 2), ("perimeter", 1), ("equivalent_diameter", 1), ("axis_major", 1), ("axis_minor", 1),
        ("centroid_row", 1), ("nearest_centroid", 1),
    ):  # fmt: skip
        unit = "um" if power == 1 else f"um{power}"
        np.testing.assert_allclose(table[f"{name}_{unit}"], table[f"{name}_px"] * 0.5**power, rtol=1e-9)
        assert table.units[f"{name}_{unit}"] == unit
    np.testing.assert_allclose(
        table["row_stop_um"] - table["row_start_um"], (table["row_stop_px"] - table["row_start_px"]) / 2
    )
    assert not [name for name in measure(objects).columns if name.endswith(("_um", "_um2"))]


def test_pixels_that_are_no_squares() -> None:
    tall = of(disc(20)[:, ::2], spacing=(1.0, 2.0), unit="um")
    flat = of(disc(20), spacing=(1.0, 1.0), unit="um")
    for name in ("area_um2", "perimeter_um", "axis_major_um", "axis_minor_um"):
        assert tall[name][0] == pytest.approx(flat[name][0], rel=0.03)
    assert tall["eccentricity"][0] < 0.25
    regions = regionprops(disc(20)[:, ::2].astype(np.uint8), spacing=(1.0, 2.0))
    assert tall["axis_major_um"][0] == pytest.approx(regions[0].axis_major_length)


def test_a_disc_has_the_perimeter_of_a_disc() -> None:
    for radius in (10, 30, 60):
        assert of(disc(radius))["perimeter_px"][0] == pytest.approx(2 * math.pi * radius, rel=0.04)


@pytest.mark.parametrize("angle", [-60, -20, 10, 45, 80, 90])
def test_orientation_is_the_angle_from_the_row_axis(angle: float) -> None:
    rows, columns = np.indices((121, 121)) - 60.0
    along = rows * math.cos(math.radians(angle)) + columns * math.sin(math.radians(angle))
    across = columns * math.cos(math.radians(angle)) - rows * math.sin(math.radians(angle))
    found = of((along / 50) ** 2 + (across / 15) ** 2 <= 1)
    assert found["orientation_deg"][0] == pytest.approx(angle, abs=0.5)
    assert found["axis_major_px"][0] == pytest.approx(100, rel=0.01)
    assert found["axis_minor_px"][0] == pytest.approx(30, rel=0.02)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.7)])
def test_volumes_are_measured_as_scikit_image_does(spacing: tuple[float, float, float]) -> None:
    objects = blobs(SPACE, sigma=1.5)
    table = measure(objects, Image(noise(1, SPACE)), spacing=spacing, unit="um")
    regions = regionprops(objects.ids.astype(np.int32), noise(1, SPACE)[0], spacing=spacing)
    assert objects.count >= 20
    for row, region in enumerate(regions):
        padded = np.pad(region.image, 1).astype(np.float32)
        vertices, faces, _, _ = marching_cubes(padded, 0.5, spacing=spacing)
        closed = ndimage.label(~np.pad(region.image, 1))[1] - 1
        expected = {
            "volume_um3": region.area,
            "surface_um2": mesh_surface_area(vertices, faces),
            "euler": region.euler_number,
            "holes": closed,
            "tunnels": ndimage.label(region.image, np.ones((3, 3, 3)))[1] + closed - region.euler_number,
            "equivalent_diameter_um": region.equivalent_diameter_area,
            "centroid_plane_um": region.centroid[0],
            "axis_major_um": region.axis_major_length if region.area > 1 else 0.0,
            "axis_minor_um": region.axis_minor_length,
            "mean_0": region.intensity_mean,
        }
        if np.linalg.matrix_rank(region.coords - region.coords[0]) == 3:  # scikit-image has no hull of flat objects
            expected["solidity"] = region.num_pixels / convex_hull_image(region.image).sum()
        for name, right in expected.items():
            assert table[name][row] == pytest.approx(right, rel=1e-5, abs=1e-5), (name, row)


def test_flat_objects_of_a_volume_are_solid() -> None:
    flat = np.zeros((3, 8, 8), bool)
    flat[1, 2:6, 2:6] = True
    assert of(flat)["solidity"].tolist() == [1.0]
    flat[1, 2:4, 2:4] = False
    assert 0.7 < of(flat)["solidity"][0] < 1
    assert of(np.ones((1, 1, 1), bool))["solidity"].tolist() == [1.0]


def test_a_ball_with_a_cavity_and_a_ring_with_a_way_through() -> None:
    planes, rows, columns = np.indices((15, 15, 15)) - 7
    distance = np.sqrt(planes**2 + rows**2 + columns**2)
    hollow = of((distance <= 6) & (distance > 2))
    assert [hollow[name][0] for name in ("pieces", "holes", "tunnels", "euler")] == [1, 1, 0, 2]
    ring = of((np.abs(np.sqrt(rows**2 + columns**2) - 5) <= 1.2) & (np.abs(planes) <= 1))
    assert [ring[name][0] for name in ("pieces", "holes", "tunnels", "euler")] == [1, 0, 1, 0]
    assert [ring[f"direction_{axis}"][0] for axis in ("plane", "row")] != [1.0, 0.0]


def test_neighbours_touch_at_corners_too() -> None:
    ids = np.array([[1, 1, 0, 4], [0, 2, 0, 0], [3, 0, 0, 5]], np.uint32)
    table = measure(ObjectMap(ids, np.ones(5, np.uint8)), ids=np.array([10, 20, 30, 40, 50]))
    assert table["neighbours"].tolist() == [1, 2, 1, 0, 0]
    assert table["neighbour_ids"].tolist() == ["20", "10 30", "20", "", ""]


@pytest.mark.parametrize("shape", [PLANE, SPACE])
def test_neighbours_and_distances_by_brute_force(shape: tuple[int, ...]) -> None:
    objects = blobs(shape, seed=3, sigma=1.5)
    table = measure(objects)
    points = [np.argwhere(objects.ids == number) for number in range(1, objects.count + 1)]
    centroids = np.array([one.mean(0) for one in points])
    apart = cdist(centroids, centroids) + np.diag(np.full(len(points), np.inf))
    np.testing.assert_allclose(table["nearest_centroid_px"], apart.min(1))
    touching = [
        [
            other + 1
            for other in range(len(points))
            if other != one and cdist(points[one], points[other], "chebyshev").min() <= 1
        ]
        for one in range(len(points))
    ]
    assert table["neighbour_ids"].tolist() == [" ".join(map(str, some)) for some in touching]
    assert sum(map(len, touching)) >= 4


def test_border_and_a_lonely_object() -> None:
    table = measure(ObjectMap(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint32), np.array([1], np.uint8)))
    assert table["touches_border"].tolist() == [False]
    assert math.isnan(table["nearest_centroid_px"][0])
    for place in ((0, 1), (1, 0), (2, 1), (1, 2)):
        mask = np.zeros((3, 3), bool)
        mask[place] = True
        assert of(mask)["touches_border"].tolist() == [True]


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_an_image_without_objects_has_a_table_without_rows(shape: tuple[int, ...]) -> None:
    nothing = ObjectMap(np.zeros(shape, np.uint32), np.zeros(0, np.uint8))
    some = np.zeros(shape, np.uint32)
    some[1:3] = 1
    empty = measure(nothing, Image(np.ones((1, *shape), np.uint8)), thin_classes=[1])
    assert len(empty) == 0
    full = measure(ObjectMap(some, np.array([1], np.uint8)), Image(np.ones((1, *shape), np.uint8)), thin_classes=[1])
    assert list(empty.columns) == list(full.columns)


@pytest.mark.parametrize("shape", [PLANE, SPACE])
def test_every_column_has_its_definition(shape: tuple[int, ...]) -> None:
    objects = blobs(shape)
    objects = ObjectMap(objects.ids, objects.classes, np.ones(objects.count, np.float32))
    spacing = (0.5,) * len(shape)
    table = measure(objects, Image(noise(1, shape)), spacing=spacing, unit="um", thin_classes=[1])
    assert [name for name in table.columns if definition_of(name) is None] == []
    used = {definition_of(name) for name in table.columns}
    other = {"volume_UNIT", "surface_UNIT", "axis_middle_UNIT", "direction_AXIS", "tunnels"}
    missing = set(DEFINITIONS) - used - {"image"}
    assert missing == (other if len(shape) == 2 else {"area_UNIT", "perimeter_UNIT", "orientation_deg"})


def test_names_of_classes_and_channels() -> None:
    objects = blobs(PLANE)
    image = Image(noise(3, PLANE), channels=("DAPI (405)", "GFP", "GFP"))
    table = measure(objects, image, class_names=("background", "cell", "nucleus"))
    assert set(table["class"].tolist()) == {"cell", "nucleus"}
    assert [name for name in table.columns if name.startswith("mean_")] == ["mean_DAPI_405", "mean_GFP", "mean_GFP_2"]
    assert measure(objects, image, channel_names=("a", "b", "c"))["mean_b"].tolist() == table["mean_GFP"].tolist()


def test_the_spacing_of_the_image_counts_unless_another_is_stated() -> None:
    image = Image(noise(1, (4, 4)), Geometry((0.5, 0.5), "um"))
    objects = ObjectMap(np.ones((4, 4), np.uint32), np.array([1], np.uint8))
    assert measure(objects, image)["area_um2"].tolist() == [4.0]
    assert measure(objects, image, spacing=(2, 2), unit="mm")["area_mm2"].tolist() == [64.0]


def test_faults_are_named() -> None:
    objects = ObjectMap(np.ones((4, 4), np.uint32), np.array([2], np.uint8))
    with pytest.raises(InputError, match="differ in size"):
        measure(objects, Image(np.zeros((1, 4, 5))))
    with pytest.raises(InputError, match="has no unit"):
        measure(objects, spacing=(1, 1))
    with pytest.raises(InputError, match="2 numbers above 0"):
        measure(objects, spacing=(1, 1, 1), unit="um")
    with pytest.raises(InputError, match="above 0"):
        measure(objects, spacing=(1, 0), unit="um")
    with pytest.raises(InputError, match="has an id"):
        measure(objects, ids=np.array([1, 2]))
    with pytest.raises(InputError, match="class 2"):
        measure(objects, class_names=("background", "cell"))
    with pytest.raises(UsageError, match="no class 'crack'"):
        measure(objects, class_names=("background", "cell", "vessel"), thin_classes=["crack"])
    with pytest.raises(InputError, match="channel names"):
        measure(objects, Image(np.zeros((2, 4, 4))), channel_names=("a",))
    with pytest.raises(InputError, match="two or three axes"):
        measure(ObjectMap(np.ones(3, np.uint32), np.array([1], np.uint8)))


def test_removed_objects_leave_the_map_and_the_others_keep_their_numbers() -> None:
    objects = blobs(PLANE)
    kept = np.arange(objects.count) % 3 != 0
    left = keep_objects(objects, kept)
    assert set(np.unique(left.ids).tolist()) == {0, *(np.flatnonzero(kept) + 1).tolist()}
    whole, rest = measure(objects), measure(left)
    np.testing.assert_array_equal(rest["id"], whole["id"][kept])
    np.testing.assert_array_equal(rest["area_px"], whole["area_px"][kept])
    with pytest.raises(InputError):
        keep_objects(objects, kept[1:])
