"""Judge each prediction as it is made: what Dice to expect, whether its views agree, whether the image is familiar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unetkit.dataset.normalize import NormalizationPlan, Statistics
from unetkit.pipeline.quality.distance import MARGIN
from unetkit.pipeline.quality.record import Quality
from unetkit.prediction import Belief, Predictor, Source, features


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a prediction is worth, as far as one can tell without a mask.

    Args:
        image: its name.
        expected_dice: mean over the foreground classes that were found; NaN where none was.
        low, high: the ends of its 95 % interval.
        agreement: Dice of the flipped views and networks with their mean; NaN where there is only one.
        distance: to the nearest training image; four in five known images lie within 1, NaN where it is unknown.
        flag: what to look at, in words; empty where nothing is wrong.
    """

    image: str
    expected_dice: float
    low: float
    high: float
    agreement: float
    distance: float
    flag: str = ""


class Judge:
    """Judges what a predictor predicts.

    Args:
        predictor: from now on it gathers what its predictions say of themselves.
        qualities: what was learnt of each of its networks.

    Example:
        >>> judge = Judge(predictor, [read_quality(run)])  # doctest: +SKIP
        >>> labels = predictor.labels(image)  # doctest: +SKIP
        >>> judge.last("a").expected_dice  # doctest: +SKIP
        0.91
    """

    def __init__(self, predictor: Predictor, qualities: Sequence[Quality]) -> None:
        self.predictor, self.qualities = predictor, qualities
        # of several networks: the mean logits at the mean coldness
        self.temperature = 1 / float(np.mean([1 / one.temperature for one in qualities]))
        self.belief = Belief(predictor.plan.data.num_classes, self.temperature)
        predictor.belief = self.belief

    def last(self, name: str) -> Judgement:
        """Of the image that was predicted last.

        Args:
            name: of the image.
        """
        claimed, source = self.belief.dice, self.belief.source
        expected, low, high = np.mean([one.expectation.of(claimed) for one in self.qualities], axis=0).tolist()
        assert source is not None
        distance, nearest = self.distance(source, self.belief.statistics)
        flags = []
        if distance > MARGIN:
            flags.append(f"unlike the training images, the nearest of which is {nearest}")
        worst = [one.expectation.lowest for one in self.qualities if one.expectation.lowest is not None]
        if worst and high < min(worst):
            flags.append(f"expected to be worse than every validation image (Dice {min(worst):.2f} or more)")
        share = self.belief.pixels / math.prod(source.shape)
        if share < 1 and source.nodata is None:
            flags.append(f"judged by the {100 * share:.0f} % of it that were predicted since a stop")
        return Judgement(name, expected, low, high, self.belief.agreement, distance, "; ".join(flags))

    def distance(self, source: Source, statistics: Mapping[NormalizationPlan, Statistics]) -> tuple[float, str]:
        """How far an image is from the training images, mean over the networks, and which of them is the nearest.

        Args:
            source: the image.
            statistics: of it, for each way in which the networks' plans normalise.

        Returns:
            Four in five known images lie within 1; NaN and no name where it cannot be told.
        """
        seen = features(self.predictor, source, statistics)
        if seen is None:
            return math.nan, ""
        each = [
            quality.familiar.nearest(own)
            for quality, own in zip(self.qualities, seen, strict=True)
            if quality.familiar is not None
        ]
        if not each:
            return math.nan, ""
        return float(np.mean([distance for distance, _ in each])), min(each)[1]
