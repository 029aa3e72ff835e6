"""Compare: the same data, split and time for every variant, and an honest answer to what each costs and buys."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import compress
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from unetkit.compare.agreement import DESCRIPTION, agree
from unetkit.compare.cells import MEASURED, NETWORK, Cell, CellFailed, Job, options_of, read_cells, run_cell
from unetkit.compare.curve import LearningCurve, learning_curve
from unetkit.compare.differences import Difference, Scores, difference, on_same_images, score_interval
from unetkit.compare.variants import Variant, make_variants, named
from unetkit.dataset import Dataset, Split
from unetkit.errors import UsageError
from unetkit.files import read_json, write_json, write_text
from unetkit.pipeline import Options, Prepared
from unetkit.pipeline.experiment import free_name
from unetkit.training import Stopped

Progress = Callable[[Cell, int, int, float], None]
"""Told (the cell at work, its number, the number of cells, its share that is done)."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one variant came to.

    Args:
        variant: which.
        scores: S N, the mean Dice of the foreground classes for each training and scored image; 1 where truth and
            prediction are both empty and another training predicted something.
        score: (mean, low, high), without ends where there are too few images; None where nothing was scored.
        versus: how it differs from the first variant; None for that one itself, and where nothing was trained.
        costs: parameters, multiply_adds_per_pixel, peak_memory_bytes, steps, seconds, trained_mpx_per_s and
            predicted_mpx_per_s, each the median over trainings.
        cells: its finished cells.
        fault: why it could not be trained, or None.
    """

    variant: Variant
    scores: Scores
    score: tuple[float, float | None, float | None] | None
    versus: Difference | None
    costs: Mapping[str, float]
    cells: tuple[Cell, ...]
    fault: str | None = None

    @property
    def network(self) -> dict[str, Any]:
        """The model, depth and width of all its trainings; None where it has none, or nothing was trained."""
        measured = read_json(self.cells[0].path / MEASURED) if self.cells else {}
        return {key: measured.get(key) for key in NETWORK}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, and what they were taken on.

    Args:
        path: the folder with comparison.json, comparison.csv, comparison.html and the cells' run folders.
        dataset: the data.
        split: of all cells.
        images: N: names of the images scored, the same for all rows.
        groups: N: the group of each, its own name where there are no groups.
        rows: one a variant, the first being what the others are compared with.
        curve: through the scores at different numbers of annotated images; None where they were not varied.
    """

    path: Path
    dataset: Dataset
    split: Split
    images: tuple[str, ...]
    groups: tuple[str, ...]
    rows: tuple[Row, ...]
    curve: LearningCurve | None

    @property
    def report(self) -> Path:
        """The page that shows it."""
        return self.path / "comparison.html"

    @property
    def warning(self) -> str | None:
        """Why all scores are too good, or None."""
        if self.split.test:
            return None
        return "there are no test images: these scores are of the val images, which chose the weights; all are too good"

    @property
    def no_curve(self) -> str | None:
        """Why there is no learning curve though the number of annotated images varies, or None."""
        if self.curve is not None or len({row.variant.labels for row in self.rows}) < 2:
            return None
        if len({(row.variant.model, row.variant.settings) for row in self.rows}) > 1:
            return "no learning curve: it is of one network; vary --labels and nothing else, in a folder of its own"
        return "no learning curve: it takes scores with two numbers of annotated images"

    @property
    def trainings(self) -> str:
        """How often each variant was trained: "3 trainings", or "1 to 3 trainings"."""
        counts = [len(row.scores) for row in self.rows]
        least, most = min(counts), max(counts)
        return f"{least} to {most} trainings" if least < most else f"{most} training{'s' if most != 1 else ''}"

    @property
    def trained_once(self) -> tuple[str, ...]:
        """Names of the variants with a single training, whose intervals know nothing of its luck."""
        return tuple(row.variant.name for row in self.rows if len(row.scores) == 1)

    def to_json(self) -> dict[str, Any]:
        """Everything but the images, as it stands in comparison.json."""
        rows = [
            {
                "variant": row.variant.name,
                "network": row.network,
                "score": row.score,
                "trainings": len(row.scores),
                "versus_first": asdict(row.versus) if row.versus else None,
                "costs": dict(row.costs),
                "cells": [cell.path.relative_to(self.path).as_posix() for cell in row.cells],
                "fault": row.fault,
            }
            for row in self.rows
        ]
        curve = asdict(self.curve) if self.curve else None
        return {"rows": rows, "images": list(self.images), "warning": self.warning, "curve": curve}


@dataclass(frozen=True, slots=True)
class Watch:
    """How a comparison speaks with its surroundings.

    Args:
        progress: called now and then.
        say: called with a line for the user.
        stop: asked often; once it is true the cell at work ends after its step.
        deferring: as in `Hooks`; entered with True while a cell is at work.
    """

    progress: Progress = lambda cell, number, count, share: None
    say: Callable[[str], None] = lambda line: None
    stop: Callable[[], bool] = lambda: False
    deferring: Callable[[bool], AbstractContextManager[None]] = lambda on: nullcontext()


def compare(
    data: str | PathLike[str],
    models: Sequence[str] = (),
    *,
    vary: Sequence[str] = (),
    labels: Sequence[int | None] = (),
    seeds: int = 1,
    options: Options | None = None,
    out: str | PathLike[str] | None = None,
    watch: Watch | None = None,
) -> Comparison:
    """Train every variant on the same images for the same time, one after the other, seed by seed.

    Calling it again with the same `out` goes on where it was interrupted; finished cells are not repeated, and
    further variants or seeds are added to them. The data are checked once, before the time of the first cell begins.

    Args:
        data: folder with images/ and masks/.
        models: registered names; none leaves the model to the plan.
        vary: plan values, as "training.loss=dice,ce+dice".
        labels: numbers of annotated training images, None for all; each seed draws its own.
        seeds: trainings of each variant; with one, luck cannot be told from gain.
        options: time or steps of each cell, and what all have in common.
        out: folder; runs/DATE-NAME-compared when None.
        watch: progress and messages.

    Returns:
        The comparison; a variant that could not be trained says why in its row.

    Raises:
        UnetkitError: as `train`; also where the folder holds a comparison with other data, time or settings.
        Stopped: stopped by the user, once a cell was begun; it names the folder to go on with.

    Example:
        >>> compare("DATA", ["unet", "unet++"], options=Options(time=300)).rows[1].versus  # doctest: +SKIP
        Difference(mean=0.003, low=-0.01, high=0.016, verdict='not shown')
    """
    options, watch = options or Options(), watch or Watch()
    if seeds < 1:
        raise UsageError("the number of seeds cannot be used", found=seeds, expected="1 or more")
    if options.model is not None and not models:
        models = [options.model]
    stated = make_variants(models, vary, labels)
    path = Path(out) if out is not None else free_name(Path(data), "-compared")
    prepared = agree(path, Path(data), stated, options)
    variants = named((*stated, *(cell.variant for cell in read_cells(path))))
    first = options.seed or 0
    cells = [
        Cell.of(path, variant, seed)
        for seed in range(first, first + seeds)  # seed by seed: a machine that slows down slows all variants
        for variant in variants[: len(stated)]
    ]
    try:
        _train(cells, Path(data), prepared, options, watch)
        return _summarise(path, prepared.dataset, prepared.split, *_all_of(path, variants))
    except (Stopped, KeyboardInterrupt):
        raise Stopped(path) from None


def _train(cells: Sequence[Cell], data: Path, prepared: Prepared, options: Options, watch: Watch) -> None:
    """Train the cells that are not finished; the further seeds of a variant that failed are left out."""
    failed: set[Variant] = set()
    for number, cell in enumerate(cells, 1):
        if cell.variant in failed:
            continue
        try:
            cell.claim()
            if cell.finished:
                continue
            job = Job(cell, data, options_of(cell, options, prepared.split), prepared.report)
            with watch.deferring(True):
                run_cell(job, progress=partial(watch.progress, cell, number, len(cells)), stop=watch.stop)
        except CellFailed as error:
            failed.add(cell.variant)
            cell.fail(str(error))
            watch.say(f"{cell.variant.name} cannot be compared: {error}")


def _all_of(path: Path, variants: Sequence[Variant]) -> tuple[tuple[Variant, ...], list[Cell], dict[Variant, str]]:
    """All variants, finished cells and faults of a folder, also of earlier calls, named alike."""
    found = read_cells(path)
    every = named((*variants, *(cell.variant for cell in found)))
    own = {variant: variant for variant in every}
    faults = {cell.variant: cell.fault for cell in found if cell.fault}
    return every, [replace(cell, variant=own[cell.variant]) for cell in found if cell.finished], faults


def _summarise(
    path: Path,
    dataset: Dataset,
    split: Split,
    variants: Sequence[Variant],
    cells: Sequence[Cell],
    faults: Mapping[Variant, str],
) -> Comparison:
    groups: dict[str, str] = {}
    finished = {v: [cell for cell in cells if cell.variant == v and cell.finished] for v in variants}
    part = "test" if split.test else "val"
    read = {v: [image_scores(cell.path, part, groups) for cell in finished[v]] for v in variants}
    every = [n for n in split.test or split.val if all(n in scores for own in read.values() for scores in own)]
    tables, kept = on_same_images(
        [np.reshape([[one[n] for n in every] for one in own], (len(own), len(every))) for own in read.values()]
    )
    images = tuple(compress(every, kept))
    group_of = tuple(groups.get(name) or name for name in images)
    rows = []
    for variant, scores in zip(variants, tables, strict=True):
        own, versus = tuple(finished[variant]), None
        if variant != variants[0]:
            versus = difference(scores, tables[0], group_of, comparisons=len(variants) - 1)
        if versus and {variant, variants[0]} & faults.keys():  # those that did not fail may be the lucky ones
            versus = replace(versus, verdict="incomplete")
        interval = score_interval(scores, group_of)
        rows.append(Row(variant, scores, interval, versus, _costs(own), own, faults.get(variant)))
    comparison = Comparison(path, dataset, split, images, group_of, tuple(rows), _curve(rows, split, group_of))
    write_comparison(comparison)
    return comparison


def image_scores(run: Path, part: str, groups: dict[str, str]) -> dict[str, float]:
    """Image → mean Dice of the foreground classes that are there or predicted; NaN where none is.

    Args:
        run: a run that was scored.
        part: of its split.
        groups: filled with the group of each image.
    """
    values: dict[str, list[float]] = {}
    with (run / part / "per_image.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values.setdefault(row["image"], [])
            groups[row["image"]] = row["group"]
            if int(row["truth_pixels"]) + int(row["predicted_pixels"]):
                values[row["image"]].append(float(row["dice"]))
    return {name: float(np.mean(dice)) if dice else float("nan") for name, dice in values.items()}


def _costs(cells: Sequence[Cell]) -> dict[str, float]:
    measured = [read_json(cell.path / MEASURED) for cell in cells]
    keys = [key for key in (measured[0] if measured else {}) if key not in NETWORK]
    return {key: float(median(one[key] for one in measured)) for key in keys}


def _curve(rows: Sequence[Row], split: Split, groups: Sequence[str]) -> LearningCurve | None:
    """The learning curve, where the number of annotated images is all that varies; without rows that failed."""
    others = {(row.variant.model, row.variant.settings) for row in rows}
    if len(others) > 1 or all(row.variant.labels is None for row in rows):
        return None
    tables = {row.variant.labels or len(split.train): row.scores for row in rows if len(row.scores) and not row.fault}
    return learning_curve(tables, groups, generator=np.random.default_rng(0))


def network_text(network: Mapping[str, Any]) -> str:
    """A row's network in words: "unet, depth 3, width 16"."""
    sizes = (f"{key} {network[key]}" for key in ("depth", "width") if network[key] is not None)
    return ", ".join([network["model"] or "–", *sizes])


def write_comparison(comparison: Comparison) -> None:
    """comparison.json with everything, comparison.csv with a line a variant."""
    path = comparison.path
    write_json(path / DESCRIPTION, {**read_json(path / DESCRIPTION), **comparison.to_json()})
    lines = [_line(row) for row in comparison.rows]
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(key for line in lines for key in line)), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    write_text(path / "comparison.csv", text.getvalue())


def _line(row: Row) -> dict[str, Any]:
    mean, low, high = row.score or (None, None, None)
    versus = row.versus
    return {
        "variant": row.variant.name,
        **row.network,
        "trainings": len(row.scores),
        "dice": mean,
        "low": low,
        "high": high,
        "difference": versus and versus.mean,
        "difference_low": versus and versus.low,
        "difference_high": versus and versus.high,
        "verdict": versus and versus.verdict,
        **row.costs,
        "fault": row.fault,
    }
