"""What a training step costs with each method, beside one on labelled images alone.

    python benchmarks/method_cost.py [--repeats 3] [--out benchmarks/results/method_cost.md]

Steps of the U-Net that the plan takes for grey images on a CPU (width 8, depth 3, two patches of 256 × 256), on noise,
for the time does not depend on what is seen; one thread, the methods taking turns. The table gives the median step as
processor time, which other programs on the machine disturb less than the time on the clock.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from unetkit.augment import AUGMENTATIONS
from unetkit.dataset import Dataset
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.patches import PatchSource
from unetkit.dataset.unlabelled import UnlabelledSource
from unetkit.files import write_text
from unetkit.formats import write_image, write_mask
from unetkit.losses import build_loss
from unetkit.methods import METHODS
from unetkit.models import Segmenter
from unetkit.plan import Plan, build_network
from unetkit.training import Hooks, Look, Outcome, RunFolder, World, fit

STEPS, WARM = 6, 2
PLAN = Plan.model_validate(
    {
        "data": {"channels": 1, "num_classes": 2},
        "model": {"name": "unet", "width": 8, "depth": 3},
        "training": {
            "steps": STEPS, "validate_every": STEPS, "patch": [256, 256], "ema": 0.99, "fork": 0.0, "guard": False
        },
        "augmentation": AUGMENTATIONS["full"].model_dump(mode="json"),
    }
)  # fmt: skip


def step_times(dataset: Dataset, names: tuple[str, ...], plan: Plan, folder: Path) -> list[float]:
    """Processor time of each step, ms, the first ones left out."""
    stamps: list[float] = []

    def progress(outcome: Outcome) -> None:
        stamps.append(time.process_time())

    def validate(model: Segmenter) -> Look:
        return Look(0.5, 0.5)

    torch.manual_seed(0)
    model = build_network(plan, pretrained=False)
    source = PatchSource(dataset, names, plan.normalization, foreground=plan.training.foreground, histograms=True)
    fit(
        model,
        plan,
        source,
        build_loss(plan.training.loss, num_classes=plan.data.num_classes),
        validate,
        RunFolder(folder),
        world=World(torch.device("cpu")),
        unlabelled=UnlabelledSource(dataset, names, plan.normalization),
        hooks=Hooks(progress=progress),
    )
    return [1000 * (after - before) for before, after in zip(stamps[WARM:], stamps[WARM + 1 :], strict=False)]


def measure(repeats: int) -> list[str]:
    """The table's rows."""
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as room:
        generator = np.random.default_rng(0)
        for n in range(3):
            pixels = generator.integers(0, 256, (1, 320, 320)).astype(np.uint8)
            write_image(Path(room) / "data" / "images" / f"{n}.png", pixels)
            write_mask(Path(room) / "data" / "masks" / f"{n}.png", (pixels[0] > 127).astype(np.uint8))
        dataset = open_dataset(Path(room) / "data")
        names = tuple(sample.name for sample in dataset.samples)
        for turn in range(repeats):
            for method, found in times.items():
                plan = PLAN.with_settings([f"training.method={method}"])
                found += step_times(dataset, names, plan, Path(room) / f"{method}-{turn}")
    alone = median(times["supervised"])
    return [f"| `{method}` | {median(found):.0f} | {median(found) / alone:.1f} |" for method, found in times.items()]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/method_cost.md"))
    stated = parser.parse_args()
    torch.set_num_threads(1)
    text = [
        "# Methods of training: milliseconds of processor time a step",
        f"`python benchmarks/method_cost.py --repeats {stated.repeats}`, {datetime.date.today()}",
        f"{platform.processor() or platform.machine()}, one thread; Python {platform.python_version()}, torch "
        f"{torch.__version__}. Median of {stated.repeats} × {STEPS - WARM - 1} steps, the methods taking turns.",
        "\n".join(["| method | ms a step | times supervised |", "| --- | --- | --- |", *measure(stated.repeats)]),
    ]
    write_text(stated.out, "\n\n".join(text) + "\n")
    print("\n\n".join(text))


if __name__ == "__main__":
    main()
