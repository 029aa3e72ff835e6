"""The predictor owns what a network does not: normalisation, devices, memory, tiles, flipped views."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan, Statistics, apply, measure
from unetkit.errors import FileError
from unetkit.image import Image, without_data
from unetkit.models import Segmenter
from unetkit.models.base import LONGEST_HALO
from unetkit.models.blocks import crop, pad_to_multiple
from unetkit.plan import Plan
from unetkit.prediction.ahead import ahead
from unetkit.prediction.blend import blended, overlapping
from unetkit.prediction.fold import folded
from unetkit.prediction.source import Source, source_of
from unetkit.prediction.tiles import Edges, Tile, Window, edges_of, tiles
from unetkit.registry import lookup
from unetkit.runtimes import PRECISIONS, Network, first_usable, open_network

WHOLE_PIXELS = {2: 2_300_000, 3: 2_100_000}
"""Larger images are predicted in tiles; a default network takes about 0.5 GB for this many pixels (voxels)."""

WHOLE = 2**31
"""As a tile's side: larger than any image."""

LEAST = {2: 256, 3: 0}
"""Pixels that are read along each axis at least, though a tile be narrow: on smaller arrays convolutions of PyTorch add
in another order; from here on tiles gave the same bits as one pass."""

TILE = {2: 1024, 3: 64}
OVERLAP = {2: 256, 3: 32}
"""Of such windows, where half a window is not less."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an image, predicted.

    Args:
        window: which part.
        logits: K *window float32, up to a constant for each pixel; None where no pixel of the part has data.
        missing: bool *window, the pixels without data; None where there are none, or nobody asked.
    """

    window: Window
    logits: Tensor | None
    missing: npt.NDArray[np.bool_] | None = None


class Predictor:
    """Images in, probabilities or labels out.

    Args:
        models: the trained network, or several whose probabilities are averaged.
        plan: what it was trained with; or one plan for each network, for the same channels, dimensions and classes.
        device: where to predict.
        augment: whether to average flipped views; None takes the plan's choice, for images not above WHOLE_PIXELS.
        tile: side of the tiles in pixels, WHOLE for one pass however large the image is, 0 to choose by its size; None
            takes the (first) plan's choice.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.
        runtime: a name of `unetkit.runtimes.RUNTIMES`; "auto" takes the first that is installed and leaves it open.
        precision: one of `unetkit.runtimes.PRECISIONS`; for int8 the networks must have been quantised.
        stores: for each network the folder in which other runtimes' copies of it are kept; None keeps none.

    Attributes:
        models, plans: copies of the networks, pruned, BatchNorm folded, on the device; and the plan of each.
        networks: the same with what a runtime has to know of them.
        asked, runtime: the runtime that was asked for, which may be "auto", and that at work.
        settled: whether the one at work is to stay.
        plan: the first one, for what they have in common.
        grid, halo: pixels; tiles that start at multiples of the one and are read with the other suit every network.
        exact: whether such tiles give what one pass over the whole image gives, to floating-point rounding.

    Raises:
        UsageError: a network that cannot be pruned, or has no such level; a runtime that cannot do what is asked.
        UnknownName: no such runtime or precision.
        MissingExtra: a package that the runtime needs is not installed.

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
        runtime: str = "auto",
        precision: str = "float32",
        stores: Sequence[Path] | None = None,
    ) -> None:
        self.plans = [plan] * len(models) if isinstance(plan, Plan) else list(plan)
        self.plan, self.device = self.plans[0], torch.device(device)
        levels = [own.prediction.prune if prune is None else prune for own in self.plans]
        self.models = [
            folded(model.pruned(level) if level else model).to(device)
            for model, level in zip(models, levels, strict=True)
        ]
        self.augment = augment
        self.tile = self.plan.prediction.tile if tile is None else tile
        longest = LONGEST_HALO[self.plan.data.spatial_dims]
        self.halo = max(min(model.receptive_field or longest, longest) for model in self.models)
        self.grid = math.lcm(*(model.grid for model in self.models))
        self.exact = all(model.tiles_exactly for model in self.models)
        lookup(dict.fromkeys(PRECISIONS), precision, "precision")
        self.precision = precision
        places: Sequence[Path | None] = stores or [None] * len(models)
        self.networks = [
            Network(model, self.device, precision, own.training.channels_last, store)
            for model, own, store in zip(self.models, self.plans, places, strict=True)
        ]
        self.asked, self.settled = runtime, runtime != "auto"
        self.run_on(runtime if self.settled else first_usable(self.device.type, precision))

    def run_on(self, runtime: str) -> None:
        """Predict on this runtime from now on; errors as for the class."""
        self.engines = [open_network(network, runtime) for network in self.networks]
        self.runtime = runtime

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
        return self._assemble(image, empty, to_labels, progress)

    def labels_and_probabilities(
        self, image: Image, *, progress: Callable[[float], None] | None = None
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Both in one go, the labels just as `labels` gives them: *S and K *S. Arguments and errors as there."""
        out = np.empty((1 + self.plan.data.num_classes, *image.shape), np.float32)

        def together(logits: Tensor) -> npt.NDArray[np.float32]:
            joined: npt.NDArray[np.float32] = torch.cat([logits.argmax(0)[None].float(), logits.softmax(0)]).numpy()
            return joined

        self._assemble(image, out, together, progress)
        return out[0].astype(np.uint8), out[1:]

    def pieces(
        self,
        source: Source,
        statistics: Mapping[NormalizationPlan, Statistics],
        *,
        tile: int | None = None,
        done: frozenset[Edges] = frozenset(),
        find_missing: bool = False,
        part_of: Sequence[int] | None = None,
    ) -> Iterator[Piece]:
        """Predict an image part by part. The parts cover it once; of equal tiles in a row the network sees the first.

        Args:
            source: where windows of the image come from.
            statistics: of the whole image, for each way in which the networks' plans normalise.
            tile: side of the tiles; None: as `tile_for` says.
            done: windows that need not be predicted again.
            find_missing: whether to look for pixels without data, and leave out tiles that hold no others.
            part_of: the shape of the image that the source is a part of, whose size decides over flipped views.

        Yields:
            The parts, from top to bottom.

        Raises:
            FileError: wrong number of channels or dimensions, or NaN pixels.
        """
        self.require_match(source)
        size = tile or self.tile_for(source.shape)
        views = [self._views(plan, part_of or source.shape) for plan in self.plans]
        if not self.approximates(source.shape, tile=size):
            prepare = partial(self._prepare, source, statistics, find_missing)
            cuts = tiles(source.shape, size, self.halo, self.grid, least=LEAST[len(source.shape)])
            wanted = (cut for cut in cuts if edges_of(cut.write) not in done)
            yield from self._tiled(map(prepare, wanted) if source.in_memory else ahead(map(prepare, wanted)), views)
        else:

            def predict(window: Window) -> Tensor:
                pixels = source.read(window)
                missing = without_data(pixels, source.nodata) if find_missing else None
                if missing is not None and missing.all():
                    return torch.full((self.plan.data.num_classes, *pixels.shape[1:]), 1 / self.plan.data.num_classes)
                return self._logits(normalized(pixels, statistics), views).softmax(0)

            for strip, probability in blended(self._windows(source.shape, size), predict, done=done):
                missing = without_data(source.read(strip), source.nodata) if find_missing else None
                yield Piece(strip, probability.clamp_min(1e-12).log(), missing)

    def tile_for(self, shape: Sequence[int]) -> int:
        """The side of the tiles for an image of this shape: as stated, else one pass for small images."""
        too_large = math.prod(shape) > WHOLE_PIXELS[len(shape)]
        return self.tile or (TILE[len(shape)] if too_large else WHOLE)

    def approximates(self, shape: Sequence[int], *, tile: int | None = None) -> bool:
        """Whether an image of this shape is cut into parts that do not give exactly what one pass would give.

        Args:
            shape: *S.
            tile: side of the tiles; None: as `tile_for` says.
        """
        return not self.exact and self.window_side(tile or self.tile_for(shape)) < max(shape)

    def seconds(self, side: int) -> float:
        """How long one pass over a square (cube) of that side takes, as measured."""
        shape = (side,) * self.plan.data.spatial_dims
        pixels = {way: torch.zeros(1, self.plan.data.channels, *shape) for way in self.ways}
        views = [self._views(plan, shape) for plan in self.plans]
        started = perf_counter()
        self._logits(pixels, views)
        return perf_counter() - started

    def measure(self, image: Image) -> dict[NormalizationPlan, Statistics]:
        """The statistics of an image, for each way in which the networks' plans normalise."""
        return {way: measure(image, way) for way in self.ways}

    def digest(self) -> str:
        """Of the networks."""
        return hashlib.blake2b(" ".join(one.digest for one in self.networks).encode(), digest_size=16).hexdigest()

    @property
    def ways(self) -> set[NormalizationPlan]:
        """The ways in which the networks' plans normalise."""
        return {plan.normalization for plan in self.plans}

    def _views(self, plan: Plan, shape: Sequence[int]) -> list[list[int]]:
        """The axes of N C *S that are flipped in each view of an image of this shape; in the first, none."""
        augment = self.augment
        if augment is None:
            augment = plan.prediction.augment and math.prod(shape) <= WHOLE_PIXELS[len(shape)]
        flips = plan.augmentation.axis_flips(plan.data.spatial_dims)
        axes = [axis for axis, allowed in enumerate(flips, 2) if allowed and augment]
        choices = product((0, 1), repeat=len(axes))
        return [[axis for axis, flip in zip(axes, view, strict=True) if flip] for view in choices]

    def _tiled(self, prepared: Iterable[_Prepared], views: list[list[list[int]]]) -> Iterator[Piece]:
        """Tiles with a halo, each pixel computed once."""
        last: tuple[object, Tensor] | None = None
        for tile, pixels, missing in prepared:
            if pixels is None:
                yield Piece(tile.write, None, missing)
                continue
            key = _constant(tile, pixels)
            if last is None or key is None or key != last[0]:
                last = key, self._logits(pixels, views)[(slice(None), *tile.inner)]
            yield Piece(tile.write, last[1], missing)

    @staticmethod
    def _prepare(
        source: Source, statistics: Mapping[NormalizationPlan, Statistics], find_missing: bool, tile: Tile
    ) -> _Prepared:
        """A tile, its pixels with the halo, and where they have no data."""
        pixels = source.read(tile.read)
        missing = without_data(pixels[(slice(None), *tile.inner)], source.nodata) if find_missing else None
        empty = missing is not None and bool(missing.all())
        return tile, None if empty else normalized(pixels, statistics), missing

    def _windows(self, shape: Sequence[int], size: int) -> list[list[slice]]:
        return [overlapping(extent, self.window_side(size), self.overlap(size), self.grid) for extent in shape]

    def window_side(self, size: int) -> int:
        """The side of overlapping windows for a wanted size: two grid cells or more, so that they can overlap."""
        return max(-(-size // self.grid), 2) * self.grid

    def overlap(self, size: int) -> int:
        """By how many pixels neighbours overlap, for a wanted size."""
        most = OVERLAP[self.plan.data.spatial_dims]
        return max(min(self.window_side(size) // 2, most) // self.grid, 1) * self.grid

    def _logits(self, pixels: Mapping[NormalizationPlan, Tensor], views: list[list[list[int]]]) -> Tensor:
        """One pass of every network and view.

        Args:
            pixels: 1 C *S float32, for each way of normalising.
            views: of every network, the axes that are flipped in each view.

        Returns:
            K *S float32 on the CPU; for several networks or views the logarithm of their mean probability.
        """
        if len(self.models) == len(views[0]) == 1:
            return self.engines[0](pixels[self.plan.normalization])[0]
        probability = torch.zeros(())
        for number, (plan, flips) in enumerate(zip(self.plans, views, strict=True)):
            seen = pixels[plan.normalization]
            # A network pads at the end; flipped, it would pad the other end and pool other blocks than in a tile.
            padded = pad_to_multiple(seen, self.models[number].grid)
            for flipped in flips:
                own = self.engines[number](padded.flip(flipped))[0].softmax(0)
                upright = crop(own.flip([axis - 1 for axis in flipped])[None], seen.shape[2:])[0]
                probability = probability + upright / len(flips)
        return (probability / len(self.models)).clamp_min(1e-12).log()

    def _assemble(
        self,
        image: Image,
        out: npt.NDArray[Any],
        convert: Callable[[Tensor], npt.NDArray[Any]],
        progress: Callable[[float], None] | None,
        statistics: Mapping[NormalizationPlan, Statistics] | None = None,
    ) -> npt.NDArray[Any]:
        source = source_of(image)
        self.require_match(source)
        count, seen = math.prod(image.shape), 0
        for piece in self.pieces(source, statistics or self.measure(image)):
            assert piece.logits is not None
            window: tuple[Any, ...] = (..., *piece.window)
            out[window] = convert(piece.logits)
            seen += math.prod(part.stop - part.start for part in piece.window)
            if progress is not None:
                progress(seen / count)
        return out

    def require_match(self, source: Source) -> None:
        """Refuse an image of other dimensions or channels than the networks were trained on, with a FileError."""
        data = self.plan.data
        if len(source.shape) != data.spatial_dims:
            raise FileError(
                "has the wrong number of dimensions for this model",
                file=source.path,
                found=f"{len(source.shape)} spatial dimensions {source.shape}",
                expected=f"{data.spatial_dims}",
            )
        if source.channels != data.channels:
            raise FileError(
                "has the wrong number of channels for this model",
                file=source.path,
                found=source.channels,
                expected=data.channels,
                mend="give images like those the model was trained on",
            )


_Prepared = tuple[Tile, dict[NormalizationPlan, Tensor] | None, npt.NDArray[np.bool_] | None]


def to_labels(logits: Tensor) -> npt.NDArray[np.uint8]:
    """K *S -> the most probable class of each pixel, *S."""
    labels: npt.NDArray[np.uint8] = logits.argmax(0).to(torch.uint8).numpy()
    return labels


def normalized(
    pixels: npt.NDArray[Any], statistics: Mapping[NormalizationPlan, Statistics]
) -> dict[NormalizationPlan, Tensor]:
    """A window of an image (C *S), 1 C *S float32 for each way of normalising."""
    return {way: torch.from_numpy(apply(pixels, measured))[None] for way, measured in statistics.items()}


def _constant(tile: Tile, pixels: Mapping[NormalizationPlan, Tensor]) -> object | None:
    """What a tile's result depends on where each of its channels is one number everywhere; else None."""
    numbers = []
    for prepared in pixels.values():
        low, high = prepared.flatten(2).aminmax(dim=2)
        if not torch.equal(low, high):
            return None
        numbers.append(tuple(low.flatten().tolist()))
    sizes = tuple(next(iter(pixels.values())).shape)
    return tuple(numbers), sizes, tuple((part.start, part.stop) for part in tile.inner)
