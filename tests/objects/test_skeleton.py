"""Length and width of drawn lines, rings and crosses, within stated tolerances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unetkit.objects import ObjectMap, Table, measure


def thin(mask: np.ndarray, **options: object) -> Table:
    objects = ObjectMap(mask.astype(np.uint32), np.array([1], np.uint8))
    return measure(objects, thin_classes=[1], **options)  # type: ignore[arg-type]


def bar(length: float, width: float, angle: float, size: int = 161) -> np.ndarray:
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    turn = math.radians(angle)
    along, across = columns * math.cos(turn) + rows * math.sin(turn), rows * math.cos(turn) - columns * math.sin(turn)
    return (np.abs(along - 0.25) < length / 2) & (np.abs(across - 0.25) < width / 2)


@pytest.mark.parametrize("angle", [0, 10, 22.5, 30, 45, 60, 90, 135])
@pytest.mark.parametrize("width", [3, 6, 9])
def test_bars_of_any_direction(angle: float, width: float) -> None:
    table = thin(bar(120, width, angle))
    assert table["skeleton_length_px"][0] == pytest.approx(120, rel=0.04)
    assert table["width_px"][0] == pytest.approx(width, rel=0.1)
    assert (table["branch_points"][0], table["end_points"][0]) == (0, 2)


def test_a_ring_has_its_circumference_and_no_ends() -> None:
    rows, columns = np.indices((101, 101)) - 50
    ring = np.abs(np.hypot(rows, columns) - 40) <= 2.5
    table = thin(ring)
    assert table["skeleton_length_px"][0] == pytest.approx(2 * math.pi * 40, rel=0.03)
    assert table["width_px"][0] == pytest.approx(5, rel=0.1)
    assert (table["branch_points"][0], table["end_points"][0]) == (0, 0)


def test_a_cross_has_one_branch_point_and_four_ends() -> None:
    cross = np.zeros((61, 61), bool)
    cross[30, 5:56] = cross[5:56, 30] = True
    table = thin(cross)
    assert (table["branch_points"][0], table["end_points"][0]) == (1, 4)
    assert table["skeleton_length_px"][0] == pytest.approx(102, rel=0.03)


def test_a_disc_is_as_long_as_it_is_wide() -> None:
    rows, columns = np.indices((41, 41)) - 20
    table = thin(np.hypot(rows, columns) <= 15)
    assert table["skeleton_length_px"][0] == pytest.approx(30, rel=0.15)


def test_lengths_in_a_unit() -> None:
    mask = bar(120, 6, 0)
    table = thin(mask, spacing=(0.5, 0.5), unit="um")
    assert table["skeleton_length_um"][0] == pytest.approx(table["skeleton_length_px"][0] / 2)
    assert table["width_um"][0] == pytest.approx(table["width_px"][0] / 2)
    squeezed = thin(mask[:, ::2], spacing=(1.0, 2.0), unit="um")
    assert squeezed["skeleton_length_um"][0] == pytest.approx(120, rel=0.05)
    assert squeezed["width_um"][0] == pytest.approx(6, rel=0.2)


def test_a_vessel_in_a_volume() -> None:
    planes, rows, _ = np.indices((15, 15, 60)) - 7
    vessel = np.hypot(planes, rows) <= 3
    vessel[:, :, :5] = vessel[:, :, -5:] = False
    table = thin(vessel, spacing=(1.0, 1.0, 1.0), unit="um")
    assert table["skeleton_length_um"][0] == pytest.approx(50, rel=0.08)
    assert table["width_um"][0] == pytest.approx(6, rel=0.15)
    speck = np.zeros((3, 3, 3), bool)
    speck[1, 1, 1] = True
    assert thin(speck)["skeleton_length_px"].tolist() == [1.0]


def test_only_thin_classes_have_a_skeleton() -> None:
    ids = np.zeros((10, 20), np.uint32)
    ids[2, 2:18], ids[6, 2:18] = 1, 2
    table = measure(
        ObjectMap(ids, np.array([1, 2], np.uint8)), class_names=("none", "road", "field"), thin_classes=["road"]
    )
    assert not math.isnan(table["width_px"][0])
    assert math.isnan(table["width_px"][1])
    assert "width_px" not in measure(ObjectMap(ids, np.array([1, 2], np.uint8))).columns
