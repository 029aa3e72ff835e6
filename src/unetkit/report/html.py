"""The report: one HTML file with everything in it, which opens offline and asks no one for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from os import PathLike
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unetkit.classes import Classes, has_background
from unetkit.files import write_text
from unetkit.report import charts, object_page, story, svg
from unetkit.report.curves import duration, readout, training_curves
from unetkit.report.data import AttentionSheet, AugmentationSheet, Case, ReportData, Suspect
from unetkit.report.object_overlay import draw_objects
from unetkit.report.overlay import (
    ERROR_COLOURS,
    FALSE_ALARM,
    FOUND,
    MISSED,
    NOT_PAINTED,
    SHARE_COLOURS,
    UNLABELLED,
    WRONG_CLASS,
    blend,
    error_kinds,
    overlay,
    paint_errors,
    paint_labels,
    paint_shares,
)
from unetkit.report.pictures import drawing, fit_image, fit_labels, photograph

LONGEST_SIDE = 1024  # pixels; larger pictures are shown averaged down, and it is said
THUMBNAIL, CROP = 176, 288

ERROR_NAMES = {
    FOUND: "found",
    FALSE_ALARM: "false alarm",
    MISSED: "missed",
    WRONG_CLASS: "wrong class",
    UNLABELLED: "not labelled",
}


def write_report(path: str | PathLike[str], data: ReportData) -> None:
    """Write the report as one HTML file.

    Args:
        path: where; an older report there is replaced, whole or not at all.
        data: what to show. What is missing is left out, and the report says why.

    Raises:
        FileError: the file cannot be written.
        InputError: arrays that do not lie on each other.

    Example:
        >>> import tempfile
        >>> from unetkit.classes import Classes
        >>> data = ReportData(title="U-Net", subtitle="", classes=Classes(names=("background", "cell")))
        >>> write_report(tempfile.mkdtemp() + "/report.html", data)
    """
    write_text(path, render(data))


def render(data: ReportData) -> str:
    """The report as HTML text."""
    return page(
        "report.html.j2",
        styles=("chart.css", "report.css"),
        script="report.js",
        data=data,
        headline=_headline(data),
        shares=_shares(data),
        plan=story.plan_groups(data.plan_rows),
        curves=svg.both(partial(training_curves, data.history, data.best_step)) if data.history else None,
        kept=_kept(data),
        scores=_scores(data.summary, data.unit),
        confusion=_confusion(data.summary),
        objects=None if data.objects is None else object_page.object_values(data.objects, data.summary),
        legend=_legend(data),
        cases=[_case(case, data) for case in data.cases],
        numbered=any(case.objects is not None for case in data.cases),
        shrunk=any(max(case.image.shape) > LONGEST_SIDE for case in data.cases),
        longest_side=LONGEST_SIDE,
        attention=None if data.attention is None else _attention(data.attention),
        share_colours=[charts.hex_colour(colour) for colour in SHARE_COLOURS],
        suspects=None if data.suspects is None else [suspect_card(suspect, data.classes) for suspect in data.suspects],
        missed=_missed(data),
        augmentation=None if data.augmentation is None else _augmentation(data.augmentation, data),
    )


def page(template: str, *, styles: Sequence[str], script: str | None = None, **values: Any) -> str:
    """A template filled in, with its style sheets and script inside it, and a policy that allows nothing else.

    Args:
        template: its name.
        styles: names of style sheets, in order.
        script: name of the script.
        **values: what the template asks for; a missing one is an error.
    """
    environment = Environment(
        loader=PackageLoader("unetkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        elide=svg.elide, number=svg.number, percent=svg.percent, colour=charts.hex_colour, counted=story.counted
    )
    style, code = "".join(map(_asset, styles)), _asset(script) if script else ""
    return environment.get_template(template).render(
        style=Markup(style), script=Markup(code), policy=_policy(style, code), **values
    )


def _asset(name: str) -> str:
    return files("unetkit.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A content security policy that allows this style sheet, this script, pictures in the file: nothing else."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"

    return (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; script-src {digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _headline(data: ReportData) -> dict[str, Any]:
    mean = story.headline_score(data.summary)
    small: list[tuple[str, str, str]] = []
    if data.summary is not None:
        for key in ("iou", "hd95", "boundary_iou"):
            score = data.summary.get("mean", {}).get(key)
            if score is not None and svg.finite([score.get("mean")]):
                name = f"{story.METRICS[key][0]}{_unit_of(key, data)}"
                small.append((name, _value(key, score["mean"]), _interval(key, score)))
    seconds = svg.finite([entry.get("seconds") for entry in data.history])
    if seconds:
        steps = max(svg.finite([entry.get("step") for entry in data.history]), default=0.0)
        small.append(("Training", duration(max(seconds)), f"{svg.number(steps, 6)} steps"))
    return {
        "value": None if mean is None else f"{mean['mean']:.3f}",
        "interval": None if mean is None else _interval("dice", mean),
        "bar": None if mean is None else Markup(charts.interval_bar(mean)),
        "small": small,
        "verdict": story.verdict(data.summary),
    }


def _unit_of(metric: str, data: ReportData) -> str:
    unit = (data.summary or {}).get("unit") or data.unit
    return f", {story.UNITS.get(unit, unit)}" if metric in story.LENGTHS else ""


def _value(metric: str, value: float | None) -> str:
    if not svg.finite([value]) or value is None:
        return "–"
    return svg.number(value) if metric in story.LENGTHS else f"{value:.3f}"


def _interval(metric: str, score: Mapping[str, Any]) -> str:
    low, high = score.get("low"), score.get("high")
    if low is None or high is None or not svg.finite([score.get("mean")]):
        return ""
    return f"{_value(metric, low)}–{_value(metric, high)}"


def _shares(data: ReportData) -> dict[str, Any] | None:
    shares, source = data.class_shares, "of all labelled pixels"
    matrix = (data.summary or {}).get("confusion")
    if shares is None and matrix and len(matrix) == len(data.classes):
        total = sum(map(sum, matrix)) or 1
        shares, source = [sum(row) / total for row in matrix], "of the labelled pixels of the test images"
    if shares is None or not svg.finite(shares):
        return None
    rows = list(zip(data.classes.names, shares, data.classes.colours, strict=True))
    return {
        "bar": Markup(charts.class_bar(shares, data.classes.names, data.classes.colours)),
        "rows": rows,
        "source": source,
    }


def _kept(data: ReportData) -> str:
    kept = [entry for entry in data.history if entry.get("step") == data.best_step]
    return readout(kept[0]) if kept else ""


def _scores(summary: Mapping[str, Any] | None, unit: str) -> dict[str, Any] | None:
    if summary is None:
        return None
    classes, mean = summary.get("classes", {}), summary.get("mean", {})
    metrics = [key for key in story.METRICS if key in mean or any(key in s for s in classes.values())]
    pooled = summary.get("pooled_iou", {})
    columns = [(key, *story.METRICS[key]) for key in metrics]
    rows = [_score_row(name, scores, metrics, pooled.get(name)) for name, scores in classes.items()]
    background = [(name, value) for name, value in pooled.items() if name not in classes]
    if mean and len(rows) > 1:  # of a single class, the mean says nothing new
        rows.append(_score_row("mean of classes", mean, metrics, None) | {"strong": True})
    dice = {name: scores["dice"] for name, scores in classes.items() if "dice" in scores}
    unit = summary.get("unit") or unit
    unit = story.UNITS.get(unit, unit)
    return {
        "columns": [(f"{name} ({unit})" if k in story.LENGTHS else name, meaning) for k, name, meaning in columns],
        "rows": rows,
        "pooled": bool(pooled),
        "background": [(name, _value("iou", value)) for name, value in background],
        "mean_iou": _value("iou", summary.get("mean_iou")) if summary.get("mean_iou") is not None else None,
        "forest": svg.both(partial(charts.forest, dice, mean.get("dice") if len(dice) > 1 else None)) if dice else None,
        "interval": summary.get("interval", ""),
        "images": summary.get("images"),
        "groups": summary.get("groups"),
    }


def _score_row(name: str, scores: Mapping[str, Any], metrics: list[str], pooled: float | None) -> dict[str, Any]:
    cells = [(_value(k, scores.get(k, {}).get("mean")), _interval(k, scores.get(k, {}))) for k in metrics]
    first: Mapping[str, Any] = scores.get("dice") or next(iter(scores.values()), {})
    return {
        "name": name,
        "cells": cells,
        "pooled": None if pooled is None else _value("iou", pooled),
        "n": first.get("n"),
        "undefined": first.get("undefined"),
        "strong": False,
    }


def _confusion(summary: Mapping[str, Any] | None) -> dict[str, Markup] | None:
    if summary is None or not summary.get("confusion"):
        return None
    counts, names = summary["confusion"], summary["class_names"]
    return svg.both(partial(charts.confusion, counts, names))


def _legend(data: ReportData) -> dict[str, list[tuple[str, str]]]:
    kinds = list(ERROR_NAMES)
    if data.cases:
        painted = (error_kinds(c.prediction, c.truth, data.classes) for c in data.cases if c.truth is not None)
        kinds = sorted({int(kind) for picture in painted for kind in np.unique(picture)} - {NOT_PAINTED})
    start = 1 if has_background(data.classes) else 0
    pairs = list(zip(data.classes.names, data.classes.colours, strict=True))[start:]
    return {
        "errors": [(ERROR_NAMES[kind], charts.hex_colour(ERROR_COLOURS[kind])) for kind in kinds],
        "classes": [(name, charts.hex_colour(colour)) for name, colour in pairs],
    }


def _case(case: Case, data: ReportData) -> dict[str, Any]:
    image, prediction = fit_image(case.image, LONGEST_SIDE), fit_labels(case.prediction, LONGEST_SIDE)
    paints = {"prediction": paint_labels(prediction, data.classes)}
    if case.truth is not None:
        truth = fit_labels(case.truth, LONGEST_SIDE)
        paints["truth"] = paint_labels(truth, data.classes)
        paints["error"] = paint_errors(prediction, truth, data.classes)
    if case.objects is not None:
        ids = fit_labels(case.objects.ids, LONGEST_SIDE)
        size = max(12, max(ids.shape) // 50)  # large pictures are shown smaller
        paints["objects"] = draw_objects(replace(case.objects, ids=ids), data.classes, font_size=size)
    small = fit_image(blend(image, paints.get("error", paints["prediction"])), THUMBNAIL)
    scores = [(_metric_name(key), _value(key, value)) for key, value in case.scores.items()]
    return {
        "name": case.name,
        "score": None if not svg.finite([case.score]) else case.score,
        "scores": scores,
        "thumbnail": photograph(small, quality=84),
        "layers": {"image": photograph(image), **{name: drawing(paint) for name, paint in paints.items()}},
        "labelled": case.truth is not None,
        "height": image.shape[0],
        "width": image.shape[1],
    }


def _attention(sheet: AttentionSheet) -> dict[str, Any]:
    """The picture, and each map painted on it."""
    panels = [{"caption": "the image", "picture": photograph(fit_image(sheet.image, CROP))}]
    for level, shares in sheet.maps.items():
        side = 2**level
        fine = shares.repeat(side, axis=0).repeat(side, axis=1)[: sheet.image.shape[0], : sheet.image.shape[1]]
        painted = blend(sheet.image, paint_shares(fine))
        caption = f"level {level}: {shares.min():.2f} to {shares.max():.2f}"
        panels.append({"caption": caption, "picture": photograph(fit_image(painted, CROP))})
    return {"name": sheet.name, "panels": panels}


def _metric_name(key: str) -> str:
    return story.METRICS[key][0] if key in story.METRICS else key


def suspect_card(
    suspect: Suspect, classes: Classes, names: Sequence[str] = ("image", "truth", "prediction")
) -> dict[str, Any]:
    """A suspicious place for a template: its words, and its three pictures by these names."""
    image = fit_image(suspect.image, CROP)
    painted = [
        photograph(blend(image, paint_labels(fit_labels(labels, CROP), classes)))
        for labels in (suspect.truth, suspect.prediction)
    ]
    return {
        "name": suspect.name,
        "score": suspect.score,
        "reason": suspect.reason,
        "pictures": list(zip(names, [photograph(image), *painted], strict=True)),
    }


def _missed(data: ReportData) -> list[dict[str, Any]] | None:
    """One histogram a class, for the four classes with the most missed objects."""
    if data.missed is None:
        return None
    unit = story.UNITS.get(data.unit, data.unit)
    classes: dict[str, tuple[list[float], list[bool]]] = {}
    for item in data.missed:
        diameters, found = classes.setdefault(str(item["class"]), ([], []))
        diameters.append(float(item["diameter"]))
        found.append(bool(item["found"]))
    worst = sorted(classes, key=lambda name: sum(classes[name][1]) - len(classes[name][1]))
    return [
        {
            "name": name,
            "sentence": story.missed_sentence(*classes[name], unit),
            "chart": svg.both(partial(charts.size_histogram, *classes[name], unit=unit)) if index < 4 else None,
        }
        for index, name in enumerate(worst)
    ]


def _augmentation(sheet: AugmentationSheet, data: ReportData) -> dict[str, Any]:
    patches = []
    for image, labels, caption in zip(sheet.images, sheet.labels, sheet.captions, strict=True):
        painted = overlay(fit_image(image, CROP), fit_labels(labels, CROP), None, data.classes)
        patches.append({"caption": caption, "picture": photograph(painted)})
    grid = None
    if sheet.grid is not None:
        shape = sheet.images[0].shape[:2] if len(sheet.images) else tuple(int(v) + 1 for v in sheet.grid[-1, -1])
        grid = Markup(charts.deformation_grid(sheet.grid, (shape[0], shape[1])))
    return {"patches": patches, "grid": grid}
