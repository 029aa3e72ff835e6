"""BatchNorm folded into the convolution before it: at prediction both are linear, so one of them can do the work."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from unetkit.models import Segmenter

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def folded(model: Segmenter) -> Segmenter:
    """A copy for prediction, in which every BatchNorm that follows a convolution in a Sequential is part of it.

    Args:
        model: any network; it is left as it is.

    Returns:
        The copy, in evaluation mode; its outputs differ by rounding alone.

    Example:
        >>> from unetkit.models import build_model
        >>> network = build_model("unet", in_channels=1, num_classes=2)
        >>> any("running_mean" in name for name in folded(network).state_dict())
        False
    """
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for (name, layer), (following, norm) in pairwise(list(module.named_children())):
            if isinstance(layer, CONVOLUTIONS) and isinstance(norm, BATCH_NORMS) and norm.track_running_stats:
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
                setattr(module, following, nn.Identity())
    return model
