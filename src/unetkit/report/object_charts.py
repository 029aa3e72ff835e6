"""How large objects are, how many an image holds: histograms of any such numbers, and predicted against true counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.report.svg import (
    Scale,
    compact,
    document,
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

WIDE = 30.0
"""Where the largest value is so many times the smallest, the axis is logarithmic."""

FLOOR, TOP = 206, 26  # pixels from the upper edge: the horizontal axis, and the highest bar


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
    bins = _bins(known, known.size, width)
    heights, _ = np.histogram(known, bins.edges)
    y = Scale(0, int(heights.max()), FLOOR, TOP)
    parts = _levels(bins.x, y)
    for left, right, height in zip(bins.edges[:-1].tolist(), bins.edges[1:].tolist(), heights.tolist(), strict=True):
        if height:
            told = title(f"{number(left)} to {number(right)}: {height} {counted}")
            parts.append(tag("rect", told, class_="found", **_bar(bins.x, y, left, right, height)))
    parts += _base(bins, name, counted, width)
    at = float(np.median(known)) if marked is None else marked
    if bins.x.low <= at <= bins.x.high:
        parts.append(tag("line", class_="axis", x1=bins.x(at), x2=bins.x(at), y1=20, y2=FLOOR, stroke_dasharray="4 3"))
        side = "end" if bins.x(at) > width * 0.8 else "start"
        said = f"{'median ' if marked is None else ''}{number(at)}"
        parts.append(text(said, bins.x(at) + (-6 if side == "end" else 6), 14, class_="tick", text_anchor=side))
    said = f"{name} of {known.size} {counted}: {number(known.min())} to {number(known.max())}"
    return document(width, 254, f"{said}, median {number(float(np.median(known)))}.", *parts)


def paired_histogram(true: Sequence[float], predicted: Sequence[float], *, name: str, width: int = 800) -> str:
    """How often the values of true and of predicted objects lie where: grey bars, and a line over them.

    Args:
        true: one a true object; what is not finite is left out.
        predicted: one a predicted object, likewise.
        name: what they are, for the axis, such as "area (µm²)".
        width: of the chart, in pixels.

    Returns:
        SVG; the axis is as in `value_histogram`.

    Example:
        >>> "3 true, 2 predicted" in paired_histogram([1.0, 2.0, 4.0], [1.0, 7.0], name="area (px)")
        True
    """
    first, second = np.array(finite(true)), np.array(finite(predicted))
    known = np.concatenate([first, second])
    if not known.size:
        return empty(width, "There are no objects to show.")
    bins = _bins(known, max(first.size, second.size), width)
    heights = [np.histogram(values, bins.edges)[0].tolist() for values in (first, second)]
    y = Scale(0, max(map(max, heights)), FLOOR, TOP)
    parts, line = _levels(bins.x, y), [(bins.x(float(bins.edges[0])), float(FLOOR))]
    for left, right, of_true, of_predicted in zip(
        bins.edges[:-1].tolist(), bins.edges[1:].tolist(), *heights, strict=True
    ):
        if of_true:
            parts.append(tag("rect", class_="true", **_bar(bins.x, y, left, right, of_true)))
        line += [(bins.x(left), y(of_predicted)), (bins.x(right), y(of_predicted))]
        told = title(f"{number(left)} to {number(right)}: {of_true} true, {of_predicted} predicted")
        size = {"x": bins.x(left), "y": TOP, "width": bins.x(right) - bins.x(left), "height": FLOOR - TOP}
        parts.append(tag("rect", told, class_="hit", **size))
    line.append((line[-1][0], float(FLOOR)))
    path = "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in line)
    parts.append(tag("path", class_="line score", d=path))
    parts += _base(bins, name, "objects", width)
    parts += _key(bins.x.end)
    medians = [f"median {number(float(np.median(values)))}" if values.size else "none" for values in (first, second)]
    said = f"{first.size} true, {second.size} predicted objects; true: {medians[0]}, predicted: {medians[1]}"
    return document(width, 254, f"{name}: {said}.", *parts)


def count_scatter(counts: Sequence[tuple[str, int, int]], *, width: int = 480) -> str:
    """How many objects each image holds and how many were predicted; on the diagonal the two agree.

    Args:
        counts: (image, true, predicted); images with the same two numbers share a dot.
        width: of the chart, in pixels; it is as high as wide.

    Returns:
        SVG.

    Example:
        >>> "2 images" in count_scatter([("a", 3, 3), ("b", 4, 5)])
        True
    """
    if not counts:
        return empty(width, "There are no images to show.")
    most = max(1, *(max(true, predicted) for _, true, predicted in counts))
    x, y = Scale(0, most * 1.04, 58, width - 16), Scale(0, most * 1.04, width - 48, 26)
    parts = []
    for mark in (mark for mark in ticks(0, most, 4) if mark == round(mark)):
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(mark), y2=y(mark)))
        parts.append(text(compact(mark), x.start - 10, y(mark) + 4, class_="tick", text_anchor="end"))
        parts.append(text(compact(mark), x(mark), y.start + 18, class_="tick", text_anchor="middle"))
    parts.append(tag("line", class_="axis", x1=x(0), x2=x.end, y1=y(0), y2=y.end, stroke_dasharray="4 3"))
    dots: dict[tuple[int, int], list[str]] = {}
    for name, true, predicted in counts:
        dots.setdefault((true, predicted), []).append(name)
    for (true, predicted), names in dots.items():
        who = names[0] if len(names) == 1 else f"{len(names)} images"
        told = title(f"{who}: {true} true, {predicted} predicted")
        parts.append(tag("circle", told, class_="dot score", cx=x(true), cy=y(predicted), r=4.5, fill_opacity=0.6))
    parts.append(
        text("true objects in an image", (x.start + x.end) / 2, width - 8, class_="tick", text_anchor="middle")
    )
    parts.append(text("predicted", 0, 14, class_="tick"))
    right = sum(true == predicted for _, true, predicted in counts)
    images = f"{len(counts)} image{'' if len(counts) == 1 else 's'}"
    return document(width, width, f"Counts of {images}, true against predicted; {right} agree exactly.", *parts)


@dataclass(frozen=True, slots=True)
class _Bins:
    """Where the bars begin and end, and the axis they stand on."""

    edges: Values
    x: Scale


def _bins(known: Values, count: int, width: int) -> _Bins:
    """Bins for values, of which `count` lie in one histogram: logarithmic where they spread."""
    log = bool(known.min() > 0 and known.max() >= WIDE * known.min())
    low, high = _ends(known, log)
    bars = max(4, min(round(width / 30), 2 + int(3 * np.sqrt(count))))
    edges = np.geomspace(low, high, bars + 1) if log else np.linspace(low, high, bars + 1)
    return _Bins(edges, Scale(low, high, 58, width - 16, log=log))


def _bar(x: Scale, y: Scale, left: float, right: float, height: int) -> dict[str, Any]:
    return {"x": x(left) + 1, "y": y(height), "width": max(1.0, x(right) - x(left) - 2), "height": y(0) - y(height)}


def _levels(x: Scale, y: Scale) -> list[str]:
    """Lines across at round numbers."""
    parts = []
    for mark in (m for m in ticks(0, y.high, 4) if m == round(m)):
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(mark), y2=y(mark)))
        parts.append(text(number(mark, 5), x.start - 10, y(mark) + 4, class_="tick", text_anchor="end"))
    return parts


def _base(bins: _Bins, name: str, counted: str, width: int) -> list[str]:
    """The horizontal axis with its numbers and names."""
    x = bins.x
    parts = [tag("line", class_="axis", x1=x.start, x2=x.end, y1=FLOOR, y2=FLOOR)]
    for mark in log_ticks(x.low, x.high) if x.log else ticks(x.low, x.high, max(3, width // 120)):
        parts.append(text(number(mark), x(mark), 224, class_="tick", text_anchor="middle"))
    label = name + (", log scale" if x.log else "")
    parts.append(text(label, (x.start + x.end) / 2, 246, class_="tick", text_anchor="middle"))
    parts.append(text(f"number of {counted}", 0, 14, class_="tick"))
    return parts


def _key(end: float) -> list[str]:
    """Which is which: true, and predicted."""
    return [
        tag("rect", class_="true", x=end - 146, y=4, width=12, height=12),
        text("true", end - 129, 14, class_="tick"),
        tag("line", class_="line score", x1=end - 88, x2=end - 70, y1=10, y2=10),
        text("predicted", end - 64, 14, class_="tick"),
    ]


def _ends(values: Values, log: bool) -> tuple[float, float]:
    """Where the axis begins and ends: a little beyond the values."""
    low, high = float(values.min()), float(values.max())
    if log:
        return low / 1.05, high * 1.05
    margin = (high - low) * 0.02 or max(abs(low), 1.0) * 0.5
    return (low if low == 0 else low - margin), high + margin
