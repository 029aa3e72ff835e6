"""Images that nobody labelled: which of them may train, and patches of them.

    image without a label ──▶ not of a group that val or test has, no copy of their images, not too large ──▶ patches

As for labelled patches, each is a function of (seed, step, place in the batch) and of nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from unetkit.augment.histograms import Quantiles, match_histogram
from unetkit.classes import IGNORE
from unetkit.dataset.findings import several
from unetkit.dataset.folder import Dataset
from unetkit.dataset.normalize import NormalizationPlan, apply, measure
from unetkit.dataset.patches import Case, cut_window, histogram_of
from unetkit.dataset.splits import Split, copy_pairs
from unetkit.errors import DatasetError
from unetkit.formats import read_header

CACHE_BYTES = 600_000_000
"""So much memory (as float32) holds the images used last; the others are read again. A larger image is left out."""

MATCHED = 0.5
"""Share of the labelled patches that take on the histogram of an unlabelled image, by methods that do so."""


def with_unlabelled(dataset: Dataset, split: Split, *, allow_leakage: bool = False) -> Split:
    """The split with the images that may train without labels.

    Those are the images with neither a mask nor marks, nor a word that nothing is in them, and those that the split
    names already. Left out is what could tell the network of the images that judge it, so images of a group that val
    or test has and copies of their images, and what cannot be trained on: images that are too large, or have NaN or
    infinite pixels.

    Args:
        dataset: the images.
        split: of the labelled ones.
        allow_leakage: whether groups that val or test has may train, as they may with labels.

    Returns:
        The split, with a reason for what was left out.

    Raises:
        FileError: an image is unreadable.
    """
    known = {sample.name for sample in dataset.samples}
    bare = [sample.name for sample in dataset.samples if not sample.labelled]
    names = [*bare, *(name for name in split.unlabelled if name in known and name not in bare)]
    judging = [*split.val, *split.test]
    groups = set() if allow_leakage else {dataset.sample(name).group for name in judging} - {None}
    out: dict[str, str] = {name: "their group judges" for name in names if dataset.sample(name).group in groups}
    names = [name for name in names if name not in out]
    for name in names:
        if prod(read_header(dataset.sample(name).image).shape) * 4 > CACHE_BYTES:
            out[name] = "too large to hold in memory"
    names = [name for name in names if name not in out]
    out |= {name: "NaN or infinite pixels" for name in names if dataset.look_at(dataset.sample(name)).not_finite}
    names = [name for name in names if name not in out]
    if names:
        judges = set(judging)
        for pair in copy_pairs(dataset, [*judging, *names]):
            if judges.intersection(pair[:2]):
                out |= {name: "copies of images that judge" for name in pair[:2] if name not in judges}
    kept = tuple(name for name in names if name not in out)
    reasons = [
        f"{several(list(out.values()).count(why), 'unlabelled image')} left out: {why}"
        for why in dict.fromkeys(out.values())
    ]
    new = [reason for reason in reasons if reason not in split.reasons]
    return split.model_copy(update={"unlabelled": kept, "reasons": (*split.reasons, *new)})


class UnlabelledSource:
    """Unlabelled images, read and cut into patches on demand.

    Args:
        dataset: the folder.
        names: samples to cut from; labels they may have are not looked at.
        normalization: how intensities are made comparable.
        seed: of all patches.
        unlike: those of the names whose histograms labelled patches take on; all where there are none.

    Raises:
        DatasetError: no names.
    """

    def __init__(
        self,
        dataset: Dataset,
        names: Sequence[str],
        normalization: NormalizationPlan,
        *,
        seed: int = 0,
        unlike: Sequence[str] = (),
    ) -> None:
        if not names:
            raise DatasetError(
                "holds no unlabelled image to learn from",
                file=dataset.root,
                mend="put images without a label into images/, or --set training.method=supervised",
            )
        self.dataset, self.names, self.normalization, self.seed = dataset, tuple(names), normalization, seed
        self.unlike = tuple(unlike)
        self._held: OrderedDict[str, Case] = OrderedDict()
        self._histograms: dict[str, Quantiles | None] = {}

    def generators(self, step: int, places: Sequence[int], *, part: int = 0) -> list[np.random.Generator]:
        """One generator for each place in the batch of `step`, other ones than labelled patches have.

        Args:
            step: number of the step.
            places: places in the joint batch.
            part: 0 for the patches, 1 for how they are mixed.
        """
        return [np.random.default_rng((self.seed, step, place, 1 + part)) for place in places]

    def draw(
        self, generators: Sequence[np.random.Generator], size: Sequence[int], margin: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cut one patch for each generator.

        Args:
            generators: decide which image and where.
            size: spatial size of the patches in pixels.
            margin: pixels cut more on every side; reflected beyond the image's border.

        Returns:
            Images N C *(size + 2 margin) float32, and N *(size + 2 margin) bool, False beyond the image.

        Raises:
            FileError: an image is unreadable.
        """
        images, labels = zip(*(self._cut(generator, size, margin) for generator in generators), strict=True)
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels) != IGNORE)

    def _cut(
        self, generator: np.random.Generator, size: Sequence[int], margin: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        case = self._case(self.names[generator.integers(len(self.names))])
        offset = [int(generator.integers(max(n - s, 0) + 1)) for n, s in zip(case.shape, size, strict=True)]
        spans = [(o - margin, o + s + margin) for o, s in zip(offset, size, strict=True)]
        pixels, labels = cut_window(case, spans)
        return pixels, labels.astype(np.uint8)

    def match(
        self, case: Case, pixels: npt.NDArray[np.float32], generator: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """A labelled patch, or, one in two, the patch with the histogram of an unlabelled image, more or less of it.

        Args:
            case: the image that the patch is from, its histogram known.
            pixels: C *S.
            generator: decides whether, which image, and how much.

        Returns:
            C *S.

        Raises:
            FileError: an image is unreadable.
        """
        if generator.random() >= MATCHED:
            return pixels
        names = self.unlike or self.names
        other = self.histogram(names[generator.integers(len(names))])
        if case.histogram is None or other is None:
            return pixels
        return match_histogram(pixels, case.histogram, other, generator.random())

    def histogram(self, name: str) -> Quantiles | None:
        """The quantiles C R of an unlabelled image's normalised intensities; None of a blank image."""
        if name not in self._histograms:
            image = self.dataset.read_image(self.dataset.sample(name))
            self._histograms[name] = histogram_of(image, measure(image, self.normalization))
        return self._histograms[name]

    def _case(self, name: str) -> Case:
        """The image, from memory where it was used lately."""
        if name in self._held:
            self._held.move_to_end(name)
            return self._held[name]
        sample = self.dataset.sample(name)
        image = self.dataset.read_image(sample)
        statistics = measure(image, self.normalization)
        free = CACHE_BYTES - image.pixels.size * 4
        while self._held and sum(prod(case.shape) for case in self._held.values()) * 4 * self.dataset.channels > free:
            self._held.popitem(last=False)
        self._held[name] = Case(
            sample=sample,
            shape=image.shape,
            statistics=statistics,
            labels=np.broadcast_to(np.uint8(0), image.shape),
            counts=np.zeros(IGNORE, np.int64),
            points={},
            pixels=apply(image.pixels, statistics),
        )
        return self._held[name]
