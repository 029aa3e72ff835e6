"""Quantize: a run's networks in 8 bits, and what that and each runtime gain in speed and cost in score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from unetkit.image import Image
from unetkit.metrics import Interval, confusion_matrix, paired_difference
from unetkit.pipeline.assess import Part, Scope, find_scope
from unetkit.pipeline.calibration import evenly, write_int8
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor
from unetkit.pipeline.validation import mean_dice
from unetkit.prediction import Predictor
from unetkit.runtimes import usable

MOST_IMAGES = 64
"""Of more images so many are predicted, evenly chosen."""


@dataclass(frozen=True, slots=True)
class RuntimeScore:
    """One row of `quantize`.

    Args:
        runtime: its name.
        precision: in which it computed.
        pixels_per_second: predicted, from pixels in memory to labels.
        dice: mean over the images; None where it is undefined on all of them.
        difference: of the Dice from that of the first row, image by image, with its interval; None likewise.
        changed: share of the pixels, 0 to 1, that have another label than in the first row.
        images: how many were predicted.
    """

    runtime: str
    precision: str
    pixels_per_second: float
    dice: float | None
    difference: Interval | None
    changed: float
    images: int


def quantize(
    run: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    split: Part | None = None,
    prune: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[RuntimeScore, ...]:
    """Quantise a run's networks on its training images, and measure every runtime of the CPU in float32 and int8.

    What is written stands in RUN/runtimes/, where `predict` finds it; networks that were quantised before are only
    measured. Flipped views are left out.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        data: as for `evaluate`.
        split: as for `evaluate`.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.
        say: told what is done.

    Returns:
        A row for each runtime that is installed and each precision; the first one is torch in float32.

    Raises:
        RunError: no such run, or its data are gone.
        FileError: an image or mask cannot be read, or the run's folder cannot be written.
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> [(row.runtime, row.difference.mean) for row in quantize("runs/cells")]  # doctest: +SKIP
        [('torch', 0.0), ('openvino', 0.0), ('openvino', -0.0011)]
    """
    write_int8(run, data, prune=prune, say=say)
    scope = find_scope(run, data, split)
    columns = [_Column(name, precision) for precision in ("float32", "int8") for name in usable("cpu", precision)]
    say(f"predicting {scope.part} images on each runtime in turn")
    for path, names in scope.jobs:
        predictors = [column.load(path, prune) for column in columns]
        for image, truth in _images(scope, evenly(names, MOST_IMAGES), predictors[0]):
            labels = [column.look(one, image, truth) for column, one in zip(columns, predictors, strict=True)]
            for column, own in zip(columns, labels, strict=True):
                column.changed += int(np.count_nonzero(own != labels[0]))
    return tuple(column.score(columns[0]) for column in columns)


def _images(scope: Scope, names: Sequence[str], predictor: Predictor) -> Iterator[tuple[Image, npt.NDArray[np.uint8]]]:
    for name in names:
        sample = scope.dataset.sample(name)
        yield match_channels(scope.dataset.read_image(sample), predictor.plan), scope.dataset.read_labels(sample).labels


class _Column:
    """One runtime, while images pass by."""

    def __init__(self, runtime: str, precision: str) -> None:
        self.runtime, self.precision = runtime, precision
        self.dice: list[float] = []
        self.pixels, self.changed, self.seconds = 0, 0, 0.0
        self.cold = True

    def load(self, path: Path, prune: int | None) -> Predictor:
        self.cold = True
        return load_predictor(
            path, device="cpu", augment=False, prune=prune, runtime=self.runtime, precision=self.precision
        )

    def look(self, predictor: Predictor, image: Image, truth: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if self.cold:  # the first pass also makes room in memory
            predictor.labels(image)
            self.cold = False
        began = perf_counter()
        labels = predictor.labels(image)
        self.seconds += perf_counter() - began
        self.pixels += labels.size
        self.dice.append(mean_dice(confusion_matrix(labels, truth, predictor.plan.data.num_classes)))
        return labels

    def score(self, first: _Column) -> RuntimeScore:
        own, reference = np.array(self.dice), np.array(first.dice)
        difference = paired_difference(own, reference, generator=np.random.default_rng(0))
        return RuntimeScore(
            self.runtime,
            self.precision,
            self.pixels / self.seconds,
            float(np.nanmean(own)) if difference.n else None,
            difference if difference.n else None,
            self.changed / self.pixels,
            len(own),
        )
