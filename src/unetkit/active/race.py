"""Is a strategy worth it, on the user's own labels? Two measurements, each of what it can tell and no more.

Surprise: how wrong the model that suggested a place was there, once somebody labelled it: 1 − mean Dice of the classes
that are there or predicted, 0 where both are empty. Suggestions are dealt out to the strategies in turns, so that they
are labelled by the same person under the same model. Images count as one observation each, however many of their
regions were suggested; intervals are Student's t, those of differences Welch's, and joint. A strategy that finds no
more mistakes than drawing at random cannot teach more by finding mistakes; one that does may still find what cannot be
learnt. What labels taught is the held-out gain, of all strategies together (`stopping.py`); to take it apart takes a
training each (`unetkit simulate`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from unetkit.active.labelled import Labelled
from unetkit.active.ledger import Ledger, Round, Suggested
from unetkit.active.strategies import BASELINE
from unetkit.classes import IGNORE
from unetkit.compare.differences import Difference, Verdict
from unetkit.dataset import Dataset, Sample
from unetkit.metrics import confusion_matrix
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.validation import mean_dice
from unetkit.prediction import Predictor

FEWEST = 3
"""Images of each strategy before a difference is judged."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a strategy stands.

    Args:
        strategy: its name.
        labelled: places that it suggested and somebody labelled.
        waiting: places that it suggested and nobody labelled yet.
        surprise: mean over the labelled images, or None.
        low: lower end of its 95 % interval; None with fewer than two images.
        high: upper end, or None likewise.
        versus: how much more than the baseline; None for that one itself, or with fewer than `FEWEST` images each.
    """

    strategy: str
    labelled: int
    waiting: int
    surprise: float | None = None
    low: float | None = None
    high: float | None = None
    versus: Difference | None = None


def with_surprises(ledger: Ledger, labelled: Labelled, load: Callable[[Path], Predictor | None]) -> Ledger:
    """The ledger with the surprise of every suggestion that was labelled since.

    Args:
        ledger: as it was written.
        labelled: where labels arrive.
        load: the model of a run; None where it is gone.

    Raises:
        FileError: a labelled image or its labels cannot be read.
    """
    rounds = []
    for one in ledger.rounds:
        measured: list[Suggested] = []
        predictor: Predictor | None = None
        for suggested in one.suggested:
            sample = None if suggested.surprise is not None else _labelled_sample(suggested, labelled)
            if sample is not None:
                predictor = predictor or load(one.run)
                if predictor is not None:
                    found = surprise(labelled.dataset, sample, suggested, predictor)
                    suggested = suggested.model_copy(update={"surprise": found})
            measured.append(suggested)
        rounds.append(one.model_copy(update={"suggested": tuple(measured)}))
    return ledger.model_copy(update={"rounds": tuple(rounds)})


def _labelled_sample(suggested: Suggested, labelled: Labelled) -> Sample | None:
    """The image of a suggestion in the dataset, if its place is labelled by now."""
    sample = labelled.sample_of(suggested.digest, suggested.image)
    if sample is None or not sample.labelled:
        return None
    where = tuple(slice(start, stop) for start, stop in suggested.window)
    return sample if labelled.labels(sample)[where].any() else None


def surprise(dataset: Dataset, sample: Sample, suggested: Suggested, predictor: Predictor) -> float:
    """How wrong a model is on a place that is labelled by now, 0 to 1."""
    where = tuple(slice(start, stop) for start, stop in suggested.window)
    truth = dataset.read_labels(sample).labels[where]
    labels = predictor.labels(match_channels(dataset.read_image(sample), predictor.plan))[where]
    if (truth == IGNORE).all():
        return 0.0
    score = mean_dice(confusion_matrix(labels, truth, len(dataset.classes)))
    return 0.0 if np.isnan(score) else 1 - score


def standings(ledger: Ledger) -> list[Standing]:
    """How the strategies stand that ever suggested something; the baseline first."""
    of: dict[str, list[tuple[Round, Suggested]]] = defaultdict(list)
    for one, suggested in ledger.credited():
        of[suggested.strategy].append((one, suggested))
    images = {name: _by_image([s for _, s in found]) for name, found in of.items()}
    order = sorted(of, key=lambda name: (name != BASELINE, name))
    return [_standing(name, [s for _, s in of[name]], images) for name in order]


def _by_image(suggested: Sequence[Suggested]) -> npt.NDArray[np.float64]:
    """The mean surprise of each labelled image."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in suggested:
        if one.surprise is not None:
            found[one.digest].append(one.surprise)
    return np.array([np.mean(values) for values in found.values()])


def _standing(name: str, suggested: Sequence[Suggested], images: Mapping[str, npt.NDArray[np.float64]]) -> Standing:
    own, base = images[name], images.get(BASELINE)
    labelled = sum(one.surprise is not None for one in suggested)
    waiting = len(suggested) - labelled
    if not len(own):
        return Standing(name, labelled, waiting)
    mean, low, high = float(own.mean()), None, None
    if len(own) > 1:
        half = float(stats.t.ppf(0.975, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own)))
        low, high = max(0.0, mean - half), min(1.0, mean + half)
    versus = None
    if name != BASELINE and base is not None and min(len(own), len(base)) >= FEWEST:
        versus = _welch(own, base, comparisons=len(images) - 1)
    return Standing(name, labelled, waiting, mean, low, high, versus)


def _welch(own: npt.NDArray[np.float64], base: npt.NDArray[np.float64], *, comparisons: int) -> Difference:
    """The difference of two means of independent observations; so many intervals hold together with 95 %."""
    mean = float(own.mean() - base.mean())
    if own.std() == 0 and base.std() == 0:
        return Difference(mean, None, None, "not shown")
    interval = stats.ttest_ind(own, base, equal_var=False).confidence_interval(1 - 0.05 / comparisons)
    low, high = float(interval.low), float(interval.high)
    verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "not shown"
    return Difference(mean, low, high, verdict)


SAID: dict[Verdict, str] = {
    "better": "finds more mistakes than the baseline",
    "worse": "finds fewer mistakes than the baseline",
    "not shown": "no difference from the baseline shown",
}
"""What may be said of a difference in surprise."""
