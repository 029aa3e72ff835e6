"""The predictor owns what a network does not: normalisation, devices, memory, tiles, flipped views, label files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan, Statistics, apply, measure
from unetkit.errors import FileError
from unetkit.image import Image
from unetkit.models import Segmenter
from unetkit.plan import Plan
from unetkit.prediction.tiles import tiles

WHOLE_PIXELS = {2: 2_300_000, 3: 2_100_000}
"""Larger images are predicted in tiles; a default network takes about 0.5 GB for this many pixels (voxels)."""

TILE = {2: 1024, 3: 64}
LONGEST_HALO = {2: 256, 3: 32}
"""Beyond this context a tile may differ a little from one pass over the whole image."""


class Predictor:
    """Images in, probabilities or labels out.

    Args:
        models: the trained network, or several whose probabilities are averaged.
        plan: what it was trained with; or one plan for each network, for the same channels, dimensions and classes.
        device: where to predict.
        augment: whether to average flipped views; None takes the plan's choice, for images not above WHOLE_PIXELS.
        tile: side of the tiles in pixels; None takes the (first) plan's choice.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.

    Attributes:
        models, plans: the networks, pruned, on the device, and the plan of each.
        plan: the first one, for what they have in common.
        grid, halo: pixels; tiles that start at multiples of the one and are read with the other suit every network.

    Raises:
        UsageError: a network that cannot be pruned, or has no such level.

    Example:
        >>> Predictor([model], plan).labels(image)  # doctest: +SKIP
    """

    def __init__(
        self,
        models: Sequence[Segmenter],
        plan: Plan | Sequence[Plan],
        *,
        device: torch.device | str = "cpu",
        augment: bool | None = None,
        tile: int | None = None,
        prune: int | None = None,
    ) -> None:
        self.plans = [plan] * len(models) if isinstance(plan, Plan) else list(plan)
        self.plan, self.device = self.plans[0], torch.device(device)
        levels = [own.prediction.prune if prune is None else prune for own in self.plans]
        self.models = [
            (model.pruned(level) if level else model).to(device).eval()
            for model, level in zip(models, levels, strict=True)
        ]
        self.augment = augment
        self.tile = self.plan.prediction.tile if tile is None else tile
        longest = LONGEST_HALO[self.plan.data.spatial_dims]
        self.halo = max(min(model.receptive_field or longest, longest) for model in self.models)
        self.grid = math.lcm(*(model.grid for model in self.models))

    def probabilities(
        self, image: Image, *, progress: Callable[[float], None] | None = None
    ) -> npt.NDArray[np.float32]:
        """Class probabilities.

        Args:
            image: pixels C *S with as many channels as the model was trained on.
            progress: told the finished share, 0 to 1, after every tile.

        Returns:
            Array K *S, float32, summing to 1 over K.

        Raises:
            FileError: wrong number of channels or dimensions, or NaN pixels.
        """
        out = self.log_probabilities(image, progress=progress)
        return np.exp(out, out=out)

    def log_probabilities(
        self,
        image: Image,
        *,
        statistics: Mapping[NormalizationPlan, Statistics] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """As `probabilities`, their natural logarithms.

        Args:
            image: as for `probabilities`.
            statistics: of the image that this one is a window of, for each way in which the networks' plans normalise.
            progress: as for `probabilities`.
        """
        out = np.empty((self.plan.data.num_classes, *image.shape), np.float32)
        return self._assemble(image, out, lambda logits: logits.log_softmax(0).numpy(), progress, statistics)

    def labels(self, image: Image, *, progress: Callable[[float], None] | None = None) -> npt.NDArray[np.uint8]:
        """The most probable class of every pixel: array *S, uint8. Arguments and errors as `probabilities`."""
        empty = np.empty(image.shape, np.uint8)
        return self._assemble(image, empty, lambda logits: logits.argmax(0).to(torch.uint8).numpy(), progress)

    def _views(self, plan: Plan, shape: Sequence[int]) -> list[list[int]]:
        """The axes of N C *S that are flipped in each view of an image of this shape; in the first, none."""
        augment = self.augment
        if augment is None:
            augment = plan.prediction.augment and math.prod(shape) <= WHOLE_PIXELS[len(shape)]
        flips = plan.augmentation.axis_flips(plan.data.spatial_dims)
        axes = [axis for axis, allowed in enumerate(flips, 2) if allowed and augment]
        choices = product((0, 1), repeat=len(axes))
        return [[axis for axis, flip in zip(axes, view, strict=True) if flip] for view in choices]

    def _logits(self, pixels: Mapping[NormalizationPlan, Tensor], views: list[list[list[int]]]) -> Tensor:
        """One pass of every network and view.

        Args:
            pixels: 1 C *S float32, for each way of normalising.
            views: of every network, the axes that are flipped in each view.

        Returns:
            K *S float32 on the CPU; for several networks or views the logarithm of their mean probability.
        """
        if len(self.models) == len(views[0]) == 1:
            return self._forward(0, pixels[self.plan.normalization])
        probability = torch.zeros(())
        for number, (plan, flips) in enumerate(zip(self.plans, views, strict=True)):
            seen = pixels[plan.normalization]
            for flipped in flips:
                own = self._forward(number, seen.flip(flipped)).softmax(0)
                probability = probability + own.flip([axis - 1 for axis in flipped]) / len(flips)
        return (probability / len(self.models)).clamp_min(1e-12).log()

    @torch.inference_mode()
    def _forward(self, number: int, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.device)
        if pixels.ndim == 4 and self.plans[number].training.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.models[number](pixels)
        return logits[0].float().cpu()

    def approximates(self, shape: Sequence[int]) -> bool:
        """Whether an image of this shape is cut into tiles that do not give exactly what one pass would give."""
        exact = all(
            model.exact_tiles and (model.receptive_field or 0) <= LONGEST_HALO[len(shape)] for model in self.models
        )
        return not exact and self._tile_size(shape) < max(shape)

    def measure(self, image: Image) -> dict[NormalizationPlan, Statistics]:
        """The statistics of an image, for each way in which the networks' plans normalise."""
        return {way: measure(image, way) for way in {plan.normalization for plan in self.plans}}

    def _tile_size(self, shape: Sequence[int]) -> int:
        too_large = int(np.prod(shape)) > WHOLE_PIXELS[len(shape)]
        return self.tile or (TILE[len(shape)] if too_large else max(shape))

    def _assemble(
        self,
        image: Image,
        out: npt.NDArray[Any],
        convert: Callable[[Tensor], npt.NDArray[Any]],
        progress: Callable[[float], None] | None,
        statistics: Mapping[NormalizationPlan, Statistics] | None = None,
    ) -> npt.NDArray[Any]:
        self._require_match(image)
        statistics = statistics or self.measure(image)
        count, done = int(np.prod(image.shape)), 0
        views = [self._views(plan, image.shape) for plan in self.plans]
        for tile in tiles(image.shape, self._tile_size(image.shape), self.halo, self.grid):
            logits = self._logits(normalized(image, tile.read, statistics), views)
            window: tuple[Any, ...] = (..., *tile.write)
            out[window] = convert(logits[(slice(None), *tile.inner)])
            done += int(np.prod([w.stop - w.start for w in tile.write]))
            if progress is not None:
                progress(done / count)
        return out

    def _require_match(self, image: Image) -> None:
        data = self.plan.data
        if len(image.shape) != data.spatial_dims:
            raise FileError(
                "has the wrong number of dimensions for this model",
                file=image.path,
                found=f"{len(image.shape)} spatial dimensions {image.shape}",
                expected=f"{data.spatial_dims}",
            )
        if image.pixels.shape[0] != data.channels:
            raise FileError(
                "has the wrong number of channels for this model",
                file=image.path,
                found=image.pixels.shape[0],
                expected=data.channels,
                mend="give images like those the model was trained on",
            )


def normalized(
    image: Image, window: tuple[slice, ...], statistics: Mapping[NormalizationPlan, Statistics]
) -> dict[NormalizationPlan, Tensor]:
    """A window of an image, 1 C *S float32, for each way of normalising."""
    cut = image.pixels[(slice(None), *window)]
    return {way: torch.from_numpy(apply(cut, measured))[None] for way, measured in statistics.items()}
