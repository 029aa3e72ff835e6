"""The chart of a simulation: what score labels buy at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unetkit.report.comparison_charts import Mark, error_bar, grid_rows, score_range
from unetkit.report.svg import Scale, document, elide, empty, finite, log_ticks, number, tag, text, ticks


@dataclass(frozen=True, slots=True)
class Series:
    """A way to label.

    Args:
        name: of the way.
        colour: as in SVG.
        points: (seconds of labelling, > 0; score).
    """

    name: str
    colour: str
    points: list[tuple[float, Mark]]


def score_against_effort(series: Sequence[Series], *, width: int = 800) -> str:
    """Score against the time that labelling takes, a line for each way to label.

    Args:
        series: ways to label; points without any cost are left out.
        width: in pixels.

    Returns:
        SVG.
    """
    points = [(cost, mark) for one in series for cost, mark in one.points if cost > 0]
    if not points:
        return empty(width, "Nothing was labelled.")
    height, left, right, bottom = 320, 46, width - 20, 246
    x = Scale(min(c for c, _ in points) / 1.25 / 60, max(c for c, _ in points) * 1.25 / 60, left, right, log=True)
    y = Scale(*score_range([v for _, m in points for v in finite([m.mean, m.low, m.high])]), bottom, 12)
    parts = grid_rows(y, left, right)
    marked = log_ticks(x.low, x.high)
    for value in marked if len(marked) > 2 else ticks(x.low, x.high, 4):  # costs that hardly differ
        parts.append(text(number(value), x(value), bottom + 18, class_="tick", text_anchor="middle"))
    parts.append(tag("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom))
    label = "minutes of labelling by the cost model (log scale)"
    parts.append(text(label, (left + right) / 2, bottom + 38, class_="tick", text_anchor="middle"))
    step = (right - left) / len(series)
    for index, one in enumerate(series):
        paid = [(cost / 60, mark) for cost, mark in one.points if cost > 0]
        path = "M" + "L".join(f"{x(cost):.1f} {y(mark.mean):.1f}" for cost, mark in paid)
        parts.append(tag("path", d=path, fill="none", stroke=one.colour, stroke_width=1.5))
        parts += [error_bar(mark, x(cost), y) for cost, mark in paid]
        parts.append(tag("circle", cx=left + step * index + 6, cy=bottom + 60, r=5, fill=one.colour))
        name = elide(one.name, max(8, int(step / 7.5)))
        parts.append(text(name, left + step * index + 16, bottom + 64, class_="tick"))
    told = "; ".join(f"{mark.name}: {mark.mean:.3f} after {cost / 60:.1f} min" for cost, mark in points)
    return document(width, height, f"Dice against minutes of labelling. {told}", *parts)
