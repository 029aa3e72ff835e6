"""Patches to train on: where to cut, and the cutting.

Every patch is a function of (seed, step, place in the batch) and of nothing else. So a run that was stopped goes on
with the patches it would have seen, and a batch shared out over processes is the batch one process would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from unetkit.augment.histograms import Quantiles, quantiles
from unetkit.classes import IGNORE
from unetkit.dataset.census import tally
from unetkit.dataset.folder import Dataset, Sample, read_labels_and_objects
from unetkit.dataset.normalize import NormalizationPlan, Statistics, apply, measure
from unetkit.errors import DatasetError
from unetkit.formats import read_header, read_window
from unetkit.image import Image, without_data
from unetkit.labels import SeedsPlan, is_partial
from unetkit.separation import pack

CACHE_BYTES = 1_200_000_000
"""Images beyond this much memory (as float32) are read window by window each time."""

RANKED = 65_536
"""So many pixels of an image tell its histogram."""

BLOCK = 2**22
"""Pixels of a mask that are looked through at a time, so that positions take little memory."""

POINTS = 4096
"""So many positions of each class are remembered an image, to oversample rare classes from."""


@dataclass(slots=True)
class Case:
    """One labelled image, ready to be cut: pixels in memory, or where to read them from.

    Of one that is `partial`, every patch is made to hold some label. The histogram is there if it was asked for.
    """

    sample: Sample
    shape: tuple[int, ...]
    statistics: Statistics
    labels: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.int64]
    points: dict[int, npt.NDArray[np.int64]]
    pixels: npt.NDArray[np.float32] | None
    ids: npt.NDArray[np.uint32] | None = None
    partial: bool = False
    histogram: Quantiles | None = None


Change = Callable[[Case, npt.NDArray[np.float32], np.random.Generator], npt.NDArray[np.float32]]
"""From a patch C *S, and the image it was cut from, to the patch as it shall look."""


class PatchSource:
    """The labelled images of a split, cut into patches on demand.

    Args:
        dataset: the folder.
        names: samples to cut from; all of them must be labelled.
        normalization: how intensities are made comparable.
        foreground: share of the patches, 0 to 1, that are made to hold a rare class: one drawn evenly among the
            classes which cover less than an even share of the labelled pixels.
        seed: of all patches.
        objects: whether patches show which object a pixel belongs to.
        seeds: what is assumed of points and boxes.
        histograms: whether patches are to take on the histograms of other images.
    """

    def __init__(
        self,
        dataset: Dataset,
        names: Sequence[str],
        normalization: NormalizationPlan,
        *,
        foreground: float = 0.0,
        seed: int = 0,
        objects: bool = False,
        seeds: SeedsPlan | None = None,
        histograms: bool = False,
    ) -> None:
        self.foreground, self.seed = foreground, seed
        self.cases = _load(dataset, names, normalization, objects, seeds, histograms)
        self.drawable = [case for case in self.cases if case.points]
        if not self.drawable:
            raise DatasetError("no training image has a labelled pixel", file=dataset.root, mend="paint some masks")
        counts = np.sum([case.counts for case in self.drawable], axis=0)
        present = np.flatnonzero(counts)
        rare = [int(c) for c in present if counts[c] * present.size <= counts.sum()]
        self.rare = {index: [case for case in self.drawable if index in case.points] for index in rare}

    def generators(self, step: int, places: Sequence[int]) -> list[np.random.Generator]:
        """One generator for each place in the batch of `step`."""
        return [np.random.default_rng((self.seed, step, place)) for place in places]

    def draw(
        self,
        generators: Sequence[np.random.Generator],
        size: Sequence[int],
        margin: int,
        change: Change | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cut one patch for each generator.

        Args:
            generators: decide which image and where.
            size: spatial size of the patches in pixels.
            margin: pixels cut more on every side, for rotations to take from; reflected beyond the image's border.
            change: what is done to the intensities of each patch.

        Returns:
            Images N C *(size + 2 margin) float32, labels N *(size + 2 margin) int64, valid of the same shape
            (False where ignored and beyond the image). With objects, their numbers are packed into the labels.
        """
        cut = []
        for generator in generators:
            case, pixels, labels = self._cut(generator, size, margin)
            cut.append((pixels if change is None else change(case, pixels, generator), labels))
        images, labels = (np.stack(part) for part in zip(*cut, strict=True))
        target = torch.from_numpy(labels)
        valid = target != IGNORE
        return torch.from_numpy(images), target.long().masked_fill_(~valid, 0), valid

    def _cut(
        self, generator: np.random.Generator, size: Sequence[int], margin: int
    ) -> tuple[Case, npt.NDArray[np.float32], npt.NDArray[np.integer[Any]]]:
        if generator.random() < self.foreground:
            label = list(self.rare)[generator.integers(len(self.rare))]
            cases = self.rare[label]
            case = cases[generator.integers(len(cases))]
            offset = _offset_around(case, label, generator, size)
        elif (case := self.drawable[generator.integers(len(self.drawable))]).partial:
            offset = _offset_around(case, list(case.points)[generator.integers(len(case.points))], generator, size)
        else:
            offset = [int(generator.integers(max(n - s, 0) + 1)) for n, s in zip(case.shape, size, strict=True)]
        # a patch stays inside the image where the image is large enough
        offset = [min(max(o, 0), max(n - s, 0)) for o, n, s in zip(offset, case.shape, size, strict=True)]
        spans = [(o - margin, o + s + margin) for o, s in zip(offset, size, strict=True)]
        return case, *cut_window(case, spans)


def _offset_around(case: Case, label: int, generator: np.random.Generator, size: Sequence[int]) -> list[int]:
    """Where a patch begins that holds a pixel of a class, anywhere in the patch and not always at its middle."""
    point = case.points[label][generator.integers(len(case.points[label]))]
    return [int(p - generator.integers(s)) for p, s in zip(point, size, strict=True)]


def cut_window(
    case: Case, spans: list[tuple[int, int]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.integer[Any]]]:
    """Pixels and labels between (start, stop) along each axis: beyond the image reflected, and ignored."""
    inner = [(max(a, 0), min(b, n)) for (a, b), n in zip(spans, case.shape, strict=True)]
    window = tuple(slice(a, b) for a, b in inner)
    if case.pixels is not None:
        pixels = case.pixels[(slice(None), *window)]
    else:
        pixels = apply(read_window(case.sample.image, window).pixels, case.statistics)
    labels: npt.NDArray[np.integer[Any]] = case.labels[window]
    if case.ids is not None:
        labels = pack(labels.astype(np.int64), case.ids[window])
    padding = [(i - a, b - j) for (a, b), (i, j) in zip(spans, inner, strict=True)]
    if any(p != (0, 0) for p in padding):
        pixels = np.pad(pixels, [(0, 0), *padding], mode="symmetric")
        labels = np.pad(labels, padding, constant_values=IGNORE)
    return pixels, labels


def histogram_of(image: Image, statistics: Statistics) -> Quantiles | None:
    """The quantiles C R of an image's normalised intensities, where it has data; None of a blank image."""
    flat = image.pixels.reshape(len(image.pixels), -1)
    flat = flat[:, :: max(1, flat.shape[1] // RANKED)]
    missing = without_data(flat, image.nodata)
    if missing is not None:
        flat = flat[:, ~missing]
    if not flat.size:
        return None
    found = quantiles(apply(flat, statistics))
    return found if np.ptp(found) > 0 else None


def _load(
    dataset: Dataset,
    names: Sequence[str],
    normalization: NormalizationPlan,
    objects: bool,
    seeds: SeedsPlan | None,
    histograms: bool,
) -> list[Case]:
    cases, free = [], CACHE_BYTES
    generator = np.random.default_rng(0)
    for name in names:
        sample = dataset.sample(name)
        image, ids = dataset.read_image(sample), None
        if objects:
            said, numbered = read_labels_and_objects(dataset, sample, seeds=seeds)
            labels, ids = said.labels, numbered.ids
        else:
            labels = dataset.read_labels(sample, seeds=seeds).labels
        counts = tally(labels, 256)[:IGNORE]
        statistics = measure(image, normalization)
        size = image.pixels.size * 4
        header = read_header(sample.image)
        # an image that reading changes (grey made RGB) cannot be read by windows: it stays in memory
        keep = size <= free or not header.windowed or header.shape != image.pixels.shape
        free -= size if keep else 0
        cases.append(
            Case(
                sample=sample,
                shape=image.shape,
                statistics=statistics,
                labels=labels,
                counts=counts,
                points=_class_points(labels, counts, generator),
                pixels=apply(image.pixels, statistics) if keep else None,
                ids=ids,
                partial=is_partial(labels, sample.marks),
                histogram=histogram_of(image, statistics) if histograms else None,
            )
        )
    return cases


def _class_points(
    labels: npt.NDArray[np.uint8], counts: npt.NDArray[np.int64], generator: np.random.Generator
) -> dict[int, npt.NDArray[np.int64]]:
    """Up to POINTS positions of every class that is present, as (n, spatial dims) arrays."""
    points = {}
    for index in np.flatnonzero(counts).tolist():
        count = int(counts[index])
        ranks = generator.choice(count, POINTS, replace=False) if count > POINTS else np.arange(count)
        at = _positions(labels.reshape(-1), index, ranks)
        points[index] = np.stack(np.unravel_index(at, labels.shape), 1)
    return points


def _positions(flat: npt.NDArray[np.uint8], index: int, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where the pixels of a class lie that come first (rank 0), second … among all of its pixels."""
    found, seen = np.empty_like(ranks), 0
    for start in range(0, flat.size, BLOCK):
        here = np.flatnonzero(flat[start : start + BLOCK] == index)
        inside = (ranks >= seen) & (ranks < seen + here.size)
        found[inside] = start + here[ranks[inside] - seen]
        seen += here.size
    return found
