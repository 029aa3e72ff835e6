"""Tables as files: CSV to the letter, Parquet with types and units."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from tests.objects.drawn import blobs, noise
from unetkit.errors import FileError, InputError, MissingExtra, UsageError
from unetkit.image import Image
from unetkit.objects import Table, measure, write_table
from unetkit.objects.measuring import check_table_path, concatenated


@pytest.fixture(scope="module")
def table() -> Table:
    names = ("background", 'cell, "round"', "Zelle\nß")
    return measure(blobs((40, 50)), Image(noise(1, (40, 50))), spacing=(0.5, 0.5), unit="um", class_names=names)


def test_csv_comes_back_exactly(table: Table, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", table)
    raw = (tmp_path / "a.csv").read_bytes()
    assert raw.count(b"\r\n") == len(table) + 1
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(table.columns)
    for name, values in table.columns.items():
        cells = [row[name] for row in rows]
        if values.dtype.kind == "O":
            assert cells == values.tolist()
        elif values.dtype.kind == "b":
            assert cells == ["true" if value else "false" for value in values]
        else:
            found = [float(cell) if cell else np.nan for cell in cells]
            np.testing.assert_array_equal(found, values.astype(float), err_msg=name)
    assert "nan" not in raw.decode().lower().replace("rnan", "")


def test_parquet_keeps_types_and_units(table: Table, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "a.parquet", table)
    found = parquet.read_table(tmp_path / "a.parquet")
    assert found.column_names == list(table.columns)
    assert found.schema.field("area_um2").metadata == {b"unit": b"um2"}
    assert str(found.schema.field("id").type) == "int64"
    assert str(found.schema.field("touches_border").type) == "bool"
    for name, values in table.columns.items():
        np.testing.assert_array_equal(np.array(found[name].to_pylist(), values.dtype), values, err_msg=name)


def test_parquet_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    with mock.patch.dict(sys.modules, {"pyarrow": None}), pytest.raises(MissingExtra, match=r"unetkit\[parquet\]"):
        check_table_path(tmp_path / "a.parquet")


def test_a_table_appears_whole_or_not_at_all(table: Table, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", table)
    before = (tmp_path / "a.csv").read_bytes()
    broken = table.with_column("area_px", np.array([object()] * len(table)))
    with mock.patch("csv.writer", side_effect=OSError(28, "No space left on device")), pytest.raises(FileError):
        write_table(tmp_path / "a.csv", broken)
    assert (tmp_path / "a.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    with pytest.raises(UsageError, match=r"\.csv, \.parquet"):
        write_table(tmp_path / "a.xlsx", table)


def test_tables_of_different_columns_are_joined() -> None:
    one = Table(
        {"id": np.array([1]), "mean_a": np.array([2.0]), "removed_by": np.array([""], object)}, class_names=("a",)
    )
    two = Table(
        {"id": np.array([7]), "name": np.array(["x"], object), "removed_by": np.array(["r"], object)}, notes=("n",)
    )
    joined = concatenated([one, two])
    assert list(joined.columns) == ["id", "mean_a", "name", "removed_by"]
    assert joined["id"].tolist() == [1, 7]
    assert joined["name"].tolist() == ["", "x"]
    assert np.isnan(joined["mean_a"][1])
    assert (joined.class_names, joined.notes) == (("a",), ("n",))


def test_ids_of_64_bits_stay_what_they_are() -> None:
    large = 2**64 - 1
    joined = concatenated([Table({"id": np.array([3])}), Table({"id": np.array([large], np.uint64)})])
    assert joined["id"].tolist() == [3, large]


def test_columns_of_different_lengths_are_no_table() -> None:
    with pytest.raises(InputError, match="differ in length"):
        Table({"a": np.array([1]), "b": np.array([1, 2])})
