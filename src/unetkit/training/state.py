"""All that changes while training runs, and so all that resuming needs."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

import torch

from unetkit.models import Segmenter
from unetkit.plan import Plan
from unetkit.training.memory import peak_memory
from unetkit.training.run import RunFolder
from unetkit.training.schedule import Branch, Course, course


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the validation images gave.

    Args:
        loss: mean.
        score: the higher the better; NaN where nothing was there to be scored.
        scores: of each image, NaN likewise.
    """

    loss: float
    score: float
    scores: tuple[float, ...] = ()

    @property
    def rank(self) -> float:
        """The score; where there is none, the loss decides, and any score is better than none."""
        return self.score if math.isfinite(self.score) else -1 - self.loss


@dataclass(slots=True)
class Outcome:
    """What training came to, and while it runs, where it stands."""

    step: int = 0
    total: int = 0
    seconds: float = 0.0
    best_score: float = -math.inf
    best_step: int = 0
    replans: list[tuple[int, int]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    loss: float = math.nan
    recent: list[float] = field(default_factory=list)  # losses since the latest validation
    validated: int = 0  # step of the latest validation
    early: bool = False  # ended by patience
    stepping: float = 0.0  # seconds spent in steps alone
    peak_memory: int = 0  # see `unetkit.training.memory`
    branch: Branch = "shared"  # of the latest step
    scores: list[float] = field(default_factory=list)  # of each validation image, by the best supervised weights
    contest: dict[str, Any] = field(default_factory=dict)  # see `unetkit.training.guard`

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done."""
        return self.early or self.validated >= self.total


@dataclass(slots=True)
class State:
    """Networks, optimiser and outcome of a training; `fork` keeps the former where the ways of a guarded run part."""

    plan: Plan
    model: Segmenter
    average: Segmenter
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    outcome: Outcome
    fork: dict[str, Any] | None = None
    saved: float = field(default_factory=monotonic)  # `time.monotonic()` of the latest save, or of the start

    @property
    def course(self) -> Course:
        """What the next step belongs to."""
        return course(self.outcome.step, self.plan.training, self.outcome.replans)

    @property
    def due(self) -> bool:
        """Whether the step at hand is to be validated and has not been: now and then, and where a branch ends."""
        step, every = self.outcome.step, self.plan.training.validate_every
        if step <= self.outcome.validated:
            return False
        return step % every == 0 or step >= self.outcome.total or self.course.branch != self.outcome.branch

    def enter(self, branch: Branch) -> None:
        """Take a branch: where the ways part all is remembered, and the second way begins with it."""
        if self.outcome.branch == "shared" and self.plan.training.guard:
            self.fork = deepcopy(self._tensors())
        if branch == "method" and self.fork is not None:
            self._take(self.fork)
            self.fork = None
        self.outcome.branch = branch
        self.outcome.events.append({"event": "branch", "step": self.outcome.step, "branch": branch})

    def save(self, run: RunFolder) -> None:
        """Write results.csv, events.jsonl and, last, weights/last.pt."""
        device = next(self.model.parameters()).device
        self.outcome.peak_memory = max(self.outcome.peak_memory, peak_memory(device))
        run.write_history(self.outcome.history, self.outcome.events)
        run.save_state(
            {
                "step": self.outcome.step,
                "outcome": asdict(self.outcome),
                "fork": self.fork,
                **self._tensors(),
            }
        )
        self.saved = monotonic()

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what `save` wrote."""
        self._take(saved)
        self.fork = saved.get("fork")
        self.outcome = Outcome(**saved["outcome"])

    def _tensors(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.average is not self.model else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def _take(self, tensors: dict[str, Any]) -> None:
        self.model.load_state_dict(tensors["model"])
        if tensors["average"] is not None:
            self.average.load_state_dict(tensors["average"])
        self.optimizer.load_state_dict(tensors["optimizer"])
        self.scaler.load_state_dict(tensors["scaler"])
