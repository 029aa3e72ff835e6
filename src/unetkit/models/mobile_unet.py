"""A U-Net of depthwise separable convolutions, for processors without a graphics card.

    3×3 convolution:  every output from 9 pixels of every input                        9·C·K  a pixel
    separable:        3×3 on each channel alone (depthwise), 1×1 across (pointwise)   9·C + C·K

Howard et al.: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017: the cost
falls to 1/K + 1/9. Small networks on a processor wait for memory, not for arithmetic, and these three choices are for
that: nothing stands between depthwise and pointwise (Chollet, "Xception", 2017; MobileNet has a normalisation and a
ReLU there), no stage widens its input first (Sandler et al., "MobileNetV2", 2018, does, sixfold), and the decoder has
one convolution a stage. The first stage keeps the full resolution, for thin structures; its first convolution is a
whole one, for an image has few channels to separate. Halving is done by the depthwise convolution, with stride 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from unetkit.models.base import Segmenter
from unetkit.models.blocks import CONVOLUTION, convolution, initialise, whole_number
from unetkit.models.strided import StridedPath
from unetkit.models.unet import ExpandingPath, skip_levels, stage_widths


class SeparableConvolution(nn.Sequential):
    """Depthwise 3×3, pointwise 1×1, normalisation, ReLU: N C *S -> N K *S/stride."""

    def __init__(self, in_channels: int, out_channels: int, *, dims: int, norm: str, stride: int = 1) -> None:
        super().__init__(
            CONVOLUTION[dims](in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
            *convolution(in_channels, out_channels, 1, dims=dims, norm=norm),
            nn.ReLU(inplace=True),
        )


class SeparableStage(nn.Sequential):
    """So many separable convolutions; the first takes the stride and changes the channels."""

    def __init__(
        self, in_channels: int, out_channels: int, *, dims: int, norm: str, convolutions: int, stride: int = 1
    ) -> None:
        super().__init__(
            SeparableConvolution(in_channels, out_channels, dims=dims, norm=norm, stride=stride),
            *(SeparableConvolution(out_channels, out_channels, dims=dims, norm=norm) for _ in range(convolutions - 1)),
        )


def separable_encoder(in_channels: int, widths: Sequence[int], *, dims: int, norm: str, dropout: float) -> StridedPath:
    """A whole and a separable convolution at full resolution, then two separable ones for each halving."""
    first = nn.Sequential(
        *convolution(in_channels, widths[0], 3, dims=dims, norm=norm),
        nn.ReLU(inplace=True),
        SeparableConvolution(widths[0], widths[0], dims=dims, norm=norm),
    )
    halving = partial(SeparableStage, dims=dims, norm=norm, convolutions=2, stride=2)
    return StridedPath([first, *(halving(*pair) for pair in pairwise(widths))], widths, dropout=dropout)


class MobileUNet(Segmenter):
    """The U-Net of depthwise separable convolutions, any depth and width, in 2D or 3D.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: halvings, 0 to 7; an input is padded inside to a multiple of 2^depth.
        width: channels of the first stage; each stage doubles them.
        max_width: no stage is wider than this.
        decoder_blocks: separable convolutions of each stage of the decoder, 1 or more.
        norm: "batch" (exact tiles), "group", "instance" or "none".
        up: "transpose", a 2×2 up-convolution, or "interpolate", a 1×1 convolution and linear interpolation.
        dropout: probability at the end of the encoder, 0 to below 1.
        deep_supervision: a head for each level of the decoder, for `forward_levels`.
        skips: "all", "none", or the levels to keep, 0 being the finest.

    Raises:
        UsageError: a value outside these bounds.

    Source:
        Howard et al. 2017 for the convolution, Ronneberger et al. 2015 for the rest.

    Example:
        >>> import torch
        >>> MobileUNet(1, 2, depth=2, width=8)(torch.zeros(1, 1, 33, 17)).shape
        torch.Size([1, 2, 33, 17])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        *,
        depth: int = 3,
        width: int = 16,
        max_width: int | None = None,
        decoder_blocks: int = 1,
        norm: str = "batch",
        up: str = "transpose",
        dropout: float = 0.0,
        deep_supervision: bool = False,
        skips: str | Sequence[int] = "all",
    ) -> None:
        widths = stage_widths(depth, width, max_width)
        whole_number("decoder_blocks", decoder_blocks, 1)
        encoder = separable_encoder(in_channels, widths, dims=spatial_dims, norm=norm, dropout=dropout)
        decoder = ExpandingPath(
            widths,
            widths[:-1],
            dims=spatial_dims,
            norm=norm,
            up=up,
            skips=skip_levels(skips, depth),
            block=partial(SeparableStage, convolutions=decoder_blocks),
        )
        initialise_separable(encoder)
        initialise_separable(decoder)
        super().__init__(
            encoder,
            decoder,
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            norm=norm,
            deep_supervision=deep_supervision,
        )


@torch.no_grad()
def initialise_separable(module: nn.Module) -> None:
    """`initialise`, but depthwise weights have standard deviation √(1/N): no ReLU after them halves the variance."""
    initialise(module)
    for layer in module.modules():
        if isinstance(layer, SeparableConvolution):
            layer[0].weight.mul_(math.sqrt(0.5))  # type: ignore[operator]
