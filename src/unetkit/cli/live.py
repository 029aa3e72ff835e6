"""Live bars: where training and prediction stand, and Ctrl+C that loses nothing."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from unetkit.errors import UnetkitError
from unetkit.pipeline.infer import Prediction
from unetkit.training import Hooks, Interrupts, Outcome, RunFolder, Stopped

if TYPE_CHECKING:
    from unetkit.compare import Watch
    from unetkit.compare.cells import Cell

STOPPING = "stopping after this step; once more stops at once"

PLAIN_SECONDS = 10.0
"""Where the output is no terminal, a line comes about this often."""


class TrainingDisplay:
    """What a training shows while it runs.

    Args:
        console: where to.
        quiet: show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self.console = console
        self.leads = os.environ.get("RANK", "0") == "0"
        self.quiet = quiet or not self.leads
        self.interrupts = Interrupts(lambda: self.say(STOPPING))
        self.spoken = monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
            TextColumn("loss {task.fields[loss]}  val {task.fields[val]}  best {task.fields[best]}  left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=self.quiet or not console.is_terminal,
        )
        self.task: Any = None
        self.hooks = Hooks(
            planned=self.planned,
            progress=self.progress,
            say=self.say,
            stop=self.interrupts.asked,
            deferring=self.interrupts.deferring,
        )

    def say(self, line: str) -> None:
        if not self.quiet:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def planned(self, prepared: Any) -> None:
        from unetkit.cli.show import show_plan

        if not self.quiet:
            show_plan(prepared)
            for finding in prepared.report.findings:
                if finding.severity == "warning":
                    self.say(f"warning: {finding.what} ({', '.join(finding.files[:3])})")
        for leak in prepared.leaks:
            self.say(f"warning: the scores will be too good: {leak}")
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None

    def progress(self, outcome: Outcome) -> None:
        latest = outcome.history[-1]["val_score"] if outcome.history else None
        fields: dict[str, Any] = {
            "loss": f"{outcome.loss:.3f}",
            "val": "–" if latest is None else f"{latest:.3f}",
            "best": "–" if latest is None else f"{outcome.best_score:.3f}",
        }
        if self.task is None:
            self.task = self.bar.add_task("training", total=outcome.total, **fields)
        self.bar.update(self.task, completed=outcome.step, total=outcome.total, **fields)
        if self.bar.disable and not self.quiet and monotonic() - self.spoken > PLAIN_SECONDS:
            self.spoken = monotonic()
            left = outcome.seconds / outcome.step * (outcome.total - outcome.step)
            text = "  ".join(f"{key} {value}" for key, value in fields.items())
            self.say(f"step {outcome.step}/{outcome.total}  {text}  left {left:.0f} s")


@contextmanager
def training_display(*, quiet: bool = False) -> Iterator[TrainingDisplay]:
    """Show a training; Ctrl+C or a termination ends it at once, in the loop after the step at hand."""
    display = TrainingDisplay(Console(stderr=True), quiet=quiet)
    try:
        with display.interrupts.handled(), display.bar:
            yield display
    except Stopped as stopped:
        if display.leads:
            print(_farewell(RunFolder(str(stopped))), file=sys.stderr)
        raise typer.Exit(130) from None


def _farewell(run: RunFolder) -> str:
    """What is kept, and the command that was typed, completed so that it goes on; the demo always begins anew."""
    words = ["unetkit", *sys.argv[1:]]
    if words[1] == "demo" or not run.begun:
        return f"stopped; {run.kept()}. To begin again: {shlex.join(words)}"
    if words[1] == "suspect":  # goes on by itself with the run below its --out
        return f"stopped; {run.kept()}. To go on: {shlex.join(words)}"
    words = _naming_out(run.path)
    return f"stopped; {run.kept()}. To go on: {shlex.join(words if '--resume' in words else [*words, '--resume'])}"


class PredictionDisplay:
    """What a prediction shows while it runs.

    Args:
        console: where to.
        quiet: show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self.quiet, self.console = quiet, console
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}  left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self.task: Any = None
        self.name = ""
        self.begun = self.spoken = monotonic()
        self.done_before = 0.0

    def progress(self, name: str, share: float, pixels: int) -> None:
        now = monotonic()
        if name != self.name or not pixels:
            self.name, self.begun, self.spoken, self.done_before = name, now, now, share
        seconds, done = now - self.begun, share - self.done_before
        rate = f"{done * pixels / seconds / 1e6:.2f} Mpx/s" if done > 0 and seconds > 0.5 else ""
        if self.task is None:
            self.task = self.bar.add_task(name, total=1.0, rate=rate)
        self.bar.update(self.task, description=name, completed=share, rate=rate)
        if self.bar.disable and not self.quiet and now - self.spoken > PLAIN_SECONDS and done > 0:
            self.spoken = now
            left = seconds / done * (1 - share)
            self.console.print(f"{name}  {share:.0%}  {rate}  left {left:.0f} s", markup=False, highlight=False)

    def finished(self, result: Prediction) -> None:
        if isinstance(result.fault, UnetkitError):
            print(f"error: {result.fault}", file=sys.stderr)
        name = result.name or "all images"
        for line in (*result.notes, *_counts(result)) if not self.quiet else ():
            self.console.print(f"{name}: {line}", markup=False, highlight=False, soft_wrap=True)


def _counts(result: Prediction) -> Iterator[str]:
    """How many objects of each class an image has."""
    if result.objects is not None:
        kept = ", ".join(f"{count} {name}" for name, count in result.objects.kept.items())
        yield kept + (f"; {result.objects.removed} removed by rules" if result.objects.removed else "")


@contextmanager
def prediction_display(*, quiet: bool = False) -> Iterator[PredictionDisplay]:
    """Show a prediction."""
    display = PredictionDisplay(Console(stderr=True), quiet=quiet)
    with display.bar:
        yield display


@contextmanager
def comparison_display(*, quiet: bool = False) -> Iterator[Watch]:
    """Show a comparison: which cell is at work, and how far it is."""
    from unetkit.compare import Watch

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %  left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    task = bar.add_task("preparing", total=1.0)
    spoken: set[int] = set()
    begun: list[Path] = []

    def say(line: str) -> None:
        if not quiet:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    def progress(cell: Cell, number: int, count: int, share: float) -> None:
        what = f"{number} of {count}: {cell.variant.name}, seed {cell.seed}"
        if number not in spoken:
            spoken.add(number)
            begun.append(cell.path.parents[2])
            say(what)
        bar.update(task, description=what, total=count, completed=number - 1 + share)

    interrupts = Interrupts(lambda: say(STOPPING))
    try:
        with interrupts.handled(), bar:
            yield Watch(progress=progress, say=say, stop=interrupts.asked, deferring=interrupts.deferring)
    except (Stopped, KeyboardInterrupt) as end:
        folder = str(end) or (begun and begun[-1])
        if not folder:  # nothing was begun, or --out was typed
            raise KeyboardInterrupt from None
        command = shlex.join(_naming_out(folder))
        print(f"stopped; what was trained is kept. To go on: {command}", file=sys.stderr)
        raise typer.Exit(130) from None


def _naming_out(folder: object) -> list[str]:
    """The command that was typed, with the folder it works in."""
    words = ["unetkit", *sys.argv[1:]]
    named = "--out" in words or any(word.startswith("--out=") for word in words)
    return words if named else [*words, "--out", str(folder)]
