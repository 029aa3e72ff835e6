"""What evaluation keeps of each image beside its scores: a picture, the sizes of its objects, suspicious places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import IGNORE, Classes
from unetkit.dataset import Dataset, Sample
from unetkit.dataset.folder import read_objects
from unetkit.evaluation import Pair
from unetkit.formats import read_mask
from unetkit.image import Image
from unetkit.metrics.confusion import confusion_matrix
from unetkit.objects import found_objects, instance_mask, label_components
from unetkit.pipeline.infer import match_channels, middle_plane
from unetkit.pipeline.quality import Trial
from unetkit.pipeline.validation import mean_dice
from unetkit.prediction import Predictor
from unetkit.prediction.attention import attention
from unetkit.report import AttentionSheet, Case, Suspect
from unetkit.report.overlay import to_rgb

CASES = 30
"""So many images stand in the report and as overlays: the worst ones."""

SUSPECTS = 12
LARGEST = 1200
"""Pictures with a longer side are thinned out for the report, in pixels."""

SURE = 0.02
"""Where the model gives the painted class less than this probability, one of the two is wrong."""

LEAST = 30
"""Smaller regions, in pixels, are taken for the jitter of a border."""

Bytes = npt.NDArray[np.uint8]


class Gallery:
    """Fills itself while images are predicted for an evaluation.

    Args:
        dataset: where images come from.

    Attributes:
        trial: what the predictions say of themselves, compared with the truth.
        cases: the worst images, worst first.
        attention: where the network looks on the worst of them; None for one that cannot tell.
        objects: every true object: class, diameter, found.
        suspects: the places where the truth itself looks wrong, most suspicious first.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.trial = Trial()
        self.cases: list[Case] = []
        self.attention: AttentionSheet | None = None
        self.objects: list[dict[str, Any]] = []
        self.suspects: list[Suspect] = []

    def predicted(self, names: Sequence[str], predictor: Predictor) -> Iterator[Pair]:
        """Predict image by image, for `evaluate_pairs`."""
        classes = self.dataset.classes
        for name in names:
            sample = self.dataset.sample(name)
            image = match_channels(self.dataset.read_image(sample), predictor.plan)
            truth = self.dataset.read_labels(sample).labels
            labels, outputs = predictor.labels_and_outputs(image)
            log_probabilities = np.log(outputs[: len(classes)].clip(1e-12))
            self.trial.compare(name, labels, log_probabilities, truth)
            step = -(-max(image.shape) // LARGEST) if truth.ndim == 2 else 1
            picture = to_rgb(replace(image, pixels=image.pixels[..., ::step, ::step]))
            score = mean_dice(confusion_matrix(labels, truth, len(classes)))
            self._keep(_case(name, picture, truth, labels, None if np.isnan(score) else score, step))
            if self.cases[0].name == name:
                self.attention = attention_sheet(name, image, predictor)
            if truth.ndim == 2:
                found = suspicious_places(name, image, truth, labels, log_probabilities, classes)
                self.suspects = sorted([*self.suspects, *found], key=lambda s: -s.score)[:SUSPECTS]
            self.objects += _objects(self._instances(sample, truth), labels, classes, image.geometry.spacing)
            ids, true_ids = self._ids(sample, predictor, labels, outputs)
            yield Pair(name, sample.group, labels, truth, image.geometry, ids, true_ids)

    def _ids(
        self, sample: Sample, predictor: Predictor, labels: Bytes, outputs: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]:
        """The predicted and the true objects, where they count one by one."""
        if predictor.plan.separates:
            return predictor.apart(labels, outputs).ids, read_objects(self.dataset, sample)
        if self.dataset.classes.encoding == "instances":
            return instance_mask(labels == 1), read_objects(self.dataset, sample)
        return None, None

    def _instances(self, sample: Sample, truth: Bytes) -> list[npt.NDArray[Any]]:
        """The true objects of each foreground class: as numbered by the mask, else connected components."""
        classes = self.dataset.classes
        if classes.encoding == "instances" and sample.mask is not None:
            return [np.where(truth == 1, read_mask(sample.mask).values, 0)]
        return [label_components(truth == index) for index in range(1, len(classes))]

    def _keep(self, case: Case) -> None:
        ranked = sorted([*self.cases, case], key=lambda c: 2.0 if c.score is None else c.score)
        self.cases = ranked[:CASES]


def _case(name: str, picture: Bytes, truth: Bytes, labels: Bytes, score: float | None, step: int) -> Case:
    # copies, not views: a view would keep the whole image in memory
    thin = (slice(None, None, step), slice(None, None, step))
    return Case(name, picture, middle_plane(truth)[thin].copy(), middle_plane(labels)[thin].copy(), score)


def attention_sheet(name: str, image: Image, predictor: Predictor) -> AttentionSheet | None:
    """Where the network looks on an image, or in the middle of a large one; of a volume, on its middle plane."""
    seen = attention(predictor, image)
    if seen is None:
        return None
    cut = image.pixels[(slice(None), *seen.window)]
    maps = seen.maps
    if cut.ndim == 4:  # C planes rows columns
        plane = cut.shape[1] // 2
        maps = {level: shares[plane // 2**level] for level, shares in maps.items()}
    if cut.shape[1:] != image.shape:
        name = f"{name} (its middle {' × '.join(map(str, cut.shape[1:]))} pixels)"
    return AttentionSheet(name, to_rgb(replace(image, pixels=cut)), maps)


def _objects(
    instances: Sequence[npt.NDArray[Any]], labels: Bytes, classes: Classes, spacing: tuple[float, ...] | None
) -> list[dict[str, Any]]:
    return [
        {"class": classes.names[index], "diameter": found.diameter, "found": found.found}
        for index, numbered in enumerate(instances, 1)
        for found in found_objects(numbered, labels == index, spacing=spacing)
    ]


def suspicious_places(
    name: str,
    image: Image,
    truth: Bytes,
    labels: Bytes,
    log_probabilities: npt.NDArray[np.float32],
    classes: Classes,
) -> list[Suspect]:
    """Regions of a never-seen image where the model is sure and disagrees with the mask.

    The simplest use of confident learning (Northcutt et al. 2021): a region counts by how improbable its painted class
    is and by how far it reaches from where the two agree, so that thin seams along borders do not.

    Args:
        name: of the image.
        image: its pixels.
        truth: H W, 255 where ignored.
        labels: H W, the most probable class.
        log_probabilities: K H W.
        classes: for the words.

    Returns:
        The places, most suspicious first.
    """
    given = np.where(truth == IGNORE, labels, truth)
    probability = np.exp(np.take_along_axis(log_probabilities, given[None].astype(np.int64), 0)[0])
    regions, _ = ndimage.label(probability < SURE)
    places = []
    for index, window in enumerate(ndimage.find_objects(regions), 1):
        inside = regions[window] == index
        area = int(inside.sum())
        depth = float(ndimage.distance_transform_edt(np.pad(inside, 1)).max()) if area >= LEAST else 0.0
        if depth < 3:
            continue
        score = float((1 - probability[window][inside].mean()) * depth / (depth + 4))
        painted, seen = (classes.names[np.bincount(part[window][inside]).argmax()] for part in (given, labels))
        crop = tuple(slice(max(0, w.start - 32), w.stop + 32) for w in window)
        reason = f"painted {painted}, the model is sure of {seen} on {area} pixels"
        where = f"{name} (row {window[0].start}, column {window[1].start})"
        places.append((score, where, reason, crop))
    places.sort(key=lambda place: -place[0])
    return [
        Suspect(
            where,
            score,
            reason,
            to_rgb(replace(image, pixels=image.pixels[(slice(None), *crop)])),
            truth[crop].copy(),
            labels[crop].copy(),
        )
        for score, where, reason, crop in places[:SUSPECTS]
    ]
