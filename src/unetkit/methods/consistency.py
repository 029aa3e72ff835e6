"""What the methods share: how their weight rises, what agreeing means, and features that are lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def rise(progress: float, ramp: float) -> float:
    """The factor, 0 to 1, of what unlabelled images weigh: 0 at first, 1 once a share `ramp` of the time is over.

    Example:
        >>> rise(0.0, 0.3), rise(0.15, 0.3), rise(0.6, 0.3)
        (0.0, 0.5, 1.0)
    """
    return min(1.0, progress / ramp) if ramp else 1.0


def mean_over(values: Tensor, valid: Tensor) -> Tensor:
    """The mean of N *S values over the valid pixels; 0 where there are none."""
    return values.masked_fill(~valid, 0.0).sum() / valid.count_nonzero().clamp(min=1)


def pseudo_loss(logits: Tensor, wanted: Tensor, valid: Tensor, threshold: float) -> Tensor:
    """Cross-entropy against the likeliest class where that is sure, over all valid pixels: what is not sure counts 0.

    Args:
        logits: N K *S.
        wanted: probabilities N K *S, without gradient.
        valid: N *S bool.
        threshold: probability from which a pixel is sure.
    """
    probability, label = wanted.max(1)
    entropy = F.cross_entropy(logits, label, reduction="none")  # N *S
    return mean_over(entropy.masked_fill(probability < threshold, 0.0), valid)


@contextmanager
def losing_features(encoder: nn.Module, rows: int, share: float) -> Iterator[None]:
    """While in here, the last `rows` images of a batch lose that share of the encoder's channels, at every level.

    Args:
        encoder: gives features N C *S, a list of levels.
        rows: images at the end of the batch.
        share: of the channels, 0 to 1; the others grow by 1 / (1 - share), so that sums keep their size.
    """

    def lose(module: nn.Module, inputs: Any, features: list[Tensor]) -> list[Tensor]:
        return [torch.cat((level[:-rows], _dropped(level[-rows:], share))) for level in features]

    handle = encoder.register_forward_hook(lose)
    try:
        yield
    finally:
        handle.remove()


def _dropped(feature: Tensor, share: float) -> Tensor:
    channels = feature.new_ones(*feature.shape[:2], *[1] * (feature.ndim - 2))
    return feature * F.dropout(channels, share)
