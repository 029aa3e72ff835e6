"""Mean teacher: the network shall see in a strong view what its averaged weights see in a weak one.

The difference is the squared error of the probabilities, without a threshold (Tarvainen and Valpola, "Mean teachers are
better role models", NeurIPS 2017). For segmentation the strong views must be mixed by boxes, or nothing is learnt from
them (French et al., "Semi-supervised semantic segmentation needs strong, varied perturbations", BMVC 2020).
"""

from __future__ import annotations

from torch import Tensor

from unetkit.methods.consistency import mean_over, rise
from unetkit.methods.method import Labelled, Networks, Unlabelled
from unetkit.methods.views import paste


def mean_teacher(
    networks: Networks,
    labelled: Labelled,
    unlabelled: Unlabelled,
    progress: float,
    *,
    weight: float = 1.0,
    ramp: float = 0.3,
) -> Tensor:
    """The averaged weights' probabilities in a weak view are what a strong one shall give.

    Args:
        weight: of the unlabelled images beside the labelled ones.
        ramp: share of the method's time over which the weight rises from 0.
    """
    wanted = networks.teacher(unlabelled.weak)  # N K *S
    levels, strong = networks.student(labelled.images, unlabelled.strong[0])
    seen = strong[0][:, : networks.num_classes].softmax(1)
    difference = (seen - paste(wanted, unlabelled.boxes[0])).square().sum(1)
    consistency = mean_over(difference, paste(unlabelled.valid, unlabelled.boxes[0]))
    return networks.loss(levels, labelled) + weight * rise(progress, ramp) * consistency
