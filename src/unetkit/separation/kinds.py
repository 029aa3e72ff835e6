"""The ways of separating that there are.

Sources: border weights, Ronneberger et al. 2015; rim, Caicedo et al., "Evaluation of deep learning strategies for
nucleus segmentation", 2019; distance, Scherr et al., "Cell segmentation and tracking using CNN-based distance
predictions", 2020; flow, Stringer et al., "Cellpose", 2021, and Cutler et al., "Omnipose", 2022, whose flow is the
slope of the distance.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unetkit.objects.band import Relief
from unetkit.separation.separator import Floats, Labels, Separator
from unetkit.separation.targets import inward, normalised_distance, rim


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    """Over valid pixels, of N E *S."""
    weight = valid[:, None].to(values.dtype).expand_as(values)
    return (values * weight).sum() / weight.sum().clamp_min(1)


def rim_loss(extra: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Binary cross-entropy and Dice of the rim."""
    nats = _mean(F.binary_cross_entropy_with_logits(extra, target, reduction="none"), valid)
    sure = torch.sigmoid(extra) * valid[:, None]
    true = target * valid[:, None]
    return nats + 1 - (2 * (sure * true).sum() + 1) / (sure.sum() + true.sum() + 1)


def distance_loss(extra: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error: the peaks stay sharp."""
    return 2 * _mean((extra - target).abs(), valid)


def flow_loss(extra: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error where there is an object, for elsewhere nothing flows."""
    inside = valid & (target != 0).any(1)
    return _mean((extra - target).square(), inside)


def climb_probability(labels: Labels, background: Floats, extra: Floats) -> Relief:
    """Up to where the network is surest that there is an object."""
    return Relief(1 - background, labels)


def climb_inside(labels: Labels, background: Floats, extra: Floats) -> Relief:
    """Up to where the network is surest of an object and of no rim."""
    return Relief((1 - background) / (1 + np.exp(np.clip(extra[0], -30, 30))), labels)


def climb_distance(labels: Labels, background: Floats, extra: Floats) -> Relief:
    """Up to the middle."""
    return Relief(extra[0], labels)


def follow_flow(labels: Labels, background: Floats, extra: Floats) -> Relief:
    """To where the flow ends: what it converges by is the height."""
    sink = np.zeros(labels.shape, np.float32)
    for axis, along in enumerate(extra):
        if labels.shape[axis] > 1:
            sink -= np.gradient(along, axis=axis)
    return Relief(sink, labels, extra)


COMPONENTS = Separator("nothing: connected regions are objects", climb_probability, -1.0, (-1.0,))
BORDER = Separator(
    "the class map alone, with the 2015 paper's weights on the gaps between objects",
    climb_probability,
    0.8,
    (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    weighs_borders=True,
)
BOUNDARY = Separator(
    "the rim of every object",
    climb_inside,
    0.6,
    (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    lambda dims: 1,
    lambda ids: rim(ids)[None],
    rim_loss,
)
DISTANCE = Separator(
    "how deep inside its object a pixel lies, 0 at the edge and 1 in the middle",
    climb_distance,
    0.5,
    (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    lambda dims: 1,
    lambda ids: normalised_distance(ids)[None],
    distance_loss,
)
FLOW = Separator(
    "the direction to the middle of the object",
    follow_flow,
    0.3,
    (0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
    lambda dims: dims,
    inward,
    flow_loss,
    directed=True,
)
