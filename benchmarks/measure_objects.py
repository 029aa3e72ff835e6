"""How long measuring takes: every column but skeletons, beside scikit-image's regionprops_table.

    python benchmarks/measure_objects.py [--side 4096] [--objects 20000] [--rival-share 0.05]

Discs of random size that do not touch, and one channel of 16 bits. scikit-image measures the properties of the same
names, on a share of the objects where all would take minutes: the time is scaled up, and the table says so. Best
of three on one thread.
"""

from __future__ import annotations

import argparse
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
from skimage.measure import regionprops_table

from unetkit.image import Image
from unetkit.objects import ObjectMap, measure

OUT = Path(__file__).parent / "results" / "measure_objects.md"

PROPERTIES = (
    "label", "centroid", "bbox", "area", "perimeter_crofton", "equivalent_diameter_area", "axis_major_length",
    "axis_minor_length", "orientation", "eccentricity", "solidity", "euler_number", "intensity_mean", "intensity_min",
    "intensity_max", "intensity_std", "intensity_median",
)  # fmt: skip


def discs(side: int, count: int) -> np.ndarray:
    """uint32 side side: numbered discs on a shaken grid, which do not touch."""
    generator = np.random.default_rng(0)
    cells = int(np.ceil(np.sqrt(count)))
    pitch = side / cells
    ids = np.zeros((side, side), np.uint32)
    for number in range(count):
        row, column = np.divmod(number, cells)
        radius = generator.uniform(0.25, 0.45) * pitch
        middle = (np.array([row, column]) + 0.5) * pitch + generator.uniform(-0.04, 0.04, 2) * pitch
        low, high = np.floor(middle - radius).astype(int).clip(0), np.ceil(middle + radius).astype(int) + 1
        rows, columns = np.ogrid[low[0] : min(high[0], side), low[1] : min(high[1], side)]
        inside = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 <= radius**2
        ids[low[0] : high[0], low[1] : high[1]][inside] = number + 1
    return ids


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--rival-share", type=float, default=0.05)
    arguments = parser.parse_args()
    ids = discs(arguments.side, arguments.objects)
    pixels = np.random.default_rng(1).integers(0, 65536, (1, *ids.shape), dtype=np.uint16)
    objects = ObjectMap(ids, np.ones(arguments.objects, np.uint8))
    spent = []
    for _ in range(3):
        started = perf_counter()
        table = measure(objects, Image(pixels), spacing=(0.5, 0.5), unit="um")
        spent.append(perf_counter() - started)
    share = min(1.0, arguments.rival_share)
    few = np.where(ids <= arguments.objects * share, ids, 0)
    started = perf_counter()
    regionprops_table(few, pixels[0], properties=PROPERTIES)
    rival = (perf_counter() - started) / share
    scaled = "" if share == 1 else f" (from {share:.0%} of the objects)"
    lines = [
        "| | columns | seconds |",
        "| --- | ---: | ---: |",
        f"| unetkit | {len(table.columns)} | {min(spent):.1f} |",
        f"| scikit-image, regionprops_table{scaled} | {len(PROPERTIES)} properties | {rival:.0f} |",
        "",
        f"{arguments.objects} objects in {arguments.side} × {arguments.side}, {np.mean(ids > 0):.0%} of the pixels, "
        f"one channel; best of 3, one thread; {platform.machine()}, {os.cpu_count()} cores under a load of "
        f"{os.getloadavg()[0]:.0f}; scikit-image {version('scikit-image')}, numpy {version('numpy')}; {date.today()}.",
    ]
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main()
