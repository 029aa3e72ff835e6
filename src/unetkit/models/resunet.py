"""A U-Net whose encoder is a residual network, as in nnU-Net's ResEnc presets.

    image ─ 3×3 ─ blocks ─────────────────── skip ────▶ join 0 ─ head ─▶ logits
                    │ the first block has stride 2         ▲ up
                  blocks ─────────────────── skip ────▶ join 1
                    ⋮                                      ⋮

    a block:  x ─ 3×3, norm, LeakyReLU ─ 3×3, norm ─ + ─ LeakyReLU ─▶
              └─ mean of 2×2 ─ 1×1, norm ────────────┘    (each only where the size or the channels change)

Isensee et al.: "nnU-Net Revisited: A Call for Rigorous Validation in 3D Medical Image Segmentation", MICCAI 2024
(arXiv 2404.09556). The block is the basic one of He et al., "Deep Residual Learning for Image Recognition", 2016, with
the shortcut of He et al., "Bag of Tricks for Image Classification", 2019 (ResNet-D). Different here: the default
normalisation is BatchNorm, for exact tiles; a convolution before a normalisation has no bias, which would do nothing;
and the last normalisation of a block starts at one, not at zero, so that every weight learns from the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.models.base import Segmenter
from unetkit.models.blocks import convolution, initialise, whole_number
from unetkit.models.strided import StridedPath
from unetkit.models.unet import ExpandingPath, skip_levels, stage_widths

AVERAGE_POOL: dict[int, type[nn.AvgPool2d] | type[nn.AvgPool3d]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}


def leaky_relu() -> nn.Module:
    """LeakyReLU with nnU-Net's slope."""
    return nn.LeakyReLU(0.01, inplace=True)


class PlainStage(nn.Sequential):
    """So many times 3×3 convolution, normalisation, LeakyReLU: N C *S -> N K *S."""

    def __init__(self, in_channels: int, out_channels: int, *, dims: int, norm: str, convolutions: int = 1) -> None:
        layers: list[nn.Module] = []
        for before in [in_channels, *[out_channels] * (convolutions - 1)]:
            layers += [*convolution(before, out_channels, 3, dims=dims, norm=norm), leaky_relu()]
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them: N C *S -> N K *S/stride."""

    def __init__(self, in_channels: int, out_channels: int, *, dims: int, norm: str, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *convolution(in_channels, out_channels, 3, dims=dims, norm=norm, stride=stride),
            leaky_relu(),
            *convolution(out_channels, out_channels, 3, dims=dims, norm=norm),
        )
        shortcut: list[nn.Module] = [AVERAGE_POOL[dims](2)] if stride == 2 else []
        if in_channels != out_channels:
            shortcut += convolution(in_channels, out_channels, 1, dims=dims, norm=norm)
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = leaky_relu()

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.activation(self.layers(x) + self.shortcut(x))
        return activated


def residual_encoder(
    in_channels: int, widths: Sequence[int], blocks: Sequence[int], *, dims: int, norm: str, dropout: float
) -> StridedPath:
    """A 3×3 convolution, then for each width as many residual blocks as `blocks` says."""
    block = partial(ResidualBlock, dims=dims, norm=norm)
    stages = [
        nn.Sequential(
            block(before, width, stride=1 if stage == 0 else 2), *(block(width, width) for _ in range(count - 1))
        )
        for stage, (before, width, count) in enumerate(zip([widths[0], *widths], widths, blocks, strict=False))
    ]
    stages[0].insert(0, PlainStage(in_channels, widths[0], dims=dims, norm=norm))
    return StridedPath(stages, widths, dropout=dropout)


class ResUNet(Segmenter):
    """The residual encoder U-Net of nnU-Net's ResEnc presets, by default of a size for a laptop, in 2D or 3D.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: halvings, 0 to 7; an input is padded inside to a multiple of 2^depth.
        width: channels of the first stage; each stage doubles them.
        max_width: no stage is wider than this.
        blocks: residual blocks of each stage, finest first, each 1 or more; the last number holds for all coarser
            stages, and numbers beyond the coarsest are not used; or one number for all.
        decoder_blocks: 3×3 convolutions of each stage of the decoder, 1 or more.
        norm: "batch" (exact tiles), "group", "instance" (nnU-Net's) or "none".
        up: "transpose", a 2×2 up-convolution, or "interpolate", a 1×1 convolution and linear interpolation.
        dropout: probability at the end of the encoder, 0 to below 1.
        deep_supervision: a head for each level of the decoder, for `forward_levels`.
        skips: "all", "none", or the levels to keep, 0 being the finest.

    Raises:
        UsageError: a value outside these bounds.

    Source:
        Isensee et al. 2024. Its presets have width=32, blocks=(1, 3, 4, 6), norm="instance", deep_supervision, as
        many stages as halve the patch to 4 pixels, max_width=512 in 2D and 320 in 3D; ResEnc M, L and XL differ in
        patch and batch. With six stages in 3D: 102.4 million parameters.

    Example:
        >>> import torch
        >>> ResUNet(1, 2, depth=2, width=8)(torch.zeros(1, 1, 33, 17)).shape
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
        blocks: int | Sequence[int] = (1, 2),
        decoder_blocks: int = 1,
        norm: str = "batch",
        up: str = "transpose",
        dropout: float = 0.0,
        deep_supervision: bool = False,
        skips: str | Sequence[int] = "all",
    ) -> None:
        widths = stage_widths(depth, width, max_width)
        whole_number("decoder_blocks", decoder_blocks, 1)
        encoder = residual_encoder(
            in_channels, widths, blocks_per_stage(blocks, depth + 1), dims=spatial_dims, norm=norm, dropout=dropout
        )
        decoder = ExpandingPath(
            widths,
            widths[:-1],
            dims=spatial_dims,
            norm=norm,
            up=up,
            skips=skip_levels(skips, depth),
            block=partial(PlainStage, convolutions=decoder_blocks),
        )
        initialise(encoder)
        initialise(decoder)
        super().__init__(
            encoder,
            decoder,
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            norm=norm,
            deep_supervision=deep_supervision,
        )


def blocks_per_stage(blocks: int | Sequence[int], stages: int) -> list[int]:
    """One number of blocks for each stage.

    Raises:
        UsageError: no number at all, or one below 1.

    Example:
        >>> blocks_per_stage((1, 3, 4, 6), 6), blocks_per_stage(2, 3)
        ([1, 3, 4, 6, 6, 6], [2, 2, 2])
    """
    counts = [blocks] if isinstance(blocks, int) else list(blocks)
    if not counts:
        raise UsageError("blocks cannot be used", found=repr(blocks), expected="a number, or one for each stage")
    for count in counts:
        whole_number("a number of blocks", count, 1)
    return (counts + counts[-1:] * stages)[:stages]
