"""How far an image is from the training images, as the network sees them.

The distance is that to the nearest training image: the root mean square over the features
(`unetkit.prediction.features`), each measured in its standard deviation over the training images. It is stated in parts
of a distance beyond which one in five known images lies: held-back images, and each training image among the others.

Sources: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors"; Lee et al. 2018, "A simple
unified framework for detecting out-of-distribution samples and adversarial attacks".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Vector = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.floating[Any]]

FLOOR = 0.1
"""A feature's deviation is not taken for less than this share of the mean deviation: some never move in training."""

KNOWN = 0.8
"""So many of the known images lie within a distance of 1. Of all of them the farthest would say: some stand alone."""

MARGIN = 1.5
"""Distance beyond which an image is unlike the training images: known ones are few, and the next may be farther off."""


class Familiar(BaseModel):
    """What the training images look like to the network.

    Args:
        names: of training images, N.
        features: of each, N D.
        scale: by which each feature is divided, D.
        usual: the distance within which `KNOWN` of the images lie that were held back, or are left out of the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    names: tuple[str, ...]
    features: tuple[tuple[float, ...], ...]
    scale: tuple[float, ...]
    usual: float

    def nearest(self, features: Vector) -> tuple[float, str]:
        """The distance to the nearest training image, in parts of the usual one, and its name.

        Args:
            features: D; of another length for another network: NaN and no name.
        """
        if len(features) != len(self.scale):
            return float("nan"), ""
        known, scale = np.array(self.features), np.array(self.scale)
        distances = _distances(known, features, scale)
        return float(distances.min() / self.usual), self.names[int(distances.argmin())]


def fit_familiar(trained: Mapping[str, Vector], held_back: Mapping[str, Vector]) -> Familiar | None:
    """Learn from images what the network is used to.

    Args:
        trained: features of training images, by their names.
        held_back: of images that did not train.

    Returns:
        None for fewer than two training images, or images most of which look the same.
    """
    if len(trained) < 2:
        return None
    known = np.stack(list(trained.values())).astype(np.float64)
    deviation = known.std(0)
    if not deviation.any():
        return None
    scale = np.maximum(deviation, FLOOR * deviation.mean())
    others = [_distances(np.delete(known, row, 0), known[row], scale).min() for row in range(len(known))]
    beyond = [_distances(known, one, scale).min() for one in held_back.values()]
    usual = float(np.quantile([*others, *beyond], KNOWN))
    if not usual:
        return None
    return Familiar(
        names=tuple(trained),
        features=tuple(tuple(float(f"{value:.6g}") for value in row) for row in known),
        scale=tuple(float(f"{value:.6g}") for value in scale),
        usual=usual,
    )


def _distances(known: Matrix, one: Matrix, scale: Matrix) -> Matrix:
    """Of one image (D) from each known one (N D)."""
    distances: Matrix = np.sqrt(np.mean(((known - one) / scale) ** 2, axis=1))
    return distances
