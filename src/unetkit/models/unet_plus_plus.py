"""UNet++: between encoder and decoder stand nested nodes, so that U-Nets of every depth share one encoder.

    X⁰⁰ ───────▶ X⁰¹ ───────▶ X⁰² ───────▶ X⁰³ ─ head ─▶ logits     ╲ pool   ╱ up
       ╲        ╱            ╱            ╱
        X¹⁰ ───────▶ X¹¹ ───────▶ X¹²           X^{i,0}: stage i of the encoder, at stride 2^i
           ╲        ╱            ╱              X^{i,j}: two convolutions over X^{i,0} … X^{i,j-1} and X^{i+1,j-1}
            X²⁰ ───────▶ X²¹                    X^{0,j}: where a U-Net with j poolings ends; under deep supervision
               ╲        ╱                                each has a head, and all to its right can be left out
                X³⁰

Zhou, Siddiquee, Tajbakhsh, Liang: "UNet++: A Nested U-Net Architecture for Medical Image Segmentation", DLMIA 2018
(arXiv 1807.10165), and "UNet++: Redesigning Skip Connections to Exploit Multiscale Features in Image Segmentation",
IEEE TMI 2020 (arXiv 1912.05074). Different here: each convolution is followed by a normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.models.base import Pyramid, Segmenter
from unetkit.models.blocks import CONVOLUTION, UPS, ConvBlock, crop, initialise, reach, whole_number
from unetkit.models.unet import ContractingPath, stage_widths
from unetkit.registry import lookup


class NestedPath(Pyramid):
    """The nodes X^{i,j} with j ≥ 1, in `ups[i][j - 1]` and `joins[i][j - 1]`.

    Args:
        widths: channels of the encoder's features, finest first; all nodes of a level have those of its feature.
        dims: 2 or 3.
        norm: the normalisation's name.
        up: "transpose" or "interpolate".
    """

    def __init__(self, widths: Sequence[int], *, dims: int, norm: str, up: str) -> None:
        super().__init__()
        make_up = lookup(UPS, up, "way up")
        depth = len(widths) - 1
        self.out_channels = tuple(widths)
        self.ups = nn.ModuleList(
            nn.ModuleList(make_up(widths[level + 1], widths[level], dims=dims) for _ in range(depth - level))
            for level in range(depth)
        )
        self.joins = nn.ModuleList(
            nn.ModuleList(
                ConvBlock((column + 1) * width, width, dims=dims, norm=norm) for column in range(1, depth - level + 1)
            )
            for level, width in enumerate(widths[:-1])
        )
        # The path that reads furthest is the U-Net's own, down at every node: a node more on a level adds what one
        # below it would have doubled.
        self.reach = tuple(
            reach(joins[0]) + getattr(ups[0], "reach", 0)  # type: ignore[index]
            for joins, ups in zip(self.joins, self.ups, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The encoder's L + 1 features -> X^{0,L}, X^{1,L-1} … X^{L,0}."""
        return [row[-1] for row in self.nodes(features)]

    def nodes(self, features: list[Tensor]) -> list[list[Tensor]]:
        """Every X^{i,j}: row i, column j; L + 1 rows, each one shorter than the row above it."""
        rows = [[feature] for feature in features]
        for column in range(1, len(rows)):
            for level in range(len(rows) - column):
                below = self.ups[level][column - 1](rows[level + 1][column - 1])  # type: ignore[index]
                joined = torch.cat([*rows[level], below], dim=1)
                rows[level].append(self.joins[level][column - 1](joined))  # type: ignore[index]
        return rows


class UNetPlusPlus(Segmenter):
    """UNet++ with padded convolutions, any depth and width, in 2D or 3D.

    `forward` gives what the head on X^{0,depth} gives, the paper's "fast mode". `forward_levels` gives all heads, all
    at full resolution: X^{0,depth} first, X^{0,1} last.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: poolings, 0 to 7; an input is padded inside to a multiple of 2^depth.
        width: channels of the first level; each level doubles them, all nodes of a level have as many.
        max_width: no level is wider than this.
        norm: "batch" (exact tiles), "group", "instance" or "none".
        up: "transpose", the paper's 2×2 up-convolution, or "interpolate", a 1×1 convolution and linear interpolation.
        dropout: probability at the end of the encoder, 0 to below 1.
        deep_supervision: a head for each of X^{0,1} … X^{0,depth}; `pruned` needs them.

    Raises:
        UsageError: a value outside these bounds.

    Source:
        Zhou et al. 2018 and 2020; 9.04 million parameters at depth 4 and width 32, where a U-Net has 7.76.

    Example:
        >>> import torch
        >>> network = UNetPlusPlus(1, 2, depth=3, width=8, deep_supervision=True)
        >>> network(torch.zeros(1, 1, 33, 17)).shape
        torch.Size([1, 2, 33, 17])
        >>> network.pruned(2).receptive_field
        22
    """

    encoder: ContractingPath
    decoder: NestedPath

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
    ) -> None:
        widths = stage_widths(depth, width, max_width)
        encoder = ContractingPath(in_channels, widths, dims=spatial_dims, norm=norm, dropout=dropout)
        decoder = NestedPath(widths, dims=spatial_dims, norm=norm, up=up)
        initialise(encoder)
        initialise(decoder)
        super().__init__(
            encoder, decoder, in_channels=in_channels, num_classes=num_classes, spatial_dims=spatial_dims, norm=norm
        )
        self.up, self.deep_supervision = up, deep_supervision
        if deep_supervision:  # heads[k] is that of X^{0,depth-k}
            further = nn.ModuleList(CONVOLUTION[spatial_dims](width, num_classes, 1) for _ in range(depth - 1))
            initialise(further)
            self.heads.extend(further)

    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """Logits of every head, the deepest first: N K *S each; only the first without deep supervision."""
        row = self.decoder.nodes(self.encoder(self.pad(x)))[0]
        return [crop(head(node), x.shape[2:]) for head, node in zip(self.heads, reversed(row), strict=False)]

    def pruned(self, level: int) -> Segmenter:
        """The part of the network that X^{0,level} needs; the weights are the same ones, not copies.

        Args:
            level: poolings that stay, 1 to depth.

        Returns:
            A network with the grid, receptive field and cost of that depth, in the mode (training or not) of this one.

        Raises:
            UsageError: trained without deep supervision, or no such level.
        """
        depth = len(self.encoder.out_channels) - 1
        if not self.deep_supervision:
            raise UsageError(
                "a UNet++ trained without deep supervision cannot be pruned: its inner nodes have no heads",
                mend="train it with --set training.deep_supervision=true",
            )
        whole_number("the level to prune to", level, 1, depth)
        with torch.device("meta"):  # no weights are drawn: the whole network's take their place
            part = UNetPlusPlus(
                self.in_channels,
                self.num_classes,
                self.spatial_dims,
                depth=level,
                width=self.encoder.out_channels[0],
                max_width=max(self.encoder.out_channels),
                norm=self.norm,
                up=self.up,
            )
        part.encoder.stages = self.encoder.stages[: level + 1]
        for name in ("ups", "joins"):
            rows = getattr(self.decoder, name)
            setattr(part.decoder, name, nn.ModuleList(rows[row][: level - row] for row in range(level)))
        part.heads = self.heads[depth - level : depth - level + 1]
        return part.train(self.training)
