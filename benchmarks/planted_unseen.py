"""One wrong label among masks that are right: does it stand in the worst tenth?

    python benchmarks/planted_unseen.py --run RUN:DATA [RUN:DATA …] [--seeds 3]

A quick look at what planted_errors.py measures in full. Nothing is trained: a finished run, or the folds of a
cross-validation, judge the images that they were tested on. In each of them, by each seed, one error of each kind is
planted (see planting.py), and its rank among the others, which stay as they are, is taken.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import defaultdict
from copy import copy
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
RESULTS = Path(__file__).parent / "results"
KINDS = ("shifted", "missing", "swapped")


def main() -> None:
    """Judge, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs="+", required=True, help="RUN:DATA")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    lines = ["| set | test images | Dice of the run | " + " | ".join(KINDS) + " |", "| --- " * 6 + "|"]
    for pair in arguments.run:
        run, data = map(Path, pair.rsplit(":", 1))
        lines.append(row_of(run, data, arguments.seeds))
        print(lines[-1], flush=True)
    machine = f"{arguments.seeds} seeds; {platform.machine()}, {os.cpu_count()} cores, {date.today()}"
    text = "\n".join([*lines, "", machine, ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "planted_unseen.md").write_text(text)
    print(text)


def row_of(run: Path, data: Path, seeds: int) -> str:
    """A set's line of the table: how many of the planted errors stand in the worst tenth."""
    from benchmarks.planting import KINDS as PLANTERS
    from benchmarks.planting import Mask, kinds_for
    from unetkit.classes import read_classes
    from unetkit.dataset import open_dataset
    from unetkit.dataset.folder import read_objects
    from unetkit.dataset.splits import stored_split
    from unetkit.files import read_json
    from unetkit.objects import label_components
    from unetkit.pipeline import load_predictor
    from unetkit.pipeline.infer import match_channels
    from unetkit.pipeline.loading import member_runs
    from unetkit.suspicion import FirstLook, examine
    from unetkit.suspicion.moves import find_shift
    from unetkit.training import RunFolder

    members = [member.require() for member in member_runs(RunFolder(run))]
    dataset = open_dataset(data, classes=read_classes(members[0].classes))
    classes, first = dataset.classes, FirstLook(dataset.classes)
    seen: dict[str, Any] = {}
    for member in members:
        predictor = load_predictor(member.path)
        for name in stored_split(member.split).test:
            sample = dataset.sample(name)
            found = predictor.probabilities(match_channels(dataset.read_image(sample), predictor.plan))
            seen[name] = found.astype(np.float16)  # as `suspect` keeps them
            first.add(name, dataset.read_labels(sample).labels, seen[name])
    right = {}
    for name, probabilities in seen.items():
        sample = dataset.sample(name)
        labels = dataset.read_labels(sample).labels
        right[name] = examine(name, labels, read_objects(dataset, sample).ids, probabilities, first).score
    hits: dict[str, list[bool]] = defaultdict(list)
    worst = max(1, round(len(seen) / 10))
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        for name, probabilities in seen.items():
            sample = dataset.sample(name)
            raw, labels = dataset.read_mask(sample), dataset.read_labels(sample).labels
            mask = Mask(raw.values, labels, read_objects(dataset, sample).ids)
            for kind in kinds_for(dataset):
                changed = PLANTERS[kind](mask, generator)
                if changed is None or np.array_equal(changed, raw.values):
                    continue
                damaged = classes.decode(changed)
                look = copy(first)
                foreground = range(0 if "missing" not in kinds_for(dataset) else 1, len(classes))
                look.shifts = {**first.shifts, name: find_shift(damaged, probabilities, foreground)}
                ids = changed if classes.encoding == "instances" else label_components(damaged)
                score = examine(name, damaged, ids.astype(np.int64), probabilities, look).score
                hits[kind].append(sum(other > score for one, other in right.items() if one != name) < worst)
    dice = read_json(run / "test" / "summary.json")["mean"]["dice"]["mean"]
    cells = [f"{sum(hits[kind])} of {len(hits[kind])}" if hits[kind] else "" for kind in KINDS]
    return "| " + " | ".join([data.name, str(len(seen)), f"{dice:.2f}", *cells]) + " |"


if __name__ == "__main__":
    main()
