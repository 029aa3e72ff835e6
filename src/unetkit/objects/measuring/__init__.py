"""Measuring objects: one table, a row an object; rules that keep some of them; files of the table."""

from __future__ import annotations

from unetkit.objects.measuring.accumulate import Accumulator
from unetkit.objects.measuring.columns import DEFINITIONS, definition_of
from unetkit.objects.measuring.measure import keep_objects, measure, tabulate
from unetkit.objects.measuring.rules import apply_rule, removed
from unetkit.objects.measuring.table import Table, check_table_path, concatenated, write_table

__all__ = [
    "DEFINITIONS",
    "Accumulator",
    "Table",
    "apply_rule",
    "check_table_path",
    "concatenated",
    "definition_of",
    "keep_objects",
    "measure",
    "removed",
    "tabulate",
    "write_table",
]
