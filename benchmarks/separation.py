"""The ways of telling touching objects apart, on the same images with the same steps: what the plan's choice rests on.

    python benchmarks/separation.py --data DATA [--steps 1200] [--seeds 3] [--jobs 1] [--set model.width=16 …]

Every cell is one training by `unetkit.train` and is judged on the test images by `score_objects`, objects of fewer than
16 pixels left out where nothing is tuned. A finished cell is kept as JSON and not run again. The generated cells are
drawn anew and touch without a gap. On one machine with one accelerator and many cores, --jobs trains several at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from time import monotonic, sleep
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
SETS = ("nuclei_dsb2018", "em_isbi2012", "cells")
WAYS = ("components", "border", "boundary", "distance", "flow")
SHOWN = {"nuclei_dsb2018": "ap50", "em_isbi2012": "v_rand", "cells": "ap50"}
SPECKS = 16
LAST_START = 60.0
"""Seconds before --until in which no training is begun."""


def main() -> None:
    """Run what is missing, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--ways", nargs="*", default=WAYS)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], help="changes to the plan")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--until", type=float, default=1e9, help="seconds after which nothing is running any more")
    parser.add_argument("--work", type=Path, default=Path("bench/separation"))
    parser.add_argument("--cell", nargs=3, help="set, way and seed of the one cell to run")
    arguments = parser.parse_args()
    if arguments.cell:
        name, way, seed = arguments.cell
        run_cell(arguments, name, way, int(seed))
        return
    arguments.work.mkdir(parents=True, exist_ok=True)
    if "cells" in arguments.sets and not (arguments.work / "cells").is_dir():
        from unetkit.demo.cells import write_cells

        write_cells(arguments.work / "cells", seed=7)
    run_cells(arguments)
    table = tabulate(arguments)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"separation_{arguments.steps}.md").write_text(table)
    print(table)


def run_cells(arguments: argparse.Namespace) -> None:
    """So many processes at a time, seed after seed, until all is done or the time is over."""
    begun = monotonic()
    waiting = [
        (name, way, str(seed))
        for seed, name, way in product(range(arguments.seeds), arguments.sets, arguments.ways)
        if not result_path(arguments, name, way, seed).is_file()
    ]
    running: list[tuple[subprocess.Popen[bytes], tuple[str, str, str]]] = []
    while waiting or running:
        late = monotonic() - begun > arguments.until - LAST_START
        while waiting and not late and len(running) < arguments.jobs:
            cell = waiting.pop(0)
            command = [sys.executable, __file__, *sys.argv[1:], "--cell", *cell]
            running.append((subprocess.Popen(command, stdout=subprocess.DEVNULL), cell))
        sleep(0.5)
        for process, cell in [pair for pair in running if pair[0].poll() is not None]:
            running.remove((process, cell))
            print(*cell, f"exit {process.returncode}, {monotonic() - begun:.0f} s", flush=True)
        if late and monotonic() - begun > arguments.until:
            for process, _ in running:
                process.kill()
            return
        if late and not running:
            return


def result_path(arguments: argparse.Namespace, name: str, way: str, seed: int) -> Path:
    """Where a finished cell is kept."""
    return Path(arguments.work) / f"{name}.{way}.{arguments.steps}.{seed}.json"


def run_cell(arguments: argparse.Namespace, name: str, way: str, seed: int) -> None:
    """Train, judge and keep the scores."""
    import torch

    from unetkit.pipeline import Options, train

    data = (arguments.work if name == "cells" else arguments.data) / name
    settings = (f"objects.separate={way}", *arguments.settings)
    options = Options(steps=arguments.steps, seed=seed, settings=settings, allow_leakage=name == "nuclei_dsb2018")
    begun = monotonic()
    run = arguments.work / f"{name}.{way}.{arguments.steps}.{seed}"
    train(data, out=run, options=options)
    seconds = monotonic() - begun
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    result = {**judge(data, run), "train_s": seconds, "device": device, "torch": torch.__version__}
    result_path(arguments, name, way, seed).write_text(json.dumps(result))


def judge(data: Path, run: Path) -> dict[str, Any]:
    """Mean scores of the objects of the test images, and how long it takes to make them of the outputs."""
    from unetkit.dataset import open_dataset
    from unetkit.dataset.folder import read_objects
    from unetkit.metrics.instances import score_objects
    from unetkit.pipeline.infer import match_channels
    from unetkit.pipeline.loading import load_predictor
    from unetkit.separation import Decoding, decode

    predictor, dataset = load_predictor(run), open_dataset(data)
    plan, classes = predictor.plan, predictor.plan.data.num_classes
    decoding = predictor.decoding if plan.separates else Decoding(plan.separator.seed, 0.0, SPECKS)
    found: list[dict[str, float]] = []
    spent, pooled = 0.0, np.zeros(3)
    for name in json.loads((run / "split.json").read_text())["test"]:
        sample = dataset.sample(name)
        labels, outputs = predictor.labels_and_outputs(match_channels(dataset.read_image(sample), plan))
        begun = monotonic()
        objects = decode(plan.separator, labels, outputs[:classes], outputs[classes:], decoding)
        spent += monotonic() - begun
        truth = dataset.read_labels(sample).labels
        true_ids = read_objects(dataset, sample).ids
        scores = score_objects(objects.ids, true_ids, valid=truth != 255)
        matched = scores.matchings[0]
        pooled += (matched.tp, matched.fp, matched.fn)
        found.append({**scores.values, **scores.counts})
    means = {key: float(np.nanmean([one[key] for one in found])) for key in found[0]}
    return {**means, "pooled_ap50": pooled[0] / pooled.sum(), "decode_s": spent, "decoding": str(decoding)}


def tabulate(arguments: argparse.Namespace) -> str:
    """Mean and standard deviation over the seeds, a row a set and way."""
    columns = ("ap50", "ap", "pooled_ap50", "aji_plus", "v_rand", "merges", "splits", "train_s")
    lines = ["| set | way | seeds | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 3) + "|"]
    devices = set()
    for name, way in product(arguments.sets, arguments.ways):
        paths = [result_path(arguments, name, way, seed) for seed in range(arguments.seeds)]
        done = [json.loads(path.read_text()) for path in paths if path.is_file()]
        if done:
            devices |= {f"{one['device']}, torch {one['torch']}" for one in done}
            cells = [spread([one[column] for one in done]) for column in columns if column in done[0]]
            lines.append(f"| {name} | {way} | {len(done)} | " + " | ".join(cells) + " |")
    settings = ", ".join(arguments.settings) or "the plan's own settings"
    machine = f"{platform.machine()}, {os.cpu_count()} cores; {'; '.join(sorted(devices))}"
    return "\n".join([*lines, "", f"{arguments.steps} steps; {settings}; {machine}; {date.today()}", ""])


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
