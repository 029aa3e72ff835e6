"""FixMatch: sure predictions in a weak view are the labels of a strong one (Sohn et al., NeurIPS 2020).

For segmentation as in Yang et al., "Revisiting weak-to-strong consistency", CVPR 2023, section 3.1: pixel by pixel,
with CutMix. Unlike there, the predictions come from the averaged weights, which are steadier in short trainings.
"""

from __future__ import annotations

from torch import Tensor

from unetkit.methods.consistency import pseudo_loss, rise
from unetkit.methods.method import Labelled, Networks, Unlabelled
from unetkit.methods.views import paste


def fixmatch(
    networks: Networks,
    labelled: Labelled,
    unlabelled: Unlabelled,
    progress: float,
    *,
    threshold: float = 0.95,
    weight: float = 1.0,
    ramp: float = 0.3,
) -> Tensor:
    """Sure predictions in a weak view are the labels of a strong one.

    Args:
        threshold: probability from which a prediction counts as sure.
        weight: of the unlabelled images beside the labelled ones.
        ramp: share of the method's time over which the weight rises from 0.
    """
    wanted = networks.teacher(unlabelled.weak)
    levels, strong = networks.student(labelled.images, unlabelled.strong[0])
    box, seen = unlabelled.boxes[0], strong[0][:, : networks.num_classes]
    pseudo = pseudo_loss(seen, paste(wanted, box), paste(unlabelled.valid, box), threshold)
    return networks.loss(levels, labelled) + weight * rise(progress, ramp) * pseudo
