"""One cell of a comparison: a variant trained with one seed, in a process of its own, so that its memory is its own."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import torch

from unetkit.classes import read_classes
from unetkit.compare.variants import Variant
from unetkit.dataset import Dataset, Split, open_dataset
from unetkit.errors import UnetkitError
from unetkit.files import write_json
from unetkit.models import count_parameters, multiply_adds
from unetkit.pipeline import Options, load_predictor, train
from unetkit.plan import build_network, read_plan
from unetkit.training import Hooks, Interrupts, Outcome, RunFolder, Stopped

MEASURED = "cell.json"
"""In the run's folder: what the cell cost. It is written last, so a cell that has it is finished."""

Progress = Callable[[float], None]
"""Told the share of a cell that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What to train, and where its run folder stands."""

    variant: Variant
    seed: int
    path: Path

    @property
    def finished(self) -> bool:
        return (self.path / MEASURED).is_file()


def run_cell(cell: Cell, data: Path, split: Split, options: Options, *, progress: Progress) -> None:
    """Train a cell, or go on with it where it was interrupted.

    Args:
        cell: which.
        data: the dataset's folder.
        split: of all cells.
        options: of all cells.
        progress: told how far it is.

    Raises:
        CellFailed: it cannot be trained; the message says why.
        Stopped: the user asked to stop; what was done is kept.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_train_and_measure, args=(cell, data, split, options, theirs))
    process.start()
    theirs.close()
    ended: tuple[str, Any] = ("failed", "its process ended without a word; out of memory is likely")
    try:
        while True:
            kind, value = ours.recv()
            if kind == "progress":
                progress(value)
            else:
                ended = (kind, value)
    except EOFError:
        process.join()
    except KeyboardInterrupt:  # Ctrl+C reaches the cell too: it stops after its step and keeps everything
        process.join(60)
        process.kill()
        raise Stopped(cell.path) from None
    if ended[0] == "stopped":
        raise Stopped(cell.path)
    if ended[0] == "failed":
        raise CellFailed(str(ended[1]))


class CellFailed(Exception):
    """A cell that could not be trained."""


def _train_and_measure(cell: Cell, data: Path, split: Split, options: Options, pipe: Connection) -> None:
    """What the cell's process does."""
    spoken = monotonic()

    def tell(outcome: Outcome) -> None:
        nonlocal spoken
        if monotonic() - spoken > 0.5:
            spoken = monotonic()
            pipe.send(("progress", outcome.step / outcome.total))

    variant = cell.variant
    own = replace(
        options,
        model=variant.model or options.model,
        seed=cell.seed,
        settings=(*options.settings, *variant.settings),
        labels=variant.labels,
        split=split,
    )
    interrupts = Interrupts()
    hooks = Hooks(progress=tell, stop=interrupts.asked, deferring=interrupts.deferring)
    try:
        with interrupts.handled():
            run = train(data, own, out=cell.path, resume=(cell.path / "plan.yaml").is_file(), hooks=hooks)
            write_json(cell.path / MEASURED, measure(run, data))
        pipe.send(("done", None))
    except (Stopped, KeyboardInterrupt):
        pipe.send(("stopped", None))
    except (UnetkitError, MemoryError) as error:
        pipe.send(("failed", str(error) or "out of memory"))
    finally:
        pipe.close()


def measure(run: RunFolder, data: Path) -> dict[str, Any]:
    """What a trained run cost: parameters, multiply-adds, memory of this process, speed of training and predicting."""
    memory = peak_memory()  # before predicting for the stopwatch, which evaluation did already
    plan = read_plan(run.plan)
    with torch.device("meta"):
        network = build_network(plan, pretrained=False)
    history = run.read_history()
    first, last = history[0], history[-1]
    if first["step"] == last["step"]:  # a single validation: what came before the first step counts too
        first = {"step": 0, "seconds": 0}
    patch = math.prod(plan.training.patch)
    trained = (last["step"] - first["step"]) * plan.training.batch * patch
    dataset = open_dataset(data, classes=read_classes(run.classes))
    return {
        "model": plan.model.name,
        "parameters": count_parameters(network),
        "multiply_adds_per_pixel": multiply_adds(network, (1, plan.data.channels, *plan.training.patch)) / patch,
        "peak_memory_bytes": memory,
        "steps": int(last["step"]),
        "seconds": last["seconds"],
        "trained_mpx_per_s": trained / (last["seconds"] - first["seconds"]) / 1e6,
        "predicted_mpx_per_s": prediction_speed(run, dataset),
    }


def peak_memory() -> int:
    """Most bytes this process has held, on the GPU where it used one."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)


def prediction_speed(run: RunFolder, dataset: Dataset, *, repeats: int = 3) -> float:
    """Megapixels labelled a second: the median over passes over the first test image, after one to warm up."""
    split = Split.model_validate(run.read_json("split.json"))
    image = dataset.read_image(dataset.sample((split.test or split.val)[0]))
    predictor = load_predictor(run.path)
    seconds = []
    for _ in range(repeats + 1):
        began = monotonic()
        pixels = predictor.labels(image).size
        seconds.append(monotonic() - began)
    return float(pixels / median(seconds[1:]) / 1e6)
