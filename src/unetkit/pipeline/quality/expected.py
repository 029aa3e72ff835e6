"""From the Dice that a prediction claims for itself to the one to be expected, learnt from the validation images.

What the probabilities claim (`unetkit.prediction.belief`) is corrected by an offset and, where there are enough images,
by a slope. Validation images are few: both are drawn towards 0, "believe what is claimed", as by ridge regression with
the weight of `PRIOR` images, and the interval is that of a Student distribution that begins with a spread of `SPREAD`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.special import stdtrit

PRIOR, SPREAD = 4, 0.1
"""Images' worth of trust in the claim itself, and by how much Dice may miss it before anything was measured."""

ENOUGH = 8
"""Images from which on a slope is fitted."""

FLATTEST = -0.8
"""The least slope: a prediction that claims more is never expected to be worse."""


class Expectation(BaseModel):
    """What is to be added to a claimed Dice, and how far off that is.

    Args:
        images: how many it was learnt from.
        middle: their mean claim.
        offset: to be added there.
        slope: to be added for every 1 of claim above the middle.
        spread: the standard deviation of what is left, Dice.
        lowest: the lowest of the images' true Dice; None without images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    images: int = 0
    middle: float = 0.0
    offset: float = 0.0
    slope: float = 0.0
    spread: float = SPREAD
    lowest: float | None = None

    def of(self, claimed: float) -> tuple[float, float, float]:
        """The expected Dice and the ends of its 95 % interval, each 0 … 1; NaN for NaN.

        Example:
            >>> value, low, high = Expectation().of(0.9)
            >>> value, round(low, 2), high
            (0.9, 0.59, 1.0)
        """
        value = claimed + self.offset + self.slope * (claimed - self.middle)
        weight = PRIOR + self.images
        reach = float(stdtrit(weight, 0.975)) * self.spread * (1 + 1 / weight) ** 0.5
        low, middle, high = (float(np.clip(one, 0, 1)) for one in (value - reach, value, value + reach))
        return middle, low, high


def fit_expectation(claimed: Sequence[float], true: Sequence[float]) -> Expectation:
    """Learn from images that have masks.

    Args:
        claimed: the Dice that each prediction claims; NaN where it found nothing.
        true: the Dice it has; NaN where undefined. Images with a NaN do not count.

    Example:
        >>> round(fit_expectation([0.9] * 4, [0.8] * 4).of(0.9)[0], 3)  # half of the way, of 4 images
        0.85
    """
    pairs = np.array([claimed, true], np.float64)
    said, real = pairs[:, np.isfinite(pairs).all(0)]
    count = len(said)
    if not count:
        return Expectation()
    middle = float(said.mean())
    missing, across = real - said, said - middle
    offset = float(missing.sum() / (count + PRIOR))
    slope = 0.0
    if count >= ENOUGH:
        slope = max(float((missing * across).sum() / ((across**2).sum() + PRIOR * SPREAD**2)), FLATTEST)
    left = missing - offset - slope * across
    spread = float(np.sqrt(((left**2).sum() + PRIOR * SPREAD**2) / (count + PRIOR)))
    return Expectation(images=count, middle=middle, offset=offset, slope=slope, spread=spread, lowest=float(real.min()))
