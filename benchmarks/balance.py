"""What the balance of the classes does to test images: each run's weights without it and with it.

    python benchmarks/balance.py RUN… [--out FILE]

The runs stay as they are: copies of them are balanced anew by the validation images.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from unetkit.dataset import Dataset, open_dataset
from unetkit.dataset.splits import stored_split
from unetkit.losses import build_loss
from unetkit.metrics.confusion import confusion_matrix
from unetkit.pipeline import load_predictor
from unetkit.pipeline.balance import add_to_heads, balance
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.validation import Validator, mean_dice
from unetkit.plan import read_plan
from unetkit.training import RunFolder

OUT = Path(__file__).parent / "results" / "balance.md"


def main() -> None:
    """Balance copies of the runs, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    lines = ["| run | val images | added to the logits | test images | without | with |", "| --- " * 6 + "|"]
    for path in arguments.runs:
        lines.append(measured(path))
        print(lines[-1], flush=True)
    about = f"Mean Dice of the test images. {platform.machine()}, {os.cpu_count()} cores, {date.today()}."
    arguments.out.write_text("\n".join([*lines, "", about, ""]))


def measured(path: Path) -> str:
    """A line of the table."""
    with TemporaryDirectory() as folder:
        run = RunFolder(shutil.copytree(path, Path(folder) / "run"))
        plan, split = read_plan(run.plan), stored_split(run.split)
        dataset = open_dataset((run.read_json("data.json") or {})["data"])
        weights, facts = run.load_weights()
        added = facts.pop("balance", [0.0] * plan.data.num_classes)
        add_to_heads(weights, [-constant for constant in added])
        run.save_weights(weights, **facts)
        before = test_dice(run, dataset, split.test)
        loss = build_loss("ce", num_classes=plan.data.num_classes)
        validate = Validator(dataset, split.val, plan, loss, device=torch.device("cpu"))
        offsets = balance(run, dataset, validate, lambda line: None)
        after = test_dice(run, dataset, split.test)
    told = ", ".join(f"{offset:+.2f}" for offset in offsets)
    name = f"{dataset.root.name}: {path.parent.name if path.name == 'run' else path.name}"
    return f"| {name} | {len(split.val)} | {told} | {len(split.test)} | {before:.4f} | {after:.4f} |"


def test_dice(run: RunFolder, dataset: Dataset, names: Sequence[str]) -> float:
    """The headline score of the run's test images."""
    predictor = load_predictor(run.path)
    scores = []
    for name in names:
        sample = dataset.sample(name)
        labels = predictor.labels(match_channels(dataset.read_image(sample), predictor.plan))
        scores.append(mean_dice(confusion_matrix(labels, dataset.read_labels(sample).labels, len(dataset.classes))))
    return float(np.nanmean(scores))


if __name__ == "__main__":
    main()
