"""Charts of scores, classes, objects and warps, each a pure function from numbers to an SVG string."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

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
    percent,
    tag,
    text,
    ticks,
    title,
)

Score = Mapping[str, float | None]


def score_text(score: Score) -> str:
    """A score with its interval: "0.912 (0.880–0.941)"."""
    mean, low, high = (score.get(key) for key in ("mean", "low", "high"))
    if not finite([mean]) or mean is None:
        return "undefined"
    if low is None or high is None:
        return f"{mean:.3f}"
    return f"{mean:.3f} ({low:.3f}–{high:.3f})"


def interval_bar(score: Score, *, width: int = 260) -> str:
    """One score on the line from 0 to 1, with its 95 % interval."""
    x = Scale(0, 1, 6, width - 6)
    parts = [_on_rail(score, x, 10)]
    for mark, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        at = x(mark) + {"start": -6, "middle": 0, "end": 6}[anchor]
        parts.append(text(number(mark), at, 33, class_="tick", text_anchor=anchor))
    return document(width, 36, f"{score_text(score)} on a scale from 0 to 1", *parts)


def _on_rail(score: Score, x: Scale, middle: float) -> str:
    """The mean as a stroke and the interval as a bar, on a faint line from 0 to 1."""
    mean, low, high = (score.get(key) for key in ("mean", "low", "high"))
    parts = [tag("line", class_="rail", x1=x.start, x2=x.end, y1=middle, y2=middle)]
    if low is not None and high is not None and finite([low, high]):
        size = {"x": x(low), "y": middle - 5, "width": max(1.0, x(high) - x(low)), "height": 10, "rx": 3}
        parts.append(tag("rect", class_="interval", **size))
    if mean is not None and math.isfinite(mean):
        parts.append(tag("rect", class_="mean", x=x(mean) - 2.5, y=middle - 9, width=5, height=18, rx=2.5))
    return "".join(parts)


def forest(scores: Mapping[str, Score], mean: Score | None, *, metric: str = "Dice", width: int = 800) -> str:
    """One row a class: its mean score as a stroke, its 95 % interval as a bar; the mean of all classes last.

    Args:
        scores: class name → mean, low, high, n, undefined.
        mean: the same over all classes; None leaves its row out.
        metric: name of the score, for the axis.
        width: of the chart, in pixels; under 500 the names stand above the bars.

    Returns:
        SVG.
    """
    rows = list(scores.items()) + ([("mean of classes", mean)] if mean is not None else [])
    if not rows:
        return empty(width, "No class was scored.")
    narrow = width < 500
    x = Scale(0, 1, 8, width - 8) if narrow else Scale(0, 1, 190, width - 270)
    step = 52 if narrow else 34
    bottom = 10 + step * len(rows)
    parts = []
    for mark in ticks(0, 1, 5):
        parts.append(tag("line", class_="grid", x1=x(mark), x2=x(mark), y1=6, y2=bottom))
        parts.append(text(number(mark), x(mark), bottom + 18, class_="tick", text_anchor="middle"))
    for index, (name, score) in enumerate(rows):
        last = mean is not None and index == len(rows) - 1
        parts.append(_forest_row(name, score, x, 10 + step * index, width, "strong" if last else "plain"))
    label = f"{metric}, 0 to 1, stroke: mean, bar: 95 % interval"
    parts.append(text(label, (x.start + x.end) / 2, bottom + 38, class_="tick", text_anchor="middle"))
    spoken = "; ".join(f"{name}: {score_text(score)}" for name, score in rows)
    return document(width, bottom + 46, f"{metric} of each class with 95 % interval. {spoken}", *parts)


def _forest_row(name: str, score: Score, x: Scale, top: float, width: float, css: str) -> str:
    narrow = x.start < 100
    middle = top + (37 if narrow else 17)
    baseline = top + (17 if narrow else 21)
    count, undefined = score.get("n"), score.get("undefined")
    words = [text(elide(name, 22), 0, baseline, class_=css)]
    if narrow:
        words.append(text(score_text(score), width, baseline, class_="tick", text_anchor="end"))
    else:
        words.append(text(score_text(score), x.end + 22, baseline, class_="tick"))
        counted = "" if count is None else f"n {count:.0f}" + (f", {undefined:.0f} undefined" if undefined else "")
        words.append(text(counted, width, baseline, class_="tick", text_anchor="end"))
    return tag("g", title(f"{name}: {score_text(score)}"), *words, _on_rail(score, x, middle))


def confusion(counts: Sequence[Sequence[float]], names: Sequence[str], *, width: int = 800) -> str:
    """The confusion matrix: a row is a true class, its cells the shares of what was predicted there.

    Args:
        counts: pixels, K rows of truth by K columns of prediction.
        names: of the K classes.
        width: at most, in pixels; a large matrix is drawn wider rather than unreadably.

    Returns:
        SVG; resting on a cell tells its count.
    """
    if not names or not finite([value for row in counts for value in row]):
        return empty(width, "No pixel was compared.")
    kept = [elide(name, 16) for name in names]
    longest = max(len(name) for name in kept)
    left, head = 34 + 7.4 * longest, 34 + 4.9 * longest
    overhang = 5.6 * len(kept[-1])  # of the last slanted name
    cell = max(30.0, min(86.0, (width - left - 0.7 * overhang) / len(names)))
    size = cell * len(names)
    turned = f"translate(12 {head + size / 2:.0f}) rotate(-90)"
    parts = [
        text("predicted as", left, 14, class_="heading"),
        text("truth", 0, 0, class_="heading", text_anchor="middle", transform=turned),
    ]
    for index, name in enumerate(kept):
        at = left + cell * (index + 0.5)
        slanted = tag("g", text(name, 0, 0, class_="tick"), transform=f"translate({at:.1f} {head - 8:.1f}) rotate(-38)")
        flat = text(name, at, head - 10, class_="tick", text_anchor="middle")
        parts.append(flat if 7.4 * longest < cell else slanted)
        parts.append(text(name, left - 10, head + cell * (index + 0.5) + 4, class_="tick", text_anchor="end"))
    for row, values in enumerate(counts):
        total = sum(values)
        for column, value in enumerate(values):
            where = (left + cell * column, head + cell * row)
            told = f"truth {names[row]}, predicted as {names[column]}: {value:,.0f} pixels"
            parts.append(_cell(where, cell, value, total, row == column, told))
    rows = enumerate(zip(names, counts, strict=True))
    right = [f"{name} {percent(row[i] / sum(row))}" for i, (name, row) in rows if sum(row)]
    full = max(left + size + 4, left + size - cell / 2 + overhang, left + 100)
    return document(full, head + size + 6, f"Confusion matrix. Right: {', '.join(right)}", *parts)


def _cell(where: tuple[float, float], size: float, value: float, total: float, right: bool, told: str) -> str:
    share = value / total if total else 0.0
    x, y = where
    css = "right" if right else "wrong"
    parts = [tag("rect", class_="cell", x=x + 1, y=y + 1, width=size - 2, height=size - 2, rx=3)]
    # Small shares of wrong pixels matter: the square root keeps them visible.
    depth = share if right else math.sqrt(share)
    if share:
        parts.append(
            tag(
                "rect", class_=css, x=x + 1, y=y + 1, width=size - 2, height=size - 2, rx=3, fill_opacity=f"{depth:.3f}"
            )
        )
    ink = "cell-text on" if depth > 0.8 else "cell-text"
    middle = x + size / 2
    if not total:
        parts.append(text("–", middle, y + size / 2 + 4, class_=ink, text_anchor="middle"))
    elif value or right:
        written = _short_percent(share)
        two_lines = size >= 48
        ink += " small" if size < 34 else ""
        parts.append(text(written, middle, y + size / 2 + (0 if two_lines else 4), class_=ink, text_anchor="middle"))
        if two_lines:
            parts.append(text(compact(value), middle, y + size / 2 + 17, class_=ink + " small", text_anchor="middle"))
    told += f", {percent(share)} of the truth" if total else "; no pixel of this class in the truth"
    return tag("g", title(told), *parts)


def _short_percent(share: float) -> str:
    value = 100 * share
    if 0 < value < 0.5:
        return "<1"
    if 99.5 <= value < 100:
        return f"{math.floor(value * 10) / 10:.1f}"
    return f"{value:.0f}"


def size_histogram(diameters: Sequence[float], found: Sequence[bool], *, unit: str = "px", width: int = 800) -> str:
    """How many true objects of each size were found and missed.

    Args:
        diameters: equivalent diameter of each object, in `unit`, > 0.
        found: whether it was found.
        unit: of the diameters.
        width: of the chart, in pixels.

    Returns:
        SVG with a logarithmic axis of sizes.
    """
    pairs = [(float(d), f) for d, f in zip(diameters, found, strict=True) if math.isfinite(d) and d > 0]
    if not pairs:
        return empty(width, "No object of this class is in the truth.")
    sizes, hit = np.array([d for d, _ in pairs]), np.array([f for _, f in pairs], bool)
    low, high = float(sizes.min()) / 1.08, float(sizes.max()) * 1.08
    bins = max(4, min(round(width / 46), 2 + int(4 * math.sqrt(len(pairs)))))
    edges = np.geomspace(low, high, bins + 1)
    hits, _ = np.histogram(sizes[hit], edges)
    misses, _ = np.histogram(sizes[~hit], edges)
    x = Scale(low, high, 58, width - 16, log=True)
    most = int((hits + misses).max())
    y = Scale(0, most, 206, 26)
    parts = []
    for mark in (m for m in ticks(0, most, 4) if m == round(m)):
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(mark), y2=y(mark)))
        parts.append(text(number(mark, 5), x.start - 10, y(mark) + 4, class_="tick", text_anchor="end"))
    for index in range(bins):
        parts.append(_bar(x, y, edges[index : index + 2], int(hits[index]), int(misses[index]), unit))
    parts.append(tag("line", class_="axis", x1=x.start, x2=x.end, y1=y(0), y2=y(0)))
    for mark in log_ticks(low, high):
        parts.append(text(number(mark), x(mark), 224, class_="tick", text_anchor="middle"))
    label = f"equivalent diameter ({unit}, log scale)"
    parts.append(text(label, (x.start + x.end) / 2, 246, class_="tick", text_anchor="middle"))
    parts.append(text("number of objects", 0, 12, class_="tick"))
    return document(width, 254, f"{int(hit.sum())} of {len(pairs)} objects found, by size in {unit}.", *parts)


def _bar(x: Scale, y: Scale, edges: npt.NDArray[np.float64], hits: int, misses: int, unit: str) -> str:
    if not hits + misses:
        return ""
    left, right = x(float(edges[0])) + 1.5, x(float(edges[1])) - 1.5
    told = f"{number(edges[0])} to {number(edges[1])} {unit}: {hits} found, {misses} missed"
    parts = [title(told)]
    if hits:
        parts.append(tag("rect", class_="found", x=left, y=y(hits), width=right - left, height=y(0) - y(hits)))
    if misses:
        top = y(hits + misses)
        parts.append(tag("rect", class_="missed", x=left, y=top, width=right - left, height=y(hits) - top))
    return tag("g", *parts)


def class_bar(shares: Sequence[float], names: Sequence[str], colours: Sequence[tuple[int, int, int]]) -> str:
    """The shares of the classes as one bar; a class too rare to see keeps a sliver of 3 pixels."""
    total = sum(finite(shares))
    if not total:
        return empty(800, "No pixel is labelled.")
    widths = [max(3.0, 800 * s / total) if s > 0 else 0.0 for s in shares]
    squeeze = 800 / sum(widths)
    parts, at = [], 0.0
    for share, name, colour, width in zip(shares, names, colours, widths, strict=True):
        if width:
            told = title(f"{name}: {percent(share)}")
            size = {"x": at, "y": 0, "width": width * squeeze, "height": 28}
            parts.append(tag("rect", told, class_="share", fill=hex_colour(colour), **size))
            at += width * squeeze
    spoken = ", ".join(f"{name} {percent(share)}" for name, share in zip(names, shares, strict=True))
    return document(800, 28, f"Shares of the classes: {spoken}", *parts, preserveAspectRatio="none")


def hex_colour(colour: Sequence[int]) -> str:
    """An RGB colour as HTML writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def deformation_grid(grid: npt.NDArray[np.floating[Any]], shape: tuple[int, int], *, width: int = 320) -> str:
    """A regular grid of points and where a warp took them.

    Args:
        grid: rows, columns, 2: (row, column) of each point after the warp, in pixels.
        shape: height and width of the patch, in pixels.
        width: of the chart, in pixels.

    Returns:
        SVG: the regular grid faint, the warped one strong.
    """
    points = np.asarray(grid, np.float64)
    if not np.isfinite(points).all():
        return empty(width, "The warp has points that are no numbers.")
    rows, columns = points.shape[:2]
    across, down = np.linspace(0, shape[1] - 1, columns), np.linspace(0, shape[0] - 1, rows)
    regular = np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1)
    both = np.concatenate([points.reshape(-1, 2), regular.reshape(-1, 2)])
    low, high = both.min(axis=0), both.max(axis=0)
    scale = (width - 16) / max(float(high[1] - low[1]), 1e-9)
    height = min(2 * width, scale * float(high[0] - low[0]) + 16)

    def lines(net: npt.NDArray[np.float64], css: str) -> str:
        at = (net - low) * scale + 8
        strands = [*at, *at.swapaxes(0, 1)]
        paths = ("M" + "L".join(f"{p[1]:.1f} {p[0]:.1f}" for p in strand) for strand in strands)
        return "".join(tag("path", class_=css, d=path) for path in paths)

    shift = float(np.hypot(*np.moveaxis(points - regular, -1, 0)).max())
    label = f"Deformation grid: points moved by up to {number(shift)} pixels"
    return document(width, height, label, lines(regular, "net faint"), lines(points, "net"))
