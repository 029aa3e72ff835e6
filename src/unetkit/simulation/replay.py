"""One annotation, replayed: label some places, train, let a strategy choose the next ones, until the budgets are spent.

    round 1   places drawn at random, the same for all strategies
    round k   places that the strategy chooses with the model of round k − 1

A training depends on what is labelled and on the seed alone, so rounds of several strategies that labelled the same
share one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.active.candidates import Candidate, Place, candidates_of, places_of
from unetkit.active.strategies import STRATEGIES, Pool, Strategy
from unetkit.active.voters import one_voice, several_voices
from unetkit.compare.cells import network_of
from unetkit.compare.comparison import image_scores
from unetkit.dataset import Dataset, Split
from unetkit.errors import RunError
from unetkit.files import read_json, write_json
from unetkit.formats import read_header
from unetkit.labels.simulated import Effort
from unetkit.pipeline import Options, load_predictor, train
from unetkit.plan import read_plan
from unetkit.simulation.budget import Budget
from unetkit.simulation.folder import stroke_seed, write_labelled
from unetkit.simulation.kinds import Kind, Truth
from unetkit.training import Hooks, Outcome, RunFolder

NETWORK = "network.json"
"""In the simulation's folder: the network of its first training, which all others take over."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a simulation speaks with its surroundings.

    Args:
        progress: told (what is at work, the share of its training that is done).
        say: called with a line for the user.
        stop: asked often; once it is true the training at work ends after its step.
        deferring: as in `unetkit.training.Hooks`.
    """

    progress: Callable[[str, float], None] = lambda what, share: None
    say: Callable[[str], None] = lambda line: None
    stop: Callable[[], bool] = lambda: False
    deferring: Callable[[bool], AbstractContextManager[None]] = lambda on: nullcontext()


@dataclass(frozen=True, slots=True)
class Ground:
    """What all replays of a simulation share.

    Args:
        path: folder of the simulation.
        dataset: with all labels.
        split: whose training images are labelled little by little.
        budgets: up to each round, the smallest first.
        options: of every training.
        watch: surroundings.
    """

    path: Path
    dataset: Dataset
    split: Split
    budgets: Sequence[Budget]
    options: Options
    watch: Watch

    def places(self, kind: Kind) -> list[Place]:
        """Everything that can be labelled."""
        found: list[Place] = []
        for name in self.split.train:
            sample = self.dataset.sample(name)
            found += places_of(name, sample.image, read_header(sample.image).shape[1:], kind.side)
        return found


@dataclass(frozen=True, slots=True)
class Arm:
    """Who labels, and how.

    Args:
        strategy: a name in `STRATEGIES`.
        kind: of the labels.
        seed: of draws, strokes and trainings.
    """

    strategy: str
    kind: Kind
    seed: int

    @property
    def file(self) -> str:
        """Where its rounds are kept."""
        return f"arms/{self.strategy}-{self.kind.text.replace(':', '_')}-seed_{self.seed}.json"


@dataclass(frozen=True, slots=True)
class Round:
    """What an arm came to under a budget.

    Args:
        budget: as it is typed.
        places: number of places labelled.
        effort: that it took.
        cell: folder of the training, below the simulation's.
        scores: image → mean Dice of the foreground classes; NaN where neither truth nor prediction has any.
        groups: image → group.
    """

    budget: str
    places: int
    effort: Effort
    cell: str
    scores: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


def replay(ground: Ground, arm: Arm) -> list[Round]:
    """Label and train round by round; rounds that are finished are not repeated.

    Args:
        ground: what is shared.
        arm: who labels.

    Returns:
        A round a budget; fewer where all is labelled before the last one.

    Raises:
        UnetkitError: as `train`.
        Stopped: stopped by the user; what is done is kept.
    """
    every = ground.places(arm.kind)
    chosen: list[int] = []
    efforts: dict[int, Effort] = {}
    rounds: list[Round] = []
    kept = _kept(ground, arm)
    for number, budget in enumerate(ground.budgets):
        if number < len(kept) and kept[number]["budget"] == budget.text:
            chosen = list(kept[number]["chosen"])
        else:
            before = rounds[-1].cell if rounds else None
            _label_more(ground, arm, every, chosen, efforts, budget, before)
            kept = [*kept[:number], {"budget": budget.text, "chosen": list(chosen)}]
            write_json(ground.path / arm.file, {"rounds": kept})
        if rounds and len(chosen) == rounds[-1].places:
            break
        spent = _total(_effort(ground, arm, every[index], efforts, index) for index in chosen)
        cell = _train(ground, arm, [every[index] for index in chosen], budget.text)
        groups: dict[str, str] = {}
        scores = image_scores(ground.path / cell / "run", "test" if ground.split.test else "val", groups)
        rounds.append(Round(budget.text, len(chosen), spent, cell, scores, groups))
    return rounds


def _kept(ground: Ground, arm: Arm) -> list[dict[str, Any]]:
    """The rounds of an earlier call."""
    file = ground.path / arm.file
    if not file.is_file():
        return []
    try:
        rounds: list[dict[str, Any]] = read_json(file)["rounds"]
        return [{"budget": str(one["budget"]), "chosen": [int(index) for index in one["chosen"]]} for one in rounds]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError("does not say what was labelled", file=file, mend="delete it") from error


def _label_more(
    ground: Ground,
    arm: Arm,
    every: Sequence[Place],
    chosen: list[int],
    efforts: dict[int, Effort],
    budget: Budget,
    before: str | None,
) -> None:
    """Add places to those chosen until the budget is spent or all are."""
    spent = _total(_effort(ground, arm, every[index], efforts, index) for index in chosen)
    for index in _ordered(ground, arm, every, chosen, before):
        if budget.spent(len(chosen), spent):
            return
        chosen.append(index)
        spent = _total((spent, _effort(ground, arm, every[index], efforts, index)))


def _effort(ground: Ground, arm: Arm, place: Place, efforts: dict[int, Effort], index: int) -> Effort:
    if index not in efforts:
        truth, seed = Truth.of(ground.dataset, place.image), stroke_seed(arm.seed, place.image)
        efforts[index] = arm.kind.effort(truth, place, ground.dataset.classes, seed)
    return efforts[index]


def _total(efforts: Any) -> Effort:
    every = list(efforts)
    return Effort(sum(one.clicks for one in every), sum(one.seconds for one in every))


def _ordered(ground: Ground, arm: Arm, every: Sequence[Place], chosen: Sequence[int], before: str | None) -> list[int]:
    """The places that are not labelled yet, the next one first."""
    left = [index for index in range(len(every)) if index not in set(chosen)]
    if before is None:
        drawn: list[int] = np.random.default_rng(arm.seed).permutation(left).tolist()
        return drawn
    if not left:
        return []
    strategy, generator = STRATEGIES[arm.strategy], np.random.default_rng((arm.seed, len(chosen)))
    pool, indices = _pool(ground, strategy, arm.kind, every, chosen, before)
    return [indices[pick.index] for pick in strategy.order(pool, len(indices), generator)]


def _pool(
    ground: Ground, strategy: Strategy, kind: Kind, every: Sequence[Place], chosen: Sequence[int], before: str
) -> tuple[Pool, list[int]]:
    """What the last model thinks of what is not labelled yet, and which places these are."""
    predictor = load_predictor(ground.path / before / "run", device=ground.options.device)
    voters = several_voices(predictor) if strategy.opinions else one_voice(predictor)
    numbers = {place: index for index, place in enumerate(every)}
    labelled = {every[index] for index in chosen}
    found: dict[Place, Candidate] = {}
    for name in ground.split.train:
        own = candidates_of(name, ground.dataset.sample(name).image, predictor, voters, side=kind.side)
        found |= {one.place: one for one in own}
    free = [one for place, one in found.items() if place not in labelled]
    known = [one.features for place, one in found.items() if place in labelled]
    features = np.array(known, np.float32).reshape(len(known), predictor.models[0].encoder.out_channels[-1])
    pool = Pool(free, features, ground.dataset.classes.names, voters.words)
    return pool, [numbers[one.place] for one in free]


def _train(ground: Ground, arm: Arm, places: Sequence[Place], budget: str) -> str:
    """Train on what is labelled, or go on with it; returns the training's folder below the simulation's."""
    said = {"labels": arm.kind.text, "seed": arm.seed, "places": sorted([p.image, *p.window] for p in places)}
    key = blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()
    cell = f"cells/{arm.kind.text.replace(':', '_')}-{len(places)}-seed_{arm.seed}-{key}"
    folder, run = ground.path / cell, RunFolder(ground.path / cell / "run")
    if (run.read_json("STATUS.json") or {}).get("state") == "done":
        return cell
    if not (folder / "cell.json").is_file():  # it is written last
        write_labelled(folder / "data", ground.dataset, ground.split, arm.kind, places, seed=arm.seed)
        write_json(folder / "cell.json", said)
    what = f"{arm.strategy}, {arm.kind.text}, {budget}, seed {arm.seed}"
    ground.watch.say(f"{what}: training on {len(places)} labelled places")

    def progress(outcome: Outcome) -> None:
        ground.watch.progress(what, outcome.step / outcome.total)

    hooks = Hooks(progress=progress, stop=ground.watch.stop, deferring=ground.watch.deferring)
    train(folder / "data", _options(ground, arm), out=run.path, resume=run.begun, hooks=hooks)
    if not (ground.path / NETWORK).is_file():
        model, settings = network_of(read_plan(run.plan))
        write_json(ground.path / NETWORK, {"model": model, "settings": list(settings)})
    return cell


def _options(ground: Ground, arm: Arm) -> Options:
    """What `train` is told: the network of the first training holds for all, for fewer labels would get another."""
    options = replace(ground.options, seed=arm.seed)
    if not (ground.path / NETWORK).is_file():
        return options
    network = read_json(ground.path / NETWORK)
    return replace(options, model=network["model"], settings=(*options.settings, *network["settings"]))
