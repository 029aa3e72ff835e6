"""A U-Net whose contracting path is EfficientNet-Lite0, pretrained on ImageNet.

    image ──▶ two 3×3 convolutions ───────── skip ──▶ join, width 16 ─ head ─▶ logits
      └─────▶ EfficientNet-Lite0, stride 2 ─ skip ──▶ join, width 24     ▲
                               ⋮        stride 32 ──▶ …                  ┘

The idea of a pretrained encoder: Iglovikov & Shvets, "TernausNet", 2018. It pays for photographs, where few images
suffice to learn what the encoder already knows; a plain U-Net does as well or better on microscopy.
"""

from __future__ import annotations

from collections.abc import Sequence

from unetkit.errors import UsageError
from unetkit.models.base import Segmenter
from unetkit.models.blocks import initialise, whole_number
from unetkit.models.lite0 import LEVELS, Lite0Encoder
from unetkit.models.unet import ExpandingPath


class UNetLite0(Segmenter):
    """A U-Net on EfficientNet-Lite0, for 2D images.

    Args:
        in_channels: channels of the image; any number, see `Lite0Encoder`.
        num_classes: K, 2 or more.
        spatial_dims: 2; the pretrained filters are two-dimensional.
        pretrained: start from ImageNet's weights, which come with the installation.
        widths: channels of the five decoder stages at strides 1, 2, 4, 8, 16.
        fine_width: channels of the branch at full resolution, for thin structures; 0 joins the image itself.
        up: "transpose" or "interpolate".
        deep_supervision: a head for each level of the decoder, for `forward_levels`.

    Raises:
        UsageError: a value outside these bounds.
        FileError: the installed weights are damaged.

    Source:
        Tan & Le 2019 for the encoder, Ronneberger et al. 2015 for the decoder.

    Example:
        >>> import torch
        >>> UNetLite0(3, 2, pretrained=False).eval()(torch.zeros(1, 3, 33, 17)).shape
        torch.Size([1, 2, 33, 17])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        *,
        pretrained: bool = True,
        widths: Sequence[int] = (16, 24, 32, 48, 96),
        fine_width: int = 8,
        up: str = "interpolate",
        deep_supervision: bool = False,
    ) -> None:
        if len(widths) != len(LEVELS):
            raise UsageError(
                "widths cannot be used", found=list(widths), expected=f"{len(LEVELS)} numbers, finest first"
            )
        for width in widths:
            whole_number("a width of the decoder", width, 1)
        whole_number("fine_width", fine_width, 0)
        encoder = Lite0Encoder(in_channels, fine_width=fine_width, pretrained=pretrained)
        decoder = ExpandingPath(
            encoder.out_channels, widths, dims=spatial_dims, norm="batch", up=up, skips=range(len(widths))
        )
        initialise(decoder)
        super().__init__(
            encoder,
            decoder,
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            norm="batch",
            deep_supervision=deep_supervision,
        )
        # With its receptive field as a halo, tiles would be exact here too, but many times the size of their core.
        self.exact_tiles = False
