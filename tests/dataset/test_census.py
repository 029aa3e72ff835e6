"""What a mask holds: values of every type, fractions and NaN among them, counted in blocks or at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetkit.dataset import census
from unetkit.dataset.census import count_mask, evenly, index_values
from unetkit.dataset.check import check
from unetkit.errors import FileError
from unetkit.formats import write_image, write_mask

NUMBERS = np.random.default_rng(0).choice([0, 1, 3, 100], (9, 13))


@pytest.mark.parametrize("block", [5, 2**22])
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "int16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_values_of_every_type(monkeypatch: pytest.MonkeyPatch, dtype: str, block: int) -> None:
    monkeypatch.setattr(census, "BLOCK", block)
    numbers = NUMBERS.astype(dtype)
    found = index_values(numbers)
    values, counts = np.unique(numbers, return_counts=True)
    assert found.values.tolist() == values.tolist()
    assert found.counts.tolist() == counts.tolist()
    np.testing.assert_array_equal(found.values[found.index], numbers)
    assert found.values.dtype == (dtype if dtype.startswith("float") else np.int64)
    assert found.index.dtype == np.uint8


def test_negative_and_many_values() -> None:
    numbers = np.arange(-150, 150).reshape(10, 30)
    found = index_values(numbers)
    assert found.index.dtype == np.uint16
    np.testing.assert_array_equal(found.values[found.index], numbers)
    assert index_values(np.zeros((0, 4), np.uint8)).values.size == 0


def test_fractions_stay_fractions_and_all_nan_are_one_value() -> None:
    numbers = np.array([[0.25, 0.75, np.nan], [np.nan, 0.25, 1]], np.float32)
    found = index_values(numbers)
    np.testing.assert_array_equal(found.values, np.array([0.25, 0.75, 1, np.nan], np.float32))
    assert found.counts.tolist() == [2, 1, 1, 2]
    assert found.index.tolist() == [[0, 1, 3], [3, 0, 2]]


def test_float_masks_are_counted_where_whole_and_refused_with_the_number_of_pixels(tmp_path: Path) -> None:
    path = tmp_path / "mask.npy"
    write_mask(path, np.array([[0, 2], [2, 2]], np.float32))
    count = count_mask(path)
    assert (count.values.tolist(), count.values.dtype, count.counts.tolist()) == ([0, 2], np.int64, [1, 3])
    write_mask(path, np.array([[0, np.nan], [np.nan, np.inf]], np.float32))
    with pytest.raises(FileError, match="found 3 of them"):
        count_mask(path)
    write_mask(path, np.array([[0, 0.5], [0.5, 0.25]], np.float32))
    with pytest.raises(FileError, match=r"found 0\.25, 0\.5"):
        count_mask(path)


def test_check_names_the_fractions_of_a_float_mask(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, high in (("a", 1), ("b", 1), ("c", 0.5)):
        write_image(tmp_path / "images" / f"{name}.tif", generator.integers(0, 255, (1, 32, 32)).astype(np.uint8))
        write_mask(tmp_path / "masks" / f"{name}.tif", np.kron(np.eye(2), np.full((16, 16), high)).astype(np.float32))
    finding = next(finding for finding in check(tmp_path).findings if finding.rule == "mask-not-whole")
    assert finding.files == ("masks/c.tif",)
    assert "0.5" in finding.what


def test_evenly_spread() -> None:
    assert evenly("abcdefg", 3) == ["a", "d", "g"]
    assert evenly("ab", 3) == ["a", "b"]
    assert evenly("", 3) == []
