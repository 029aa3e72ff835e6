"""What to label next and what labels are worth, as tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from unetkit.cli.show import console, interval

if TYPE_CHECKING:
    from unetkit.active import Suggestions
    from unetkit.simulation import Simulation


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


def show_simulation(simulation: Simulation) -> None:
    """A row a strategy, kind of labels and budget: cost, score, and the difference from the first."""
    from unetkit.compare.differences import SAID, difference_text
    from unetkit.simulation.simulate import CHART, TABLE

    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("strategy", "labels", "budget", "places", "clicks", "minutes", "Dice", "against the first", ""):
        table.add_column(column)
    for row in simulation.rows:
        mean, low, high = row.score or (None, None, None)
        versus = row.versus
        table.add_row(
            row.strategy,
            row.labels,
            row.budget,
            f"{row.places:g}",
            f"{row.clicks:.0f}",
            f"{row.seconds / 60:.1f}",
            interval({"mean": mean, "low": low, "high": high}),
            escape(difference_text(versus)) if versus else "",
            SAID[versus.verdict] if versus else "",
        )
    out.print(table)
    seeds = max(len(row.scores) for row in simulation.rows)
    over = "images and seeds" if seeds > 1 else "images alone: one seed cannot tell luck from gain"
    out.print(
        f"{len(simulation.images)} images, {seeds} seeds; minutes by the cost model; 95 % intervals over {over}",
        soft_wrap=True,
    )
    if simulation.warning:
        out.print(f"warning: {simulation.warning}", soft_wrap=True)
    for name in (TABLE, CHART):
        out.print(f"written  {simulation.path / name}", soft_wrap=True)
