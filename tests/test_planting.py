"""The errors that the benchmark of wrong labels plants are what they are called, and the same for the same seed."""

from __future__ import annotations

import filecmp
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planting import KINDS, Mask, kinds_for, plant
from unetkit.classes import Classes, write_classes
from unetkit.dataset import open_dataset
from unetkit.dataset.folder import read_objects
from unetkit.formats import read_mask, write_image, write_mask
from unetkit.objects import label_components


@pytest.fixture
def mask() -> Mask:
    """Three objects of two classes."""
    labels = np.zeros((40, 40), np.uint8)
    labels[2:6, 2:6] = labels[10:20, 10:20] = 1
    labels[25:37, 25:37] = 2
    return Mask(labels * 10, labels, label_components(labels))


def test_a_shifted_mask_is_moved_by_five_to_ten_pixels(mask: Mask) -> None:
    for seed in range(20):
        moved = KINDS["shifted"](mask, np.random.default_rng(seed))
        assert moved is not None
        rows, columns = (np.argwhere(values == 20)[0] for values in (moved, mask.values))
        assert 4.2 <= np.hypot(*(rows - columns)) <= 10.8


def test_one_object_of_the_larger_half_goes_missing(mask: Mask) -> None:
    for seed in range(10):
        less = KINDS["missing"](mask, np.random.default_rng(seed))
        assert less is not None
        (gone,) = np.unique(mask.objects[less != mask.values])
        assert (mask.objects == gone).sum() >= 100
        assert (less[mask.objects == gone] == 0).all()


def test_two_classes_are_exchanged_everywhere(mask: Mask) -> None:
    other = KINDS["swapped"](mask, np.random.default_rng(0))
    assert other is not None
    assert np.array_equal(other, np.array([0, 20, 10])[mask.labels])


def test_what_cannot_be_damaged_so_is_left(mask: Mask) -> None:
    empty = Mask(np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.int32))
    assert KINDS["missing"](empty, np.random.default_rng(0)) is None
    one = Mask(mask.values, np.minimum(mask.labels, 1), mask.objects)
    assert KINDS["swapped"](one, np.random.default_rng(0)) is None


def test_a_set_is_copied_and_damaged_by_its_seed(discs: Path, tmp_path: Path) -> None:
    planted = plant(discs, tmp_path / "one", share=0.25, seed=3)
    assert planted == plant(discs, tmp_path / "two", share=0.25, seed=3)
    assert sorted(one.kind for one in planted) == ["missing", "shifted"]
    files = [path.relative_to(discs).as_posix() for path in discs.rglob("*.png")]
    same, differ, _ = filecmp.cmpfiles(discs, tmp_path / "one", files, shallow=False)
    assert sorted(differ) == sorted(f"masks/{one.name}.png" for one in planted)
    assert not filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", files, shallow=False)[1]
    assert len(same) == len(files) - 2


def test_numbered_objects_stay_numbered(tmp_path: Path) -> None:
    ids = np.zeros((32, 32), np.uint16)
    ids[2:10, 2:10], ids[15:25, 15:25], ids[27:30, 2:30] = 700, 3, 9
    for name in "ab":
        write_image(tmp_path / "data/images" / f"{name}.png", (ids > 0).astype(np.uint8)[None])
        write_mask(tmp_path / "data/masks" / f"{name}.png", ids)
    stated = Classes(names=("background", "cell"), encoding="instances", dtype="uint16")
    write_classes(tmp_path / "data/classes.yaml", stated)
    (one,) = plant(tmp_path / "data", tmp_path / "copy", seed=1)
    dataset = open_dataset(tmp_path / "copy")
    assert kinds_for(dataset) == ["shifted", "missing"]
    assert one.kind == "missing"
    values = read_mask(tmp_path / "copy/masks" / f"{one.name}.png").values
    assert set(np.unique(values)) < {0, 3, 9, 700}
    assert read_objects(dataset, dataset.sample(one.name)).count == 2
