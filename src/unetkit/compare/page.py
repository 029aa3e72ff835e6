"""The page of a comparison: one HTML file to show to a colleague."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from unetkit.compare.comparison import Comparison, Row, network_text
from unetkit.compare.curve import forecast_text
from unetkit.compare.differences import SAID, difference_text, mean_over
from unetkit.compare.disputed import Disputed, most_disputed
from unetkit.files import read_json, write_text
from unetkit.pipeline import load_predictor
from unetkit.report.charts import hex_colour
from unetkit.report.comparison_charts import (
    Mark,
    colour_of,
    differences,
    image_by_image,
    learning_curve,
    score_against_cost,
)
from unetkit.report.html import ERROR_NAMES, page
from unetkit.report.overlay import ERROR_COLOURS, FALSE_ALARM, FOUND, MISSED, WRONG_CLASS, blend, overlay, paint_labels
from unetkit.report.pictures import fit_image, fit_labels, photograph
from unetkit.report.svg import NARROW, both

SIDE = 300
"""Longest side of a picture on the page, in pixels."""

COSTS = {
    "seconds_per_mpx": "seconds to predict a megapixel",
    "parameters": "parameters",
    "peak_memory": "memory to train, GB",
}


def write_page(comparison: Comparison, *, device: str = "auto") -> None:
    """Write comparison.html: verdicts, score against cost, differences, and the images the variants disagree on."""
    trained = [row for row in comparison.rows if row.cells]
    disputed: list[Disputed] | None = None
    if len(trained) > 1:
        predictors = [load_predictor(row.cells[0].path, device=device) for row in trained]
        disputed = most_disputed(comparison.dataset, comparison.images, predictors)
    write_text(comparison.report, render(comparison, disputed))


def render(comparison: Comparison, disputed: Sequence[Disputed] | None) -> str:
    """The page as HTML text.

    Args:
        comparison: what is shown.
        disputed: the images on which the variants disagree; None where fewer than two were trained.
    """
    colours = {row.variant.name: colour_of(index) for index, row in enumerate(comparison.rows)}
    rows = [row for row in comparison.rows if row.cells]
    names = [row.variant.name for row in rows]
    scored = [row for row in rows if row.score]
    marks = [_mark(row, colours) for row in scored]
    differing = [(row.variant.name, row.versus) for row in rows if row.versus]
    against = [Mark(name, of.mean, of.low, of.high, colours[name]) for name, of in differing]
    said = [SAID[of.verdict] for _, of in differing]
    of = read_json(comparison.path / "comparison.json")["of"]
    kinds = (FOUND, FALSE_ALARM, MISSED, *([WRONG_CLASS] if len(comparison.dataset.classes) > 2 else []))
    return page(
        "comparison.html.j2",
        styles=("chart.css", "report.css", "comparison.css"),
        title=f"{_listed(names)} on {Path(of['data']).name}",
        subtitle=_subtitle(comparison, of),
        verdicts=_verdicts(comparison),
        warning=comparison.warning,
        once=comparison.trained_once,
        all_once=len(comparison.trained_once) == len(rows),
        costs=[_cost_chart(marks, [_costs(row)[key] for row in scored], label) for key, label in COSTS.items()],
        table=[_table_row(comparison.path, row, colours[row.variant.name]) for row in comparison.rows],
        reference=comparison.rows[0].variant.name,
        differences=both(partial(differences, against, said, comparison.rows[0].variant.name)) if against else None,
        images=both(partial(image_by_image, marks, [mean_over(row.scores) for row in scored])) if marks else None,
        curve=_curve(comparison, colours),
        no_curve=comparison.no_curve,
        disputed=None if disputed is None else [_dispute(one, names, comparison) for one in disputed],
        legend=[(ERROR_NAMES[kind], hex_colour(ERROR_COLOURS[kind])) for kind in kinds],
    )


def _listed(names: Sequence[str]) -> str:
    return " against ".join(names) if len(names) < 4 else f"{len(names)} variants"


def _cost_chart(marks: Sequence[Mark], costs: Sequence[float], label: str) -> Markup:
    return Markup(score_against_cost(marks, costs, label=label, width=NARROW))


def _subtitle(comparison: Comparison, of: dict[str, Any]) -> str:
    split = comparison.split
    budget = f"{of['time']:g} s of training each" if of["time"] else f"{of['steps']} steps each"
    return (
        f"{len(comparison.rows)} variants, {budget}, {comparison.trainings} of each; "
        f"{len(split.train)} images train, {len(split.val)} choose the weights, {len(comparison.images)} are scored"
    )


def _verdicts(comparison: Comparison) -> list[str]:
    """One sentence a variant: what it buys and what it costs beside the first."""
    first, sentences = comparison.rows[0], []
    for row in comparison.rows[1:]:
        if row.versus is None:
            continue
        bought = f"{row.variant.name}: {difference_text(row.versus)} Dice, {SAID[row.versus.verdict]}"
        ours, theirs = _costs(row), _costs(first)
        ratio = ours["seconds_per_mpx"] / theirs["seconds_per_mpx"]
        size = ours["parameters"] / theirs["parameters"]
        speed = (
            "as fast"
            if 0.9 < ratio < 1.1
            else f"{ratio:.1f} times as long"
            if ratio > 1
            else f"{1 / ratio:.1f} times faster"
        )
        sentences.append(f"{bought}. It takes {speed} to predict, with {size:.2g} times the parameters.")
    return sentences


def _costs(row: Row) -> dict[str, float]:
    return {
        "seconds_per_mpx": 1 / row.costs["predicted_mpx_per_s"],
        "parameters": row.costs["parameters"],
        "peak_memory": row.costs["peak_memory_bytes"] / 1e9,
    }


def _mark(row: Row, colours: Mapping[str, str]) -> Mark:
    mean, low, high = row.score or (float("nan"), None, None)
    return Mark(row.variant.name, mean, low, high, colours[row.variant.name])


def _table_row(folder: Path, row: Row, colour: str) -> dict[str, Any]:
    costs = row.costs
    mean, low, high = row.score or (None, None, None)
    alone = ", of images alone" if len(row.scores) < 2 else ""
    return {
        "name": row.variant.name,
        "network": network_text(row.network),
        "colour": colour,
        "fault": row.fault,
        "score": None if mean is None else f"{mean:.3f}",
        "interval": None if low is None or high is None else f"{low:.3f}–{high:.3f}{alone}",
        "costs": [
            f"{costs['parameters'] / 1e6:.2f} M",
            f"{costs['multiply_adds_per_pixel'] / 1e3:.1f} k",
            f"{costs['peak_memory_bytes'] / 1e9:.2f} GB",
            f"{costs['steps']:.0f}",
            f"{costs['trained_mpx_per_s']:.2f}",
            f"{costs['predicted_mpx_per_s']:.2f}",
        ]
        if costs
        else [],
        "runs": [
            (f"seed {cell.seed}", (cell.path.relative_to(folder) / "report.html").as_posix()) for cell in row.cells
        ],
    }


def _curve(comparison: Comparison, colours: Mapping[str, str]) -> dict[str, Any] | None:
    curve = comparison.curve
    if curve is None:
        return None
    whole = len(comparison.split.train)
    marks = {row.variant.labels or whole: _mark(row, colours) for row in comparison.rows if row.score and not row.fault}
    end, now = curve.most + (curve.more if curve.gain is not None else 0), marks[curve.most].mean
    line = [(float(n), curve.at(float(n))) for n in np.geomspace(min(marks), end, 60)]
    forecast = None
    if curve.gain is not None:
        low, high = (None if rise is None else now + rise for rise in (curve.low, curve.high))
        forecast = Mark(f"{end} images", now + curve.gain, low, high, "currentColor")
    chart = both(partial(learning_curve, marks, line, forecast))
    return {"chart": chart, "words": forecast_text(curve), "forecast": forecast is not None}


def _dispute(one: Disputed, names: Sequence[str], comparison: Comparison) -> dict[str, Any]:
    classes = comparison.dataset.classes
    image = fit_image(one.picture, SIDE)
    truth = fit_labels(one.truth, SIDE)
    panels = [("truth", "", photograph(blend(image, paint_labels(truth, classes))))]
    for name, labels, score in zip(names, one.predictions, one.scores, strict=True):
        painted = overlay(image, fit_labels(labels, SIDE), truth, classes)
        panels.append((name, "nothing to score" if np.isnan(score) else f"Dice {score:.3f}", photograph(painted)))
    return {"name": one.name, "agreement": f"{one.agreement:.3f}", "panels": panels}
