"""Charts of a comparison: score against cost, differences and their intervals, image by image, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unetkit.report.svg import (
    Scale,
    compact,
    document,
    elide,
    empty,
    finite,
    log_ticks,
    number,
    tag,
    text,
    ticks,
    title,
)

Values = npt.NDArray[np.float64]

COLOURS = ("#0b7d6b", "#c2570c", "#2b6cb0", "#9b3fb5", "#a27a00", "#b3261e", "#4d7c0f", "#64748b")
"""One a variant, in order, and again from the first where there are more."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A variant in a chart.

    Args:
        name: of the variant.
        mean: its value.
        low: lower end of the interval, or None.
        high: upper end, or None.
        colour: as in SVG; the same in every chart of a page.
    """

    name: str
    mean: float
    low: float | None = None
    high: float | None = None
    colour: str = COLOURS[0]


def colour_of(index: int) -> str:
    """The colour of the variant at a place."""
    return COLOURS[index % len(COLOURS)]


def score_against_cost(marks: Sequence[Mark], costs: Sequence[float], *, label: str, width: int = 400) -> str:
    """Every variant as a dot with its interval: what it costs to the right, what it scores upwards.

    Args:
        marks: a score each.
        costs: > 0 each, on a logarithmic axis.
        label: what the cost is, with its unit.
        width: in pixels.

    Returns:
        SVG.
    """
    if not marks:
        return empty(width, "Nothing was trained.")
    height, left, right, bottom = 250, 46, width - 12, 206
    low, high = score_range([v for m in marks for v in finite([m.mean, m.low, m.high])])
    x = Scale(min(costs) / 1.35, max(costs) * 1.35, left, right, log=True)
    y = Scale(low, high, bottom, 14)
    parts = grid_rows(y, left, right)
    marked = log_ticks(x.low, x.high)
    if len(marked) < 3:  # costs that hardly differ
        marked = ticks(x.low, x.high, 4)
    for value in marked[:: -(-len(marked) // 5)]:
        shown = compact(value) if value >= 1000 else number(value)
        parts.append(text(shown, x(value), bottom + 18, class_="tick", text_anchor="middle"))
    parts.append(tag("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom))
    parts.append(text(label, (left + right) / 2, bottom + 38, class_="tick", text_anchor="middle"))
    for mark, cost in zip(marks, costs, strict=True):
        parts.append(error_bar(mark, x(cost), y))
    told = "; ".join(f"{m.name}: {m.mean:.3f} at {number(c)}" for m, c in zip(marks, costs, strict=True))
    return document(width, height, f"Score against {label}. {told}", *parts)


def score_range(values: Sequence[float]) -> tuple[float, float]:
    """An axis that shows these scores, with some room, within 0 … 1."""
    low, high = min(values), max(values)
    room = max(0.005, 0.15 * (high - low))
    return max(0.0, low - room), min(1.0, high + room)


def grid_rows(y: Scale, left: float, right: float) -> list[str]:
    """Horizontal lines with their numbers."""
    parts = []
    for mark in ticks(y.low, y.high, 5):
        parts.append(tag("line", class_="grid", x1=left, x2=right, y1=y(mark), y2=y(mark)))
        parts.append(text(number(mark), left - 8, y(mark) + 4, class_="tick", text_anchor="end"))
    return parts


def error_bar(mark: Mark, x: float, y: Scale) -> str:
    """A score as a dot, with its interval."""
    colour = mark.colour
    parts = [title(f"{mark.name}: {mark.mean:.3f}")]
    if mark.low is not None and mark.high is not None:
        parts.append(tag("line", x1=x, x2=x, y1=y(mark.low), y2=y(mark.high), stroke=colour, stroke_width=2))
        for end in (mark.low, mark.high):
            parts.append(tag("line", x1=x - 4, x2=x + 4, y1=y(end), y2=y(end), stroke=colour, stroke_width=2))
    parts.append(tag("circle", cx=x, cy=y(mark.mean), r=5.5, fill=colour))
    return tag("g", *parts)


def differences(marks: Sequence[Mark], words: Sequence[str], reference: str, *, width: int = 800) -> str:
    """One row a variant: how much higher it scores than the reference, with its interval about zero.

    Args:
        marks: a difference each.
        words: what may be said of each.
        reference: name of what they are compared with.
        width: in pixels; under 500 the names stand above the bars.

    Returns:
        SVG.
    """
    if not marks:
        return empty(width, "There is nothing to compare with.")
    reach = max([0.01, *(abs(v) for m in marks for v in finite([m.mean, m.low, m.high]))]) * 1.1
    narrow = width < 500
    left, right = (8.0, width - 8.0) if narrow else (210.0, width - 262.0)
    x, step = Scale(-reach, reach, left, right), 54 if narrow else 36
    bottom = 10 + step * len(marks)
    parts = []
    for value in ticks(-reach, reach, 4):
        css = "axis" if value == 0 else "grid"
        parts.append(tag("line", class_=css, x1=x(value), x2=x(value), y1=4, y2=bottom))
        parts.append(text(_signed(value), x(value), bottom + 18, class_="tick", text_anchor="middle"))
    for index, (mark, word) in enumerate(zip(marks, words, strict=True)):
        middle = 10 + step * index + (38 if narrow else 17)
        baseline = middle - 17 if narrow else middle + 4
        parts.append(text(elide(mark.name, 28), 0, baseline, class_="plain"))
        said = f"{_signed(mark.mean, 3)}  {word}"
        parts.append(
            text(
                said, width if narrow else right + 20, baseline, class_="tick", text_anchor="end" if narrow else "start"
            )
        )
        if mark.low is not None and mark.high is not None:
            size = {"x": x(mark.low), "y": middle - 4, "width": max(1.0, x(mark.high) - x(mark.low)), "height": 8}
            parts.append(tag("rect", fill=mark.colour, fill_opacity="0.35", rx=3, **size))
        if math.isfinite(mark.mean):
            parts.append(tag("circle", cx=x(mark.mean), cy=middle, r=5.5, fill=mark.colour))
    joint = "joint 95 % intervals" if len(marks) > 1 else "95 % interval"
    label = f"difference in Dice from {elide(reference, 30)}, {joint}"
    parts.append(text(label, (left + right) / 2, bottom + 40, class_="tick", text_anchor="middle"))
    told = "; ".join(f"{m.name}: {_signed(m.mean, 3)}, {w}" for m, w in zip(marks, words, strict=True))
    return document(width, bottom + 48, f"Differences from {reference}. {told}", *parts)


def _signed(value: float, digits: int | None = None) -> str:
    shown = f"{value:+.{digits}f}" if digits else ("+" if value > 0 else "") + number(value)
    return shown.replace("-", "\N{MINUS SIGN}")


def image_by_image(marks: Sequence[Mark], tables: Sequence[Values], *, width: int = 800) -> str:
    """Each test image as a line through its scores: lines that cross are images that prefer another variant.

    Args:
        marks: the mean score of each variant.
        tables: N scores each, of the same images; NaN where undefined.
        width: in pixels.

    Returns:
        SVG.
    """
    if not tables or not len(tables[0]):
        return empty(width, "No image was scored.")
    height, left, right, bottom = 300, 46, width - 16, 246
    low, high = score_range(finite([float(v) for table in tables for v in table]) or [0.0, 1.0])
    y = Scale(low, high, bottom, 12)
    step = (right - left) / len(tables)
    middles = [left + step * (i + 0.5) for i in range(len(tables))]
    parts = grid_rows(y, left, right)
    for image in range(len(tables[0])):
        points = [(m, y(float(t[image]))) for m, t in zip(middles, tables, strict=True) if math.isfinite(t[image])]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        parts.append(tag("path", d=path, fill="none", stroke="currentColor", stroke_opacity="0.22") if points else "")
    for mark, middle, table in zip(marks, middles, tables, strict=True):
        for value in finite([float(v) for v in table]):
            parts.append(tag("circle", cx=middle, cy=y(value), r=3, fill=mark.colour, fill_opacity="0.65"))
        if math.isfinite(mark.mean):
            edge = {"x1": middle - 16, "x2": middle + 16, "y1": y(mark.mean), "y2": y(mark.mean)}
            parts.append(tag("line", stroke=mark.colour, stroke_width=3, **edge))
        name = elide(mark.name, max(6, int(step / 7)))
        parts.append(text(name, middle, bottom + 20, class_="tick", text_anchor="middle"))
    parts.append(text("a line is a test image, a bar the mean of all", left, bottom + 46, class_="tick"))
    return document(width, height, f"Dice of every test image under {', '.join(mark.name for mark in marks)}", *parts)


def learning_curve(
    marks: Mapping[int, Mark], fitted: Sequence[tuple[float, float]], forecast: Mark | None, *, width: int = 800
) -> str:
    """Score against the number of annotated images, the curve through it, and where it leads.

    Args:
        marks: number of images → score.
        fitted: points (images, score) of the fitted curve, to the forecast's number of images.
        forecast: the score expected at the curve's end.
        width: in pixels.

    Returns:
        SVG.
    """
    if not marks:
        return empty(width, "Nothing was trained.")
    height, left, right, bottom = 300, 46, width - 20, 246
    every = [*marks.values(), *([forecast] if forecast else [])]
    low, high = score_range([v for m in every for v in finite([m.mean, m.low, m.high])])
    most = max([*marks, *(n for n, _ in fitted)])
    x, y = Scale(min(marks) / 1.2, most * 1.15, left, right, log=True), Scale(low, high, bottom, 12)
    parts = grid_rows(y, left, right)
    for images in marks:
        parts.append(text(str(images), x(images), bottom + 18, class_="tick", text_anchor="middle"))
    path = "M" + "L".join(f"{x(n):.1f} {y(min(max(s, low), high)):.1f}" for n, s in fitted)
    if fitted:
        dashes = {"stroke": "currentColor", "stroke_opacity": "0.6", "stroke_dasharray": "5 4"}
        parts.append(tag("path", d=path, fill="none", **dashes))
    for images, mark in marks.items():
        parts.append(error_bar(mark, x(images), y))
    if forecast is not None:
        parts.append(error_bar(forecast, x(most), y))
        parts.append(text(f"{most:.0f}?", x(most), bottom + 18, class_="tick", text_anchor="middle"))
    parts.append(tag("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom))
    middle = (left + right) / 2
    parts.append(
        text("annotated training images (log scale)", middle, bottom + 42, class_="tick", text_anchor="middle")
    )
    told = "; ".join(f"{n}: {m.mean:.3f}" for n, m in marks.items())
    return document(width, height, f"Dice against annotated images. {told}", *parts)
