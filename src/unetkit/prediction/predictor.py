"""The predictor owns what a network does not: normalisation, devices, memory, tiles, flipped views."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan, Statistics, measure
from unetkit.errors import UsageError
from unetkit.image import Image, without_data
from unetkit.models import Segmenter
from unetkit.models.base import LONGEST_HALO
from unetkit.objects import ObjectMap
from unetkit.plan import Plan
from unetkit.prediction.ahead import ahead
from unetkit.prediction.blend import blended, overlapping
from unetkit.prediction.fold import folded
from unetkit.prediction.piece import Piece, Prepared, constant, normalized, to_labels
from unetkit.prediction.source import Source, require_match, source_of
from unetkit.prediction.tiles import Edges, Tile, Window, edges_of, tiles
from unetkit.prediction.views import as_logits, as_probabilities, flips_of, mean_of_views
from unetkit.registry import lookup
from unetkit.runtimes import PRECISIONS, Network, first_usable, open_network
from unetkit.separation import Decoding, decode

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
        decoding: how touching objects are told apart; None takes what the plan's way of separating begins with.

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
        decoding: Decoding | None = None,
    ) -> None:
        self.plans = [plan] * len(models) if isinstance(plan, Plan) else list(plan)
        self.plan, self.device = self.plans[0], torch.device(device)
        levels = [own.prediction.prune if prune is None else prune for own in self.plans]
        self.models = [
            folded(model.pruned(level) if level else model).to(device)
            for model, level in zip(models, levels, strict=True)
        ]
        self.augment = augment
        self.decoding = decoding or Decoding(self.plan.separator.seed)
        self.tile = self.plan.prediction.tile if tile is None else tile
        if self.tile < 0:
            raise UsageError("the side of the tiles is below 0", found=self.tile, expected="pixels, or 0 to choose")
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
        return self._assemble(image, out, lambda logits, extra: logits.log_softmax(0).numpy(), progress, statistics)

    def objects(
        self,
        image: Image,
        *,
        statistics: Mapping[NormalizationPlan, Statistics] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> ObjectMap:
        """Every object by itself.

        Args:
            image: as for `probabilities`.
            statistics: as for `log_probabilities`.
            progress: as for `probabilities`.
        """
        return self.apart(*self.labels_and_outputs(image, statistics=statistics, progress=progress))

    def apart(self, labels: npt.NDArray[np.uint8], outputs: npt.NDArray[np.float32]) -> ObjectMap:
        """The objects in what `labels_and_outputs` gave.

        Args:
            labels: *S.
            outputs: (K + E) *S; may be NaN where labels are 255.
        """
        count = self.plan.data.num_classes
        return decode(self.plan.separator, labels, outputs[:count], outputs[count:], self.decoding)

    def labels_and_outputs(
        self,
        image: Image,
        *,
        statistics: Mapping[NormalizationPlan, Statistics] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """The labels, just as `labels` gives them, and what they were made of.

        Args:
            image: as for `probabilities`.
            statistics: as for `log_probabilities`.
            progress: as for `probabilities`.

        Returns:
            uint8 *S, and float32 (K + E) *S: class probabilities, then what the network gives beside them.
        """
        out = np.empty((1 + self.plan.outputs, *image.shape), np.float32)

        def together(logits: Tensor, extra: Tensor) -> npt.NDArray[np.float32]:
            parts = [logits.argmax(0)[None].float(), logits.softmax(0), extra]
            joined: npt.NDArray[np.float32] = torch.cat(parts).numpy()
            return joined

        self._assemble(image, out, together, progress, statistics)
        return out[0].astype(np.uint8), out[1:]

    def labels(self, image: Image, *, progress: Callable[[float], None] | None = None) -> npt.NDArray[np.uint8]:
        """The most probable class of every pixel: array *S, uint8. Arguments and errors as `probabilities`."""
        empty = np.empty(image.shape, np.uint8)
        return self._assemble(image, empty, lambda logits, extra: to_labels(logits), progress)

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
        views = self._views(part_of or source.shape)
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
                    return torch.full((self.plan.outputs, *pixels.shape[1:]), 1 / self.plan.data.num_classes)
                return as_probabilities(self._logits(normalized(pixels, statistics), views), self.plan.data.num_classes)

            for strip, mean in blended(self._windows(source.shape, size), predict, done=done):
                missing = without_data(source.read(strip), source.nodata) if find_missing else None
                yield self._piece(strip, as_logits(mean, self.plan.data.num_classes), missing)

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
        views = self._views(shape)
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

    def _views(self, shape: Sequence[int]) -> list[list[list[int]]]:
        """Of every network, the axes of N C *S that are flipped in each view of an image of this shape."""
        small = math.prod(shape) <= WHOLE_PIXELS[len(shape)]
        return [
            flips_of(plan, plan.prediction.augment and small if self.augment is None else self.augment)
            for plan in self.plans
        ]

    def _tiled(self, prepared: Iterable[Prepared], views: list[list[list[int]]]) -> Iterator[Piece]:
        """Tiles with a halo, each pixel computed once."""
        last: tuple[object, Tensor] | None = None
        for tile, pixels, missing in prepared:
            if pixels is None:
                yield Piece(tile.write, None, missing=missing)
                continue
            key = constant(tile, pixels)
            if last is None or key is None or key != last[0]:
                last = key, self._logits(pixels, views)[(slice(None), *tile.inner)]
            yield self._piece(tile.write, last[1], missing)

    @staticmethod
    def _prepare(
        source: Source, statistics: Mapping[NormalizationPlan, Statistics], find_missing: bool, tile: Tile
    ) -> Prepared:
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
            views: as `_views` gives them.

        Returns:
            (K + E) *S float32 on the CPU; of several networks or views the logarithm of their mean probability, and the
            mean of the outputs beside the classes.
        """
        if len(self.models) == len(views[0]) == 1:
            return self.engines[0](pixels[self.plan.normalization])[0]
        count = self.plan.data.num_classes
        each = (
            mean_of_views(engine, plan, pixels[plan.normalization], model.grid, flips)
            for engine, plan, model, flips in zip(self.engines, self.plans, self.models, views, strict=True)
        )
        return as_logits(torch.stack(list(each)).mean(0), count)

    def _piece(self, window: Window, outputs: Tensor, missing: npt.NDArray[np.bool_] | None) -> Piece:
        count = self.plan.data.num_classes
        return Piece(window, outputs[:count], outputs[count:], missing)

    def _assemble(
        self,
        image: Image,
        out: npt.NDArray[Any],
        convert: Callable[[Tensor, Tensor], npt.NDArray[Any]],
        progress: Callable[[float], None] | None,
        statistics: Mapping[NormalizationPlan, Statistics] | None = None,
    ) -> npt.NDArray[Any]:
        source = source_of(image)
        self.require_match(source)
        count, seen = math.prod(image.shape), 0
        for piece in self.pieces(source, statistics or self.measure(image)):
            assert piece.logits is not None
            assert piece.extra is not None
            window: tuple[Any, ...] = (..., *piece.window)
            out[window] = convert(piece.logits, piece.extra)
            seen += math.prod(part.stop - part.start for part in piece.window)
            if progress is not None:
                progress(seen / count)
        return out

    def require_match(self, source: Source) -> None:
        """Refuse an image of other dimensions or channels than the networks were trained on, with a FileError."""
        data = self.plan.data
        require_match(source, data.spatial_dims, data.channels)
