"""The fingerprint against what was put into generated data, and its telling numbers on real data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetkit.dataset import open_dataset
from unetkit.dataset.fingerprint import Fingerprint, fingerprint
from unetkit.dataset.label_shapes import diameters, orientation, row_moments, touching, typical_width, widths
from unetkit.errors import DatasetError
from unetkit.formats import write_image, write_mask
from unetkit.image import Geometry


def of(root: Path) -> Fingerprint:
    """The fingerprint of a whole folder."""
    dataset = open_dataset(root)
    return fingerprint(dataset, [sample.name for sample in dataset.samples])


def write(root: Path, name: str, image: np.ndarray, mask: np.ndarray | None) -> None:
    write_image(root / "images" / f"{name}.png", image)
    if mask is not None:
        write_mask(root / "masks" / f"{name}.png", mask)


def test_what_was_put_in_comes_out(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 5:25] = 1
    mask[:2] = 255
    grey = np.full((40, 60), 50, np.uint8)
    grey[mask == 1] = 150
    write(tmp_path, "a", np.stack([grey] * 3), mask)
    write(tmp_path, "b", np.stack([grey[:30]] * 3), np.where(mask[:30] == 1, 0, mask[:30]))
    write(tmp_path, "c", np.stack([grey] * 3), None)
    found = of(tmp_path)
    assert (found.images, found.labelled, found.spatial_dims, found.channels) == (3, 2, 2, 3)
    assert (found.shapes_min, found.shapes_median, found.shapes_max) == ((30, 60), (40, 60), (40, 60))
    assert (found.dtype, found.spacing, found.unit, found.colour) == ("uint8", None, "px", 0.0)
    labelled = 38 * 60 + 28 * 60
    assert found.class_shares == pytest.approx((1 - 200 / labelled, 200 / labelled))
    assert found.ignored_share == pytest.approx(240 / (labelled + 240))
    assert (found.class_images, found.empty_images) == ((2, 1), 1)
    assert found.object_sizes[0].objects == 1
    assert found.object_sizes[0].median == pytest.approx(np.sqrt(4 * 200 / np.pi))
    assert found.thickness[1] == pytest.approx(10, abs=1)
    assert (found.intensity[0].low, found.intensity[0].high) == (50, 150)
    assert found == of(tmp_path)
    assert Fingerprint.model_validate_json(found.model_dump_json()) == found


def test_spacing_only_where_all_state_it(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / "images" / f"{name}.tif", np.eye(8)[None], geometry=Geometry((0.5, 0.5), "um"))
        write_mask(tmp_path / "masks" / f"{name}.png", np.eye(8, dtype=np.uint8))
    found = of(tmp_path)
    assert found.spacing == pytest.approx((0.5, 0.5))
    assert (found.unit, found.dtype) == ("um", "float64")
    write_image(tmp_path / "images" / "b.tif", np.eye(8)[None])
    assert (of(tmp_path).spacing, of(tmp_path).unit) == (None, "px")


def test_colour_and_kinds_of_brightness(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    mask = np.eye(32, dtype=np.uint8)
    for i, level in enumerate((20, 220, 30, 210)):
        image = generator.normal(level, 5, (3, 32, 32)).clip(0, 255).astype(np.uint8)
        write(tmp_path / "kinds", str(i), image, mask)
        write(tmp_path / "colours", str(i), np.stack([image[0], image[0] * 0, image[1]]), mask)
    kinds, colours = of(tmp_path / "kinds"), of(tmp_path / "colours")
    assert kinds.brightness_varies
    assert kinds.modality_spread > 5
    assert kinds.colour < 0.1 < 0.4 < colours.colour


def test_touching_instances(tmp_path: Path) -> None:
    grid = (1 + np.arange(16).reshape(4, 4)).astype(np.uint16)
    packed = np.kron(grid, np.ones((8, 8), np.uint16))
    write(tmp_path / "packed", "a", packed[None].astype(np.uint8), np.pad(packed, 4)[4:-4, 4:-4])
    assert touching(packed)[1] == touching(packed)[0]
    apart = packed * np.kron(np.ones((4, 4), np.uint16), np.pad(np.ones((6, 6), np.uint16), 1))
    assert touching(apart)[1] == 0
    for i in range(3):
        half = np.where(np.arange(32)[:, None] < 16, packed, apart).astype(np.uint16)
        write(
            tmp_path / "half", str(i), half[None].astype(np.uint8), np.where(half > 16 - i, 0, half).astype(np.uint16)
        )
    found = of(tmp_path / "half")
    assert 0.2 < found.touching_share < 0.9
    assert found.object_sizes[0].objects == 16 + 15 + 14


@pytest.mark.parametrize("width", [1, 3, 5, 8, 15])
def test_widths_of_stripes(width: int) -> None:
    region = np.zeros((60, 60), bool)
    region[20 : 20 + width] = True
    assert typical_width(widths(region)) == pytest.approx(width, abs=1)
    assert typical_width(widths(region.T)) == pytest.approx(width, abs=1)
    volume = np.zeros((30, 20, 20), bool)
    volume[8 : 8 + width] = True
    assert typical_width(widths(volume)) == pytest.approx(width, abs=1)


def test_width_is_that_of_most_of_the_area() -> None:
    region = np.zeros((80, 80), bool)
    region[10:31, 10:70] = True
    region[40:78:3, ::4] = True  # specks
    assert typical_width(widths(region)) == pytest.approx(21, abs=1)
    assert len(widths(np.ones((5, 5), bool))) == len(widths(np.zeros((5, 5), bool))) == 0


def test_diameters() -> None:
    assert diameters(np.ones((3, 3), bool)) == pytest.approx([np.sqrt(36 / np.pi)])
    assert diameters(np.ones((2, 2, 2), bool)) == pytest.approx([np.cbrt(48 / np.pi)])
    assert len(diameters(np.array([[1, 0, 1], [0, 1, 0]]).astype(bool))) == 1  # corners connect
    assert len(diameters(np.array([[4, 4, 9], [0, 9, 9]]))) == 2


def test_orientation_wants_the_same_order_in_every_image() -> None:
    sky = np.repeat(np.uint8([[0], [1], [2]]), 9, axis=1)
    layered = [row_moments(np.roll(np.kron(sky, np.ones((6, 1), np.uint8)), i, axis=1), 3) for i in range(4)]
    assert orientation(layered) > 0.8
    chance = [row_moments(np.kron(sky if i % 2 else sky[::-1], np.ones((6, 1), np.uint8)), 3) for i in range(4)]
    assert orientation(chance) == pytest.approx(0, abs=0.05)
    assert orientation(layered[:1]) == 0.0


def test_something_must_be_labelled(tmp_path: Path) -> None:
    write(tmp_path, "a", np.zeros((1, 8, 8), np.uint8), np.eye(8, dtype=np.uint8))
    write(tmp_path, "b", np.zeros((1, 8, 8), np.uint8), None)
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="no labelled image"):
        fingerprint(dataset, ["b"])


def test_volumes(tmp_path: Path) -> None:
    mask = np.zeros((8, 16, 16), np.uint8)
    mask[2:5, 4:12, 4:12] = 1
    for name in "ab":
        write_image(tmp_path / "images" / f"{name}.npy", mask[None].astype(np.float32))
        write_mask(tmp_path / "masks" / f"{name}.npy", mask)
    found = of(tmp_path)
    assert (found.spatial_dims, found.shapes_max, found.object_sizes[0].objects) == (3, (8, 16, 16), 2)
    assert found.thickness[1] == pytest.approx(3, abs=1)


@pytest.mark.parametrize(
    ("name", "upright"),
    [("em_isbi2012", False), ("nuclei_dsb2018", False), ("camvid", True), ("cropweed_cwfid", False),
     ("magtile_defects", False), ("retina_drive", False)],
)  # fmt: skip
def test_real_orientation(real_data: Path, name: str, upright: bool) -> None:
    dataset = open_dataset(real_data / name)
    assert dataset.given_split is not None
    found = fingerprint(dataset, dataset.given_split.train)
    assert found.orientation > 0.4 if upright else found.orientation < 0.15
    if name == "retina_drive":
        assert 2 <= found.thickness[1] <= 6
    if name == "em_isbi2012":
        assert 3 <= found.thickness[0] <= 7 < found.thickness[1]
    if name == "nuclei_dsb2018":
        assert found.brightness_varies
        assert 0.01 < found.touching_share < 0.2
