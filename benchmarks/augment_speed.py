"""How long augmentation takes, beside what one would write with scipy.

    python benchmarks/augment_speed.py [--repeats 15] [--out benchmarks/results/augment_speed.md]

The rival does the same drawn work the plain way: `scipy.ndimage.map_coordinates` once per channel and once for the
labels, `zoom` for the elastic displacements, `gaussian_filter` for the blur, numpy for the rest. Both run on one thread
and repeats of both take turns; a repeat is 8 patches, in batches of 2, each with draws of its own. The table gives the
median repeat as processor time a patch, which other programs on the machine disturb less than the time on the clock.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
import torch
from scipy import ndimage

from unetkit.augment import AUGMENTATIONS, AugmentationSettings, augment
from unetkit.augment.warp import pull_back
from unetkit.files import write_text

PATCHES, BATCH = 8, 2
FULL = AUGMENTATIONS["full"]
SETTINGS = {
    "none": AUGMENTATIONS["none"],
    "flips": AUGMENTATIONS["flips"],
    "full": FULL,
    "full, everything drawn": FULL.model_copy(
        update={"warp_probability": 1.0, "intensity_probability": 1.0, "channel_drop": 1.0}
    ),
}
SHAPES = ((1, 256, 256), (3, 256, 256), (1, 32, 96, 96))

Array = npt.NDArray[Any]


def plain(image: Array, labels: Array, settings: AugmentationSettings, rng: np.random.Generator) -> tuple[Array, ...]:
    """One sample, C *S and *S, with numpy and scipy."""
    for axis, may in enumerate(settings.axis_flips(labels.ndim), start=-labels.ndim):
        if may and rng.random() < 0.5:
            image, labels = np.flip(image, axis), np.flip(labels, axis)
    if settings.quarter_turns:
        turns = int(rng.integers(4))
        image, labels = (np.rot90(part, turns, (-2, -1)) for part in (image, labels))
    valid = np.ones(labels.shape, bool)
    if rng.random() < settings.warp_probability:
        image, labels, valid = plain_warp(image, labels, settings, rng)
    return plain_intensity(image, settings, rng), np.ascontiguousarray(labels), valid


def plain_warp(
    image: Array, labels: Array, settings: AugmentationSettings, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Rotation, scale, shear and elastic deformation through map_coordinates."""
    shape = labels.shape
    angle, *shears = rng.uniform(-1, 1, 3) * (settings.rotation, settings.shear, settings.shear)
    scale = np.exp(rng.uniform(*np.log(settings.scale)))
    matrix = pull_back((angle, 0.0, 0.0), float(scale), shears, coarseness=settings.coarseness(len(shape)))
    centre = (np.array(shape, np.float32).reshape(-1, *[1] * len(shape)) - 1) / 2
    positions = np.tensordot(matrix.astype(np.float32), np.indices(shape, np.float32) - centre, 1) + centre
    for axis in range(len(shape)):
        control = rng.normal(0, settings.elastic_sigma, [settings.elastic_grid] * len(shape)).astype(np.float32)
        positions[axis] += ndimage.zoom(control, np.array(shape) / settings.elastic_grid, order=3, mode="nearest")
    warped = np.stack([ndimage.map_coordinates(channel, positions, order=1, mode="reflect") for channel in image])
    chosen = ndimage.map_coordinates(labels, positions, order=0, mode="constant", cval=255)
    return warped, chosen, chosen != 255


def plain_intensity(image: Array, settings: AugmentationSettings, rng: np.random.Generator) -> Array:
    """The changes of pixel values, each with its probability."""
    axes = tuple(range(1, image.ndim))
    occurs = rng.random(6) < settings.intensity_probability
    if occurs[0]:
        image = image + np.float32(rng.uniform(-settings.brightness, settings.brightness))
    if occurs[1]:
        mean = image.mean(axes, keepdims=True)
        image = (image - mean) * np.float32(rng.uniform(*settings.contrast)) + mean
    if occurs[2]:
        mean, deviation = image.mean(axes, keepdims=True), image.std(axes, keepdims=True)
        low, high = image.min(axes, keepdims=True), image.max(axes, keepdims=True)
        image = ((image - low) / (high - low)) ** np.float32(rng.uniform(*settings.gamma))
        image = (image - image.mean(axes, keepdims=True)) / image.std(axes, keepdims=True) * deviation + mean
    if occurs[3]:
        sigma = rng.uniform(0.3, settings.blur)
        image = np.stack([ndimage.gaussian_filter(channel, sigma, truncate=3, mode="nearest") for channel in image])
    if occurs[4]:
        factor = rng.uniform(1, settings.low_resolution)
        small = [ndimage.zoom(channel, 1 / factor, order=1) for channel in image]
        shape = np.array(image.shape[1:])
        image = np.stack([ndimage.zoom(channel, shape / channel.shape, order=1) for channel in small])
    if occurs[5]:
        image = image + rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0, settings.noise))
    if len(image) > 1 and rng.random() < settings.channel_drop:
        image = image.copy()
        image[rng.integers(len(image))] = 0
    return np.ascontiguousarray(image)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(shape: tuple[int, ...], settings: AugmentationSettings, repeats: int) -> tuple[float, float]:
    """Median milliseconds a patch of unetkit and of the rival, repeats taking turns."""
    images = torch.randn((BATCH, *shape), generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (BATCH, *shape[1:]), generator=torch.Generator().manual_seed(1))
    valid = torch.ones_like(labels, dtype=torch.bool)
    arrays = list(zip(images.numpy(), labels.numpy(), strict=True))

    def ours(repeat: int) -> None:
        for start in range(repeat * PATCHES, (repeat + 1) * PATCHES, BATCH):
            generators = [torch.Generator().manual_seed(start + i) for i in range(BATCH)]
            augment(images, labels, valid, settings, generators)

    def rival(repeat: int) -> None:
        for start in range(repeat * PATCHES, (repeat + 1) * PATCHES, BATCH):
            samples = [plain(*pair, settings, np.random.default_rng(start + i)) for i, pair in enumerate(arrays)]
            for parts in zip(*samples, strict=True):
                torch.from_numpy(np.stack(parts))

    for warm_up in (ours, rival):
        warm_up(repeats)
    times = [(seconds(lambda r=r: ours(r)), seconds(lambda r=r: rival(r))) for r in range(repeats)]  # type: ignore[misc]
    mine, theirs = (statistics.median(column) * 1000 / PATCHES for column in zip(*times, strict=True))
    return mine, theirs


def machine() -> str:
    """Processor, cores and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when it began"


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "augment_speed.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Augmentation: milliseconds of processor time a patch",
        "",
        f"`python benchmarks/augment_speed.py --repeats {options.repeats}`, {datetime.date.today().isoformat()}",
        "",
        f"{machine()}; Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
        f"scipy {scipy.__version__}. "
        f"Median of {options.repeats} repeats of {PATCHES} patches, taking turns; one thread.",
        "",
        "| patch (channels × size) | settings | unetkit | scipy map_coordinates | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for shape in SHAPES:
        for name, settings in SETTINGS.items():
            mine, theirs = measure(shape, settings, options.repeats)
            size = "×".join(map(str, shape[1:]))
            lines.append(f"| {shape[0]} × {size} | {name} | {mine:.2f} | {theirs:.2f} | {theirs / mine:.1f} |")
            print(lines[-1], flush=True)
    write_text(options.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
