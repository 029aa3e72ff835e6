"""How far a run has come, what it does then at which learning rate, and how many steps the time that is left allows.

A run that learns from unlabelled images parts into two branches (docs/decisions/0022-unlabelled-images.md):

    shared ───┬─▶ supervised   labelled images alone, to the end of the schedule
              └─▶ method       back to where the ways parted; with unlabelled images, for the same share of the run
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from unetkit.plan import TrainingPlan

SLACK = 0.03
"""A re-plan is worth a line only when the steps left change by more than this share."""


def progress(step: int, steps: int, replans: Sequence[tuple[int, int]] = ()) -> float:
    """Share of the run that is done at `step`, 0 to 1, when the total was corrected on the way.

    It never jumps at a correction: from there on it only rises faster or slower towards 1.

    Args:
        step: steps made.
        steps: total as first planned.
        replans: pairs (step, total from then on), in order.

    Example:
        >>> progress(50, 100), progress(75, 100, [(50, 150)])
        (0.5, 0.625)
    """
    done, start, total = 0.0, 0, steps
    for at, corrected in replans:
        if at >= step:
            break
        done += (1 - done) * (at - start) / max(1, total - start)
        start, total = at, corrected
    return min(1.0, done + (1 - done) * (step - start) / max(1, total - start))


Branch = Literal["shared", "supervised", "method"]


@dataclass(frozen=True, slots=True)
class Course:
    """What a step belongs to.

    Args:
        branch: "shared" until the ways part, and throughout where they never do.
        share: of the branch that is over, 0 to 1.
        annealed: of the learning rate's schedule that is over, 0 to 1: on either branch it goes on from where the ways
            parted to its end.
    """

    branch: Branch
    share: float
    annealed: float


def course(step: int, plan: TrainingPlan, replans: Sequence[tuple[int, int]] = ()) -> Course:
    """What the step that follows `step` finished ones belongs to.

    Args:
        step: steps made.
        plan: its `fork` is the share of the run after which the ways part.
        replans: corrections of this run; the plan's own count where there are none.
    """
    done = progress(step, plan.steps, replans or plan.replans)
    if plan.method == "supervised":
        return Course("shared", done, done)
    turn = plan.turn  # where the method's branch begins
    alone = turn if plan.guard else 1.0  # where training on labelled images alone comes to its end
    if done < plan.fork:
        return Course("shared", done / plan.fork, done / alone)
    if done < turn:
        return Course("supervised", (done - plan.fork) / (turn - plan.fork), done / alone)
    share, parted = (done - turn) / (1 - turn), plan.fork / alone
    return Course("method", share, parted + (1 - parted) * share)


def learning_rate(step: int, plan: TrainingPlan, replans: Sequence[tuple[int, int]]) -> float:
    """The learning rate of the step that follows `step` finished ones."""
    done = course(step, plan, replans).annealed
    shape = {"cosine": 0.5 + 0.5 * math.cos(math.pi * done), "polynomial": math.pow(1 - done, 0.9), "constant": 1.0}
    return plan.learning_rate * shape[plan.schedule] * min(1.0, (step + 1) / (plan.warmup + 1))


class Clock:
    """Turns a time budget into steps, again and again, from the pace actually seen.

    Args:
        deadline: `time.monotonic()` at which training shall end, or None when the steps were stated.
        every: seconds between two looks.
    """

    def __init__(self, deadline: float | None, *, every: float = 2.0) -> None:
        self.deadline, self.every = deadline, every
        self.looked = monotonic()
        self.validation = 0.0  # seconds of the latest validation
        self._since = (monotonic(), 0)
        self._paused = 0.0

    def start(self, step: int) -> None:
        """Begin to watch the pace at `step`."""
        self.looked = monotonic()
        self._since, self._paused = (self.looked, step), 0.0

    def validated(self, seconds: float) -> None:
        """Take a validation of so many seconds out of the pace of the steps."""
        self.validation = seconds
        self._paused += seconds

    def corrected(self, step: int, total: int, validate_every: int) -> int:
        """The total number of steps that fits the deadline, or `total` where it still holds within SLACK."""
        now = monotonic()
        if self.deadline is None or now - self.looked < self.every or step == self._since[1]:
            return total
        self.looked = now
        began, first = self._since
        pace = (now - began - self._paused) / (step - first)
        if now - began > 30:  # the pace of the last half minute counts, not that of the beginning
            self.start(step)
        left = max(0, int((self.deadline - now - self.validation) / (pace + self.validation / validate_every)))
        return step + left if abs(step + left - total) > SLACK * max(1, total - step) + 1 else total
