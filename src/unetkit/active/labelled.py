"""Which images, and which regions of them, somebody labelled already."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unetkit.active.candidates import Place
from unetkit.classes import IGNORE
from unetkit.dataset import Dataset, Sample
from unetkit.dataset.marked import is_whole
from unetkit.labels import SeedsPlan


class Labelled:
    """The labelled images of a dataset, known by their place and by their content, so that copies are known too.

    Args:
        dataset: where labels arrive.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._by_path = {sample.image.resolve(): sample for sample in dataset.samples}
        self._by_size: dict[int, list[Sample]] = defaultdict(list)
        for sample in dataset.samples:
            if sample.image.is_file():
                self._by_size[sample.image.stat().st_size].append(sample)
        self._latest: tuple[str, npt.NDArray[np.uint8]] | None = None

    def sample(self, path: Path) -> Sample | None:
        """The dataset's image that a file is, or is a copy of; None where it is none of them."""
        found = self._by_path.get(path.resolve())
        if found is not None or not path.is_file():
            return found
        alike = self._by_size.get(path.stat().st_size, [])
        return next((sample for sample in alike if content(sample.image) == content(path)), None)

    def sample_of(self, digest: str, name: str) -> Sample | None:
        """The dataset's image that was suggested: of that name if its content is the same, else of that content."""
        first = [sample for sample in self.dataset.samples if sample.name == name]
        return next((s for s in (*first, *self.dataset.labelled) if content(s.image) == digest), None)

    def free(self, place: Place) -> bool:
        """Whether nobody labelled a place: nothing of the image, or of an image labelled in part nothing of the region.

        Raises:
            FileError: its labels cannot be read.
        """
        sample = self.sample(place.path)
        if sample is None or not sample.labelled:
            return True
        if place.whole or is_whole(self.dataset, sample) or (sample.marks is not None and sample.marks.complete):
            return False
        return not self.labels(sample)[place.slices].any()

    def labels(self, sample: Sample) -> npt.NDArray[np.bool_]:
        """Where an image is labelled, or marked: bool *S."""
        if self._latest is None or self._latest[0] != sample.name:
            labels = self.dataset.read_labels(sample, seeds=SeedsPlan()).labels
            self._latest = sample.name, labels
        known: npt.NDArray[np.bool_] = self._latest[1] != IGNORE
        return known


@cache
def content(path: Path) -> str:
    """A digest of what a file holds; of a folder, of its path."""
    if not path.is_file():
        return hashlib.blake2b(str(path.resolve()).encode(), digest_size=16).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
