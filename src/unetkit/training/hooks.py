"""How a training speaks with its surroundings, and how it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Any

from unetkit.training.state import Outcome


class Stopped(BaseException):
    """The user asked to stop; the run folder it names keeps all that going on needs. No error, so no Exception."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """How a run speaks with its surroundings.

    Args:
        planned: called once with what was found and planned (`unetkit.pipeline.Prepared`), before training.
        progress: called after every step.
        say: called with a line for the user and the log.
        stop: asked after every step.
        deferring: entered with True for the loop, where a KeyboardInterrupt would tear a step apart, and with False for
            the validations inside of it, where one does no harm.
    """

    planned: Callable[[Any], None] = lambda prepared: None
    progress: Callable[[Outcome], None] = lambda outcome: None
    say: Callable[[str], None] = lambda line: None
    stop: Callable[[], bool] = lambda: False
    deferring: Callable[[bool], AbstractContextManager[None]] = lambda on: nullcontext()


class Interrupts:
    """Ctrl+C and terminations end a training at once, but for a step, which is not torn apart.

    They are handled by `Hooks(stop=interrupts.asked, deferring=interrupts.deferring)` within `interrupts.handled()`.

    Args:
        postponed: called when a signal waits for the end of the step; the next one does not wait.
    """

    def __init__(self, postponed: Callable[[], None] = lambda: None) -> None:
        self.postponed = postponed
        self._asked = self._deferred = False

    def asked(self) -> bool:
        """Whether a signal waits for the end of the step."""
        return self._asked

    @contextmanager
    def deferring(self, on: bool) -> Iterator[None]:
        """While `on`, the first signal waits; outside, and within where off, it is a KeyboardInterrupt."""
        before, self._deferred = self._deferred, on
        try:
            self._make_up()
            yield
        finally:
            self._deferred = before
        self._make_up()

    @contextmanager
    def handled(self) -> Iterator[None]:
        """While in here, signals are handled; in the main thread only."""
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked or not self._deferred:
            raise KeyboardInterrupt
        self._asked = True
        self.postponed()

    def _make_up(self) -> None:
        if self._asked and not self._deferred:
            raise KeyboardInterrupt
