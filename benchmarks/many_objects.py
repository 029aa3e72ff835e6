"""What millions of objects, or one that fills the image, take: seconds of one core and the peak of memory.

    python benchmarks/many_objects.py check 17892 4      # 20 million objects of 3 × 3 pixels
    python benchmarks/many_objects.py measure 16384 16384   # one object of 268 megapixels

The first argument is what is done (check, measure, score, objects), the second the side of the image, the third that of
a cell of the grid, whose last row and column are background. Linux only. Times are those of the processor, so that
other programs do no harm.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unetkit.dataset.check import check
from unetkit.errors import UnetkitError
from unetkit.measuring import measure_files
from unetkit.scoring import score_folders
from unetkit.vector.from_labels import export_labels


def draw(root: Path, side: int, cell: int) -> None:
    """A dataset of one image, whose objects are the cells of a grid."""
    along = np.arange(side) // cell
    mask = np.lib.format.open_memmap(root / "masks" / "a.npy", "w+", np.uint32, (side, side))
    for row in range(side):
        line = along[row] * (along[-1] + 1) + along + 1
        mask[row] = np.where((np.arange(side) % cell == cell - 1) | (row % cell == cell - 1), 0, line)
    np.save(root / "images" / "a.npy", np.where(mask > 0, 100, 20).astype(np.uint8))
    (root / "classes.yaml").write_text("names: [ground, cell]\nencoding: instances\n")


def main(what: str, side: int, cell: int) -> None:
    """Print what came out, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("masks", "images"):
            (root / name).mkdir()
        draw(root, side, cell)
        masks = root / "masks"
        done: dict[str, Callable[[], object]] = {
            "check": lambda: dict(check(root).facts).get("objects"),
            "measure": lambda: len(measure_files(masks, numbered=True).table),
            "score": lambda: score_folders(masks, masks, objects=True).summary["objects"]["counts"]["found"],
            "objects": lambda: export_labels([masks], root / "out", ["tiff"], kind="ids").objects["a"],
        }
        begun = time.process_time()
        try:
            result = done[what]()
        except UnetkitError as error:
            result = error
        seconds = time.process_time() - begun
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f"{what}, {side} × {side}: {result}; {seconds:.0f} s, {int(peak.split()[1]) / 1e6:.1f} GB")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
