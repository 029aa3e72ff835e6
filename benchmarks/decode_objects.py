"""How long objects take to be made of a network's outputs: 4096 × 4096 pixels, about 20 000 touching objects, one core.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/decode_objects.py

The outputs are those of a perfect network, with noise. The rival does the same with what most programs use for it:
scipy's labelling of the seeds and scikit-image's watershed; both on the relief of `distance`. Medians of three, in
seconds of the processor.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import numpy.typing as npt
import skimage
from object_scores import draw  # beside this file
from scipy import ndimage
from skimage.segmentation import watershed

from unetkit.separation import SEPARATORS, Decoding, decode
from unetkit.separation.targets import touching

RESULTS = Path(__file__).parent / "results"
Floats = npt.NDArray[np.float32]


def main() -> None:
    """Print and store a line a way of separating."""
    _, ids = draw()  # without gaps
    generator = np.random.default_rng(0)
    gaps = touching(ids.astype(np.int64))
    noise = 0.01 * generator.standard_normal(ids.shape, np.float32)
    lines = ["| way | objects made | true | seconds |", "| --- | --- | --- | --- |"]
    for name, separator in SEPARATORS.items():
        apart = ids > 0 if separator.channels(2) else (ids > 0) & ~gaps  # without an own map, the class map has gaps
        labels, background = apart.astype(np.uint8), (np.where(apart, 0.03, 0.97) + noise).clip(0, 1)
        extra = outputs(name, ids, generator)
        probabilities = np.stack([background, 1 - background])
        making = partial(decode, separator, labels, probabilities, extra, Decoding(separator.seed))
        seconds = [timed(making) for _ in range(3)]
        lines.append(f"| {name} | {making().count} | {ids.max()} | {median(seconds):.2f} |")
        if name == "distance":
            other = partial(rival, extra[0], labels)
            seconds = [timed(other) for _ in range(3)]
            lines.append(f"| the rival on {name} | {other().max()} | {ids.max()} | {median(seconds):.2f} |")
    versions = f"scikit-image {skimage.__version__}, numpy {np.__version__}"
    lines += ["", f"{platform.machine()}, {len(os.sched_getaffinity(0))} core; {versions}; {date.today()}", ""]
    (RESULTS / "decode_objects.md").write_text("\n".join(lines))
    print("\n".join(lines))


def outputs(name: str, ids: npt.NDArray[np.uint32], generator: np.random.Generator) -> Floats:
    """What a network trained in that way gives for these objects: logits where it learns probabilities."""
    separator = SEPARATORS[name]
    true = np.asarray(separator.targets(ids.astype(np.int64)), np.float32)
    if name == "boundary":
        true = 8 * true - 4
    return true + 0.01 * generator.standard_normal(true.shape).astype(np.float32)


def rival(distance: Floats, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Smoothed relief, labelled seeds, watershed."""
    relief = ndimage.gaussian_filter(distance, 1.0)
    seeds, _ = ndimage.label(relief > SEPARATORS["distance"].seed)
    made: npt.NDArray[np.int32] = watershed(-relief, seeds, mask=labels > 0)
    return made


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor that it takes."""
    begun = process_time()
    work()
    return process_time() - begun


if __name__ == "__main__":
    main()
