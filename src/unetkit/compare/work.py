"""What the process of a cell does: train, and measure what that cost. `python -m unetkit.compare.work`."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from threading import Thread
from time import monotonic
from typing import Any

import torch

from unetkit.classes import read_classes
from unetkit.compare.cells import MEASURED, Job
from unetkit.dataset import Dataset, Split, open_dataset
from unetkit.errors import UnetkitError
from unetkit.files import write_json
from unetkit.models import count_parameters, multiply_adds
from unetkit.pipeline import load_predictor, train
from unetkit.plan import build_network, read_plan
from unetkit.training import Hooks, Interrupts, Outcome, RunFolder, Stopped

OFTEN = 0.5
"""Seconds between two words on how far it is."""

Tell = Callable[[dict[str, Any]], None]
"""Speaks to the comparison: {"progress": share}, and last {"done": true}, {"stopped": true} or {"failed": why}."""


def main() -> None:
    """Take the job from standard input, do it, and answer on standard output."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(word: dict[str, Any]) -> None:
        with suppress(OSError):  # the comparison is gone: what is done is kept all the same
            print(json.dumps(word), file=channel, flush=True)

    interrupts = Interrupts()
    with interrupts.handled():
        try:
            job: Job = pickle.load(sys.stdin.buffer)
            Thread(target=_wait_for_end, args=(sys.stdin.fileno(),), daemon=True).start()
            work(job, tell, interrupts)
        except (EOFError, pickle.UnpicklingError, KeyboardInterrupt):
            tell({"stopped": True})  # before there was anything to do, or when it was done


def _wait_for_end(file: int) -> None:
    """Interrupt the main thread once the comparison has closed its end, or is gone."""
    while os.read(file, 1024):
        pass
    signal.raise_signal(signal.SIGINT)


def work(job: Job, tell: Tell, interrupts: Interrupts) -> None:
    """Train a cell, or go on with it, and write what it cost.

    Args:
        job: what to do.
        tell: told how far it is, and how it ended.
        interrupts: how it is stopped.
    """
    spoken = monotonic()

    def progress(outcome: Outcome) -> None:
        nonlocal spoken
        if monotonic() - spoken > OFTEN:
            spoken = monotonic()
            tell({"progress": outcome.step / outcome.total})

    hooks = Hooks(progress=progress, stop=interrupts.asked, deferring=interrupts.deferring)
    run = RunFolder(job.cell.path)
    try:
        train(job.data, job.options, out=run.path, resume=run.begun, hooks=hooks, report=job.report)
        write_json(run.path / MEASURED, measure(run, job.data, device=job.options.device))
        tell({"done": True})
    except (Stopped, KeyboardInterrupt):
        tell({"stopped": True})
    except Exception as error:
        with suppress(OSError):
            run.say(traceback.format_exc())
        tell({"failed": _reason(error)})


def _reason(error: Exception) -> str:
    """In one sentence, why a cell failed."""
    if isinstance(error, UnetkitError):
        return str(error)
    said = str(error) or ("out of memory" if isinstance(error, MemoryError) else "")
    return ": ".join([type(error).__name__, *said.splitlines()[:1]])


def measure(run: RunFolder, data: Path, *, device: str) -> dict[str, Any]:
    """What a trained run is and what it cost.

    Args:
        run: the run.
        data: its data.
        device: where to predict for the stopwatch.

    Returns:
        model, depth and width (None where it has none); parameters; multiply_adds_per_pixel; peak_memory_bytes, held
        while it trained; steps; seconds, from the beginning of its time to the last step; trained_mpx_per_s, pixels of
        patches over the seconds that steps alone took; predicted_mpx_per_s.
    """
    plan, outcome = read_plan(run.plan), Outcome(**(run.load_state() or {})["outcome"])
    with torch.device("meta"):
        network = build_network(plan, pretrained=False)
    patch = math.prod(plan.training.patch)
    return {
        "model": plan.model.name,
        "depth": plan.model.options.get("depth"),
        "width": plan.model.options.get("width"),
        "parameters": count_parameters(network),
        "multiply_adds_per_pixel": multiply_adds(network, (1, plan.data.channels, *plan.training.patch)) / patch,
        "peak_memory_bytes": outcome.peak_memory,
        "steps": outcome.step,
        "seconds": outcome.seconds,
        "trained_mpx_per_s": outcome.step * plan.training.batch * patch / outcome.stepping / 1e6,
        "predicted_mpx_per_s": prediction_speed(run, open_dataset(data, classes=read_classes(run.classes)), device),
    }


def prediction_speed(run: RunFolder, dataset: Dataset, device: str, *, repeats: int = 3) -> float:
    """Megapixels labelled a second: the median over passes over the first test image, after one to warm up."""
    split = Split.model_validate(run.read_json("split.json"))
    image = dataset.read_image(dataset.sample((split.test or split.val)[0]))
    predictor = load_predictor(run.path, device=device)
    seconds = []
    for _ in range(repeats + 1):
        began = monotonic()
        pixels = predictor.labels(image).size
        seconds.append(monotonic() - began)
    return float(pixels / median(seconds[1:]) / 1e6)


if __name__ == "__main__":
    main()
