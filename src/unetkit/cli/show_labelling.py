"""What to label next and what labels are worth, as tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from unetkit.cli.show import console

if TYPE_CHECKING:
    from unetkit.active import Suggestions


def show_suggestions(found: Suggestions) -> None:
    """A row a suggestion, then how the strategies stand, and whether to go on."""
    from unetkit.active.page import box_text, standing_cells

    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "image", "where", "strategy", "because"):
        table.add_column(column, overflow="fold")
    for rank, one in enumerate(found.suggestions, 1):
        where = "whole image" if one.place.whole else box_text(one.place)
        table.add_row(str(rank), escape(one.place.image), where, one.strategy, escape(one.reason))
    out.print(table)
    if any(one.labelled for one in found.standings):
        standing = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("strategy", "labelled since", "waiting", "surprise", "against the baseline", ""):
            standing.add_column(column)
        for state in found.standings:
            standing.add_row(*map(escape, standing_cells(state)))
        out.print(standing)
    for note in found.notes:
        out.print(f"note: {escape(note)}", soft_wrap=True)
    out.print(escape(found.advice.words), soft_wrap=True)
