"""What each strategy chooses, on candidates whose numbers are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from unetkit.active.candidates import Candidate, Place
from unetkit.active.strategies import BASELINE, STRATEGIES, Pool
from unetkit.active.suggest import Request, choose

NAMES = ("background", "cell", "speck")


def candidate(
    number: int, *, doubt: float = 0.0, spread: float = 0.0, cell: float = 0.0, speck: float = 0.0, at: float = 0.0
) -> Candidate:
    place = Place(f"image_{number}", Path(f"image_{number}.png"), ((0, 8), (0, 8)), (8, 8))
    shares = np.array([1 - cell - speck, cell, speck], np.float32)
    return Candidate(place, doubt, spread, shares, np.array([at, 0.0], np.float32))


def pool_of(*candidates: Candidate, labelled: tuple[float, ...] = ()) -> Pool:
    features = np.array([[at, 0.0] for at in labelled], np.float32).reshape(-1, 2)
    return Pool(candidates, features, NAMES)


def order(name: str, pool: Pool, count: int, seed: int = 0) -> list[int]:
    return [pick.index for pick in STRATEGIES[name].order(pool, count, np.random.default_rng(seed))]


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_candidate_is_chosen_once_with_a_reason_and_again_alike(name: str) -> None:
    generator = np.random.default_rng(1)
    pool = pool_of(
        *(candidate(n, doubt=d, spread=d / 2, cell=d / 3, at=a) for n, (d, a) in enumerate(generator.random((9, 2)))),
        labelled=(0.5,),
    )
    picks = STRATEGIES[name].order(pool, 9, np.random.default_rng(0))
    assert sorted(pick.index for pick in picks) == list(range(9))
    assert all(len(pick.reason) > 10 and np.isfinite(pick.score) for pick in picks)
    assert picks == STRATEGIES[name].order(pool, 9, np.random.default_rng(0))
    assert len(STRATEGIES[name].order(pool, 4, np.random.default_rng(0))) == 4
    assert len(STRATEGIES[name].order(pool, 40, np.random.default_rng(0))) == 9


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_candidate_is_enough(name: str) -> None:
    assert order(name, pool_of(candidate(0)), 3) == [0]


@pytest.mark.parametrize("name", ["random", "foreground-random"])
def test_draws_depend_on_the_seed(name: str) -> None:
    pool = pool_of(*(candidate(n, cell=0.5) for n in range(30)))
    assert order(name, pool, 30, seed=0) != order(name, pool, 30, seed=1)


def test_the_least_sure_comes_first() -> None:
    pool = pool_of(candidate(0, doubt=0.1), candidate(1, doubt=0.9), candidate(2, doubt=0.5))
    assert order("entropy", pool, 2) == [1, 2]


def test_the_most_disputed_comes_first() -> None:
    pool = pool_of(candidate(0, spread=0.1, doubt=1), candidate(1, spread=0.3), candidate(2, spread=0.2))
    assert order("disagreement", pool, 3) == [1, 2, 0]


@pytest.mark.parametrize("seed", range(5))
def test_two_of_three_draws_show_foreground_and_rare_classes_have_their_turn(seed: int) -> None:
    empty = [candidate(n) for n in range(40)]
    cells = [candidate(n, cell=0.4) for n in range(40, 60)]
    pool = pool_of(*empty, *cells, candidate(60, cell=0.1, speck=0.01))
    chosen = order("foreground-random", pool, 3, seed)
    assert sum(index >= 40 for index in chosen) >= 2
    assert 60 in order("foreground-random", pool, 5, seed), "the only place with a speck has its turn"


def test_where_the_model_sees_nothing_foreground_is_drawn_from_all() -> None:
    pool = pool_of(*(candidate(n) for n in range(6)))
    assert sorted(order("foreground-random", pool, 6)) == list(range(6))


def test_coverage_goes_where_nothing_is_labelled() -> None:
    pool = pool_of(candidate(0, at=0.1), candidate(1, at=10), candidate(2, at=9), candidate(3, at=5), labelled=(0.0,))
    assert order("coverage", pool, 2) == [1, 3]


def test_coverage_without_labels_begins_in_the_middle() -> None:
    pool = pool_of(candidate(0, at=0), candidate(1, at=4), candidate(2, at=10))
    assert order("coverage", pool, 2) == [1, 2]


def test_the_mix_chooses_among_the_unsure_alone() -> None:
    unsure = [candidate(n, doubt=0.5, at=n) for n in range(4)]
    far = [candidate(n, doubt=0.1, at=100 + n) for n in range(4, 10)]
    assert order("mix", pool_of(*unsure, *far, labelled=(0.0,)), 1) == [3]


@pytest.mark.parametrize("n", [1, 4, 7, 50])
def test_suggestions_are_dealt_out_in_turns(n: int) -> None:
    pool = pool_of(*(candidate(k, doubt=k / 20, cell=0.5) for k in range(20)))
    dealt = choose(pool, Request(n=n, strategy="entropy"))
    names = [one.strategy for one in dealt]
    assert len({one.place.image for one in dealt}) == len(dealt) == min(n, 20)
    assert all(a != b for a, b in pairwise(names))
    assert set(names) <= {"entropy", BASELINE}


def test_without_a_race_the_strategy_suggests_alone() -> None:
    pool = pool_of(*(candidate(k, doubt=k / 20) for k in range(20)))
    dealt = choose(pool, Request(n=5, strategy="entropy", race=False))
    assert [one.place.image for one in dealt] == [f"image_{k}" for k in (19, 18, 17, 16, 15)]
