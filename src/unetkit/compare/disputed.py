"""The images on which the variants disagree most: where a choice between them matters, and a person should look."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, count

import numpy as np
import numpy.typing as npt

from unetkit.dataset import Dataset
from unetkit.metrics.confusion import confusion_matrix
from unetkit.pipeline.validation import mean_dice
from unetkit.pipeline.whole import middle_plane
from unetkit.prediction import Predictor
from unetkit.report.overlay import to_rgb

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Disputed:
    """An image, and what each variant made of it.

    Args:
        name: of the image.
        agreement: mean Dice of the foreground between every two variants, 0 to 1.
        picture: H W 3 (of a volume, the middle plane).
        truth: H W, 255 where ignored.
        predictions: H W each, in the order of the variants.
        scores: mean Dice of the foreground of each against the truth; NaN where there is none.
    """

    name: str
    agreement: float
    picture: Labels
    truth: Labels
    predictions: tuple[Labels, ...]
    scores: tuple[float, ...]


def most_disputed(
    dataset: Dataset, names: Sequence[str], predictors: Sequence[Predictor], *, most: int = 6
) -> list[Disputed]:
    """Predict every image with every variant, and keep those with the least agreement.

    Args:
        dataset: the data.
        names: images to look at.
        predictors: one a variant, two or more.
        most: how many to keep.

    Returns:
        The images, least agreement first; those on which all agree entirely are left out.
    """
    kept: list[tuple[float, int, Disputed]] = []
    number = count()
    for name in names:
        sample = dataset.sample(name)
        image, truth = dataset.read_image(sample), dataset.read_labels(sample).labels
        predictions = [predictor.labels(image) for predictor in predictors]
        classes = len(dataset.classes)
        pairs = [_dice(a, b, classes) for a, b in combinations(predictions, 2)]
        agreement = float(np.mean([1.0 if np.isnan(dice) else dice for dice in pairs]))
        if agreement == 1 or (len(kept) == most and -agreement <= kept[0][0]):
            continue
        shown = tuple(middle_plane(labels) for labels in predictions)
        scores = tuple(_dice(labels, truth, classes) for labels in predictions)
        found = Disputed(name, agreement, to_rgb(image), middle_plane(truth), shown, scores)
        (heapq.heappush if len(kept) < most else heapq.heappushpop)(kept, (-agreement, next(number), found))
    return [found for _, _, found in sorted(kept, key=lambda entry: -entry[0])]


def _dice(labels: Labels, truth: Labels, classes: int) -> float:
    return mean_dice(confusion_matrix(labels, truth, classes))
