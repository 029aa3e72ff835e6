"""Flipped views of an image, and what to make of the outputs of several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from unetkit.models.blocks import crop, pad_to_multiple
from unetkit.plan import Plan
from unetkit.runtimes import Engine


def flips_of(plan: Plan, augment: bool) -> list[list[int]]:
    """The axes of N C *S that are flipped in each view; in the first, none.

    Args:
        plan: which axes may be flipped, its augmentation says.
        augment: whether there is more than one view.
    """
    flips = plan.augmentation.axis_flips(plan.data.spatial_dims)
    axes = [axis for axis, allowed in enumerate(flips, 2) if allowed and augment]
    choices = product((0, 1), repeat=len(axes))
    return [[axis for axis, flip in zip(axes, view, strict=True) if flip] for view in choices]


def mean_of_views(engine: Engine, plan: Plan, pixels: Tensor, grid: int, views: Sequence[Sequence[int]]) -> Tensor:
    """What a network gives in the mean over views: (K + E) *S, the classes as probabilities.

    Args:
        engine: the network.
        plan: what it was trained with.
        pixels: 1 C *S.
        grid: of the network.
        views: from `flips_of`.
    """
    count, total = plan.data.num_classes, torch.zeros(())
    # A network pads at the end; flipped, it would pad the other end and pool other blocks than in a tile.
    padded = pad_to_multiple(pixels, grid)
    for flipped in views:
        own = as_probabilities(engine(padded.flip(list(flipped)))[0], count)
        upright = crop(own.flip([axis - 1 for axis in flipped])[None], pixels.shape[2:])[0]
        if plan.separator.directed:
            for axis in flipped:
                upright[count + axis - 2] *= -1
        total = total + upright / len(views)
    return total


def as_probabilities(outputs: Tensor, num_classes: int) -> Tensor:
    """(K + E) *S, with the classes' logits as probabilities."""
    return torch.cat([outputs[:num_classes].softmax(0), outputs[num_classes:]])


def as_logits(outputs: Tensor, num_classes: int) -> Tensor:
    """(K + E) *S, with the classes' probabilities as their logarithms."""
    return torch.cat([outputs[:num_classes].clamp_min(1e-12).log(), outputs[num_classes:]])
