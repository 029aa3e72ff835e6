"""What a prediction says of itself while it is made: how much of it is likely to be right, and whether its views agree.

With p the probability of a class at a pixel, and P the pixels where that class is the most probable, the expected
number of pixels rightly given the class is Σ p over P, and of pixels that truly have it Σ p over the image. So

    expected Dice = 2 Σ_P p / (|P| + Σ p)

if the probabilities are calibrated (`unetkit.metrics.reliability`).

Sources: Kohlberger et al. 2012, "Evaluating segmentation error without ground truth"; Li et al. 2022, "Estimating model
performance under domain shifts with class-specific confidence scores"; for the agreement Roy et al. 2019, "Bayesian
QuickNAT: model uncertainty in deep whole-brain segmentation for structure-wise quality control".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan, Statistics
from unetkit.prediction.source import Source

Counts = npt.NDArray[np.float64]


class Belief:
    """Gathers, part by part, what the predictions of an image say of themselves.

    Args:
        num_classes: K; class 0 is background and counts nowhere.
        temperature: by which logits are divided, above 0.

    Attributes:
        source, statistics: the image, as the networks see it; None before one has begun.
        predicted, hit, mass: of every class: the pixels |P|, and the sums of p over P and over the image.
        both, sizes: of every voice and class: pixels in both of voice and mean, and in the one plus in the other.

    Example:
        >>> belief = Belief(2)
        >>> belief.add(torch.tensor([[0.8, 0.1], [0.2, 0.9]]).log(), None)
        >>> round(belief.dice, 3)  # 2 · 0.9 / (1 + 1.1)
        0.857
    """

    def __init__(self, num_classes: int, temperature: float = 1.0) -> None:
        self.num_classes, self.temperature = num_classes, temperature
        self.source: Source | None = None
        self.statistics: Mapping[NormalizationPlan, Statistics] = {}
        self._clear()

    def begin(self, source: Source, statistics: Mapping[NormalizationPlan, Statistics]) -> None:
        """Forget: another image begins."""
        self.source, self.statistics = source, statistics
        self._clear()

    def _clear(self) -> None:
        self.predicted, self.hit, self.mass = np.zeros((3, self.num_classes))
        self.both = self.sizes = np.zeros((0, self.num_classes))

    def add(self, logits: Tensor, missing: npt.NDArray[np.bool_] | None) -> None:
        """A part of the image.

        Args:
            logits: K *S, up to a constant for each pixel.
            missing: *S, the pixels without data, which count nowhere.
        """
        flat = logits.flatten(1)
        if missing is not None:
            flat = flat[:, torch.from_numpy(~missing.reshape(-1))]
        probabilities = (flat / self.temperature).softmax(0)
        top, labels = probabilities.max(0)
        self.predicted += labels.bincount(minlength=self.num_classes).numpy()
        self.hit += labels.bincount(top.double(), minlength=self.num_classes).numpy()
        self.mass += probabilities.sum(1, dtype=torch.float64).numpy()

    def hear(self, voices: Sequence[Tensor], mean: Tensor) -> None:
        """What each flipped view and network says of a part, and what is made of them.

        Args:
            voices: the labels of each, *S uint8.
            mean: those of their mean, *S.
        """
        both = np.stack([self._count(voice[voice == mean]) for voice in voices])
        sizes = np.stack([self._count(voice) for voice in voices]) + self._count(mean)
        if len(self.both) != len(both):  # the first part, or what a runtime was timed on went before
            self.both = self.sizes = np.zeros_like(both)
        self.both, self.sizes = self.both + both, self.sizes + sizes

    def _count(self, labels: Tensor) -> Counts:
        counted: Counts = labels.flatten().bincount(minlength=self.num_classes).numpy().astype(np.float64)
        return counted

    @property
    def pixels(self) -> int:
        """How many were counted."""
        return round(float(self.predicted.sum()))

    @property
    def dice(self) -> float:
        """The expected Dice, mean over the foreground classes that were predicted; NaN where none was."""
        return _mean_ratio(2 * self.hit[1:], self.predicted[1:] + self.mass[1:], self.predicted[1:] > 0)

    @property
    def agreement(self) -> float:
        """Dice of each view and network with their mean, averaged, 0 … 1; NaN with a single one, or no foreground."""
        pairs = zip(2 * self.both[:, 1:], self.sizes[:, 1:], strict=True)
        each = [_mean_ratio(both, sizes, sizes > 0) for both, sizes in pairs if sizes.any()]
        return float(np.mean(each)) if each else float("nan")


def _mean_ratio(parts: Counts, wholes: Counts, counted: npt.NDArray[np.bool_]) -> float:
    return float(np.mean(parts[counted] / wholes[counted])) if counted.any() else float("nan")
