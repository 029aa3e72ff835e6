"""The loss of a network with outputs beside the class map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.classes import IGNORE
from unetkit.losses import Loss, border_weight_map
from unetkit.separation.separator import Separator
from unetkit.separation.targets import touching

ROOM = 256
"""Class and object number in one whole number: class + ROOM · number. So both go through one warp."""


def pack(classes: npt.NDArray[np.int64], ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Classes and object numbers as one number, which `unpack` takes apart; pixels that are ignored have no object."""
    return classes + ROOM * np.where(classes == IGNORE, 0, ids).astype(np.int64)


def unpack(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Classes and ids of what `pack` made.

    Example:
        >>> [part.item() for part in unpack(torch.from_numpy(pack(np.array([3]), np.array([70000]))))]
        [3, 70000]
    """
    return packed % ROOM, packed // ROOM


class JointLoss:
    """The loss of the class map, and that of what separates.

    Args:
        loss: of the class map.
        separator: what is learnt beside it.
        num_classes: K; the network has that many outputs first, then the separator's.
        weight: of the separator's loss.
    """

    def __init__(self, loss: Loss, separator: Separator, num_classes: int, weight: float = 1.0) -> None:
        self.loss, self.separator, self.num_classes, self.weight = loss, separator, num_classes, weight

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """From outputs N (K + E) *S, packed classes and ids N *S, and where they count."""
        classes, ids = unpack(target)
        numbers = ids.cpu().numpy()
        if self.separator.weighs_borders:
            gaps = np.stack([touching(one) for one in numbers])
            apart = np.where(gaps, 0, numbers)
            weight = np.stack([border_weight_map(one) for one in apart])
            classes = classes.masked_fill(torch.from_numpy(gaps).to(classes.device), 0)
            return self.loss(logits, classes, valid, weight=torch.from_numpy(weight).to(logits))
        value = self.loss(logits[:, : self.num_classes], classes, valid)
        if logits.shape[1] == self.num_classes:
            return value
        wanted = torch.from_numpy(np.stack([self.separator.targets(one) for one in numbers])).to(logits)
        return value + self.weight * self.separator.loss(logits[:, self.num_classes :], wanted, valid)
