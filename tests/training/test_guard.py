"""What the guard calls a gain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unetkit.training import Look, Outcome
from unetkit.training.guard import USUAL_SPREAD, challenge, compare

NAN = math.nan


def test_one_image_must_gain_more_than_two_trainings_differ_by() -> None:
    gain, needed, images = compare([0.8], [0.7])
    assert (gain, needed, images) == (pytest.approx(0.1), pytest.approx(USUAL_SPREAD), 1)


def test_more_images_and_steadier_gains_need_less() -> None:
    needed = [compare([0.75] * n, [0.7] * n)[1] for n in (1, 2, 5, 50)]
    assert needed == sorted(needed, reverse=True)
    assert compare([0.9, 0.5, 0.7], [0.7] * 3)[1] > compare([0.7] * 3, [0.7] * 3)[1]
    wide = np.random.default_rng(0).normal(0, 0.2, 400)
    assert compare(0.5 + wide, np.full(400, 0.5))[1] == pytest.approx(wide.std() / 20, rel=0.02)


def test_empty_images_count_where_one_of_the_two_fails_them() -> None:
    gain, _, images = compare([NAN, NAN, 0.5], [NAN, 0.0, 0.5])
    assert (gain, images) == (0.5, 2)
    gain, needed, images = compare([NAN], [NAN])
    assert math.isnan(gain)
    assert (needed, images) == (math.inf, 0)


def outcome(score: float = 0.7, images: int = 3) -> Outcome:
    return Outcome(step=20, best_score=score, best_step=10, scores=[score] * images)


def look(*scores: float) -> Look:
    return Look(1.0, sum(scores) / len(scores), scores)


def test_the_gain_decides_where_the_scores_of_images_tell_more_than_the_curve() -> None:
    """Of a guard that also looks in disguise, the curve is that of the images as they are, and may fall."""
    run = outcome()
    assert not challenge(run, Look(loss=0.1, score=0.7, scores=(0.7, 0.7, 0.7)))
    assert challenge(run, Look(loss=0.1, score=0.69, scores=(0.9, 0.9, 0.9)))
    assert run.contest["gain"] == pytest.approx(0.2)


def test_the_best_that_passes_is_kept() -> None:
    run = outcome()
    assert not challenge(run, look(0.71, 0.71, 0.71))
    assert not run.contest["kept"]
    assert challenge(run, look(0.8, 0.8, 0.8))
    assert not challenge(run, look(0.79, 0.79, 0.79))
    assert not challenge(run, look(1.0, 1.0, 0.41))  # better on the mean, but that may be chance
    assert run.contest["gain"] == pytest.approx(0.1)
    assert challenge(run, look(0.9, 0.9, 0.9))
    assert run.contest["kept"]
    assert run.contest["found"] == {"step": 20, "score": pytest.approx(0.9)}
    assert run.contest["supervised"] == {"step": 10, "score": 0.7}


@pytest.mark.parametrize("images", [1, 3, 10])
def test_harm_is_let_through_hardly_ever_and_help_mostly(images: int) -> None:
    """2000 contests of weights truly worse, as good, and better; an image's scores differ by 0.03 by chance."""
    generator = np.random.default_rng(images)

    def kept(truly: float) -> float:
        gains = truly + generator.normal(0, 0.03, (2000, images))
        return float(np.mean([gain > needed for gain, needed, _ in (compare(0.5 + g, [0.5] * images) for g in gains)]))

    assert kept(-0.03) < 0.03
    assert kept(0.0) < 0.2
    assert kept(0.06) > 0.8
