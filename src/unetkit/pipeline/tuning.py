"""Tuning: how objects are made of a network's outputs, chosen by their AP on the validation images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE
from unetkit.dataset import Dataset
from unetkit.dataset.folder import read_labels_and_objects
from unetkit.files import write_json
from unetkit.metrics.instances import DENSE, THRESHOLDS, find_overlaps, match, v_rand
from unetkit.objects import ObjectMap
from unetkit.objects.basins import Basins
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor
from unetkit.pipeline.validation import overlaps_by_class
from unetkit.plan import Plan
from unetkit.prediction import Predictor
from unetkit.separation import Decoding, basins_of, cut
from unetkit.training import RunFolder

Labels = npt.NDArray[np.uint8]

SMOOTHING = (0.0, 1.0, 2.0)

PROMINENCES = (1.0, 1.5, 2.0, 3.0)
"""By so many pixels of depth peaks have to stand out, where that is tried; a flow tells the way without it."""

LEAST = (0.0, 0.05, 0.1, 0.2)
"""Least sizes that are tried, as shares of the median true object."""

MOST_PIXELS = 4_000_000
"""Of the validation images, so many are looked at."""


def tune(run: RunFolder, dataset: Dataset, names: Sequence[str], say: Callable[[str], None]) -> Decoding:
    """Choose how seeds are found, smoothing and least size for a trained run, and keep them with it, in objects.json.

    Args:
        run: trained with something that separates.
        dataset: the folder.
        names: the validation images.
        say: told the choice.

    Returns:
        The choice; what the way of separating begins with where there is no object to choose by.
    """
    predictor = load_predictor(run.path)
    chosen, best, ap, median = predictor.decoding, -1.0, None, 1.0
    images = _outputs(predictor, dataset, names)
    if images:
        median = float(np.median(np.concatenate([np.bincount(true.ids.reshape(-1))[1:] for *_, true in images])))
    ways = [False] if predictor.plan.separator.directed else [False, True]
    for deep, smoothing in product(ways, SMOOTHING) if images else ():
        common = Decoding(0.0, smoothing, deep=deep)
        basins = [
            (_basins(predictor.plan, labels, outputs, common), truth, true) for labels, outputs, truth, true in images
        ]
        for seed, share in product(PROMINENCES if deep else predictor.plan.separator.seeds, LEAST):
            decoding = replace(common, seed=seed, least=max(round(share * median), 1))
            score, found = _score(basins, decoding)
            if score > best:
                chosen, best, ap = decoding, score, found
    write_json(run.path / "objects.json", {**asdict(chosen), "ap": ap})
    if ap is not None:
        seeds = f"peaks that stand out by {chosen.seed:g} px" if chosen.deep else f"seeds above {chosen.seed:g}"
        told = f"{seeds}, smoothed by {chosen.smoothing:g} px, {chosen.least} px or more"
        say(f"objects: {told}: AP {ap:.3f} on {len(images)} validation images")
    return chosen


Tuned = tuple[Labels, npt.NDArray[np.float32], Labels, ObjectMap]


def _outputs(predictor: Predictor, dataset: Dataset, names: Sequence[str]) -> list[Tuned]:
    """Labels, outputs, true labels and true objects of images that have some."""
    images: list[Tuned] = []
    pixels = 0
    for name in names:
        sample = dataset.sample(name)
        said, objects = read_labels_and_objects(dataset, sample)
        truth = said.labels
        if not objects.count or (images and pixels + truth.size > MOST_PIXELS):
            continue
        pixels += truth.size
        image = match_channels(dataset.read_image(sample), predictor.plan)
        images.append((*predictor.labels_and_outputs(image), truth, objects))
    return images


def _basins(plan: Plan, labels: Labels, outputs: npt.NDArray[np.float32], decoding: Decoding) -> Basins:
    count = plan.data.num_classes
    return basins_of(
        plan.separator, lambda a, b: (labels[a:b], outputs[0, a:b], outputs[count:, a:b]), labels.shape, decoding
    )


def _score(images: Sequence[tuple[Basins, Labels, ObjectMap]], decoding: Decoding) -> tuple[float, float]:
    """What is made great, and the AP over the IoU thresholds 0.5 … 0.95 in it.

    The AP is that averaged over the images and that of all their objects together, in equal parts: the one is noisy
    where images hold few objects, the other belongs to the image that holds most. Where objects fill the images,
    V-Rand counts as much: AP does not see how large a merged one is.
    """
    each, counts, rand, inside = [], np.zeros((len(THRESHOLDS), 3)), [], []
    for basins, truth, true in images:
        made = cut(basins, decoding)
        valid = truth != IGNORE
        overlaps = find_overlaps(made.whole(), true.ids, valid)
        alike = overlaps_by_class(overlaps, made.classes, true.classes)
        matched = [[match(one, threshold) for threshold in THRESHOLDS] for one in alike]
        each.append(np.mean([one.ap for row in matched for one in row]))
        counts += np.sum([[(one.tp, one.fp, one.fn) for one in row] for row in matched], axis=0)
        rand.append(v_rand(overlaps).f)
        inside.append((true.ids > 0).sum() / max(valid.sum(), 1))
    ap = float(np.mean(each) + np.mean(counts[:, 0] / counts.sum(1))) / 2
    return ((ap + float(np.mean(rand))) / 2 if np.mean(inside) >= DENSE else ap), ap
