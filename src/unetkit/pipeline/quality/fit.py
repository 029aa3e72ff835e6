"""Learn, from images that have masks, how far a run's predictions can be trusted where there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from unetkit.dataset import Dataset, Split
from unetkit.dataset.census import evenly
from unetkit.dataset.splits import stored_split
from unetkit.metrics.bootstrap import number
from unetkit.metrics.confusion import confusion_matrix
from unetkit.metrics.reliability import fit_temperature, reliability
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor
from unetkit.pipeline.quality.distance import Vector, fit_familiar
from unetkit.pipeline.quality.expected import fit_expectation
from unetkit.pipeline.quality.pixels import labelled_pixels
from unetkit.pipeline.quality.record import Quality, read_quality, write_quality
from unetkit.pipeline.validation import mean_dice
from unetkit.prediction import Belief, Predictor, features, source_of
from unetkit.training import RunFolder

MOST_NUMBERS = 100_000_000
"""Probabilities of validation images that are kept in memory together; further images are left out."""

MOST_IMAGES = 64
"""So many training images, and validation images, say what is familiar."""

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shown:
    """A validation image as it was predicted.

    Args:
        name: of the image.
        log_probabilities: K *S.
        truth: *S, 255 where nobody labelled.
        dice: mean over the foreground classes that occur; NaN where none does.
    """

    name: str
    log_probabilities: Probabilities
    truth: npt.NDArray[np.uint8]
    dice: float


def require_quality(run: RunFolder, dataset: Dataset, *, device: str = "auto") -> Quality | None:
    """What is known of a run's predictions; where nothing is yet, it is learnt and kept with the run.

    Args:
        run: trained.
        dataset: the images.
        device: where to predict.

    Returns:
        None where nothing is known and these are not the run's own images.

    Raises:
        RunError: what was kept is damaged.
        FileError: an image cannot be read, or the run's folder cannot be written.
    """
    quality = read_quality(run)
    split = stored_split(run.split)
    own = {*split.train, *split.val} <= {sample.name for sample in dataset.labelled}
    if quality is None and own:
        quality = learn(run, dataset, split, device=device)
        write_quality(run, quality)
    return quality


def learn(run: RunFolder, dataset: Dataset, split: Split, *, device: str = "auto") -> Quality:
    """Learn it from the validation images, predicted as users predict, and from the looks of the training images."""
    predictor = load_predictor(run.path, device=device)
    shown = list(_predicted(predictor, dataset, split.val))
    count = predictor.plan.data.num_classes
    samples = [labelled_pixels(one.log_probabilities, one.truth) for one in shown]
    logs = np.concatenate([np.zeros((count, 0), np.float32), *(log for log, _ in samples)], axis=1)
    truth = np.concatenate([np.zeros(0, np.uint8), *(true for _, true in samples)])
    temperature = fit_temperature(logs, truth)
    claims = [claimed(one.log_probabilities, temperature) for one in shown]
    return Quality(
        weights=run.load_facts(),
        images=len(shown),
        temperature=temperature,
        error=number(reliability(logs, truth).error),
        scaled_error=number(reliability(logs, truth, temperature=temperature).error),
        expectation=fit_expectation(claims, [one.dice for one in shown]),
        familiar=fit_familiar(_looks(predictor, dataset, split.train), _looks(predictor, dataset, split.val)),
    )


def claimed(log_probabilities: Probabilities, temperature: float) -> float:
    """The Dice that a prediction claims for itself.

    Args:
        log_probabilities: K *S.
        temperature: to divide them by.
    """
    belief = Belief(len(log_probabilities), temperature)
    belief.add(torch.from_numpy(log_probabilities), None)
    return belief.dice


def _predicted(predictor: Predictor, dataset: Dataset, names: Sequence[str]) -> Iterator[Shown]:
    """The first images, as many as memory may hold."""
    numbers = 0
    count = predictor.plan.data.num_classes
    for name in names:
        sample = dataset.sample(name)
        truth = dataset.read_labels(sample).labels
        numbers += count * truth.size
        if numbers > max(MOST_NUMBERS, count * truth.size):
            return
        image = match_channels(dataset.read_image(sample), predictor.plan)
        labels, outputs = predictor.labels_and_outputs(image)
        logs = np.log(outputs[:count].clip(1e-12))
        yield Shown(name, logs, truth, mean_dice(confusion_matrix(labels, truth, count)))


def _looks(predictor: Predictor, dataset: Dataset, names: Sequence[str]) -> dict[str, Vector]:
    """The features of images, evenly chosen."""
    found = {}
    for name in evenly(names, MOST_IMAGES):
        image = match_channels(dataset.read_image(dataset.sample(name)), predictor.plan)
        looks = features(predictor, source_of(image), predictor.measure(image))
        if looks is not None:
            found[name] = looks[0]
    return found
