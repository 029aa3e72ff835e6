"""The outlines of 20 000 objects of one image, against scikit-image and rasterio; and what each format takes.

    python benchmarks/object_outlines.py [--side 4096] [--objects 20000] [--repeats 3]

One thread. scikit-image's `find_contours` runs through the crop of each object, as there is no call for all; its lines
cut the corners of pixels. rasterio's `features.shapes` (GDAL's polygonize) gives the same
outlines along the edges of pixels as unetkit does; it is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from skimage.measure import find_contours, regionprops

from unetkit.classes import Classes
from unetkit.image import Geometry
from unetkit.objects import ObjectMap, outlines
from unetkit.vector import OBJECT_FORMATS
from unetkit.vector.write import shared_files, write_objects

OUT = Path(__file__).parent / "results" / "object_outlines.md"
PLACE = {
    "ModelPixelScale": (0.1, 0.1, 0.0),
    "ModelTiepoint": (0.0, 0.0, 0.0, 500000.0, 5000000.0, 0.0),
    "GeoKeyDirectory": (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632),
}
CLASSES = Classes(names=("background", "cell"))


def scattered(side: int, count: int) -> ObjectMap:
    """Discs around random points, cut where they meet: most objects touch others."""
    generator = np.random.default_rng(0)
    places = generator.choice(side * side, count, replace=False)
    seeds = np.zeros(side * side, np.uint32)
    seeds[places] = np.arange(1, count + 1)
    seeds = seeds.reshape(side, side)
    distance, (row, column) = distance_transform_edt(seeds == 0, return_indices=True)
    radius = 0.45 * side / np.sqrt(count)
    return ObjectMap(np.where(distance < radius, seeds[row, column], 0).astype(np.uint32), np.ones(count, np.uint8))


def ours(objects: ObjectMap) -> int:
    """Corners of all outlines."""
    return sum(len(ring) for one in outlines(objects) for polygon in one.polygons for ring in polygon)


def scikit_image(objects: ObjectMap) -> int:
    """Points of all contours."""
    found = 0
    for region in regionprops(objects.ids.astype(np.int32)):
        found += sum(len(line) for line in find_contours(np.pad(region.image, 1).astype(float), 0.5))
    return found


def rasterio(objects: ObjectMap) -> int:
    """Corners of all shapes."""
    from rasterio.features import shapes

    ids = objects.ids.astype(np.int32)
    found = shapes(ids, mask=ids > 0, connectivity=4)
    return sum(len(ring) - 1 for shape, _ in found for ring in shape["coordinates"])


def timed(work: Callable[[ObjectMap], int], objects: ObjectMap, repeats: int) -> tuple[float, int]:
    """Median seconds of processor time, and what came out."""
    spent: list[float] = []
    for _ in range(repeats):
        started = process_time()
        found = work(objects)
        spent.append(process_time() - started)
    return median(spent), found


def speeds(objects: ObjectMap, repeats: int) -> list[str]:
    """The table of outlines."""
    rivals = {"unetkit": ours, "scikit-image find_contours": scikit_image}
    rivals |= {"rasterio features.shapes": rasterio} if find_spec("rasterio") else {}
    lines = ["| outlines by | processor seconds | points |", "| --- | ---: | ---: |"]
    for name, work in rivals.items():
        seconds, points = timed(work, objects, repeats)
        lines.append(f"| {name} | {seconds:.2f} | {points:,} |")
        print(lines[-1], flush=True)
    return lines


def formats(objects: ObjectMap, repeats: int) -> list[str]:
    """The table of formats."""
    lines = ["| format | processor seconds, outlines included | MB |", "| --- | ---: | ---: |"]
    for name in OBJECT_FORMATS:
        geometry = Geometry(extra={"geotiff": PLACE}) if name == "geojson" else Geometry()
        with tempfile.TemporaryDirectory() as folder:

            def work(objects: ObjectMap) -> int:
                files = write_objects(objects, geometry, CLASSES, "a", folder, [name], overwrite=True)  # noqa: B023
                return sum(path.stat().st_size for path in files)

            seconds, size = timed(work, objects, repeats)
            assert all(path.is_file() for path in shared_files(folder, [name]))
        lines.append(f"| {name} | {seconds:.1f} | {size / 1e6:.1f} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, print and store the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--objects", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    objects = scattered(arguments.side, arguments.objects)
    area: npt.NDArray[np.bool_] = objects.ids > 0
    lines = [
        "# Outlines of objects",
        "",
        f"`python benchmarks/object_outlines.py --repeats {arguments.repeats}`, {date.today()}",
        "",
    ]
    packages = ["numpy", "scipy", "scikit-image", *(["rasterio"] if find_spec("rasterio") else [])]
    lines.append(
        f"{objects.count} objects on {area.mean():.0%} of {arguments.side} × {arguments.side} pixels; medians of "
        f"{arguments.repeats}, one thread; {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} when it began; {', '.join(f'{name} {version(name)}' for name in packages)}."
    )
    lines += ["", *speeds(objects, arguments.repeats), "", *formats(objects, arguments.repeats)]
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main()
