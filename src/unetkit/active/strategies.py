"""Ways to choose what to label next, each a function from candidates to an order of them with reasons.

Published comparisons disagree on whether any of them beats drawing at random once the draw knows the foreground: Lüth
et al., "nnActive: A framework for evaluation of active learning in 3D biomedical segmentation", arXiv 2511.19183, 2025.
So the default is `foreground-random`, and the others have to show on your own data that they are worth it.

    random              every place alike
    foreground-random   two of three from places in which the model sees a class, classes in turn; the rest from all
    entropy             where the model is least sure                       Settles, "Active learning literature survey"
    disagreement        where its opinions differ most                      Houlsby et al. 2011; Gal et al., ICML 2017
    coverage            far, in the network's features, from all that is labelled: greedy k-center
                                                                            Sener & Savarese, ICLR 2018
    mix                 of the least sure, those that cover the others      Yang et al., "Suggestive annotation",
                                                                            MICCAI 2017
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unetkit.active.candidates import Candidate

Floats = npt.NDArray[np.float32]

BASELINE = "foreground-random"
"""What every other strategy has to beat."""

PRESENT = 0.001
"""A class is seen in a place from this share of its pixels on."""

UNSURE = 4
"""`mix` chooses among so many times more of the least sure candidates than are wanted."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What is chosen from.

    Args:
        candidates: one or more.
        labelled: L C: features of what is labelled; none where nobody looked.
        classes: names, by their index; the first is the background.
        opinions: whose disagreement `spread` is, in words.
    """

    candidates: Sequence[Candidate]
    labelled: Floats
    classes: Sequence[str]
    opinions: str = "one network"


@dataclass(frozen=True, slots=True)
class Pick:
    """A candidate that is chosen.

    Args:
        index: of the candidate.
        score: what it was chosen by; higher comes first, but for draws.
        reason: in words.
    """

    index: int
    score: float
    reason: str


Order = Callable[[Pool, int, np.random.Generator], list[Pick]]
"""Called as order(pool, count, generator): so many candidates, each once, the first to be labelled first."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose.

    Args:
        summary: one line for the reference.
        order: the choice.
        opinions: whether it needs several opinions of each image.
        labelled: whether it needs the features of what is labelled.
    """

    summary: str
    order: Order
    opinions: bool = False
    labelled: bool = False


def order_random(pool: Pool, count: int, generator: np.random.Generator) -> list[Pick]:
    """Every place alike."""
    total = len(pool.candidates)
    drawn = generator.permutation(total)[:count]
    return [Pick(int(index), 0.0, f"drawn at random among {total}") for index in drawn]


def order_foreground(pool: Pool, count: int, generator: np.random.Generator) -> list[Pick]:
    """Two of three draws among the places in which the model sees a class, the classes in turn; the third among all."""
    shares = np.stack([candidate.shares for candidate in pool.candidates])  # N K
    left = generator.permutation(len(shares)).tolist()
    seen = [index for index in range(1, shares.shape[1]) if (shares[:, index] > PRESENT).any()]
    turns = generator.permutation(seen).tolist()
    picks: list[Pick] = []
    while left and len(picks) < count:
        wanted = turns[len(picks) % len(turns)] if turns and len(picks) % 3 != 2 else None
        among = [index for index in left if wanted is not None and shares[index, wanted] > PRESENT]
        chosen = (among or left)[0]
        left.remove(chosen)
        score = pool.candidates[chosen].foreground
        if among and wanted is not None:
            share = shares[chosen, wanted]
            why = f"drawn among {len(among)} in which the model sees {pool.classes[wanted]}, here on {share:.1%}"
        else:
            why = f"drawn at random among {len(left) + 1}; the model sees a class on {score:.1%}"
        picks.append(Pick(chosen, score, why))
    return picks


def order_entropy(pool: Pool, count: int, generator: np.random.Generator) -> list[Pick]:
    """Where the model is least sure."""
    values = [candidate.doubt for candidate in pool.candidates]
    return _highest(values, count, "the model is unsure: {rank} of {total}, doubt {value:.3f} of 1")


def order_disagreement(pool: Pool, count: int, generator: np.random.Generator) -> list[Pick]:
    """Where the opinions of the run's networks, of flipped views or of passes with dropout differ most."""
    values = [candidate.spread for candidate in pool.candidates]
    return _highest(values, count, f"{pool.opinions} disagree: {{rank}} of {{total}}, by {{value:.4f}} of 1")


def order_coverage(pool: Pool, count: int, generator: np.random.Generator) -> list[Pick]:
    """Far, in the network's features, from all that is labelled and chosen: greedy k-center."""
    picks = _k_center(pool, range(len(pool.candidates)), count)
    return [
        Pick(index, far, f"looks unlike what is labelled: {far:.2f} away, in spreads of the features")
        for index, far in picks
    ]


def order_mix(pool: Pool, count: int, generator: np.random.Generator) -> list[Pick]:
    """Of the least sure, those that cover the others; the rest follows by doubt."""
    by_doubt = order_entropy(pool, len(pool.candidates), generator)
    unsure = [pick.index for pick in by_doubt[: UNSURE * count]]
    return [
        Pick(index, far, f"one of the {len(unsure)} least sure, and unlike what is labelled: {far:.2f} away")
        for index, far in _k_center(pool, unsure, count)
    ]


def _highest(values: Sequence[float], count: int, reason: str) -> list[Pick]:
    order = np.argsort(-np.asarray(values), kind="stable")[:count]
    return [
        Pick(int(at), float(values[at]), reason.format(rank=rank, total=len(values), value=values[at]))
        for rank, at in enumerate(order, 1)
    ]


def _k_center(pool: Pool, among: Sequence[int], count: int) -> list[tuple[int, float]]:
    """So many of some candidates, each the farthest from all centres so far, and how far that is.

    Features are scaled to a spread of 1 each. Without anything labelled the first is the one nearest to the mean.
    """
    features = np.stack([pool.candidates[index].features for index in among]).astype(np.float64)
    every = np.concatenate([features, pool.labelled]) if len(pool.labelled) else features
    scale = np.where(every.std(0) > 0, every.std(0), 1) * np.sqrt(features.shape[1])
    features, labelled = features / scale, pool.labelled / scale
    nearest = np.full(len(features), np.inf)
    for centre in labelled:
        nearest = np.minimum(nearest, np.linalg.norm(features - centre, axis=1))
    found: list[tuple[int, float]] = []
    free = np.ones(len(features), bool)
    while free.any() and len(found) < count:
        if np.isinf(nearest).all():
            at = int(np.argmin(np.linalg.norm(features - features.mean(0), axis=1)))
        else:
            at = int(np.argmax(np.where(free, nearest, -1)))
        found.append((among[at], 0.0 if np.isinf(nearest[at]) else float(nearest[at])))
        free[at] = False
        nearest = np.minimum(nearest, np.linalg.norm(features - features[at], axis=1))
    return found


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy("Every place alike.", order_random),
    "foreground-random": Strategy(
        "At random; two of three where the model sees a class, the classes in turn.", order_foreground
    ),
    "entropy": Strategy("Where the model is least sure.", order_entropy),
    "disagreement": Strategy(
        "Where folds, flipped views or passes with dropout differ most.", order_disagreement, opinions=True
    ),
    "coverage": Strategy(
        "Far from all that is labelled in the network's features: greedy k-center.", order_coverage, labelled=True
    ),
    "mix": Strategy("Of the least sure, those that are unlike what is labelled.", order_mix, labelled=True),
}
"""Strategies by name."""
