"""The part of the report on objects: scores, errors and what the objects are like, as the template shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from unetkit.metrics.instances import DENSE, INVENTED, KINDS, OBJECT_METRICS
from unetkit.metrics.instances.summary import AT_THRESHOLDS
from unetkit.report.charts import hex_colour
from unetkit.report.data import ErrorCrop, ObjectSheet
from unetkit.report.object_charts import count_scatter, paired_histogram
from unetkit.report.object_errors import KIND_COLOURS
from unetkit.report.pictures import photograph
from unetkit.report.story import unit_words
from unetkit.report.svg import both, finite, number, percent

NAMES = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "pq": "PQ",
    "sq": "SQ",
    "mean_true_score": "Mean true score",
    "aji": "AJI",
    "aji_plus": "AJI+",
    "seg": "SEG",
    "v_rand": "V-Rand",
    "v_info": "V-Info",
    "count_error": "Count error",
}
"""How the scores are called; another one goes by its own name."""

PARTITIONS = ("v_rand", "v_info")
"""Scores of partitions, shown of images that are dense with objects."""

SHOWN = ("objects", "covered", "median_area", "median_volume", "median_nearest")
"""Beginnings of the columns that tables show; objects_summary.csv has more."""

MOST_LINES = 120
"""So many pairs of lines, true and predicted, has a table of images or groups."""

MOST_DOTS = 500
"""So many images has the chart of counts."""


def object_values(sheet: ObjectSheet, summary: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the template shows of the objects.

    Args:
        sheet: counts, values and crops.
        summary: the evaluation's summary; its key "objects" holds the scores.

    Returns:
        Values of the template.
    """
    scores = (summary or {}).get("objects")
    images = [row for row in sheet.rows if row["scope"] == "image"]
    return {
        "scores": None if scores is None else _scores(scores, dense=_covered(sheet.rows) >= DENSE),
        "thresholds": None if scores is None else _thresholds(scores),
        "became": None if scores is None else _became(scores),
        "interval": (scores or {}).get("interval", ""),
        "crops": [_crop(crop) for crop in sheet.crops],
        "legend": [(name, hex_colour(KIND_COLOURS[kind])) for name, kind in KINDS.items()],
        "charts": [
            (title, both(partial(paired_histogram, true, predicted, name=axis)))
            for title, axis, true, predicted in sheet.values
            if finite(true) or finite(predicted)
        ],
        "counts": both(partial(_scatter, sheet.counts)),
        "images": len(sheet.counts),
        "most_dots": MOST_DOTS,
        "overall": _table([row for row in sheet.rows if row["scope"] != "image"]),
        "each": _table(_worst(images, sheet.counts)),
    }


def _scores(scores: Mapping[str, Any], *, dense: bool) -> dict[str, Any]:
    """A row a score: its mean over the images, over all objects together, and over each class where there are any."""
    classes = scores.get("classes", {})
    rows = []
    for name, metric in OBJECT_METRICS.items():
        if name in scores["mean"] and (dense or name not in PARTITIONS):
            pooled = scores["pooled"].get(name)
            rows.append(
                {
                    "name": NAMES.get(name, name),
                    "cells": [_cell(name, one["mean"][name]) for one in (scores, *classes.values())],
                    "pooled": "" if pooled is None else _value(name, pooled),
                    "meaning": (metric.__doc__ or "").splitlines()[0],
                }
            )
    return {"rows": rows, "classes": list(classes), "images": scores["images"]}


def _cell(name: str, score: Mapping[str, Any]) -> tuple[str, str]:
    low, high = score["low"], score["high"]
    ends = "" if low is None or high is None else f"{_value(name, low)} to {_value(name, high)}"
    return _value(name, score["mean"]), ends


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{'+' if value > 0 else ''}{number(value)}" if name == "count_error" else f"{value:.3f}"


def _thresholds(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of all objects together at each threshold."""
    rows = [(NAMES[name], [_value(name, value) for value in scores[f"{name}_at"]]) for name in AT_THRESHOLDS]
    return {"columns": [f"{threshold:.2f}" for threshold in scores["thresholds"]], "rows": rows}


def _became(scores: Mapping[str, Any]) -> dict[str, Any]:
    """A row for all objects and for each class: what became of them."""
    columns = [
        (name, hex_colour(KIND_COLOURS[kind]), "predicted" if kind == INVENTED else "true")
        for name, kind in KINDS.items()
    ]
    named = {"all objects": scores, **scores.get("classes", {})}
    rows = []
    for name, one in named.items():
        counts = one["counts"]
        wholes = {"true": counts["true_objects"], "predicted": counts["predicted_objects"]}
        cells = [
            (number(counts[kind], 6), percent(counts[kind] / wholes[of]) if wholes[of] else "")
            for kind, _, of in columns
        ]
        sums = [number(counts[key], 6) for key in ("true_objects", "predicted_objects", "merges", "splits")]
        rows.append({"name": name, "cells": cells, "sums": sums})
    return {"columns": columns, "rows": rows}


def _crop(crop: ErrorCrop) -> dict[str, Any]:
    return {
        "name": crop.name,
        "words": crop.words,
        "image": photograph(crop.image),
        "errors": photograph(crop.errors),
    }


def _scatter(counts: Sequence[tuple[str, int, int]], *, width: int) -> str:
    """The counts, of many images evenly chosen ones."""
    step = -(-len(counts) // MOST_DOTS) if counts else 1
    return count_scatter(counts[::step], width=min(width, 460))


def _covered(rows: Sequence[Mapping[str, Any]]) -> float:
    """The share of the labelled pixels that true objects cover, of all classes or the most frequent one."""
    shares = [row["covered"] for row in rows if row["scope"] == "all" and row["of"] == "true"]
    return max((share for share in shares if share is not None), default=0.0)


def _worst(rows: Sequence[Mapping[str, Any]], counts: Sequence[tuple[str, int, int]]) -> list[Mapping[str, Any]]:
    """The rows of the images, those first whose counts are furthest off."""
    ranked = sorted(counts, key=lambda one: -abs(one[2] - one[1]))
    order = {name: place for place, (name, _, _) in enumerate(ranked)}
    return sorted(rows, key=lambda row: order[row["name"]])


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Pairs of lines, true above predicted: counts, density, share covered and medians."""
    if not rows:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [name for name in _columns(names) if any(row.get(name) is not None for row in rows)]
    pairs: dict[tuple[str, str, str], dict[str, list[tuple[str, str]]]] = {}
    for row in rows:
        pair = pairs.setdefault((row["scope"], row["name"], row["class"]), {})
        pair[row["of"]] = [_entry(name, row) for name in columns]
    lines = [
        {"name": name or "all images", "class": one, "scope": scope, **pair}
        for (scope, name, one), pair in list(pairs.items())[:MOST_LINES]
    ]
    return {
        "columns": [_heading(name) for name in columns],
        "lines": lines,
        "classes": len({line["class"] for line in lines}) > 1,
        "hidden": max(0, len(pairs) - MOST_LINES),
    }


def _columns(names: Sequence[str]) -> list[str]:
    """Those that are shown: of what is there in pixels and in a unit, the unit."""
    shown = [name for name in names if not name.endswith(("_low", "_high"))]
    shown = [name for name in shown if name.startswith(SHOWN)]
    densities = [name for name in shown if name.startswith("objects_per_") and name != "objects_per_image"]
    doubled = set(densities[:1]) if len(densities) > 1 else set()
    for name in shown:
        stem = name.removesuffix("_px")
        if name != stem and any(other.startswith(f"{stem}_") and other != name for other in shown):
            doubled.add(name)
    return [name for name in shown if name not in doubled]


def _heading(name: str) -> str:
    """A column's name in words: "median area (µm²)"."""
    if name in ("objects", "covered"):
        return name
    if name.startswith("objects_per_"):
        unit = name.removeprefix("objects_per_")
        return "per image" if unit == "image" else "per megapixel" if unit == "mpx" else f"per {unit_words(unit)}"
    words, _, unit = name.removeprefix("median_").rpartition("_")
    if not words:
        return f"median {unit}"
    return f"median {words.replace('_', ' ')} ({unit_words(unit)})".replace(
        "nearest centroid", "distance to the nearest"
    )


def _entry(name: str, row: Mapping[str, Any]) -> tuple[str, str]:
    def write(value: float | None) -> str:
        if value is None:
            return "–"
        return percent(value) if name == "covered" else number(value, 6 if name == "objects" else 3)

    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return write(row.get(name)), "" if low is None or high is None else f"{write(low)} to {write(high)}"
