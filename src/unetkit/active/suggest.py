"""Suggest: which images, or regions of them, to label next, and whether labelling still pays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.active.candidates import Candidate, Place, candidates_of
from unetkit.active.labelled import Labelled, content
from unetkit.active.ledger import LEDGER, Ledger, Round, Suggested, read_ledger, write_ledger
from unetkit.active.race import Standing, standings, with_surprises
from unetkit.active.stopping import Advice, Trained, advise
from unetkit.active.strategies import BASELINE, STRATEGIES, Pick, Pool
from unetkit.active.voters import Voters, one_voice, several_voices
from unetkit.classes import read_classes
from unetkit.dataset import Dataset, open_dataset
from unetkit.dataset.splits import stored_split
from unetkit.errors import DatasetError, InputError, RunError, UsageError
from unetkit.pipeline import load_predictor
from unetkit.pipeline.loading import member_runs
from unetkit.pipeline.targets import list_inputs
from unetkit.prediction import Predictor
from unetkit.registry import lookup
from unetkit.training import RunFolder

WORTH = 0.005
"""Less Dice than this is not worth the next labels, where nobody says otherwise."""

Progress = Callable[[str, int, int], None]
"""Told (image at work, its number, number of images)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user may say.

    Args:
        n: places to suggest, 1 or more.
        regions: side of regions in pixels; None for whole images.
        strategy: a name in `STRATEGIES`.
        race: whether every other suggestion is the baseline's, to find out if the strategy is worth it.
        seed: of draws and turns.
        worth: the least gain in Dice for which labelling n more is worth it.
    """

    n: int = 10
    regions: int | None = None
    strategy: str = BASELINE
    race: bool = True
    seed: int = 0
    worth: float = WORTH

    def checked(self) -> Request:
        """The request, once it is known to make sense.

        Raises:
            UnknownName: no such strategy.
            UsageError: a number that cannot be used.
        """
        lookup(STRATEGIES, self.strategy, "strategy")
        if self.n < 1:
            raise UsageError("so many places cannot be suggested", found=f"--n {self.n}", expected="1 or more")
        if self.regions is not None and self.regions < 8:
            raise UsageError("regions are too small", found=f"--regions {self.regions}", expected="8 pixels or more")
        if not 0 < self.worth < 1:
            raise UsageError("no gain in Dice", found=f"--worth {self.worth:g}", expected="above 0 and below 1")
        return self

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies that suggest, the baseline last."""
        alone = self.strategy == BASELINE or not self.race
        return (self.strategy,) if alone else (self.strategy, BASELINE)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A place to label.

    Args:
        place: which.
        strategy: that chose it.
        score: what it was chosen by.
        reason: in words.
    """

    place: Place
    strategy: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What to label next, and what is known about the worth of it.

    Args:
        suggestions: the first is to be labelled first.
        candidates: how many places there were to choose from.
        standings: how the strategies stand on what was labelled since they suggested it; the baseline first.
        advice: whether to go on labelling.
        notes: for the user.
        ledger: the file that remembers all this.
    """

    suggestions: tuple[Suggestion, ...]
    candidates: int
    standings: tuple[Standing, ...]
    advice: Advice
    notes: tuple[str, ...]
    ledger: Path

    def to_json(self) -> dict[str, Any]:
        """All of it, as `json.dumps` takes it."""
        return {
            "suggestions": [
                {"image": s.place.image, "file": str(s.place.path), "window": s.place.window, "strategy": s.strategy,
                 "score": s.score, "reason": s.reason}
                for s in self.suggestions
            ],
            "candidates": self.candidates,
            "standings": [asdict(one) for one in self.standings],
            "advice": asdict(self.advice),
            "notes": list(self.notes),
            "ledger": str(self.ledger),
        }  # fmt: skip


def suggest(
    run: str | PathLike[str],
    images: Sequence[str | PathLike[str]] = (),
    request: Request | None = None,
    *,
    data: str | PathLike[str] | None = None,
    device: str = "auto",
    predictor: Predictor | None = None,
    progress: Progress = lambda name, number, count: None,
) -> Suggestions:
    """What to label next. The same data, run and seed give the same suggestions.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        images: files, folders of images, or a dataset; the run's data when none are named. Labelled images, and copies
            of such, are never suggested.
        request: how many of what, chosen how.
        data: where labels arrive; the data the run was trained on when None.
        device: "auto", "cpu", "cuda" or "cuda:1".
        predictor: the run's, where it is loaded already.
        progress: told which image is at work.

    Returns:
        The suggestions. They are remembered in DATA/suggestions.json, so that a later call, with a run trained on the
        grown data, can tell which strategy found more mistakes, and whether labelling still pays.

    Raises:
        RunError: no such run, or its data are gone.
        DatasetError: every image is labelled already.
        FileError: no image can be used, such as one with other channels than the run was trained on.
        UsageError: a request that cannot be met.

    Example:
        >>> suggest("runs/cells", ["pool/"], Request(n=5)).suggestions[0].reason  # doctest: +SKIP
        'drawn among 34 in which the model sees cell, here on 12.3%'
    """
    request = (request or Request()).checked()
    folder = RunFolder(run)
    member = member_runs(folder)[0].require()
    root = _data_of(member, data)
    dataset = open_dataset(root, classes=read_classes(member.classes))
    predictor = predictor or load_predictor(run, device=device)
    voters = _voters(predictor, request)
    labelled = Labelled(dataset)
    jobs = _images(images or [root])
    candidates, notes = _candidates(jobs, predictor, voters, labelled, request, progress)
    pool = Pool(candidates, _features(predictor, dataset, member, request), dataset.classes.names, voters.words)
    suggestions = choose(pool, request)
    notes += _notes(suggestions, candidates, voters, request)
    ledger = read_ledger(root / LEDGER)
    ledger = with_surprises(ledger, labelled, _loader(device)).with_round(_round(folder, member, dataset, suggestions))
    write_ledger(root / LEDGER, ledger)
    advice = advise(_trained(ledger, request, dataset), more=request.n, worth=request.worth)
    return Suggestions(suggestions, len(candidates), tuple(standings(ledger)), advice, tuple(notes), root / LEDGER)


def _data_of(member: RunFolder, stated: str | PathLike[str] | None) -> Path:
    root = Path(stated or (member.read_json("data.json") or {}).get("data") or "nowhere")
    if not root.is_dir():
        raise RunError(
            "the data it was trained on are gone, where new labels would arrive",
            file=member.path,
            found=root,
            mend="unetkit suggest RUN IMAGES --data DATA",
        )
    return root


def _voters(predictor: Predictor, request: Request) -> Voters:
    several = any(STRATEGIES[name].opinions for name in request.strategies)
    return several_voices(predictor) if several else one_voice(predictor)


def _images(inputs: Sequence[str | PathLike[str]]) -> dict[str, Path]:
    """Name → file; of a dataset, its images/."""
    return list_inputs([below if (below := Path(entry) / "images").is_dir() else Path(entry) for entry in inputs])


def _candidates(
    jobs: Mapping[str, Path],
    predictor: Predictor,
    voters: Voters,
    labelled: Labelled,
    request: Request,
    progress: Progress,
) -> tuple[list[Candidate], list[str]]:
    """The places nobody labelled, and what the user should know of images that were left out."""
    found: list[Candidate] = []
    faults: list[InputError] = []
    for number, (name, path) in enumerate(jobs.items(), 1):
        progress(name, number, len(jobs))
        try:
            found += candidates_of(name, path, predictor, voters, side=request.regions, free=labelled.free)
        except InputError as error:
            faults.append(error)
    if not found and faults:
        raise faults[0]
    if not found:
        what = "images" if request.regions is None else "regions"
        raise DatasetError(
            f"all {what} are labelled already: there is nothing to suggest",
            file=labelled.dataset.root,
            found=f"{len(jobs)} images",
            mend="name a folder with further images: unetkit suggest RUN IMAGES",
        )
    return found, [f"left out: {fault}" for fault in faults]


def _features(predictor: Predictor, dataset: Dataset, member: RunFolder, request: Request) -> Any:
    """L C: the features of the images that trained, where a strategy asks for them."""
    found: list[Candidate] = []
    if any(STRATEGIES[name].labelled for name in request.strategies):
        known = {sample.name for sample in dataset.samples}
        for name in stored_split(member.split).train:
            if name in known:
                path = dataset.sample(name).image
                found += candidates_of(name, path, predictor, one_voice(predictor), side=request.regions)
    width = predictor.models[0].encoder.out_channels[-1]
    return np.array([one.features for one in found], np.float32).reshape(len(found), width)


def choose(pool: Pool, request: Request) -> tuple[Suggestion, ...]:
    """Deal the suggestions out to the strategies in turns; which begins is drawn.

    Args:
        pool: what is chosen from.
        request: how many, by which strategies.

    Returns:
        So many suggestions, or as many as there are candidates; no two share a pixel.
    """
    names, wanted = request.strategies, min(request.n, len(pool.candidates))
    orders: dict[str, Iterator[Pick]] = {}
    for name in names:
        generator = np.random.default_rng((request.seed, list(STRATEGIES).index(name)))
        # of as many more as the others may take first
        orders[name] = iter(STRATEGIES[name].order(pool, min(len(names) * wanted, len(pool.candidates)), generator))
    first = int(np.random.default_rng((request.seed, len(STRATEGIES))).integers(len(names)))
    chosen: dict[int, Suggestion] = {}
    while len(chosen) < wanted:
        name = names[(first + len(chosen)) % len(names)]
        pick = next(pick for pick in orders[name] if pick.index not in chosen)
        place = pool.candidates[pick.index].place
        chosen[pick.index] = Suggestion(place, name, pick.score, pick.reason)
    return tuple(chosen.values())


def _notes(
    suggestions: Sequence[Suggestion], candidates: Sequence[Candidate], voters: Voters, request: Request
) -> list[str]:
    notes = []
    if any(STRATEGIES[name].opinions for name in request.strategies):
        notes.append(f"disagreement is that of {voters.words}")
    what = "images" if request.regions is None else "regions"
    if len(suggestions) < request.n:
        notes.append(f"{request.n} were asked for, and no more than {len(candidates)} {what} are not labelled")
    small = {
        c.place.image
        for c in candidates
        if request.regions is not None and any(extent < request.regions for extent in c.place.shape)
    }
    if small:
        notes.append(f"{len(small)} images are smaller than {request.regions} pixels: regions end at their borders")
    return notes


def _round(folder: RunFolder, member: RunFolder, dataset: Dataset, suggestions: Sequence[Suggestion]) -> Round:
    """What this run suggests, and how much it had learnt from."""
    known = {sample.name for sample in dataset.labelled}
    trained = [dataset.sample(name) for name in stored_split(member.split).train if name in known]
    suggested = tuple(
        Suggested(
            image=s.place.image,
            file=s.place.path.resolve(),
            digest=content(s.place.path),
            window=s.place.window,
            strategy=s.strategy,
        )
        for s in suggestions
    )
    pixels = sum(int(dataset.count_labels(sample)[:-1].sum()) for sample in trained)
    return Round(run=folder.path.resolve(), images=len(trained), pixels=pixels, suggested=suggested)


def _trained(ledger: Ledger, request: Request, dataset: Dataset) -> list[Trained]:
    """The runs that suggested so far, with their labels in images or in regions."""
    if request.regions is None:
        return [Trained(one.run, one.images) for one in ledger.rounds]
    area = request.regions**dataset.spatial_dims
    return [Trained(one.run, max(1, round(one.pixels / area))) for one in ledger.rounds]


def _loader(device: str) -> Callable[[Path], Predictor | None]:
    """Loads the model of an earlier run once; None where it is gone."""
    loaded: dict[Path, Predictor | None] = defaultdict(lambda: None)

    def load(run: Path) -> Predictor | None:
        if run not in loaded:
            with suppress(RunError):
                loaded[run] = load_predictor(run, device=device)
        return loaded[run]

    return load
