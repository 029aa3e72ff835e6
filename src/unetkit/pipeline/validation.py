"""The score that chooses the best weights, taken the way users predict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from unetkit.augment.histograms import Quantiles, match_histogram
from unetkit.classes import IGNORE
from unetkit.dataset import Dataset
from unetkit.dataset.folder import read_labels_and_objects
from unetkit.dataset.normalize import Statistics, apply, measure
from unetkit.dataset.patches import histogram_of
from unetkit.image import Image
from unetkit.losses import Loss
from unetkit.methods import METHODS
from unetkit.metrics.confusion import Matrix, confusion_matrix
from unetkit.metrics.instances import THRESHOLDS, Overlaps, find_overlaps, match
from unetkit.models import Segmenter
from unetkit.objects import ObjectMap
from unetkit.plan import Plan
from unetkit.prediction import Predictor
from unetkit.training import Look

DISGUISE = 0.5
"""How much of another image's histogram a validation image takes on: as much as patches do on average."""

DISGUISES = 6
"""So many pictures with other histograms the guard sees at least: one alone may be of a kind that is no trouble."""

WINDOW = {2: 512, 3: 64}
"""Side of the pieces that stand for the validation images when those are more than the plan allows to look at."""


class Validator:
    """Loss and score of a model on the validation images, or on pieces of them where they are many or large.

    The score is the headline of an evaluation: the Dice of the foreground classes that occur in an image or its
    prediction, averaged over them and then over the images. An empty image counts only when something is found in it.
    Where the plan separates objects it is their AP over the IoU thresholds 0.5 to 0.95, averaged over the classes.

    Args:
        dataset: the folder.
        names: the validation images.
        plan: of the run; `training.validate_pixels` bounds what is kept in memory and looked at.
        loss: of the run.
        device: where to predict.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str], plan: Plan, loss: Loss, *, device: torch.device) -> None:
        self.plan, self.loss, self.device = plan, loss, device
        self.pieces = _pieces(dataset, names, plan)  # none in a process that does not lead
        self.disguised: list[_Piece] = []
        self.share = 0.0

    def disguise(self, names: Sequence[str], histogram: Callable[[str], Quantiles | None], share: float) -> None:
        """Let scores of images be those of new ones, of which a share looks unlike all that train.

        Args:
            names: of images that look so; each validation image is also shown with the histogram of one of these, and
                with those of several where there are few validation images.
            histogram: gives that, C R; None of a blank image.
            share: 0 to 1, what the score of those pictures counts for in the score of the image.
        """
        rng = np.random.default_rng(self.plan.training.seed)
        shown = self.pieces * math.ceil(DISGUISES / max(len(self.pieces), 1))
        chosen = [histogram(names[at]) for at in rng.integers(len(names), size=len(shown))]
        self.share = share
        self.disguised = [_disguised(piece, other) for piece, other in zip(shown, chosen, strict=True)]

    def __call__(self, model: Segmenter) -> Look:
        """Mean loss and score, 0 to 1, of all and of each image; NaN where no foreground occurs."""
        look = self._look(model, self.pieces)
        if not self.disguised:
            return look
        pairs = zip(look.scores, self._look(model, self.disguised).scores, strict=True)
        return replace(look, scores=tuple(self._mixed(*pair) for pair in pairs))

    def _mixed(self, one: float, other: float) -> float:
        """The score of an image that is shown twice; an empty one that is rightly left so once counts 1 there."""
        if np.isnan(one) and np.isnan(other):
            return one
        one, other = (1.0 if np.isnan(score) else score for score in (one, other))
        return (1 - self.share) * one + self.share * other

    def _look(self, model: Segmenter, pieces: Sequence[_Piece]) -> Look:
        predictor = Predictor([model], self.plan, device=self.device, augment=False)
        count = self.plan.data.num_classes
        losses: list[float] = []
        confusions: dict[str, Matrix] = {}
        found: dict[str, list[float]] = {}
        for piece in pieces:
            statistics = {self.plan.normalization: piece.statistics}
            labels, outputs = predictor.labels_and_outputs(piece.image, statistics=statistics)
            logits = np.log(outputs[:count].clip(1e-12))
            if piece.ids is not None:
                objects = predictor.apart(labels, outputs)
                true = ObjectMap(piece.ids, piece.kinds)
                found.setdefault(piece.name, []).append(average_precision(objects, true, piece.truth))
            valid = torch.from_numpy(piece.truth != IGNORE)[None]
            target = torch.from_numpy(piece.truth.astype(np.int64))[None].masked_fill(~valid, 0)
            if valid.any():
                losses.append(self.loss(torch.from_numpy(logits)[None], target, valid).item())
            confusion = confusion_matrix(labels, piece.truth, count)
            confusions[piece.name] = confusions.get(piece.name, 0) + confusion
        scores = [mean_dice(confusion) for confusion in confusions.values()]
        if found:
            scores = [_mean([one for one in precisions if not np.isnan(one)]) for precisions in found.values()]
        return Look(_mean(losses), _mean([score for score in scores if not np.isnan(score)]), tuple(scores))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A validation image or a window of it; how the whole image is normalised, and its histogram if it is needed."""

    name: str
    image: Image
    truth: npt.NDArray[np.uint8]
    statistics: Statistics
    ids: npt.NDArray[np.uint32] | None = None
    kinds: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    histogram: Quantiles | None = None


def _pieces(dataset: Dataset, names: Sequence[str], plan: Plan) -> list[_Piece]:
    """The whole images or, where they hold more pixels than the plan allows, windows of them drawn by its seed."""
    most = plan.training.validate_pixels or math.inf
    pieces: list[_Piece] = []
    pixels = 0
    for name in names:
        piece = _read(dataset, name, plan)
        pixels += piece.truth.size
        if pixels > most:
            break
        pieces.append(piece)
    else:
        return pieces
    pieces, pixels = [], 0
    rng = np.random.default_rng(plan.training.seed)
    for name in itertools.cycle(rng.permutation(list(names)).tolist()):  # few images give several windows each
        pieces.append(_window(_read(dataset, name, plan), WINDOW[plan.data.spatial_dims], rng))
        pixels += pieces[-1].truth.size
        if pixels >= most:
            break
    return pieces


def _read(dataset: Dataset, name: str, plan: Plan) -> _Piece:
    sample = dataset.sample(name)
    image = dataset.read_image(sample)
    statistics = measure(image, plan.normalization)
    # seeds as in training: points alone would praise any excess
    histogram = histogram_of(image, statistics) if METHODS[plan.training.method].matches else None
    if not plan.separates:
        labels = dataset.read_labels(sample, seeds=plan.seeds).labels
        return _Piece(name, image, labels, statistics, histogram=histogram)
    truth, objects = read_labels_and_objects(dataset, sample, seeds=plan.seeds)
    return _Piece(name, image, truth.labels, statistics, objects.ids, objects.classes, histogram)


def _disguised(piece: _Piece, other: Quantiles | None) -> _Piece:
    """The piece with another image's histogram, normalised already."""
    if piece.histogram is None or other is None:
        return piece
    pixels = apply(piece.image.pixels, piece.statistics)
    pixels = match_histogram(pixels, piece.histogram, other, DISGUISE)
    nothing, channels = np.zeros(len(pixels), np.float32), np.ones(len(pixels), np.float32)
    as_it_is = Statistics(low=nothing - np.inf, high=nothing + np.inf, mean=nothing, std=channels)
    return replace(piece, image=replace(piece.image, pixels=pixels), statistics=as_it_is)


def _window(piece: _Piece, side: int, rng: np.random.Generator) -> _Piece:
    """A window of at most `side` pixels a side: every second one about a pixel of a foreground class."""
    middles = [int(rng.integers(extent)) for extent in piece.truth.shape]
    foreground = np.flatnonzero((piece.truth > 0) & (piece.truth != IGNORE))
    if foreground.size and rng.random() < 0.5:
        at = int(foreground[rng.integers(foreground.size)])
        middles = [int(index) for index in np.unravel_index(at, piece.truth.shape)]
    starts = [
        min(max(middle - side // 2, 0), max(extent - side, 0))
        for middle, extent in zip(middles, piece.truth.shape, strict=True)
    ]
    window = tuple(slice(start, start + side) for start in starts)
    pixels = piece.image.pixels[(slice(None), *window)].copy()  # a view would keep the whole image in memory
    ids = None if piece.ids is None else piece.ids[window].copy()
    return replace(piece, image=replace(piece.image, pixels=pixels), truth=piece.truth[window].copy(), ids=ids)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def average_precision(objects: ObjectMap, true: ObjectMap, truth: npt.NDArray[np.uint8]) -> float:
    """AP of predicted objects over the IoU thresholds 0.5 … 0.95, averaged over the classes that occur.

    An object of another class is no partner. NaN where there are no objects in either.
    """
    overlaps = find_overlaps(objects.ids, true.ids, truth != IGNORE)
    alike = overlaps_by_class(overlaps, objects.classes, true.classes)
    return _mean([match(one, threshold).ap for one in alike for threshold in THRESHOLDS])


def overlaps_by_class(
    overlaps: Overlaps, predicted: npt.NDArray[np.uint8], true: npt.NDArray[np.uint8]
) -> list[Overlaps]:
    """Those of the objects of each class that occurs, of object i at i − 1: one of another class is no partner."""
    predicted_kinds, true_kinds = predicted[overlaps.predicted_ids - 1], true[overlaps.truth_ids - 1]
    return [overlaps.only(true_kinds == c, predicted_kinds == c) for c in np.union1d(predicted_kinds, true_kinds)]


def mean_dice(confusion: Matrix) -> float:
    """Mean Dice of the foreground classes that occur, from a K×K confusion matrix; NaN where none does."""
    hit = np.diag(confusion)[1:]
    sizes = confusion.sum(0)[1:] + confusion.sum(1)[1:]
    occurs = sizes > 0
    return float(np.mean(2 * hit[occurs] / sizes[occurs])) if occurs.any() else float("nan")
