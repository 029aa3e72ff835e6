"""Tuning: how objects are made of a network's outputs, chosen by their AP on the validation images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from unetkit.dataset import Dataset
from unetkit.dataset.folder import read_objects
from unetkit.files import write_json
from unetkit.objects import ObjectMap
from unetkit.objects.basins import Basins
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor
from unetkit.pipeline.validation import average_precision
from unetkit.plan import Plan
from unetkit.prediction import Predictor
from unetkit.separation import Decoding, basins_of
from unetkit.training import RunFolder

Labels = npt.NDArray[np.uint8]

SMOOTHING = (0.0, 1.0, 2.0)

LEAST = (0.0, 0.05, 0.1, 0.2)
"""Least sizes that are tried, as shares of the median true object."""

MOST_PIXELS = 20_000_000
"""Of the validation images, so many are looked at."""


def tune(run: RunFolder, dataset: Dataset, names: Sequence[str], say: Callable[[str], None]) -> Decoding:
    """Choose seed height, smoothing and least size for a trained run, and keep them with it, in objects.json.

    Args:
        run: trained with something that separates.
        dataset: the folder.
        names: the validation images.
        say: told the choice.

    Returns:
        The choice; what the way of separating begins with where there is no object to choose by.
    """
    predictor = load_predictor(run.path, augment=False)
    chosen, best, median = predictor.decoding, -1.0, 1.0
    images = _outputs(predictor, dataset, names)
    if images:
        median = float(np.median(np.concatenate([np.bincount(true.ids.reshape(-1))[1:] for *_, true in images])))
    for smoothing in SMOOTHING if images else ():
        basins = [
            (_basins(predictor.plan, labels, outputs, smoothing), truth, true)
            for labels, outputs, truth, true in images
        ]
        for seed in predictor.plan.separator.seeds:
            for share in LEAST:
                decoding = Decoding(seed, smoothing, max(round(share * median), 1))
                score = _score(basins, decoding)
                if score > best:
                    chosen, best = decoding, score
    write_json(run.path / "objects.json", {**asdict(chosen), "ap": best if best >= 0 else None})
    if best >= 0:
        told = f"seeds above {chosen.seed:g}, smoothed by {chosen.smoothing:g} px, {chosen.least} px or more"
        say(f"objects: {told}: AP {best:.3f} on {len(images)} validation images")
    return chosen


Tuned = tuple[Labels, npt.NDArray[np.float32], Labels, ObjectMap]


def _outputs(predictor: Predictor, dataset: Dataset, names: Sequence[str]) -> list[Tuned]:
    """Labels, outputs, true labels and true objects of images that have some."""
    images: list[Tuned] = []
    pixels = 0
    for name in names:
        sample = dataset.sample(name)
        objects, truth = read_objects(dataset, sample), dataset.read_labels(sample).labels
        if not objects.count or (images and pixels + truth.size > MOST_PIXELS):
            continue
        pixels += truth.size
        image = match_channels(dataset.read_image(sample), predictor.plan)
        images.append((*predictor.labels_and_outputs(image), truth, objects))
    return images


def _basins(plan: Plan, labels: Labels, outputs: npt.NDArray[np.float32], smoothing: float) -> Basins:
    count = plan.data.num_classes
    return basins_of(
        plan.separator, lambda a, b: (labels[a:b], outputs[0, a:b], outputs[count:, a:b]), labels.shape, smoothing
    )


def _score(images: Sequence[tuple[Basins, Labels, ObjectMap]], decoding: Decoding) -> float:
    """AP over the IoU thresholds 0.5 … 0.95, averaged over images."""
    cuts = ((basins.cut(seed=decoding.seed, least=decoding.least), truth, true) for basins, truth, true in images)
    return float(
        np.mean([average_precision(ObjectMap(cut.whole(), cut.classes), true, truth) for cut, truth, true in cuts])
    )
