"""The score that chooses the best weights, taken the way users predict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from unetkit.classes import IGNORE
from unetkit.dataset import Dataset
from unetkit.losses import Loss
from unetkit.metrics.confusion import Matrix, confusion_matrix
from unetkit.models import Segmenter
from unetkit.plan import Plan
from unetkit.prediction import Predictor


class Validator:
    """Loss and score of a model on the validation images.

    The score is the headline of an evaluation: the Dice of the foreground classes that occur in an image or its
    prediction, averaged over them and then over the images. An empty image counts only when something is found in it.

    Args:
        dataset: the folder.
        names: the validation images.
        plan: of the run.
        loss: of the run.
        device: where to predict.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str], plan: Plan, loss: Loss, *, device: torch.device) -> None:
        self.plan, self.loss, self.device = plan, loss, device
        samples = [dataset.sample(name) for name in names]
        self.pairs = [(dataset.read_image(s), dataset.read_labels(s).labels) for s in samples]

    def __call__(self, model: Segmenter) -> tuple[float, float]:
        """(mean loss, score 0 to 1; NaN where no foreground occurs)."""
        predictor = Predictor([model], self.plan, device=self.device, augment=False)
        count = self.plan.data.num_classes
        losses, scores = [], []
        for image, truth in self.pairs:
            logits = predictor.log_probabilities(image)
            valid = torch.from_numpy(truth != IGNORE)[None]
            target = torch.from_numpy(truth.astype(np.int64))[None].masked_fill(~valid, 0)
            if valid.any():
                losses.append(self.loss(torch.from_numpy(logits)[None], target, valid).item())
            scores.append(mean_dice(confusion_matrix(logits.argmax(0).astype(np.uint8), truth, count)))
        return _mean(losses), _mean([score for score in scores if not np.isnan(score)])


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def mean_dice(confusion: Matrix) -> float:
    """Mean Dice of the foreground classes that occur, from a K×K confusion matrix; NaN where none does."""
    hit = np.diag(confusion)[1:]
    sizes = confusion.sum(0)[1:] + confusion.sum(1)[1:]
    occurs = sizes > 0
    return float(np.mean(2 * hit[occurs] / sizes[occurs])) if occurs.any() else float("nan")
