"""UniMatch: FixMatch with two strong views, and with features that are lost (Yang et al., CVPR 2023).

Half of the weight lies on the two strong views, half on the weak view decoded from features of which half the channels
are set to zero. As in `fixmatch` the labels are sure predictions of the averaged weights, as in UniMatch V2 (2025).
"""

from __future__ import annotations

from torch import Tensor

from unetkit.methods.consistency import losing_features, pseudo_loss, rise
from unetkit.methods.method import Labelled, Networks, Unlabelled
from unetkit.methods.views import paste


def unimatch(
    networks: Networks,
    labelled: Labelled,
    unlabelled: Unlabelled,
    progress: float,
    *,
    threshold: float = 0.95,
    weight: float = 1.0,
    ramp: float = 0.3,
    dropout: float = 0.5,
) -> Tensor:
    """Sure predictions in a weak view are the labels of two strong ones, and of itself with features lost.

    Args:
        threshold: probability from which a prediction counts as sure.
        weight: of the unlabelled images beside the labelled ones.
        ramp: share of the method's time over which the weight rises from 0.
        dropout: share of the encoder's channels that are lost in the weak view.
    """
    wanted = networks.teacher(unlabelled.weak)
    with losing_features(networks.model.encoder, len(unlabelled.weak), dropout):
        levels, *views, weak = networks.student(labelled.images, *unlabelled.strong, unlabelled.weak)
    pseudo = 0.5 * pseudo_loss(weak[0][:, : networks.num_classes], wanted, unlabelled.valid, threshold)
    for view, box in zip(views, unlabelled.boxes, strict=True):
        seen = view[0][:, : networks.num_classes]
        pseudo = pseudo + 0.25 * pseudo_loss(seen, paste(wanted, box), paste(unlabelled.valid, box), threshold)
    return networks.loss(levels, labelled) + weight * rise(progress, ramp) * pseudo
