"""Runtimes side by side: one network, one image, every runtime and precision in turn; and what 8 bits cost in Dice.

    python benchmarks/runtimes.py [--side 512] [--repeats 15] [--data FOLDER --sets a,b,c --time 3m]

The rival is unetkit's own eager PyTorch: BatchNorm folded, channels last. Threads: as many as there are cores, and for
each runtime also one. With --data, a model is trained on each of those datasets for that time with default settings,
and `unetkit quantize` measures it on the test images.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from unetkit.cli.values import seconds
from unetkit.models import build_model
from unetkit.pipeline import Options, quantize, train
from unetkit.plan import read_plan
from unetkit.prediction.fold import folded
from unetkit.runtimes import Engine, Network, open_network, usable
from unetkit.runtimes.quantise import quantised

OUT = Path(__file__).parent / "results" / "runtimes.md"

NETWORKS: dict[str, tuple[str, int, dict[str, int]]] = {
    "unet, depth 3, width 32": ("unet", 1, {"depth": 3, "width": 32}),
    "unet, depth 3, width 16": ("unet", 1, {"depth": 3, "width": 16}),
    "unet, depth 3, width 8": ("unet", 1, {"depth": 3, "width": 8}),
    "unet-lite0": ("unet-lite0", 3, {}),
}


def timed(network: Network, side: int, repeats: int) -> dict[tuple[str, str], float]:
    """Median seconds a pass of (runtime, precision)."""
    pixels = torch.randn((1, network.model.in_channels, side, side), generator=torch.Generator().manual_seed(0))
    engines: dict[tuple[str, str], Engine] = {}
    for precision in ("float32", "int8"):
        own = replace(network, precision=precision)
        for name in usable("cpu", precision):
            engines[name, precision] = open_network(own, name)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in engines}
    for _ in range(1 + repeats):
        for key, engine in engines.items():
            started = perf_counter()
            engine(pixels)
            times[key].append(perf_counter() - started)
    return {key: median(spent[1:]) for key, spent in times.items()}


def speeds(side: int, repeats: int) -> list[str]:
    """The table of speeds."""
    cores = torch.get_num_threads()
    lines = [f"| network | runtime | precision | Mpx/s, {cores} threads | | Mpx/s, 1 thread |"]
    lines += ["| --- | --- | --- | ---: | ---: | ---: |"]
    for title, (name, channels, options) in NETWORKS.items():
        torch.manual_seed(0)
        model = folded(build_model(name, in_channels=channels, num_classes=2, **options))
        with tempfile.TemporaryDirectory() as store:
            network = Network(model, torch.device("cpu"), store=Path(store))
            patches = [torch.randn((1, channels, 256, 256)).numpy() for _ in range(8)]
            replace(network, precision="int8").copy.write_bytes(quantised(network.onnx, patches))
            by_threads = {}
            for threads in (cores, 1):
                torch.set_num_threads(threads)
                by_threads[threads] = timed(network, side, repeats)
            torch.set_num_threads(cores)
        first, mega = by_threads[cores]["torch", "float32"], side**2 / 1e6
        for (runtime, precision), spent in by_threads[cores].items():
            alone = mega / by_threads[1][runtime, precision]
            speed = f"{mega / spent:.2f} | {first / spent:.2f} × | {alone:.2f}"
            lines.append(f"| {title} | {runtime} | {precision} | {speed} |")
            print(lines[-1], flush=True)
    return lines


def costs(data: Path, sets: list[str], time: float, runs: Path) -> list[str]:
    """The table of what 8 bits cost in Dice."""
    lines = ["| set | network | test images | Dice | in int8 | difference | other labels |", "| --- " * 7 + "|"]
    for name in sets:
        if not (runs / name / "report.html").is_file():
            train(data / name, Options(time=time, allow_leakage=True), out=runs / name)
        plan = read_plan(runs / name / "plan.yaml")
        rows = quantize(runs / name)
        first, small = rows[0], next(row for row in rows if (row.runtime, row.precision) == ("openvino", "int8"))
        assert first.dice is not None
        assert small.dice is not None
        assert small.difference is not None
        low, high = small.difference.low, small.difference.high
        lines.append(
            f"| {name} | {plan.model.name} | {first.images} | {first.dice:.4f} | {small.dice:.4f} | "
            f"{small.difference.mean:+.4f} [{low:+.4f}, {high:+.4f}] | {small.changed:.2%} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, print and store the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", default="retina_drive,em_isbi2012,camvid")
    parser.add_argument("--time", default="3m")
    parser.add_argument("--runs", type=Path, help="Folder of the trained runs; those there are not trained again.")
    arguments = parser.parse_args()
    lines = speeds(arguments.side, arguments.repeats)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "openvino"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    lines += ["", f"{arguments.side} × {arguments.side}, medians of {arguments.repeats}; {machine}; {versions}; "]
    lines[-1] += f"{date.today()}."
    if arguments.data is not None:
        with tempfile.TemporaryDirectory() as temporary:
            runs = arguments.runs or Path(temporary)
            budget = seconds(arguments.time)
            assert budget is not None
            lines += ["", *costs(arguments.data, arguments.sets.split(","), budget, runs)]
            lines += ["", f"Trained for {arguments.time} each; Dice on the test images, OpenVINO."]
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main()
