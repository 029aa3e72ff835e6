"""Progress never jumps, and the clock finds the steps that fit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetkit.plan import TrainingPlan
from unetkit.training import schedule
from unetkit.training.schedule import Clock, learning_rate, progress


@given(st.integers(2, 500), st.lists(st.tuples(st.integers(1, 100), st.integers(1, 300)), max_size=5))
def test_progress_rises_from_0_to_1_whatever_was_corrected(steps: int, corrections: list[tuple[int, int]]) -> None:
    replans, step, total = [], 0, steps
    for ahead, left in corrections:
        step += ahead
        if step >= total:
            break
        total = step + left
        replans.append((step, total))
    values = [progress(s, steps, replans) for s in range(total + 1)]
    assert values[0] == 0
    assert values[-1] == pytest.approx(1)
    assert all(a < b for a, b in pairwise(values))


def test_progress_is_the_same_before_and_after_a_correction() -> None:
    assert progress(50, 100, [(50, 75)]) == progress(50, 100)


def plan(**values: object) -> TrainingPlan:
    return TrainingPlan.model_validate({"steps": 100, "patch": (32, 32), "validate_every": 10, "warmup": 9, **values})


def test_learning_rate_warms_up_and_decays_to_zero() -> None:
    rates = [learning_rate(step, plan(learning_rate=1.0), []) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1, abs=0.03)
    assert rates[-1] < 0.001
    assert learning_rate(60, plan(schedule="constant", learning_rate=0.5), []) == 0.5
    assert learning_rate(50, plan(schedule="polynomial", learning_rate=1.0), []) == pytest.approx(0.5**0.9)


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(schedule, "monotonic", clock)
    return clock


def test_clock_halves_the_steps_on_a_machine_of_half_the_speed(time: FakeTime) -> None:
    clock = Clock(100.0)
    clock.start(0)
    total = 1000  # planned for 0.1 s a step; each takes 0.2 s
    for step in range(1, 2000):
        time.now += 0.2
        total = clock.corrected(step, total, 10**6)
        if step >= total:
            break
    assert total == pytest.approx(500, rel=0.03)
    assert time.now == pytest.approx(100, rel=0.03)


def test_clock_counts_validations(time: FakeTime) -> None:
    clock = Clock(100.0)
    clock.start(0)
    total = 1000
    for step in range(1, 2000):
        time.now += 0.1
        if step % 10 == 0:
            time.now += 1.0
            clock.validated(1.0)
        total = clock.corrected(step, total, 10)
        if step >= total:
            break
    assert time.now == pytest.approx(100, rel=0.05)


def test_clock_ends_a_run_that_is_out_of_time(time: FakeTime) -> None:
    clock = Clock(10.0)
    clock.start(0)
    time.now = 11.0
    assert clock.corrected(7, 1000, 10) == 7


def test_stated_steps_are_never_corrected(time: FakeTime) -> None:
    clock = Clock(None)
    clock.start(0)
    time.now = 1e6
    assert clock.corrected(7, 1000, 10) == 1000
