"""Suggestions to look at: a picture each, a table, and one page that opens offline."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from unetkit.active.candidates import Place
from unetkit.active.look import look, source_for
from unetkit.active.race import SAID, Standing
from unetkit.active.suggest import Suggestion, Suggestions
from unetkit.active.voters import one_voice
from unetkit.classes import Classes, read_classes
from unetkit.compare.differences import difference_text
from unetkit.errors import UsageError
from unetkit.files import replacing_folder, write_text
from unetkit.formats import write_image
from unetkit.image import Image
from unetkit.pipeline import load_predictor
from unetkit.pipeline.loading import member_runs
from unetkit.prediction import Predictor, measure_source
from unetkit.prediction.tiles import Window
from unetkit.report.comparison_charts import Mark, learning_curve
from unetkit.report.html import page
from unetkit.report.overlay import blend, overlay, paint_shares, to_rgb
from unetkit.report.pictures import photograph
from unetkit.report.svg import Scale, both, document, tag
from unetkit.training import RunFolder

Bytes = npt.NDArray[np.uint8]

PAGE, TABLE, PICTURES = "suggestions.html", "suggestions.csv", "pictures"
"""What the folder holds."""

LARGEST, SMALLEST = 1024, 256
"""Pixels: of more than the one, the middle is shown; what is less than the other is shown enlarged."""

GAP = 8
"""White pixels between the panels of a picture."""

AXES = {2: ("row", "column"), 3: ("plane", "row", "column")}

Progress = Callable[[str, int, int], None]


def write_suggestions(
    run: str | PathLike[str],
    found: Suggestions,
    out: str | PathLike[str] | None = None,
    *,
    device: str = "auto",
    predictor: Predictor | None = None,
    progress: Progress = lambda name, number, count: None,
) -> Path:
    """Write suggestions.html, suggestions.csv and a picture for each suggestion; all of them or nothing.

    Args:
        run: that made the suggestions.
        found: the suggestions.
        out: folder; RUN/suggestions when None. Suggestions that stand there are replaced.
        device: "auto", "cpu", "cuda" or "cuda:1".
        predictor: the run's, where it is loaded already.
        progress: told which picture is at work.

    Returns:
        The page.

    Raises:
        UsageError: the folder holds something else.
        FileError: it cannot be written.
    """
    path = Path(out) if out is not None else RunFolder(run).path / "suggestions"
    require_own(path)
    classes = read_classes(member_runs(RunFolder(run))[0].classes)
    predictor = predictor or load_predictor(run, device=device)
    with replacing_folder(path) as temporary:
        rows, cards = [], []
        for rank, suggestion in enumerate(found.suggestions, 1):
            progress(suggestion.place.image, rank, len(found.suggestions))
            picture = panels(suggestion.place, predictor, classes)
            name = f"{PICTURES}/{rank:03d}.png"
            write_image(temporary / name, np.moveaxis(picture, -1, 0))
            rows.append(_row(rank, suggestion, name))
            cards.append(_card(rank, suggestion, picture))
        _write_table(temporary / TABLE, rows)
        write_text(temporary / PAGE, render(Path(run).name, found, cards))
    return path / PAGE


def require_own(path: Path) -> None:
    """Refuse a folder that holds anything but suggestions.

    Raises:
        UsageError: it does.
    """
    if path.exists() and not path.is_dir():
        raise UsageError("the folder for the suggestions is a file", found=path, mend="name another --out")
    strange = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    if set(strange) - {PAGE, TABLE, PICTURES}:
        raise UsageError("the folder holds something else than suggestions", found=path, mend="name another --out")


def panels(place: Place, predictor: Predictor, classes: Classes) -> Bytes:
    """The place, what the model sees there, and where it is unsure, side by side: H W 3.

    Of a volume the middle plane; of a large place the middle.
    """
    source = source_for(place.path, predictor.plan)
    window = shown_window(place)
    extents = tuple(part.stop - part.start for part in window)
    labels, doubt = np.zeros(extents, np.uint8), np.zeros(extents, np.float32)
    statistics = measure_source(source, predictor.ways)
    for glimpse in look(predictor, source, statistics, one_voice(predictor), within=window):
        meet = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(window, glimpse.window, strict=True)]
        to, of = (_relative(meet, origin) for origin in (window, glimpse.window))
        labels[to], doubt[to] = glimpse.labels[of], glimpse.doubt[of]
    pixels = source.read(window)
    if len(window) == 3:
        pixels, labels, doubt = pixels[:, 0], labels[0], doubt[0]
    picture = to_rgb(Image(pixels, source.geometry, source.names))
    every = [picture, overlay(picture, labels, None, classes), blend(picture, paint_shares(doubt))]
    factor = max(1, round(SMALLEST / max(picture.shape[:2])))
    every = [one.repeat(factor, 0).repeat(factor, 1) for one in every]
    white = np.full((len(every[0]), GAP, 3), 255, np.uint8)
    return np.concatenate([every[0], white, every[1], white, every[2]], axis=1)


def shown_window(place: Place) -> Window:
    """What of a place is shown."""
    window = []
    for axis, (start, stop) in enumerate(place.window):
        most = 1 if len(place.window) == 3 and axis == 0 else LARGEST
        first = start + max(stop - start - most, 0) // 2
        window.append(slice(first, min(first + most, stop)))
    return tuple(window)


def _relative(window: Sequence[slice], origin: Window) -> Window:
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(window, origin, strict=True))


def _row(rank: int, suggestion: Suggestion, picture: str) -> dict[str, Any]:
    place = suggestion.place
    box = {
        f"{axis}_{end}": value
        for axis, span in zip(AXES[len(place.window)], place.window, strict=True)
        for end, value in zip(("start", "stop"), span, strict=True)
    }
    return {
        "rank": rank,
        "image": place.image,
        "file": place.path,
        **box,
        "strategy": suggestion.strategy,
        "score": f"{suggestion.score:.6g}",
        "reason": suggestion.reason,
        "picture": picture,
    }


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def _card(rank: int, suggestion: Suggestion, picture: Bytes) -> dict[str, Any]:
    place = suggestion.place
    return {
        "rank": rank,
        "image": place.image,
        "where": "whole image" if place.whole else box_text(place),
        "strategy": suggestion.strategy,
        "reason": suggestion.reason,
        "picture": photograph(picture),
        "map": None if place.whole else Markup(_map(place)),
    }


def box_text(place: Place) -> str:
    """Where a region lies, in words: "rows 0 to 250, columns 250 to 500"."""
    named = zip(AXES[len(place.window)], place.window, strict=True)
    return ", ".join(f"{axis}s {start} to {stop}" for axis, (start, stop) in named)


def _map(place: Place, width: int = 84) -> str:
    """A drawing of where a region lies in its image."""
    (_, columns), ((top, bottom), (left, right)) = place.shape[-2:], place.window[-2:]
    rows = place.shape[-2]
    height = max(12.0, min(2.0 * width, width * rows / columns))
    x, y = Scale(0, columns, 1, width - 1), Scale(0, rows, 1, height - 1)
    outer = tag("rect", x=1, y=1, width=width - 2, height=height - 2, fill="none", stroke="currentColor", rx=2)
    size = {"x": x(left), "y": y(top), "width": x(right) - x(left), "height": y(bottom) - y(top)}
    inner = tag("rect", fill="currentColor", fill_opacity="0.5", **size)
    return document(width, height, f"The region lies at {box_text(place)}", outer, inner)


def render(name: str, found: Suggestions, cards: Sequence[dict[str, Any]]) -> str:
    """The page as HTML text.

    Args:
        name: of the run.
        found: the suggestions.
        cards: one each, with its picture.
    """
    advice = found.advice
    marks = {count: Mark(f"{count} labels", *shown) for count, shown in advice.scores.items()}
    curve = advice.curve
    line = [] if curve is None else [(float(n), curve.at(float(n))) for n in np.geomspace(min(marks), curve.most, 60)]
    return page(
        "suggestions.html.j2",
        styles=("chart.css", "report.css", "comparison.css", "suggestions.css"),
        title=f"What to label next, after {name}",
        subtitle=f"{len(cards)} of {found.candidates} places that nobody labelled, the first to be labelled first",
        cards=cards,
        notes=found.notes,
        advice=advice,
        curve=both(partial(learning_curve, marks, line, None)) if len(marks) > 1 else None,
        standings=[standing_cells(one) for one in found.standings],
    )


def standing_cells(one: Standing) -> list[str]:
    """How a strategy stands, as a line of a table: name, labelled, waiting, surprise, against the baseline, verdict."""
    surprise = "–" if one.surprise is None else f"{one.surprise:.3f}"
    if one.low is not None and one.high is not None:
        surprise += f" [{one.low:.3f}, {one.high:.3f}]"
    versus, said = ("", "") if one.versus is None else (difference_text(one.versus), SAID[one.versus.verdict])
    return [one.strategy, str(one.labelled), str(one.waiting), surprise, versus, said]
