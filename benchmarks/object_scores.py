"""How long all scores of the objects of one image take: 4096 × 4096 pixels, about 20 000 objects.

    python benchmarks/object_scores.py

Three pairs of maps: discs of 23 pixels moved by 3, the same without a gap between the objects moved by 5 (every pixel
is in an object, so that all pairs hang together), and two equal maps. Best of three runs.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from unetkit.metrics.instances import find_overlaps, score_objects

SIDE, STEP = 4096, 29

Ids = npt.NDArray[np.uint32]


def draw() -> tuple[Ids, Ids]:
    """Discs on a jittered grid, and the same grown until they meet."""
    generator = np.random.default_rng(0)
    grid = np.arange(STEP // 2, SIDE, STEP)
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    points = (points + generator.integers(-8, 9, points.shape)).clip(0, SIDE - 1)
    seeds = np.zeros((SIDE, SIDE), np.uint32)
    seeds[tuple(points.T)] = np.arange(1, len(points) + 1)
    distance, nearest = distance_transform_edt(seeds == 0, return_indices=True)
    grown: Ids = seeds[tuple(nearest)]
    return np.where(distance < 11.5, grown, 0).astype(np.uint32), grown


def main() -> None:
    """Print one line a pair of maps."""
    discs, grown = draw()
    for name, truth, step in (("discs", discs, 3), ("no gaps", grown, 5), ("equal", discs, 0)):
        prediction = np.roll(truth, (step, step), (0, 1))
        counting, scoring = [], []
        for _ in range(3):
            begin = perf_counter()
            find_overlaps(prediction, truth)
            counting.append(perf_counter() - begin)
            begin = perf_counter()
            scores = score_objects(prediction, truth)
            values, counts = scores.values, scores.counts
            scoring.append(perf_counter() - begin)
        print(
            f"{name}: {counts['true_objects']} objects, overlaps {min(counting):.2f} s, all scores {min(scoring):.2f} s"
            f" (ap50 {values['ap50']:.3f}, aji_plus {values['aji_plus']:.3f})"
        )


if __name__ == "__main__":
    main()
