"""Cheap labels with and without a regulariser: what the plan's choice rests on.

    python benchmarks/few_labels.py --data DATA [--steps 250] [--seeds 3] [--labels em_scribbles …] [--ways none …]

Eight training and two validation windows of 256 × 256 pixels have their masks replaced by simulated marks; six whole
masks are the test. Every score is of one training of a U-Net of width 8 by `unetkit.train`, on one thread. A finished
one is not run again.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unetkit.dataset.folder import open_dataset
from unetkit.formats import write_image, write_mask
from unetkit.labels import write_marks
from unetkit.labels.simulated import SIMULATED, marking_effort
from unetkit.pipeline import Options, train

RESULTS = Path(__file__).parent / "results"
SIDE = 256
PARTS = {"train": 8, "val": 2, "test": 6}
LABELS: dict[str, tuple[str, str | None, float]] = {
    "em_scribbles": ("em_isbi2012", "scribbles", 0.002),
    "em_masks": ("em_isbi2012", None, 1.0),
    "nuclei_scribbles": ("nuclei_dsb2018", "scribbles", 0.002),
    "nuclei_points": ("nuclei_dsb2018", "points", 1.0),
    "nuclei_boxes": ("nuclei_dsb2018", "boxes", 1.0),
    "nuclei_masks": ("nuclei_dsb2018", None, 1.0),
}
"""Set, kind of mark (None for whole masks) and its share."""

WAYS = {
    "none": (),
    "sparse-crf × 1": ("training.regulariser=sparse-crf", "training.regulariser_weight=1"),
    "sparse-crf × 5": ("training.regulariser=sparse-crf", "training.regulariser_weight=5"),
    "gated-crf × 5": ("training.regulariser=gated-crf", "training.regulariser_weight=5"),
}
PLAIN = (
    "training.patch=[128, 128]", "training.validate_every=125", "prediction.augment=false", "model.width=8",
    "training.regulariser=none", "objects.separate=components",
)  # fmt: skip
NAMES = ("background", "foreground")


def main() -> None:
    """Train what is missing, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", nargs="*", default=[*LABELS], choices=LABELS)
    parser.add_argument("--ways", nargs="*", default=[*WAYS], choices=WAYS)
    parser.add_argument("--work", type=Path, default=Path("bench/few_labels"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed, labels, way in product(range(arguments.seeds), arguments.labels, arguments.ways):
        run(arguments, labels, way, seed)
    table = tabulate(arguments.work)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "few_labels.md").write_text(table)
    print(table)


def run(arguments: argparse.Namespace, labels: str, way: str, seed: int) -> None:
    """One training, unless it is there."""
    path = arguments.work / f"{labels} {way} {seed}.json"
    if path.is_file():
        return
    source, kind, share = LABELS[labels]
    data = arguments.work / labels
    if not (data / "splits.json").is_file():
        prepare(arguments.data / source, data, kind, share)
    options = Options(steps=arguments.steps, seed=seed, model="unet", settings=(*PLAIN, *WAYS[way]), allow_leakage=True)
    finished = train(data, options, out=arguments.work / "runs" / f"{labels} {way} {seed}")
    scores = json.loads((finished.path / "test" / "summary.json").read_text())["mean"]
    found = {name: scores[name]["mean"] for name in ("dice", "boundary_iou")}
    path.write_text(json.dumps({"labels": labels, "way": way, "seed": seed, "steps": arguments.steps, **found}))


def prepare(source: Path, root: Path, kind: str | None, share: float) -> None:
    """Cut the windows, and mark those that train or choose the weights."""
    dataset, generator = open_dataset(source), np.random.default_rng(0)
    large = [s for s in dataset.labelled if min(dataset.read_image(s).shape) >= SIDE]
    parts = [part for part, count in PARTS.items() for _ in range(count)]
    split: dict[str, list[str]] = defaultdict(list)
    seconds = 0.0
    for number, (part, index) in enumerate(zip(parts, generator.permutation(len(large)), strict=False)):
        sample, name = large[index], f"i{number:02d}"
        image, labels = dataset.read_image(sample).pixels, dataset.read_labels(sample).labels == 1
        window = tuple(
            slice(start, start + SIDE) for start in (int(generator.integers(n - SIDE + 1)) for n in labels.shape)
        )
        split[part].append(name)
        write_image(root / "images" / f"{name}.png", image[(slice(None), *window)])
        mask = labels[window].astype(np.uint8)
        if kind is None or part == "test":
            write_mask(root / "masks" / f"{name}.png", mask * 255)
        else:
            marks = SIMULATED[kind](mask, NAMES, share=share, seed=number)
            seconds += marking_effort(marks).seconds
            write_marks(root / "marks" / f"{name}.json", marks)
    (root / "classes.yaml").write_text(f"names: [{', '.join(NAMES)}]\nvalues: [0, 255]\n")
    (root / "splits.json").write_text(json.dumps(split))
    print(f"{root.name}: {seconds / 60:.1f} minutes of marking")


def tabulate(work: Path) -> str:
    """A line for each kind of labels and way: test Dice and boundary IoU of each seed."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(work.glob("*.json")):
        cell = json.loads(path.read_text())
        cells[cell["labels"], cell["way"]].append(cell)
    lines = ["| labels | regulariser | seed: Dice (boundary IoU) |", "| --- | --- | --- |"]
    for labels, way in product(LABELS, WAYS):
        if found := cells[labels, way]:
            each = [f"{cell['seed']}: {cell['dice']:.3f} ({cell['boundary_iou']:.3f})" for cell in found]
            lines.append(f"| {labels} | {way} | {', '.join(each)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
