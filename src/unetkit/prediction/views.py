"""Flipped views of an image, and what to make of the outputs of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan
from unetkit.models.blocks import crop, pad_to_multiple
from unetkit.plan import Plan
from unetkit.prediction.belief import Belief
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


class Voter(NamedTuple):
    """A network at work, what it was trained with, its grid, and the flips of its views, from `flips_of`."""

    engine: Engine
    plan: Plan
    grid: int
    views: Sequence[Sequence[int]]


def mean_of_voters(
    voters: Iterable[Voter], pixels: Mapping[NormalizationPlan, Tensor], num_classes: int, belief: Belief | None
) -> Tensor:
    """What several networks or views give in the mean: (K + E) *S, the classes as logarithms of probabilities.

    Args:
        voters: the networks.
        pixels: 1 C *S, for each way of normalising.
        num_classes: K.
        belief: hears the labels of each view; None where nobody asks.
    """
    voices: list[Tensor] = []

    def hear(view: Tensor) -> None:
        if belief is not None:
            voices.append(view[:num_classes].argmax(0).to(torch.uint8))

    each = [mean_of_views(voter, pixels[voter.plan.normalization], hear) for voter in voters]
    mean = torch.stack(each).mean(0)
    if belief is not None:
        belief.hear(voices, mean[:num_classes].argmax(0))
    return as_logits(mean, num_classes)


def mean_of_views(voter: Voter, pixels: Tensor, hear: Callable[[Tensor], None]) -> Tensor:
    """What a network gives in the mean over its views: (K + E) *S, the classes as probabilities.

    Args:
        voter: the network and its views.
        pixels: 1 C *S.
        hear: told what each view gives, turned back.
    """
    engine, plan, grid, views = voter
    count, total = plan.data.num_classes, torch.zeros(())
    # A network pads at the end; flipped, it would pad the other end and pool other blocks than in a tile.
    padded = pad_to_multiple(pixels, grid)
    for flipped in views:
        own = as_probabilities(engine(padded.flip(list(flipped)))[0], count)
        upright = crop(own.flip([axis - 1 for axis in flipped])[None], pixels.shape[2:])[0]
        if plan.separator.directed:
            for axis in flipped:
                upright[count + axis - 2] *= -1
        hear(upright)
        total = total + upright / len(views)
    return total


def as_probabilities(outputs: Tensor, num_classes: int) -> Tensor:
    """(K + E) *S, with the classes' logits as probabilities."""
    return torch.cat([outputs[:num_classes].softmax(0), outputs[num_classes:]])


def as_logits(outputs: Tensor, num_classes: int) -> Tensor:
    """(K + E) *S, with the classes' probabilities as their logarithms."""
    return torch.cat([outputs[:num_classes].clamp_min(1e-12).log(), outputs[num_classes:]])
