"""unetkit's tiles against MONAI's sliding window: the same network, the same image, interleaved in one run.

    python benchmarks/sliding_window.py [--size 4096] [--width 16] [--depth 3] [--repeats 3]

The rival is MONAI's SlidingWindowInferer with its usual settings for large images (overlap 0.5, Gaussian weights,
windows of 256) driving the network in eager torch. unetkit predicts on every runtime that is installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer

from unetkit.augment import AugmentationSettings
from unetkit.image import Image
from unetkit.models import Segmenter, build_model
from unetkit.plan import DataPlan, ModelPlan, Plan, TrainingPlan
from unetkit.prediction import Predictor
from unetkit.runtimes import usable
from unetkit.runtimes.quantise import quantised

OUT = Path(__file__).parent / "results" / "sliding_window.md"


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    options = {"depth": arguments.depth, "width": arguments.width}
    model = build_model("unet", in_channels=1, num_classes=2, **options).eval()
    plan = Plan(
        data=DataPlan(channels=1, num_classes=2),
        model=ModelPlan(name="unet", **options),
        training=TrainingPlan(steps=1, patch=(256, 256), validate_every=1),
        augmentation=AugmentationSettings(),
    )
    image = Image(np.random.default_rng(0).integers(0, 255, (1, arguments.size, arguments.size)).astype(np.uint8))
    window = (arguments.window, arguments.window)
    rival = SlidingWindowInferer(roi_size=window, sw_batch_size=1, overlap=0.5, mode="gaussian")
    x = torch.from_numpy(image.pixels.astype(np.float32))[None] / 255

    @torch.inference_mode()
    def slide() -> None:
        rival(x, model).argmax(1)

    with tempfile.TemporaryDirectory() as store:
        contestants: dict[str, Callable[[], object]] = {"MONAI": slide}
        for precision in ("float32", "int8"):
            for runtime in usable("cpu", precision):
                predictor = quantised_predictor(model, plan, runtime, precision, Path(store))
                contestants[f"unetkit, {runtime}, {precision}"] = partial(predictor.labels, image)
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(arguments.repeats):
            for name, predict in contestants.items():
                started = perf_counter()
                predict()
                times[name].append(perf_counter() - started)
                print(f"{name}: {times[name][-1]:.1f} s", flush=True)
    mega = arguments.size**2 / 1e6
    middle = {name: median(seconds) for name, seconds in times.items()}
    lines = ["| | seconds | Mpx/s | |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {seconds:.1f} | {mega / seconds:.2f} | {middle['MONAI'] / seconds:.2f} × |"
        for name, seconds in middle.items()
    ]
    shape = f"{arguments.size} × {arguments.size}, depth {arguments.depth}, width {arguments.width}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "monai", "onnxruntime", "openvino"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    lines += ["", f"{shape}; medians of {arguments.repeats}; {machine}; {versions}; {date.today()}."]
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT.read_text())


def quantised_predictor(model: Segmenter, plan: Plan, runtime: str, precision: str, store: Path) -> Predictor:
    """A predictor on that runtime; where it takes 8 bits, quantised on noise, for only its speed counts here."""
    if precision == "int8":
        network = Predictor([model], plan, stores=[store]).networks[0]
        small = replace(network, precision="int8").copy
        if not small.is_file():
            patches = [torch.randn((1, 1, 256, 256)).numpy() for _ in range(4)]
            small.write_bytes(quantised(network.onnx, patches))
    return Predictor([model], plan, runtime=runtime, precision=precision, stores=[store])


if __name__ == "__main__":
    main()
