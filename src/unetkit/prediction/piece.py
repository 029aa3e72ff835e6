"""Parts of an image: as a network takes them, and predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan, Statistics, apply
from unetkit.prediction.tiles import Tile, Window


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an image, predicted.

    Args:
        window: which part.
        logits: K *window float32, up to a constant for each pixel; None where no pixel of the part has data.
        extra: E *window float32, what the network gives beside the classes to tell objects apart.
        missing: bool *window, the pixels without data; None where there are none, or nobody asked.
    """

    window: Window
    logits: Tensor | None
    extra: Tensor | None = None
    missing: npt.NDArray[np.bool_] | None = None


Prepared = tuple[Tile, dict[NormalizationPlan, Tensor] | None, npt.NDArray[np.bool_] | None]


def to_labels(logits: Tensor) -> npt.NDArray[np.uint8]:
    """K *S -> the most probable class of each pixel, *S."""
    labels: npt.NDArray[np.uint8] = logits.argmax(0).to(torch.uint8).numpy()
    return labels


def normalized(
    pixels: npt.NDArray[Any], statistics: Mapping[NormalizationPlan, Statistics]
) -> dict[NormalizationPlan, Tensor]:
    """A window of an image (C *S), 1 C *S float32 for each way of normalising."""
    return {way: torch.from_numpy(apply(pixels, measured))[None] for way, measured in statistics.items()}


def constant(tile: Tile, pixels: Mapping[NormalizationPlan, Tensor]) -> object | None:
    """What a tile's result depends on where each of its channels is one number everywhere; else None."""
    numbers = []
    for prepared in pixels.values():
        low, high = prepared.flatten(2).aminmax(dim=2)
        if not torch.equal(low, high):
            return None
        numbers.append(tuple(low.flatten().tolist()))
    sizes = tuple(next(iter(pixels.values())).shape)
    return tuple(numbers), sizes, tuple((part.start, part.stop) for part in tile.inner)
