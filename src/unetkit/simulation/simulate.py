"""Simulate: hide the labels of a fully labelled set, replay their making, and tell what score they buy at what cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.active.strategies import BASELINE, STRATEGIES
from unetkit.compare.agreement import begun, describe
from unetkit.compare.differences import Difference, Scores, difference, on_same_images, score_interval
from unetkit.dataset import Dataset, Split, make_split, open_dataset
from unetkit.dataset.marked import is_whole
from unetkit.errors import DatasetError, UsageError
from unetkit.files import read_json, write_json, write_text
from unetkit.pipeline import Options
from unetkit.pipeline.experiment import free_name
from unetkit.registry import lookup
from unetkit.report.comparison_charts import Mark, colour_of
from unetkit.report.curves import standalone
from unetkit.report.labelling_charts import Series, score_against_effort
from unetkit.simulation.budget import Budget
from unetkit.simulation.kinds import Kind
from unetkit.simulation.replay import Arm, Ground, Round, Watch, replay

DESCRIPTION, TABLE, CHART = "simulation.json", "simulate.csv", "simulation.svg"


@dataclass(frozen=True, slots=True)
class Row:
    """What a strategy and a kind of labels came to under a budget, over all seeds.

    Args:
        strategy: a name in `STRATEGIES`.
        labels: the kind.
        budget: as it is typed.
        places: labelled images or regions, mean over seeds.
        clicks: mean over seeds.
        seconds: of the person's time by the cost model, mean over seeds.
        scores: S N: mean Dice for each seed and scored image.
        score: (mean, low, high) over images and seeds, or None.
        versus: how it differs from the first strategy and kind under the same budget; None for that one itself.
    """

    strategy: str
    labels: str
    budget: str
    places: float
    clicks: float
    seconds: float
    scores: Scores
    score: tuple[float, float | None, float | None] | None
    versus: Difference | None

    @property
    def name(self) -> str:
        """Strategy and kind."""
        return f"{self.strategy}, {self.labels}"

    def to_json(self) -> dict[str, Any]:
        """All but the single scores."""
        mean, low, high = self.score or (None, None, None)
        return {
            "strategy": self.strategy, "labels": self.labels, "budget": self.budget, "seeds": len(self.scores),
            "places": self.places, "clicks": self.clicks, "seconds": self.seconds,
            "dice": mean, "low": low, "high": high, "versus_first": asdict(self.versus) if self.versus else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Simulation:
    """All rows, and what they were taken on.

    Args:
        path: the folder with simulation.json, simulate.csv, simulation.svg and the trainings.
        images: N: names of the scored images, the same for all rows.
        groups: N: the group of each.
        rows: one a strategy, kind and budget.
        warning: why all scores are too good, or None.
    """

    path: Path
    images: tuple[str, ...]
    groups: tuple[str, ...]
    rows: tuple[Row, ...]
    warning: str | None

    def to_json(self) -> dict[str, Any]:
        """Everything but single scores."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "images": list(self.images),
            "warning": self.warning,
            "path": str(self.path),
        }


def simulate(
    data: str | PathLike[str],
    *,
    strategies: Sequence[str] = (BASELINE,),
    kinds: Sequence[Kind] = (Kind("dense"),),
    budgets: Sequence[Budget],
    seeds: int = 3,
    options: Options | None = None,
    out: str | PathLike[str] | None = None,
    watch: Watch | None = None,
) -> Simulation:
    """Replay annotation under every strategy and kind of label, seed by seed, training in every round.

    Only training images are labelled little by little; val and test keep their whole masks, which are not counted.
    Images without labels stay in the data, for methods that learn from them. Calling it again with the same `out`
    goes on where it was interrupted; what is finished is not repeated, also beside further strategies, kinds or seeds.

    Args:
        data: a folder with images/ and whole masks/.
        strategies: names in `STRATEGIES`; the first, with the first kind, is what the others are compared with.
        kinds: of labels.
        budgets: up to each round, the smallest first.
        seeds: replays of each.
        options: time or steps of each training, and what all have in common.
        out: folder; runs/DATE-NAME-simulated when None.
        watch: progress and messages.

    Returns:
        Scores against cost, with intervals over images and seeds.

    Raises:
        UnetkitError: as `train`; a folder of something else; masks that are not whole.
        Stopped: stopped by the user; what is done is kept.

    Example:
        >>> simulate("DATA", budgets=parse_budgets("2,5,all", seconds)).rows[0].seconds  # doctest: +SKIP
        950.4
    """
    options, watch = options or Options(), watch or Watch()
    _require_sense(strategies, kinds, budgets, seeds, options)
    path = Path(out) if out is not None else free_name(Path(data), "-simulated")
    dataset = open_dataset(data)
    of = {**describe(Path(data), options), "budgets": [budget.text for budget in budgets]}
    split = begun(path, of, what="simulation") or options.split or make_split(dataset)
    _require_whole(dataset, split, kinds)
    if not (path / DESCRIPTION).is_file():
        write_json(path / DESCRIPTION, {"of": of, "split": split.model_dump(mode="json")})
    ground = Ground(path, dataset, split, budgets, options, watch)
    found: dict[tuple[str, Kind], list[list[Round]]] = {}
    for seed in range(options.seed or 0, (options.seed or 0) + seeds):
        for strategy in strategies:
            for kind in kinds:
                found.setdefault((strategy, kind), []).append(replay(ground, Arm(strategy, kind, seed)))
    simulation = _summarise(ground, found)
    _write(simulation, found, options.seed or 0)
    return simulation


def _require_sense(
    strategies: Sequence[str], kinds: Sequence[Kind], budgets: Sequence[Budget], seeds: int, options: Options
) -> None:
    for name in strategies:
        lookup(STRATEGIES, name, "strategy")
    if not budgets or seeds < 1 or not strategies or not kinds:
        raise UsageError("a simulation needs a strategy, a kind of labels, a budget and a seed at least")
    if len(set(strategies)) < len(strategies) or len(set(kinds)) < len(kinds):
        raise UsageError("a strategy or a kind of labels is named twice", expected="each once")
    if options.plan is not None or options.labels is not None:
        raise UsageError("a simulation makes its own plans and numbers of labels", mend="leave --plan and labels out")


def _require_whole(dataset: Dataset, split: Split, kinds: Sequence[Kind]) -> None:
    """Refuse images whose labels cannot be hidden because they are not there."""
    for name in (*split.train, *split.val, *split.test):
        sample = dataset.sample(name)
        if sample.mask is None or not is_whole(dataset, sample):
            raise DatasetError(
                "a simulation takes images with whole masks, to hide them",
                file=dataset.root,
                found=f"'{name}' is labelled in part",
                mend="list images with whole masks in splits.json",
            )
    if dataset.spatial_dims == 3 and any(kind.marked for kind in kinds):
        raise UsageError("volumes cannot be marked", expected="--labels dense or regions:SIDE")


def _summarise(ground: Ground, found: Mapping[tuple[str, Kind], list[list[Round]]]) -> Simulation:
    """Means and intervals over the images that all trainings scored."""
    flat = {
        (strategy, kind.text, budget.text): own
        for (strategy, kind), arms in found.items()
        for number, budget in enumerate(ground.budgets)
        if (own := [rounds[number] for rounds in arms if number < len(rounds)])
    }
    groups = {image: group for own in flat.values() for one in own for image, group in one.groups.items()}
    names = sorted(set.intersection(*(set(one.scores) for own in flat.values() for one in own)))
    tables, kept = on_same_images(
        [np.array([[one.scores[name] for name in names] for one in own]) for own in flat.values()]
    )
    images = tuple(name for name, keep in zip(names, kept, strict=True) if keep)
    group_of = tuple(groups.get(name) or name for name in images)
    by_key = dict(zip(flat, tables, strict=True))
    first = next(iter(flat))
    rows = []
    for (strategy, kind, budget), own in flat.items():
        table, reference = by_key[strategy, kind, budget], by_key.get((*first[:2], budget))
        versus = None
        if (strategy, kind) != first[:2] and reference is not None:
            versus = difference(table, reference, group_of, comparisons=len(found) - 1)
        places, clicks, seconds = (
            float(np.mean(values))
            for values in zip(*((one.places, one.effort.clicks, one.effort.seconds) for one in own), strict=True)
        )
        score = score_interval(table, group_of)
        rows.append(Row(strategy, kind, budget, places, clicks, seconds, table, score, versus))
    too_good = "there are no test images: these scores are of the val images, which chose the weights; all are too good"
    return Simulation(ground.path, images, group_of, tuple(rows), None if ground.split.test else too_good)


def _write(simulation: Simulation, found: Mapping[tuple[str, Kind], list[list[Round]]], first: int) -> None:
    """simulation.json with everything, simulate.csv with a line a training, simulation.svg."""
    path = simulation.path
    write_json(path / DESCRIPTION, {**read_json(path / DESCRIPTION), **simulation.to_json()})
    lines = [
        {
            "strategy": strategy, "labels": kind.text, "seed": seed, "budget": one.budget, "places": one.places,
            "clicks": one.effort.clicks, "seconds": f"{one.effort.seconds:.1f}", "dice": _mean(one, simulation.images),
            "cell": one.cell,
        }
        for (strategy, kind), arms in found.items()
        for seed, rounds in enumerate(arms, first)
        for one in rounds
    ]  # fmt: skip
    text = io.StringIO()
    table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    write_text(path / TABLE, text.getvalue())
    write_text(path / CHART, standalone(score_against_effort(series_of(simulation))))


def _mean(one: Round, images: Sequence[str]) -> str:
    """The mean over the scored images; an image that is rightly left empty counts 1."""
    values = np.nan_to_num([one.scores[name] for name in images], nan=1.0)
    return f"{values.mean():.4f}" if len(values) else ""


def series_of(simulation: Simulation) -> list[Series]:
    """The rows as lines of a chart."""
    found: dict[str, Series] = {}
    for row in simulation.rows:
        if row.score is not None:
            own = found.setdefault(row.name, Series(row.name, colour_of(len(found)), []))
            own.points.append((row.seconds, Mark(f"{row.name}, {row.budget}", *row.score, own.colour)))
    return list(found.values())
