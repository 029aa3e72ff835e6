"""The predictor owns what a network does not: normalisation, devices, memory, tiles, flipped views, label files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import Statistics, apply, measure
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
        plan: what it was trained with.
        device: where to predict.
        augment: whether to average flipped views; None takes the plan's choice.
        tile: side of the tiles in pixels; None takes the plan's choice.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.

    Raises:
        UsageError: a network that cannot be pruned, or has no such level.

    Example:
        >>> Predictor([model], plan).labels(image)  # doctest: +SKIP
    """

    def __init__(
        self,
        models: Sequence[Segmenter],
        plan: Plan,
        *,
        device: torch.device | str = "cpu",
        augment: bool | None = None,
        tile: int | None = None,
        prune: int | None = None,
    ) -> None:
        level = plan.prediction.prune if prune is None else prune
        self.models = [(model.pruned(level) if level else model).to(device).eval() for model in models]
        self.plan, self.device = plan, torch.device(device)
        self.augment = plan.prediction.augment if augment is None else augment
        self.tile = plan.prediction.tile if tile is None else tile

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
        statistics: Statistics | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """As `probabilities`, their natural logarithms; `statistics` of the image that this one is a window of."""
        out = np.empty((self.plan.data.num_classes, *image.shape), np.float32)
        return self._assemble(image, out, lambda logits: logits.log_softmax(0).numpy(), progress, statistics)

    def labels(self, image: Image, *, progress: Callable[[float], None] | None = None) -> npt.NDArray[np.uint8]:
        """The most probable class of every pixel: array *S, uint8. Arguments and errors as `probabilities`."""
        empty = np.empty(image.shape, np.uint8)
        return self._assemble(image, empty, lambda logits: logits.argmax(0).to(torch.uint8).numpy(), progress)

    def logits(self, pixels: Tensor) -> Tensor:
        """One pass over normalised pixels.

        Args:
            pixels: N C *S float32.

        Returns:
            N K *S float32 on the CPU; for several models or views the logarithm of their mean probability.
        """
        axes = [axis + 2 for axis, allowed in enumerate(self._flippable) if allowed and self.augment]
        views = [
            [axis for axis, flip in zip(axes, view, strict=True) if flip] for view in product((0, 1), repeat=len(axes))
        ]
        if len(views) * len(self.models) == 1:
            return self._forward(self.models[0], pixels)
        probability = torch.zeros(())
        for model, flipped in product(self.models, views):
            probability = probability + self._forward(model, pixels.flip(flipped)).softmax(1).flip(flipped)
        return (probability / len(views) / len(self.models)).clamp_min(1e-12).log()

    @property
    def _flippable(self) -> tuple[bool, ...]:
        return self.plan.augmentation.axis_flips(self.plan.data.spatial_dims)

    @torch.inference_mode()
    def _forward(self, model: Segmenter, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.device)
        if pixels.ndim == 4 and self.plan.training.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        logits: Tensor = model(pixels)
        return logits.float().cpu()

    def approximates(self, shape: Sequence[int]) -> bool:
        """Whether an image of this shape is cut into tiles that do not give exactly what one pass would give."""
        exact = all(
            model.exact_tiles and (model.receptive_field or 0) <= LONGEST_HALO[len(shape)] for model in self.models
        )
        return not exact and self._tile_size(shape) < max(shape)

    def _tile_size(self, shape: Sequence[int]) -> int:
        too_large = int(np.prod(shape)) > WHOLE_PIXELS[len(shape)]
        return self.tile or (TILE[len(shape)] if too_large else max(shape))

    def _assemble(
        self,
        image: Image,
        out: npt.NDArray[Any],
        convert: Callable[[Tensor], npt.NDArray[Any]],
        progress: Callable[[float], None] | None,
        statistics: Statistics | None = None,
    ) -> npt.NDArray[Any]:
        self._require_match(image)
        statistics = statistics or measure(image, self.plan.normalization)
        dims = len(image.shape)
        count = int(np.prod(image.shape))
        size = self._tile_size(image.shape)
        model = self.models[0]
        halo = min(model.receptive_field or LONGEST_HALO[dims], LONGEST_HALO[dims])
        done = 0
        for tile in tiles(image.shape, size, halo, model.grid):
            pixels = apply(image.pixels[(slice(None), *tile.read)], statistics)
            logits = self.logits(torch.from_numpy(pixels)[None])[0]
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
