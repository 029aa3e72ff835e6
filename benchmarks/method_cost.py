"""What a training step costs with each method, beside one on labelled images alone.

    python benchmarks/method_cost.py [--repeats 3] [--out benchmarks/results/method_cost.md]

Steps of the plan that `unetkit train` makes for the demo's cells, one thread, the methods taking turns; the table gives
the median step as processor time, which other programs on the machine disturb less than the time on the clock.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from unetkit.dataset import Dataset
from unetkit.dataset.patches import PatchSource
from unetkit.dataset.unlabelled import UnlabelledSource
from unetkit.demo import write_cells
from unetkit.files import write_text
from unetkit.losses import build_loss
from unetkit.methods import METHODS
from unetkit.models import Segmenter
from unetkit.pipeline import Options, prepare
from unetkit.plan import Plan, build_network
from unetkit.training import Hooks, Look, Outcome, RunFolder, World, fit

STEPS, WARM = 6, 2
MODELS = ("unet", "unet-lite0")


def step_times(dataset: Dataset, names: tuple[str, ...], plan: Plan, folder: Path) -> list[float]:
    """Processor time of each step, ms, the first ones left out."""
    stamps: list[float] = []

    def progress(outcome: Outcome) -> None:
        stamps.append(time.process_time())

    def validate(model: Segmenter) -> Look:
        return Look(0.5, 0.5)

    torch.manual_seed(0)
    model = build_network(plan, pretrained=False)
    source = PatchSource(dataset, names, plan.normalization, foreground=plan.training.foreground)
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
    rows = []
    with tempfile.TemporaryDirectory() as room:
        write_cells(Path(room) / "cells")
        for name in MODELS:
            prepared = prepare(Path(room) / "cells", Options(steps=STEPS, model=name, device="cpu"))
            settings = (f"training.validate_every={STEPS}", "training.fork=0", "training.guard=false")
            plan = prepared.plan.with_settings(settings)
            times: dict[str, list[float]] = {method: [] for method in METHODS}
            for turn in range(repeats):
                for method, found in times.items():
                    own = plan.with_settings([f"training.method={method}"])
                    folder = Path(room) / f"{name}-{method}-{turn}"
                    found += step_times(prepared.dataset, prepared.split.train, own, folder)
            alone = median(times["supervised"])
            rows += [f"| `{name}` | `{m}` | {median(t):.0f} | {median(t) / alone:.1f} |" for m, t in times.items()]
    return rows


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
        "\n".join(
            ["| model | method | ms a step | times supervised |", "| --- | --- | --- | --- |", *measure(stated.repeats)]
        ),
    ]
    write_text(stated.out, "\n\n".join(text) + "\n")
    print("\n\n".join(text))


if __name__ == "__main__":
    main()
