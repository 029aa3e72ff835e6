"""What a model thinks of an image, part by part, in bounded memory.

    pixels ──▶ network, once for each opinion ──▶ mean probabilities p ──▶ doubt  H(p) / log K
                  │                                                  └────▶ spread (H(p) − mean of the H) / log K
                  └ bottleneck ──▶ features

H is the entropy over classes. The spread is the part of the doubt that comes from opinions that differ: the mutual
information between class and opinion (Houlsby et al., "Bayesian active learning for classification", 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.active.voters import Voters
from unetkit.dataset.normalize import NormalizationPlan, Statistics
from unetkit.image import without_data
from unetkit.pipeline.large import IN_MEMORY
from unetkit.plan import Plan
from unetkit.prediction import Predictor, Source, open_source, tiles
from unetkit.prediction.piece import normalized
from unetkit.prediction.tiles import Window

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A part of an image as the model sees it.

    Args:
        window: which part.
        labels: *window, the most probable class.
        doubt: *window, 0 to 1.
        spread: *window, 0 to 1; 0 of a single opinion.
        known: *window, where the image has data.
        features: C *⌈window / stride⌉, of the first network's coarsest level.
        stride: pixels from one of them to the next.
    """

    window: Window
    labels: npt.NDArray[np.uint8]
    doubt: Floats
    spread: Floats
    known: npt.NDArray[np.bool_]
    features: Floats
    stride: int


def source_for(path: Path, plan: Plan) -> Source:
    """An image file as a model of the plan takes it: a grey one with three equal channels where it wants colours.

    Raises:
        FileError: unreadable.
    """
    source = open_source(path, most=IN_MEMORY, result_bytes=16)
    return source.repeated(3) if source.channels == 1 and plan.data.channels == 3 else source


def look(
    predictor: Predictor,
    source: Source,
    statistics: Mapping[NormalizationPlan, Statistics],
    voters: Voters,
    *,
    within: Window | None = None,
) -> Iterator[Glimpse]:
    """See an image part by part.

    Args:
        predictor: the networks.
        source: the image.
        statistics: of the whole image, for each way in which the networks' plans normalise.
        voters: who is asked.
        within: parts that lie outside of this window are left out.

    Yields:
        Parts that cover the image, or the window, from top to bottom.

    Raises:
        FileError: wrong number of channels or dimensions.
    """
    predictor.require_match(source)
    size = predictor.tile_for(source.shape)
    for tile in tiles(source.shape, size, predictor.halo, predictor.grid):
        if within is not None and not _meet(tile.write, within):
            continue
        pixels = source.read(tile.read)
        missing = without_data(pixels[(slice(None), *tile.inner)], source.nodata)
        mean, spread, deep = _opinions(predictor, normalized(pixels, statistics), voters)
        inside = (slice(None), *tile.inner)
        mean, spread = mean[inside], spread[tile.inner]
        stride = 2 ** (len(predictor.models[0].encoder.out_channels) - 1)
        coarse = tuple(slice(part.start // stride, -(-part.stop // stride)) for part in tile.inner)
        known = np.ones(spread.shape, bool) if missing is None else ~missing
        doubt = _entropy(mean)
        scale = math.log(len(mean))
        yield Glimpse(
            tile.write,
            mean.argmax(0).to(torch.uint8).numpy(),
            (doubt / scale).numpy(),
            (spread / scale).clamp_min(0).numpy(),
            known,
            deep[(slice(None), *coarse)].numpy(),
            stride,
        )


def _meet(one: Window, other: Window) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


@torch.inference_mode()
def _opinions(
    predictor: Predictor, pixels: Mapping[NormalizationPlan, Tensor], voters: Voters
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean probabilities K *S, mutual information *S, and the first opinion's coarsest features C *s."""
    deep: list[Tensor] = []

    def keep(module: Any, arguments: Any, features: list[Tensor]) -> None:
        if not deep:
            deep.append(features[-1][0].float().cpu())

    with predictor.models[0].encoder.register_forward_hook(keep):
        first = voters.opinions[0](pixels)
        if not deep:  # that was of a copy of the network
            predictor.models[0](pixels[predictor.plan.normalization].to(predictor.device))
    total, inner = first, _entropy(first)
    for opinion in voters.opinions[1:]:
        own = opinion(pixels)
        total, inner = total + own, inner + _entropy(own)
    count = len(voters.opinions)
    mean = total / count
    return mean, _entropy(mean) - inner / count, deep[0]


def _entropy(probabilities: Tensor) -> Tensor:
    """K *S -> *S, in nats."""
    entropy: Tensor = -torch.special.xlogy(probabilities, probabilities).sum(0)
    return entropy
