"""A run's networks in 8 bits, ranges taken from its training images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np

from unetkit.dataset import Dataset
from unetkit.dataset.normalize import apply, measure
from unetkit.dataset.splits import stored_split
from unetkit.files import write_bytes
from unetkit.image import Array
from unetkit.pipeline.assess import find_scope
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor
from unetkit.plan import Plan
from unetkit.runtimes.quantise import quantised

PATCHES = 32
PATCH = {2: 256, 3: 48}
"""Ranges are taken from so many images, a window of so many pixels a side from the middle of each."""


def write_int8(
    run: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    prune: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write the networks of a run in 8 bits into its folder, from where `predict` takes them; those there stay.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        data: the dataset; the one it was trained on when None. Of another dataset all labelled images count.
        prune: poolings to keep of networks that can be pruned, 0 for all; None takes the plan's choice.
        say: told what is done.

    Raises:
        RunError: no such run, or its data are gone.
        FileError: an image cannot be read, or the run's folder cannot be written.
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> write_int8("runs/cells")  # doctest: +SKIP
    """
    predictor = load_predictor(run, device="cpu", augment=False, prune=prune)
    targets = [replace(network, precision="int8").copy for network in predictor.networks]
    if all(target.is_file() for target in targets):
        return
    scope = find_scope(run, data, None)
    for member, network, plan, target in zip(scope.members, predictor.networks, predictor.plans, targets, strict=True):
        if target.is_file():
            continue
        trained = stored_split(member.split).train
        known = {sample.name for sample in scope.dataset.labelled}
        names = trained if known.issuperset(trained) else sorted(known)
        say(f"quantising {member.path.name}: ranges from {min(len(names), PATCHES)} images")
        patches = _patches(scope.dataset, names, plan)
        write_bytes(target, quantised(network.onnx, patches))


def evenly(names: Sequence[str], most: int) -> Sequence[str]:
    """At most so many of the names, evenly chosen.

    Example:
        >>> evenly("abcde", 3)
        'ace'
    """
    return names[:: max(-(-len(names) // most), 1)]


def _patches(dataset: Dataset, names: Sequence[str], plan: Plan) -> Iterator[Array]:
    """What the network sees in the middle of images, evenly chosen: 1 C *S each."""
    side = PATCH[plan.data.spatial_dims]
    for name in evenly(names, PATCHES):
        image = match_channels(dataset.read_image(dataset.sample(name)), plan)
        statistics = measure(image, plan.normalization)
        middle = tuple(slice(max(extent - side, 0) // 2, (extent + side) // 2) for extent in image.shape)
        yield np.ascontiguousarray(apply(image.pixels[(slice(None), *middle)], statistics))[None]
