"""Charts of how far predictions can be trusted: expected against true Dice, and probabilities against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from unetkit.report.svg import Scale, both, document, elide, empty, finite, number, tag, text, ticks, title

LEFT, FOOT, TOP = 58, 46, 26
TALLEST = 420
"""Pixels; both axes run over the same numbers, so that a square shows what is too high and what too low."""


FEWEST = 0.001
"""Of all pixels; a bin with a smaller share is noise."""


@dataclass(frozen=True, slots=True, eq=False)
class QualitySheet:
    """What became of judgements that were made without looking at the masks.

    Args:
        images: one entry each: image, expected_dice, low, high, agreement, distance, flag, and the true dice.
        spearman: rank correlation of expected and true Dice; None where it says nothing.
        temperature: by which logits are divided.
        own: the network's own probabilities, by confidence: share of the pixels, confidence, accuracy.
        own_error: their expected calibration error.
        scaled: the same at the temperature.
        scaled_error: the same.
    """

    images: Sequence[Mapping[str, Any]]
    spearman: float | None
    temperature: float
    own: Sequence[Mapping[str, float]]
    own_error: float | None
    scaled: Sequence[Mapping[str, float]]
    scaled_error: float | None


def quality_values(sheet: QualitySheet) -> dict[str, Any]:
    """What the template shows of it."""
    return {
        "scatter": both(partial(expected_scatter, sheet.images)),
        "reliability": both(partial(reliability_diagram, sheet.own, sheet.scaled)),
        "flagged": [(one["image"], one["flag"]) for one in sheet.images if one["flag"]],
        "spearman": sheet.spearman,
        "temperature": sheet.temperature,
        "own_error": sheet.own_error,
        "scaled_error": sheet.scaled_error,
    }


def expected_scatter(images: Sequence[Mapping[str, Any]], *, width: int = 800) -> str:
    """Expected against true Dice, an image a point with its interval; on the diagonal the two agree.

    Args:
        images: as in `QualitySheet`.
        width: of the chart, in pixels.

    Returns:
        SVG.
    """
    shown = [one for one in images if len(finite([one["expected_dice"], one["dice"]])) == 2]
    if not shown:
        return empty(width, "No image has both an expected and a true Dice.")
    least = min(min(one["expected_dice"], one["dice"], one["low"]) for one in shown)
    x, y, parts = _square(max(0.0, least - 0.03), 1.0, width, "true Dice", "expected Dice")
    for one in shown:
        told = f"{one['image']}: expected {number(one['expected_dice'])}, true {number(one['dice'])}"
        at = x(one["dice"])
        line = tag("line", class_="whisker", x1=at, x2=at, y1=y(one["low"]), y2=y(one["high"]))
        css = "dot val" if one["flag"] else "dot score"
        point = tag("circle", class_=css, cx=at, cy=y(one["expected_dice"]), r=5)
        parts.append(tag("g", title(f"{elide(told, 120)}{'; ' + one['flag'] if one['flag'] else ''}"), line, point))
    label = f"Expected and true Dice of {len(shown)} images."
    return document(width, _height(width), label, *parts)


def reliability_diagram(
    own: Sequence[Mapping[str, float]], scaled: Sequence[Mapping[str, float]], *, width: int = 800
) -> str:
    """How many pixels are right, by how sure the network is of them; on the diagonal it is as sure as it may be.

    Args:
        own: the network's own probabilities, as in `QualitySheet`.
        scaled: those at the temperature.
        width: of the chart, in pixels.

    Returns:
        SVG; the larger a point, the more pixels it stands for; those of fewer than `FEWEST` are left out.
    """
    own, scaled = ([row for row in bins if row["share"] >= FEWEST] for bins in (own, scaled))
    rows = [*own, *scaled]
    if not rows:
        return empty(width, "No pixel is labelled.")
    least = min(min(row["confidence"], row["accuracy"]) for row in rows)
    x, y, parts = _square(max(0.0, least - 0.03), 1.0, width, "how sure", "how often right")
    for bins, css, name in ((own, "val", "its own"), (scaled, "score", "scaled")):
        path = "L".join(f"{x(row['confidence']):.1f} {y(row['accuracy']):.1f}" for row in bins)
        parts.append(tag("path", class_=f"line {css}", d=f"M{path}"))
        for row in bins:
            told = f"{name}: sure {number(row['confidence'])}, right {number(row['accuracy'])}, "
            told += f"{number(100 * row['share'])} % of the pixels"
            at = {"cx": x(row["confidence"]), "cy": y(row["accuracy"]), "r": 3 + 6 * row["share"] ** 0.5}
            parts.append(tag("circle", title(told), class_=f"dot {css}", **at))
    return document(width, _height(width), "Reliability diagram of the probabilities.", *parts)


def _height(width: int) -> int:
    return min(width, TALLEST)


def _square(low: float, high: float, width: int, across: str, up: str) -> tuple[Scale, Scale, list[str]]:
    """Two equal scales, their marks and names, and the diagonal."""
    height = _height(width)
    side = height - FOOT - TOP
    x, y = Scale(low, high, LEFT, LEFT + side), Scale(low, high, TOP + side, TOP)
    parts = []
    for mark in ticks(low, high, 5):
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(mark), y2=y(mark)))
        parts.append(text(number(mark), x.start - 10, y(mark) + 4, class_="tick", text_anchor="end"))
        parts.append(text(number(mark), x(mark), y.start + 18, class_="tick", text_anchor="middle"))
    parts.append(tag("line", class_="best", x1=x(low), x2=x(high), y1=y(low), y2=y(high)))
    parts.append(tag("line", class_="axis", x1=x.start, x2=x.end, y1=y.start, y2=y.start))
    parts.append(text(across, (x.start + x.end) / 2, y.start + 40, class_="tick", text_anchor="middle"))
    parts.append(text(up, 0, 12, class_="tick"))
    return x, y, parts
