"""All that changes while training runs, and so all that resuming needs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

import torch

from unetkit.models import Segmenter
from unetkit.training.memory import peak_memory
from unetkit.training.run import RunFolder


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

    def due(self, every: int) -> bool:
        """Whether the step at hand is to be validated and has not been."""
        return self.step > self.validated and (self.step % every == 0 or self.step >= self.total)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done."""
        return self.early or self.validated >= self.total


@dataclass(slots=True)
class State:
    """Networks, optimiser and outcome of a training."""

    model: Segmenter
    average: Segmenter
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    outcome: Outcome
    saved: float = field(default_factory=monotonic)  # `time.monotonic()` of the latest save, or of the start

    def save(self, run: RunFolder) -> None:
        """Write results.csv, events.jsonl and, last, weights/last.pt."""
        device = next(self.model.parameters()).device
        self.outcome.peak_memory = max(self.outcome.peak_memory, peak_memory(device))
        run.write_history(self.outcome.history, self.outcome.events)
        run.save_state(
            {
                "step": self.outcome.step,
                "outcome": asdict(self.outcome),
                "model": self.model.state_dict(),
                "average": self.average.state_dict() if self.average is not self.model else None,
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
            }
        )
        self.saved = monotonic()

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what `save` wrote."""
        self.model.load_state_dict(saved["model"])
        if saved["average"] is not None:
            self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.outcome = Outcome(**saved["outcome"])
