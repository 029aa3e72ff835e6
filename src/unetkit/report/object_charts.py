"""How large objects are, how many an image holds: one histogram for any such numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unetkit.report.svg import Scale, document, empty, finite, log_ticks, number, tag, text, ticks, title

WIDE = 30.0
"""Where the largest value is so many times the smallest, the axis is logarithmic."""


def value_histogram(
    values: Sequence[float], *, name: str, counted: str = "objects", width: int = 800, marked: float | None = None
) -> str:
    """How often values lie where, such as the areas of objects, or the numbers of objects of images.

    Args:
        values: one an object (or image); what is not finite is left out.
        name: what they are, for the axis, such as "area (µm²)".
        counted: what is counted, in the plural.
        width: of the chart, in pixels.
        marked: a value that gets a line, such as the least size that a rule keeps; None marks the median.

    Returns:
        SVG; the axis is logarithmic where all values are above 0 and they spread 30-fold or more.

    Example:
        >>> "3 objects" in value_histogram([1.0, 2.0, 4.0], name="area (px)")
        True
    """
    known = np.array(finite(values))
    if not known.size:
        return empty(width, f"There are no {counted} to show.")
    log = bool(known.min() > 0 and known.max() >= WIDE * known.min())
    low, high = _ends(known, log)
    bins = max(4, min(round(width / 30), 2 + int(3 * np.sqrt(known.size))))
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
    heights, _ = np.histogram(known, edges)
    x, y = Scale(low, high, 58, width - 16, log=log), Scale(0, int(heights.max()), 206, 26)
    parts = []
    for mark in (m for m in ticks(0, int(heights.max()), 4) if m == round(m)):
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(mark), y2=y(mark)))
        parts.append(text(number(mark, 5), x.start - 10, y(mark) + 4, class_="tick", text_anchor="end"))
    for left, right, height in zip(edges[:-1].tolist(), edges[1:].tolist(), heights.tolist(), strict=True):
        if height:
            told = title(f"{number(left)} to {number(right)}: {height} {counted}")
            size = {"width": max(1.0, x(right) - x(left) - 2), "height": y(0) - y(height)}
            parts.append(tag("rect", told, class_="found", x=x(left) + 1, y=y(height), **size))
    parts.append(tag("line", class_="axis", x1=x.start, x2=x.end, y1=y(0), y2=y(0)))
    for mark in log_ticks(low, high) if log else ticks(low, high, max(3, width // 120)):
        parts.append(text(number(mark), x(mark), 224, class_="tick", text_anchor="middle"))
    at = float(np.median(known)) if marked is None else marked
    if low <= at <= high:
        parts.append(tag("line", class_="axis", x1=x(at), x2=x(at), y1=20, y2=y(0), stroke_dasharray="4 3"))
        side = "end" if x(at) > width * 0.8 else "start"
        said = f"{'median ' if marked is None else ''}{number(at)}"
        parts.append(text(said, x(at) + (-6 if side == "end" else 6), 14, class_="tick", text_anchor=side))
    label = name + (", log scale" if log else "")
    parts.append(text(label, (x.start + x.end) / 2, 246, class_="tick", text_anchor="middle"))
    parts.append(text(f"number of {counted}", 0, 14, class_="tick"))
    said = f"{name} of {known.size} {counted}: {number(known.min())} to {number(known.max())}"
    return document(width, 254, f"{said}, median {number(float(np.median(known)))}.", *parts)


def _ends(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], log: bool) -> tuple[float, float]:
    """Where the axis begins and ends: a little beyond the values."""
    low, high = float(values.min()), float(values.max())
    if log:
        return low / 1.05, high * 1.05
    margin = (high - low) * 0.02 or max(abs(low), 1.0) * 0.5
    return (low if low == 0 else low - margin), high + margin
