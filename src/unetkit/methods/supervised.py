"""Supervised training: labelled images alone."""

from __future__ import annotations

from torch import Tensor

from unetkit.methods.method import Labelled, Networks, Unlabelled


def supervised(networks: Networks, labelled: Labelled, unlabelled: Unlabelled | None, progress: float) -> Tensor:
    """Labelled images alone."""
    (levels,) = networks.student(labelled.images)
    return networks.loss(levels, labelled)
