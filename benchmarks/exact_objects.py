"""Whether objects are the same in tiles as in one piece, on every image of the sets of cells.

    python benchmarks/exact_objects.py DATA:RUN [DATA:RUN …]

Of each image, labelled or not: the outputs of one pass are decoded whole, and in bands of 61 rows (a prime, so that
seams fall everywhere); then the image is predicted again in tiles of 128 pixels, and these outputs are decoded. Counted
are images whose ids are equal to the last pixel, and objects with the same outline.
"""

from __future__ import annotations

import argparse
import os
import platform
from datetime import date
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch

from unetkit.dataset import open_dataset
from unetkit.metrics.instances import find_overlaps
from unetkit.pipeline import load_predictor
from unetkit.pipeline.infer import match_channels
from unetkit.prediction import WHOLE
from unetkit.separation import decode

RESULTS = Path(__file__).parent / "results"
BAND, TILE = 61, 128

Ids = npt.NDArray[np.uint32]


def main() -> None:
    """Print and store a line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", help="DATA:RUN")
    lines = ["| data | way, norm | images | equal in bands | equal in tiles | objects | same outline in tiles |"]
    lines.append("| --- " * 7 + "|")
    for pair in parser.parse_args().pairs:
        data, run = pair.split(":")
        lines.append(compared(Path(data), Path(run)))
        print(lines[-1], flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}; {date.today()}"
    (RESULTS / "exact_objects.md").write_text("\n".join([*lines, "", machine, ""]))


def compared(data: Path, run: Path) -> str:
    """One row."""
    dataset = open_dataset(data)
    whole, tiled = (load_predictor(run, augment=False, tile=tile) for tile in (WHOLE, TILE))
    plan, classes = whole.plan, whole.plan.data.num_classes
    images, bands, tiles, objects, same = 0, 0, 0, 0, 0
    for sample in dataset.samples:
        image = match_channels(dataset.read_image(sample), plan)
        labels, outputs = whole.labels_and_outputs(image)

        def made(labels: npt.NDArray[np.uint8], outputs: npt.NDArray[np.float32]) -> Ids:
            return decode(plan.separator, labels, outputs[:classes], outputs[classes:], whole.decoding).ids

        ids = made(labels, outputs)
        with patch("unetkit.separation.decode.band_of", lambda shape: BAND):
            bands += np.array_equal(made(labels, outputs), ids)
        again = made(*tiled.labels_and_outputs(image))
        tiles += np.array_equal(again, ids)
        overlaps = find_overlaps(again, ids)
        images, objects = images + 1, objects + len(overlaps.truth_ids)
        same += int((overlaps.ious == 1).sum())
    way = f"{plan.objects.separate}, {plan.model.options.get('norm', 'batch')}"
    return f"| {data.name} | {way} | {images} | {bands} | {tiles} | {objects} | {same} |"


if __name__ == "__main__":
    main()
