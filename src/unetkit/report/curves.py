"""Training curves: loss, validation score and learning rate over the training steps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from unetkit.report.svg import Scale, document, empty, finite, log_ticks, number, tag, text, ticks
from unetkit.report.svg import title as tooltip

History = Sequence[Mapping[str, float | None]]

LEFT, RIGHT, FOOT = 58, 16, 44


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the stacked plots: its title, its lines (history key, name, CSS class) and its height in pixels."""

    title: str
    lines: tuple[tuple[str, str, str], ...]
    height: int
    may_be_log: bool = False


PANELS = (
    Panel("Loss, lower is better", (("train_loss", "training", "train"), ("val_loss", "validation", "val")), 180, True),
    Panel("Validation score, 0 to 1, higher is better", (("val_score", "validation score", "score"),), 180),
    Panel("Learning rate", (("learning_rate", "learning rate", "rate"),), 64),
)


def training_curves(history: History, best_step: int | None = None, *, width: int = 800) -> str:
    """Loss, score and learning rate, stacked over one axis of steps, the kept checkpoint marked.

    Args:
        history: entries with step, seconds, train_loss, val_loss, val_score, learning_rate; values may be None or NaN.
        best_step: the step whose weights were kept.
        width: of the chart, in pixels.

    Returns:
        SVG; its data-hover attribute holds, for each entry, the x position and a line of text with the values.
    """
    entries = [entry for entry in history if finite([entry.get("step")])]
    shown = [p for p in PANELS if any(finite([e.get(key) for e in entries]) for key, _, _ in p.lines)]
    if not shown:
        return empty(width, "No training step was recorded.")
    steps = [float(entry["step"] or 0) for entry in entries]
    x = Scale(min(steps), max(steps), LEFT, width - RIGHT)
    parts, top = [], 0.0
    for panel in shown:
        parts.append(_panel(panel, entries, x, top))
        top += panel.height + 52
    foot = top - 52 + 30
    best = [entry for entry in entries if best_step is not None and entry["step"] == best_step]
    if best:
        parts.append(_best_mark(best[0], x, foot))
    parts.append(_step_axis(x, foot))
    parts.append(tag("line", class_="crosshair off", x1=0, x2=0, y1=30, y2=foot))
    hover = json.dumps([[round(x(step), 1), readout(entry)] for step, entry in zip(steps, entries, strict=True)])
    label = f"Training curves over {number(max(steps))} steps. " + (readout(best[0]) if best else readout(entries[-1]))
    return document(width, foot + FOOT, label, *parts, data_hover=hover)


def readout(entry: Mapping[str, float | None]) -> str:
    """The values of one entry as a line of text."""
    words = [f"step {number(entry.get('step'), 6)}"]
    if (seconds := entry.get("seconds")) is not None:
        words.append(duration(seconds))
    names = {
        "train_loss": "training loss",
        "val_loss": "validation loss",
        "val_score": "score",
        "learning_rate": "learning rate",
    }
    words += [f"{name} {number(entry[key], 4)}" for key, name in names.items() if finite([entry.get(key)])]
    return " · ".join(words)


def duration(seconds: float) -> str:
    """Seconds as one says them.

    Example:
        >>> duration(200)
        '3 min 20 s'
    """
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def curves_svg(history: History, best_step: int | None = None) -> str:
    """The training curves as an SVG file of their own.

    Args:
        history: as for `training_curves`.
        best_step: the step whose weights were kept.

    Returns:
        A complete SVG document with its style sheet, light or dark as the viewer prefers.
    """
    return standalone(training_curves(history, best_step))


def standalone(chart: str) -> str:
    """A chart as an SVG file of its own, light or dark as the viewer prefers."""
    sheet = files("unetkit.report").joinpath("templates/chart.css").read_text(encoding="utf-8")
    head, body = chart.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{sheet}</style>{body}\n'


def _panel(panel: Panel, entries: History, x: Scale, top: float) -> str:
    upper, lower = top + 30, top + 30 + panel.height
    values = finite([entry.get(key) for key, _, _ in panel.lines for entry in entries])
    y, marks = _value_axis(values, panel, upper, lower)
    name = panel.title if x.end > 480 else panel.title.split(",")[0]
    parts = [text(name + (" (log scale)" if y.log else ""), 0, top + 14, class_="heading")]
    for mark in marks:
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(mark), y2=y(mark)))
        parts.append(text(number(mark), x.start - 10, y(mark) + 4, class_="tick", text_anchor="end"))
    for key, name, css in panel.lines:
        parts.append(_line(entries, key, name, css, x, y))
    return tag("g", *parts) + (_key(panel, x.end, top + 14) if len(panel.lines) > 1 else "")


def _value_axis(values: list[float], panel: Panel, upper: float, lower: float) -> tuple[Scale, list[float]]:
    low, high = min(values), max(values)
    count = max(2, panel.height // 42)
    if panel.may_be_log and low > 0 and high / low > 50:
        return Scale(low, high, lower, upper, log=True), log_ticks(low, high)
    if panel.height < 100:
        low = min(low, 0.0)
    if high == low:
        low, high = low - abs(low) * 0.1 - 1e-9, high + abs(high) * 0.1 + 1e-9
    margin = (high - low) * 0.04
    marks = ticks(low, high, count)
    return Scale(min(low, marks[0]) - margin, max(high, marks[-1]) + margin, lower, upper), marks


def _line(entries: History, key: str, name: str, css: str, x: Scale, y: Scale) -> str:
    """The line through the finite values, broken where there are none; a lonely value is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for entry in entries:
        value = entry.get(key)
        if value is None or not math.isfinite(value):
            runs.append([])
        else:
            runs[-1].append((x(float(entry["step"] or 0)), y(float(value))))
    parts = []
    for run in filter(None, runs):
        if len(run) == 1:
            parts.append(tag("circle", tooltip(name), class_=f"dot {css}", cx=run[0][0], cy=run[0][1], r=3.5))
        else:
            path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in run)
            parts.append(tag("path", class_=f"line {css}", d=path))
    return "".join(parts)


def _key(panel: Panel, right: float, baseline: float) -> str:
    parts = []
    for _, name, css in reversed(panel.lines):
        right -= 6.8 * len(name)
        parts.append(text(name, right, baseline, class_="tick"))
        parts.append(tag("line", class_=f"line {css}", x1=right - 24, x2=right - 8, y1=baseline - 4, y2=baseline - 4))
        right -= 44
    return "".join(parts)


def _best_mark(entry: Mapping[str, float | None], x: Scale, foot: float) -> str:
    at = x(float(entry["step"] or 0))
    near_left = at < (x.start + x.end) / 2
    anchor, shift = ("start", 6) if near_left else ("end", -6)
    label = f"kept: step {number(entry['step'], 6)}"
    return tag("line", class_="best", x1=at, x2=at, y1=24.0, y2=foot) + text(
        label, at + shift, 42, class_="best-label", text_anchor=anchor
    )


def _step_axis(x: Scale, foot: float) -> str:
    parts = [tag("line", class_="axis", x1=x.start, x2=x.end, y1=foot, y2=foot)]
    for mark in ticks(x.low, x.high, max(2, round((x.end - x.start) / 110))):
        parts.append(text(number(mark, 6), x(mark), foot + 18, class_="tick", text_anchor="middle"))
    parts.append(text("training step", (x.start + x.end) / 2, foot + 38, class_="tick", text_anchor="middle"))
    return "".join(parts)
