"""What a way of separating consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unetkit.objects.band import Relief

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Labels = npt.NDArray[np.uint8]


def no_targets(ids: Ids) -> Floats:
    """Nothing beside the class map."""
    return np.zeros((0, *ids.shape), np.float32)


def no_loss(extra: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Nothing to learn beside the class map."""
    return extra.new_zeros(())


@dataclass(frozen=True)
class Separator:
    """One entry of the registry.

    Args:
        summary: what it learns, in one line.
        relief: labels *S, probability of background *S, extra outputs E *S -> what the watershed climbs.
        seed: height of seeds where nothing was tuned.
        seeds: heights that tuning tries.
        channels: spatial dimensions -> E, how many outputs the network has beside the classes.
        targets: ids *S -> E *S float32, what those outputs should be.
        loss: (outputs N E *S, targets N E *S, valid N *S bool) -> what training makes small.
        directed: whether those outputs are directions, one for each axis, which turn with the image.
        weighs_borders: whether the class map is learnt with the 2015 border weights, and a gap where objects touch.
    """

    summary: str
    relief: Callable[[Labels, Floats, Floats], Relief]
    seed: float
    seeds: tuple[float, ...]
    channels: Callable[[int], int] = lambda dims: 0
    targets: Callable[[Ids], Floats] = no_targets
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] = no_loss
    directed: bool = False
    weighs_borders: bool = False
