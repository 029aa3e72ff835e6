"""Measuring objects: one table, a row an object; rules that keep some of them; files of the table."""

from __future__ import annotations

from unetkit.objects.measuring.accumulate import Accumulator
from unetkit.objects.measuring.columns import DEFINITIONS, column_unit, definition_of
from unetkit.objects.measuring.measure import is_thin, keep_objects, measure, names_of_channels, tabulate
from unetkit.objects.measuring.rules import apply_rule, removed
from unetkit.objects.measuring.table import Table, check_table_path, concatenated, read_table, write_table

__all__ = [
    "DEFINITIONS",
    "Accumulator",
    "Table",
    "apply_rule",
    "check_table_path",
    "column_unit",
    "concatenated",
    "definition_of",
    "is_thin",
    "keep_objects",
    "measure",
    "names_of_channels",
    "read_table",
    "removed",
    "tabulate",
    "write_table",
]
