"""What the attention gates of a network let through, in the middle of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.image import Image
from unetkit.prediction.piece import normalized
from unetkit.prediction.predictor import Predictor

SIDE = {2: 512, 3: 64}
"""Of larger images only so many pixels (voxels) a side are looked at: one pass, on any machine."""


@runtime_checkable
class Attentive(Protocol):
    """A network that can show where it looks."""

    def attention_maps(self, x: Tensor) -> dict[int, Tensor]:
        """N C *S -> for each gated level N 1 *⌈S / 2^level⌉, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Attention:
    """The attention of a network on a window of an image.

    Args:
        window: what of the image was looked at.
        maps: level -> float32 *⌈window / 2^level⌉, 0 to 1.
    """

    window: tuple[slice, ...]
    maps: dict[int, npt.NDArray[np.float32]]


@torch.inference_mode()
def attention(predictor: Predictor, image: Image) -> Attention | None:
    """Where the predictor's networks look; of several, their mean.

    Args:
        predictor: the networks, and how images are prepared for them.
        image: pixels C *S, such as the predictor takes.

    Returns:
        The maps of the middle of the image, at most `SIDE` wide; where tiles are exact, as one pass over the whole
        image has them. None where a network has none.

    Raises:
        FileError: NaN pixels.

    Example:
        >>> attention(predictor, image).maps[1].max()  # doctest: +SKIP
        0.93
    """
    networks = [model for model in predictor.models if isinstance(model, Attentive)]
    if len(networks) < len(predictor.models):
        return None
    grid = predictor.grid
    halo = -(-predictor.halo // grid) * grid
    window = tuple(_middle(extent, SIDE[len(image.shape)], grid) for extent in image.shape)
    read = tuple(slice(max(w.start - halo, 0), min(w.stop + halo, n)) for w, n in zip(window, image.shape, strict=True))
    pixels = normalized(image.pixels[(slice(None), *read)], predictor.measure(image))
    each = [
        network.attention_maps(pixels[plan.normalization].to(predictor.device))
        for network, plan in zip(networks, predictor.plans, strict=True)
    ]
    maps = {}
    for level in sorted(set.intersection(*map(set, each))):
        mean = torch.stack([found[level][0, 0].float() for found in each]).mean(0).cpu().numpy()
        maps[level] = mean[tuple(_coarse(w, r.start, 2**level) for w, r in zip(window, read, strict=True))]
    return Attention(window, maps) if maps else None


def _middle(extent: int, side: int, grid: int) -> slice:
    """The middle of an axis, at most `side` long, beginning on the grid.

    >>> _middle(700, 512, 8)
    slice(88, 600, None)
    """
    start = max(extent - side, 0) // 2 // grid * grid
    return slice(start, min(start + side, extent))


def _coarse(window: slice, origin: int, stride: int) -> slice:
    """Where a window of the image stands in a map of that stride that begins at `origin`."""
    return slice((window.start - origin) // stride, -(-(window.stop - origin) // stride))
