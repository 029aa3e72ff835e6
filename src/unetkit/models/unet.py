"""The U-Net: a contracting path, an expanding path, and skips that carry detail from one to the other.

    image ─ stage 0 ───────────── skip ─────────────▶ join 0 ─ head ─▶ logits
               │ pool                                    ▲ up
            stage 1 ───────────── skip ─────────────▶ join 1
               │ pool                                    ▲ up
            stage 2 (depth 2: the bottleneck) ───────────┘

Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015. Different
here: convolutions are padded, so the output has the image's size, and each is followed by a normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.models.base import Pyramid, Segmenter
from unetkit.models.blocks import (
    POOL,
    UPS,
    ConvBlock,
    initialise,
    reach,
    whole_number,
)
from unetkit.registry import lookup


class ContractingPath(Pyramid):
    """Stages of two convolutions with 2×2 max pooling between them, dropout at the end.

    Args:
        in_channels: channels of the image.
        widths: channels of each stage, finest first; one pooling fewer than stages.
        dims: 2 or 3.
        norm: the normalisation's name.
        dropout: probability with which a value of the coarsest feature is dropped in training, 0 to below 1.
        block: makes a stage from (in_channels, out_channels, dims=…, norm=…).

    Raises:
        UsageError: dropout is no such probability.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        *,
        dims: int,
        norm: str,
        dropout: float,
        block: Callable[..., nn.Module] = ConvBlock,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UsageError("dropout cannot be used", found=dropout, expected="a probability, 0 to below 1")
        self.stages = nn.ModuleList(
            block(before, width, dims=dims, norm=norm)
            for before, width in zip([in_channels, *widths], widths, strict=False)
        )
        self.pool = POOL[dims](2)
        self.dropout = nn.Dropout(dropout)
        self.out_channels = tuple(widths)
        self.reach = tuple(reach(stage) for stage in self.stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """N C *S -> one N width *S/2^i per stage."""
        features = [self.stages[0](x)]
        for stage in self.stages[1:]:
            features.append(stage(self.pool(features[-1])))
        features[-1] = self.dropout(features[-1])
        return features


class ExpandingPath(Pyramid):
    """From the coarsest feature up: double the size, join the skip of that level, two convolutions.

    Args:
        channels: of the encoder's features, finest first.
        widths: channels of each decoded feature, finest first, one fewer than `channels`.
        dims: 2 or 3.
        norm: the normalisation's name.
        up: "transpose" or "interpolate".
        skips: the levels whose encoder feature is joined.
        block: makes the convolutions after a join from (in_channels, out_channels, dims=…, norm=…).
    """

    def __init__(
        self,
        channels: Sequence[int],
        widths: Sequence[int],
        *,
        dims: int,
        norm: str,
        up: str,
        skips: Sequence[int],
        block: Callable[..., nn.Module] = ConvBlock,
    ) -> None:
        super().__init__()
        make_up = lookup(UPS, up, "way up")
        self.out_channels = (*widths, channels[-1])
        self.skips = frozenset(skips)
        self.ups = nn.ModuleList(
            make_up(below, width, dims=dims) for width, below in zip(widths, self.out_channels[1:], strict=True)
        )
        self.joins = nn.ModuleList(
            block(width + (channels[level] if level in self.skips else 0), width, dims=dims, norm=norm)
            for level, width in enumerate(widths)
        )
        self.reach = tuple(
            reach(join) + getattr(step, "reach", 0) for join, step in zip(self.joins, self.ups, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The encoder's features -> as many decoded ones, finest first; the coarsest is passed through."""
        decoded = [features[-1]]
        for level in reversed(range(len(self.joins))):
            x = self.ups[level](decoded[0])
            if level in self.skips:
                x = torch.cat([self.skip(level, features[level], decoded[0]), x], dim=1)
            decoded.insert(0, self.joins[level](x))
        return decoded

    def skip(self, level: int, feature: Tensor, below: Tensor) -> Tensor:
        """What is joined at a level, from the encoder's feature there and the decoded one below: here, all of it."""
        return feature


class UNet(Segmenter):
    """The U-Net of the paper with padded convolutions, any depth and width, in 2D or 3D.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: poolings, 0 to 7; an input is padded inside to a multiple of 2^depth.
        width: channels of the first stage; each stage doubles them.
        max_width: no stage is wider than this.
        norm: "batch" (exact tiles), "group", "instance" or "none".
        up: "transpose", the paper's 2×2 up-convolution, or "interpolate", a 1×1 convolution and linear interpolation.
        dropout: probability at the end of the contracting path, 0 to below 1.
        deep_supervision: a head for each level of the expanding path, for `forward_levels`.
        skips: "all", "none", "top" (the finest alone), or the levels to keep, 0 being the finest.

    Raises:
        UsageError: a value outside these bounds.

    Source:
        Ronneberger et al. 2015; parameters at depth 4 and widths 64, 32, 16, 8: 31.0, 7.76, 1.94, 0.49 million.

    Example:
        >>> import torch
        >>> UNet(1, 2, depth=2, width=8)(torch.zeros(1, 1, 33, 17)).shape
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
        norm: str = "batch",
        up: str = "transpose",
        dropout: float = 0.0,
        deep_supervision: bool = False,
        skips: str | Sequence[int] = "all",
    ) -> None:
        widths = stage_widths(depth, width, max_width)
        encoder = ContractingPath(in_channels, widths, dims=spatial_dims, norm=norm, dropout=dropout)
        decoder = ExpandingPath(
            widths, widths[:-1], dims=spatial_dims, norm=norm, up=up, skips=skip_levels(skips, depth)
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


def stage_widths(depth: int, width: int, max_width: int | None) -> list[int]:
    """The channels of each stage, finest first: each has twice those of the one before, up to `max_width`.

    Raises:
        UsageError: depth not 0 to 7, width below 1, or max_width below width.

    Example:
        >>> stage_widths(3, 8, 20)
        [8, 16, 20, 20]
    """
    whole_number("depth", depth, 0, 7)
    whole_number("width", width, 1)
    if max_width is not None:
        whole_number("max_width", max_width, width)
    return [min(width * 2**stage, max_width or width * 2**stage) for stage in range(depth + 1)]


def skip_levels(skips: str | Sequence[int], depth: int) -> tuple[int, ...]:
    """The levels that `skips` names, of a network with `depth` poolings.

    Raises:
        UsageError: neither "all", "none" nor "top" nor levels that the network has.

    Example:
        >>> skip_levels("all", 3)
        (0, 1, 2)
    """
    if skips == "all":
        return tuple(range(depth))
    if skips == "none":
        return ()
    if skips == "top":
        return (0,) if depth else ()
    if isinstance(skips, str) or not set(skips) <= set(range(depth)):
        raise UsageError(
            "skips cannot be used",
            found=repr(skips),
            expected=f"'all', 'none', 'top', or levels below the depth, {depth}",
        )
    return tuple(sorted(set(skips)))
