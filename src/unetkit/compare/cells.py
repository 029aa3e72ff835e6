"""One cell of a comparison: a variant trained with one seed, in a process of its own, so that its memory is its own.

The process is `python -m unetkit.compare.work`. It is given its job on standard input, and asked to stop when that is
closed: so it never outlives the comparison by more than a step. It answers on standard output in lines of JSON.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any

from unetkit.compare.variants import Variant
from unetkit.dataset import Split
from unetkit.dataset.check import CheckReport
from unetkit.errors import RunError
from unetkit.files import read_json, write_json
from unetkit.pipeline import Options
from unetkit.plan import Plan, read_plan
from unetkit.training import Stopped

MEASURED = "cell.json"
"""In the run's folder: what the cell cost. It is written last, so a cell that has it is finished."""

NETWORK = ("model", "depth", "width")
"""What it says there of the network."""

COMMAND = (sys.executable, "-P", "-m", "unetkit.compare.work")
"""What a cell's process runs; -P keeps a folder's own random.py or types.py from being imported."""

POLL = 0.1
"""Seconds between two looks at whether the user asked to stop."""

Progress = Callable[[float], None]
"""Told the share of a cell that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What to train, and where its run folder stands.

    Args:
        variant: trained.
        seed: of the training.
        path: run folder.
        fault: why it could not be trained when that was tried last, or None.
    """

    variant: Variant
    seed: int
    path: Path
    fault: str | None = field(default=None, compare=False)

    @classmethod
    def of(cls, comparison: Path, variant: Variant, seed: int) -> Cell:
        """The cell of a comparison's folder."""
        return cls(variant, seed, comparison / "cells" / variant.folder / f"seed_{seed}")

    @property
    def finished(self) -> bool:
        return (self.path / MEASURED).is_file()

    @property
    def stated(self) -> Path:
        """The file that says which variant and seed it is, beside the run folder."""
        return self.path.with_name(f"{self.path.name}.json")

    def claim(self) -> None:
        """Say which variant and seed it is; what stands in its place already must be the same.

        Raises:
            RunError: the folder is another's, or nobody's.
        """
        own = {**self.variant.to_json(), "seed": self.seed}
        found = read_json(self.stated) if self.stated.is_file() else {} if self.path.exists() else own
        if {key: found.get(key, "nothing") for key in own} != own:
            raise RunError("is not the cell it should be", file=self.stated, found=found or "nothing", expected=own)
        if found != own or not self.stated.is_file():
            write_json(self.stated, own)  # a fault of an earlier trial is over

    def fail(self, fault: str) -> None:
        """Say why it could not be trained."""
        write_json(self.stated, {**self.variant.to_json(), "seed": self.seed, "fault": fault})


def read_cells(comparison: Path) -> list[Cell]:
    """The finished and the failed cells in a comparison's folder, seed by seed; their variants have no names yet.

    Raises:
        RunError: one does not say what it is.
    """
    cells = []
    for path in sorted((comparison / "cells").glob("*/seed_*.json")):
        said = read_json(path)
        try:
            variant = Variant("", said["model"], tuple(said["settings"]), said["labels"])
            cell = Cell(variant, int(said["seed"]), path.with_suffix(""), said.get("fault"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError("does not say which cell it is", file=path, found=said) from error
        if cell.finished or cell.fault:
            cells.append(cell)
    return sorted(cells, key=lambda cell: cell.seed)


@dataclass(frozen=True, slots=True)
class Job:
    """All that the process of a cell is told.

    Args:
        cell: which.
        data: the dataset's folder.
        options: complete, as `train` takes them.
        report: what the check of the data has found; it was made once, outside of any cell's time.
    """

    cell: Cell
    data: Path
    options: Options
    report: CheckReport


def options_of(cell: Cell, common: Options, split: Split) -> Options:
    """What `train` is told of a cell.

    A stopwatch, or the images that a seed draws, may choose another network each time. So that all trainings of a
    variant are of one network, that of the first one holds for the others.

    Args:
        cell: which.
        common: what all cells have in common.
        split: of all cells.
    """
    variant = cell.variant
    model, settings = variant.model, (*common.settings, *variant.settings)
    first = _first_plan(cell.path.parent)
    if first is not None and (first.training.time is not None or variant.labels is not None):
        model, chosen = network_of(first)
        settings += chosen
    return replace(common, model=model, seed=cell.seed, settings=settings, labels=variant.labels, split=split)


def network_of(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """The model and the settings with which another plan gets the same network."""
    chosen = {f"model.{key}": value for key, value in plan.model.options.items()}
    chosen["training.precision"] = plan.training.precision
    return plan.model.name, tuple(f"{key}={json.dumps(value)}" for key, value in chosen.items())


def _first_plan(variant: Path) -> Plan | None:
    """The plan of a variant's training with the lowest seed that has begun."""
    plans = variant.glob("seed_*/plan.yaml")
    first = min(plans, key=lambda path: int(path.parent.name.removeprefix("seed_")), default=None)
    return None if first is None else read_plan(first)


def run_cell(job: Job, *, progress: Progress, stop: Callable[[], bool]) -> None:
    """Train a cell, or go on with it where it was interrupted.

    Args:
        job: what to do.
        progress: told how far it is.
        stop: asked often; once it is true the cell ends after its step.

    Raises:
        CellFailed: it cannot be trained; the message says why.
        Stopped: stopped, by `stop` or Ctrl+C, and what was done is kept. A second Ctrl+C does not wait for the step.
    """
    progress(0.0)
    try:
        # in a session of its own Ctrl+C does not reach it, also not before it is ready to deal with that
        process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        raise CellFailed(f"its process cannot be started: {error}") from error
    assert process.stdin is not None
    assert process.stdout is not None
    lines: SimpleQueue[bytes | None] = SimpleQueue()
    Thread(target=_listen, args=(process.stdout, lines), daemon=True).start()
    try:
        with suppress(OSError):  # it ended at once, and is asked why below
            pickle.dump(job, process.stdin)
            process.stdin.flush()
        said = _follow(process.stdin, lines, progress, stop)
        process.wait()
    except KeyboardInterrupt:
        raise Stopped(job.cell.path) from None
    finally:
        process.kill()
        process.wait()
        _close(process.stdin)
    if "stopped" in said:
        raise Stopped(job.cell.path)
    if "done" not in said:
        silent = f"its process ended without a word (exit code {process.returncode}); out of memory is likely"
        raise CellFailed(said.get("failed", silent))


class CellFailed(Exception):
    """A cell that could not be trained."""


def _listen(pipe: IO[bytes], lines: SimpleQueue[bytes | None]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(None)


def _follow(
    asking: IO[bytes], lines: SimpleQueue[bytes | None], progress: Progress, stop: Callable[[], bool]
) -> dict[str, Any]:
    """The last word of a cell's process; `asking` is closed when it shall stop."""
    said: dict[str, Any] = {}
    while True:
        if stop():
            _close(asking)
        try:
            line = lines.get(timeout=POLL)
        except Empty:
            continue
        except KeyboardInterrupt:
            if asking.closed or stop():
                raise
            _close(asking)
            continue
        if line is None:
            return said
        said = json.loads(line)
        if "progress" in said:
            progress(said["progress"])


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):  # what was not sent yet is of no use to a process that has ended
        pipe.close()
