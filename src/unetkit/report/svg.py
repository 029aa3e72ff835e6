"""The few strokes every chart is made of: elements, scales, ticks and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

MINUS = "\N{MINUS SIGN}"
WIDE, NARROW = 848, 356  # pixels; a chart is drawn for a screen and for a telephone, and the style sheet chooses
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def tag(name: str, *children: str, **attributes: object) -> str:
    """One SVG element. Values are escaped; `_` in attribute names becomes `-`, `class_` is class, None is left out."""
    written = ""
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            written += f' {key.rstrip("_").replace("_", "-")}="{escape(shown)}"'
    return f"<{name}{written}>{''.join(children)}</{name}>"


def text(content: str, x: float, y: float, **attributes: object) -> str:
    """A text element at a point; the content is escaped."""
    return tag("text", escape(content), x=float(x), y=float(y), **attributes)


def title(content: str) -> str:
    """What shows when the pointer rests on the element this stands in."""
    return tag("title", escape(content))


def document(width: float, height: float, label: str, *children: str, **attributes: object) -> str:
    """A whole chart. `label` says to those who do not see it what it shows."""
    box = f"0 0 {width:.0f} {height:.0f}"
    size = {"width": round(width), "height": round(height)}
    return tag("svg", *children, class_="chart", viewBox=box, role="img", aria_label=label, **size, **attributes)


def empty(width: float, why: str) -> str:
    """The chart that has nothing to show, and says why."""
    return document(width, 64, why, text(why, width / 2, 36, class_="muted", text_anchor="middle"))


def both(chart: Callable[..., str]) -> dict[str, Markup]:
    """The same chart for a screen and for a telephone."""
    return {"wide": Markup(chart(width=WIDE)), "narrow": Markup(chart(width=NARROW))}


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to pixels along one axis: `low` lies at `start`, `high` at `end`; logarithmic when `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def finite(values: Sequence[float | None]) -> list[float]:
    """Those of the values that are numbers."""
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers that lie within low … high.

    Example:
        >>> ticks(0, 1, 5)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 2.5, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """The numbers 1, 2, 5, 10, 20, … (only powers of ten over more than three decades) within low … high."""
    factors = (1,) if high / low > 1000 else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [f * 10.0**p for p in powers for f in factors]
    return [m for m in marks if low * (1 - 1e-9) <= m <= high * (1 + 1e-9)] or [low]


def number(value: float | None, digits: int = 3) -> str:
    """A number as one reads it: `digits` significant figures, 1e-5 for the very small, – for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", MINUS)
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", MINUS)
    return f"{value:.{digits}g}".replace("-", MINUS)


def compact(count: float) -> str:
    """A count in at most four characters or so: 950, 12k, 3.4M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit * 0.9995:
            scaled = count / limit
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return f"{count:.0f}"


def percent(share: float) -> str:
    """A share as per cent, never rounding something down to nothing or up to all."""
    value = 100 * share
    if 0 < value < 0.1:
        return "<0.1 %"
    if 99.9 < value < 100:
        return ">99.9 %"
    return f"{value:.1f} %" if value < 10 and value != round(value) else f"{value:.0f} %"


def elide(name: str, longest: int = 40) -> str:
    """A long name with its middle left out: how it begins and ends is what tells names apart."""
    if len(name) <= longest:
        return name
    tail = (longest - 1) * 3 // 5
    return name[: longest - 1 - tail] + ELLIPSIS + name[len(name) - tail :]
