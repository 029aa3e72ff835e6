"""What evaluation keeps of each image beside its scores: a picture, the sizes of its objects, suspicious places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import IGNORE, Classes
from unetkit.dataset import Dataset
from unetkit.dataset.folder import read_objects
from unetkit.evaluation import Pair
from unetkit.image import Image
from unetkit.labels import is_partial
from unetkit.metrics.confusion import confusion_matrix
from unetkit.objects import ObjectMap, found_objects, label_components, with_classes
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.object_gallery import ObjectGallery, Scene
from unetkit.pipeline.validation import mean_dice
from unetkit.pipeline.whole import middle_plane
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
        images: how many there will be.

    Attributes:
        cases: the worst images, worst first.
        one_by_one: the objects that were told apart, and what is wrong with them.
        attention: where the network looks on the worst of them; None for one that cannot tell.
        objects: every true object: class, diameter, found.
        suspects: the places where the truth itself looks wrong, most suspicious first.
    """

    def __init__(self, dataset: Dataset, *, images: int = CASES) -> None:
        self.dataset = dataset
        self.one_by_one = ObjectGallery(dataset.classes.names, images, CASES)
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
            step = -(-max(image.shape) // LARGEST) if truth.ndim == 2 else 1
            picture = to_rgb(replace(image, pixels=image.pixels[..., ::step, ::step]))
            score = mean_dice(confusion_matrix(labels, truth, len(classes)))
            found = self._found(predictor, labels, outputs)
            case = _case(name, picture, truth, labels, None if np.isnan(score) else score, step)
            self._keep(case if found is None else replace(case, objects=_thinned(found, step)))
            if self.cases[0].name == name:
                self.attention = attention_sheet(name, image, predictor)
            if truth.ndim == 2:
                places = suspicious_places(name, image, truth, labels, log_probabilities, classes)
                self.suspects = sorted([*self.suspects, *places], key=lambda s: -s.score)[:SUSPECTS]
            pair = Pair(name, sample.group, labels, truth, image.geometry)
            if is_partial(truth, sample.marks):  # nobody drew whole objects
                yield pair
                continue
            true = read_objects(self.dataset, sample)
            self.objects += _objects(true, labels, classes, image.geometry.spacing)
            if found is not None:
                self.one_by_one.see(Scene(name, sample.group, image, found, true, truth != IGNORE, step))
                pair = _with_objects(pair, found, true, several=len(classes) > 2)
            yield pair

    def _found(self, predictor: Predictor, labels: Bytes, outputs: npt.NDArray[np.float32]) -> ObjectMap | None:
        """The predicted objects, where objects count one by one."""
        if predictor.plan.separates:
            return predictor.apart(labels, outputs)
        if self.dataset.classes.encoding == "instances":
            return with_classes(label_components(labels), labels)
        return None

    def _keep(self, case: Case) -> None:
        ranked = sorted([*self.cases, case], key=lambda c: 2.0 if c.score is None else c.score)
        self.cases = ranked[:CASES]


def _case(name: str, picture: Bytes, truth: Bytes, labels: Bytes, score: float | None, step: int) -> Case:
    # copies, not views: a view would keep the whole image in memory
    thin = (slice(None, None, step), slice(None, None, step))
    return Case(name, picture, middle_plane(truth)[thin].copy(), middle_plane(labels)[thin].copy(), score)


def _thinned(objects: ObjectMap, step: int) -> ObjectMap:
    """The objects as the picture of a case shows them."""
    return replace(objects, ids=middle_plane(objects.ids)[::step, ::step].copy())


def _with_objects(pair: Pair, predicted: ObjectMap, truth: ObjectMap, *, several: bool) -> Pair:
    """The pair with its objects; of several classes also with the class of each."""
    pair = replace(pair, prediction_ids=predicted.ids, truth_ids=truth.ids)
    return replace(pair, prediction_classes=predicted.classes, truth_classes=truth.classes) if several else pair


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
    true: ObjectMap, labels: Bytes, classes: Classes, spacing: tuple[float, ...] | None
) -> list[dict[str, Any]]:
    """Every true object, class by class: its size, and whether the prediction covers it."""
    kinds = np.append(np.uint8(0), true.classes)[true.ids]
    return [
        {"class": classes.names[index], "diameter": one.diameter, "found": one.found}
        for index in range(1, len(classes))
        for one in found_objects(np.where(kinds == index, true.ids, 0), labels == index, spacing=spacing)
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
