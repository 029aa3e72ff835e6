"""A table of objects: named columns of equal length, and how they become a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import FileError, InputError, UsageError
from unetkit.extras import load
from unetkit.files import replacing

Column = npt.NDArray[Any]

SUFFIXES = (".csv", ".parquet")

TEXTS = ("image", "class", "neighbour_ids", "removed_by")
"""Columns that hold texts, even where these look like numbers."""


@dataclass(frozen=True, slots=True)
class Table:
    """One row an object.

    Args:
        columns: name to values, all of one length. Numbers, booleans or texts; what is unknown is NaN.
        units: name to unit of the columns that have one, such as {"area_um2": "um2"}.
        class_names: the names that the column `class` may hold.
        notes: what the user should know of how the numbers came about.

    Raises:
        InputError: the columns differ in length.

    Example:
        >>> table = Table({"id": np.array([1, 2]), "area_px": np.array([7.0, 9.0])})
        >>> len(table), table["area_px"].tolist()
        (2, [7.0, 9.0])
    """

    columns: Mapping[str, Column]
    units: Mapping[str, str] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) > 1:
            raise InputError("the columns of a table differ in length", found=sorted(lengths))

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def rows(self, kept: npt.NDArray[np.bool_]) -> Table:
        """Those of the rows where `kept` (bool n) is True."""
        return replace(self, columns={name: values[kept] for name, values in self.columns.items()})

    def with_column(self, name: str, values: Column, *, first: bool = False) -> Table:
        """The table with a column replaced, or a new one at its end (or beginning)."""
        columns = {name: values, **self.columns} if first else {**self.columns, name: values}
        return replace(self, columns=columns)


def concatenated(tables: Sequence[Table]) -> Table:
    """The rows of several tables, one below the other; a column that a table lacks is unknown in its rows.

    Columns stand in the order in which they first occur, `removed_by` last.

    Example:
        >>> one, two = Table({"a": np.array([1])}), Table({"a": np.array([2]), "b": np.array([0.5])})
        >>> concatenated([one, two])["b"].tolist()
        [nan, 0.5]
    """
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    if "removed_by" in names:
        names = [*(name for name in names if name != "removed_by"), "removed_by"]
    columns = {}
    for name in names:
        kinds = {table[name].dtype.kind for table in tables if name in table.columns}
        parts = [table[name] if name in table.columns else _unknown(len(table), kinds) for table in tables]
        if {part.dtype.kind for part in parts} == {"i", "u"}:  # ids of 64 bits, which floats would round
            parts = [part.astype(np.uint64) for part in parts]
        columns[name] = np.concatenate(parts)
    units = {name: unit for table in tables for name, unit in table.units.items()}
    class_names = tuple(dict.fromkeys(name for table in tables for name in table.class_names))
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return Table(columns, units, class_names, notes)


def _unknown(count: int, kinds: Set[str]) -> Column:
    return np.full(count, "", object) if kinds & {"O", "U"} else np.full(count, np.nan)


def write_table(path: str | PathLike[str], table: Table) -> None:
    """Write a table, whole or not at all.

    CSV as RFC 4180 has it, in UTF-8: one header, one line an object, an empty cell where a value is unknown, numbers
    with all their digits. Parquet (the extra `parquet`) keeps types, and each column's unit in its metadata.

    Args:
        path: ends in .csv or .parquet.
        table: what to write.

    Raises:
        UsageError: another suffix.
        MissingExtra: Parquet without its extra.
        FileError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "objects.csv"
        >>> write_table(file, Table({"id": np.array([1]), "solidity": np.array([np.nan])}))
        >>> file.read_bytes()
        b'id,solidity\\r\\n1,\\r\\n'
    """
    path = Path(path)
    check_table_path(path)
    if path.suffix.lower() == ".parquet":
        _write_parquet(path, table)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        for start in range(0, len(table), 10_000):
            cells = [_cells(values[start : start + 10_000]) for values in table.columns.values()]
            writer.writerows(zip(*cells, strict=True))


def read_table(path: str | PathLike[str], *, class_names: tuple[str, ...] = ()) -> Table:
    """Read what `write_table` wrote.

    Args:
        path: ends in .csv or .parquet.
        class_names: the names that the column `class` may hold.

    Raises:
        UsageError: another suffix.
        MissingExtra: Parquet without its extra.
        FileError: the file cannot be read, or holds no table.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "objects.csv"
        >>> write_table(file, Table({"class": np.array(["1"], object), "solidity": np.array([np.nan])}))
        >>> {name: values.tolist() for name, values in read_table(file).columns.items()}
        {'class': ['1'], 'solidity': [nan]}
    """
    path = Path(path)
    check_table_path(path)
    try:
        if path.suffix.lower() == ".parquet":
            read = load("pyarrow.parquet", "parquet").read_table(path).to_pydict()
        else:
            with path.open(encoding="utf-8", newline="") as file:
                names, *rows = csv.reader(file)
                read = {name: [row[column] for row in rows] for column, name in enumerate(names)}
    except (OSError, ValueError, IndexError, csv.Error) as error:  # pyarrow's are among them
        raise FileError("cannot be read as a table of objects", file=path, found=error) from error
    return Table({name: _column(name, values) for name, values in read.items()}, class_names=class_names)


def _column(name: str, values: list[Any]) -> Column:
    """Numbers, with NaN where unknown, where all that is known is one; else booleans or texts."""
    if name in TEXTS:
        return np.array(["" if value is None else str(value) for value in values], object)
    if values and {str(value).lower() for value in values} <= {"true", "false"}:
        return np.array([str(value).lower() == "true" for value in values])
    try:
        return np.array([np.nan if value in ("", None) else float(value) for value in values], np.float64)
    except ValueError:
        return np.array(values, object)


def check_table_path(path: str | PathLike[str]) -> None:
    """Refuse what `write_table` could not write, before anything is measured.

    Raises:
        UsageError: neither .csv nor .parquet.
        MissingExtra: Parquet without its extra.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            "a table cannot be written so", file=path, found=f"suffix '{suffix}'", expected=".csv, .parquet"
        )
    if suffix == ".parquet":
        load("pyarrow", "parquet")


def _cells(values: Column) -> list[Any]:
    if values.dtype.kind == "f":
        known = ~np.isnan(values)
        if (values[known] == np.trunc(values[known])).all() and (np.abs(values[known]) < 2**53).all():
            numbers = np.where(known, values, 0).astype(np.int64).astype(object)
        else:  # as text first: a float of 32 bits shall not show the digits that one of 64 bits would have
            numbers = (values if values.itemsize == 8 else values.astype(str).astype(np.float64)).astype(object)
        numbers[~known] = ""
        found: list[Any] = numbers.tolist()
        return found
    if values.dtype.kind == "b":
        return ["true" if value else "false" for value in values.tolist()]
    cells: list[Any] = values.tolist()
    return cells


def _write_parquet(path: Path, table: Table) -> None:
    arrow, parquet = load("pyarrow", "parquet"), load("pyarrow.parquet", "parquet")
    fields, arrays = [], []
    for name, values in table.columns.items():
        array = arrow.array(values.tolist() if values.dtype.kind in "OU" else values, from_pandas=True)
        metadata = {"unit": table.units[name]} if name in table.units else None
        fields.append(arrow.field(name, array.type, metadata=metadata))
        arrays.append(array)
    with replacing(path) as temporary:
        parquet.write_table(arrow.Table.from_arrays(arrays, schema=arrow.schema(fields)), temporary)
