"""What pruning costs and saves: speed against score for every level of a network that can be pruned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from time import perf_counter

from unetkit.evaluation import Pair, evaluate_pairs
from unetkit.models import count_parameters, multiply_adds
from unetkit.pipeline.assess import Part, Scope, find_scope
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor
from unetkit.prediction import Predictor


@dataclass(frozen=True, slots=True)
class PrunedScore:
    """One row of `pruning_table`.

    Args:
        level: poolings that are kept.
        parameters: of one network.
        multiply_adds: of one network for one pixel (voxel) of the image.
        pixels_per_second: predicted, from pixels in memory to labels; flipped views and several models make it less.
        dice: mean, low, high, n and undefined over the images, as in a summary.
    """

    level: int
    parameters: int
    multiply_adds: int
    pixels_per_second: float
    dice: Mapping[str, float | int | None]


def pruning_table(
    run: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    split: Part | None = None,
    levels: Sequence[int] | None = None,
    device: str = "auto",
    augment: bool | None = None,
) -> tuple[PrunedScore, ...]:
    """Speed and score of a run's model, pruned to each level. Nothing is written.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        data: as for `evaluate`.
        split: as for `evaluate`.
        levels: 1 to the depth; None takes them all, the last one being the whole network.
        device: "auto", "cpu", "cuda" or "cuda:1".
        augment: average flipped views; None takes the plan's choice.

    Returns:
        A row for each level, in the order asked for.

    Raises:
        RunError: no such run, or its data are gone.
        UsageError: a network that cannot be pruned, or has no such level.
        FileError: an image or mask cannot be read.

    Example:
        >>> [row.pixels_per_second for row in pruning_table("runs/cells")]  # doctest: +SKIP
        [9800000.0, 5200000.0, 3900000.0]
    """
    scope = find_scope(run, data, split)
    if levels is None:
        whole = load_predictor(scope.jobs[0][0], device="cpu", prune=0).models[0]
        levels = range(1, max(whole.grid.bit_length(), 2))
    return tuple(_score(scope, level, device, augment) for level in levels)


def _score(scope: Scope, level: int, device: str, augment: bool | None) -> PrunedScore:
    predictors = [load_predictor(path, device=device, augment=augment, prune=level) for path, _ in scope.jobs]
    watch = _Stopwatch()
    pairs = (
        pair
        for predictor, (_, names) in zip(predictors, scope.jobs, strict=True)
        for pair in watch.predicted(scope, names, predictor)
    )
    dice = evaluate_pairs(pairs, scope.dataset.classes).summary["mean"]["dice"]
    model, data = predictors[0].models[0], predictors[0].plan.data
    side = 4 * model.grid  # large enough that nothing is padded
    cost = multiply_adds(model, (1, data.channels, *[side] * data.spatial_dims)) // side**data.spatial_dims
    return PrunedScore(level, count_parameters(model), cost, watch.pixels / watch.seconds, dice)


class _Stopwatch:
    """Predicts images for `evaluate_pairs` and measures only the predicting."""

    def __init__(self) -> None:
        self.pixels, self.seconds = 0, 0.0

    def predicted(self, scope: Scope, names: Sequence[str], predictor: Predictor) -> Iterator[Pair]:
        warm = False
        for name in names:
            sample = scope.dataset.sample(name)
            image = match_channels(scope.dataset.read_image(sample), predictor.plan)
            if not warm:  # the first pass also makes room in memory and, on a GPU, chooses algorithms
                predictor.labels(image)
                warm = True
            began = perf_counter()
            labels = predictor.labels(image)
            self.seconds += perf_counter() - began
            self.pixels += labels.size
            yield Pair(name, sample.group, labels, scope.dataset.read_labels(sample).labels, image.geometry)
