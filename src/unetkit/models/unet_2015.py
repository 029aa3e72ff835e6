"""The U-Net as its paper draws it: unpadded convolutions, so that every output pixel has seen nothing but image.

    image 572 ─ stage 0 ── 568 ─────────── crop ──────────────▶ 392 ─ join 0 ─ head ─▶ logits 388
                   │ pool                                              ▲ up
                stage 1 ── 280 ─────────── crop ──────────────▶ 200 ─ join 1
                   ⋮                                                   ⋮
                stage 4 ──  28 ───────────────────────────────────────┘

Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015. Two 3×3
convolutions a stage take two pixels off each side, so skips are cropped to what comes up, and 92 pixels a side are lost
in all. The paper's overlap-tile strategy gives them back: the input is extended by mirroring it at its borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from unetkit.errors import UsageError
from unetkit.models.base import Segmenter
from unetkit.models.blocks import ConvBlock, crop, initialise
from unetkit.models.unet import ContractingPath, ExpandingPath, stage_widths


class TwiceDroppedPath(ContractingPath):
    """The contracting path with dropout after each of its last two stages."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """N C *S -> one feature per stage, each half the size of the one before, less four pixels."""
        features: list[Tensor] = []
        for level, stage in enumerate(self.stages):
            x = stage(self.pool(features[-1]) if features else x)
            features.append(self.dropout(x) if level >= len(self.stages) - 2 else x)
        return features


class CroppingPath(ExpandingPath):
    """The expanding path whose skips lose their borders, for what comes up is smaller."""

    def skip(self, level: int, feature: Tensor, below: Tensor) -> Tensor:
        """The middle of the encoder's feature, twice the size of the decoded one below."""
        for axis in range(2, feature.ndim):
            size = 2 * below.shape[axis]
            feature = feature.narrow(axis, (feature.shape[axis] - size) // 2, size)
        return feature


class UNet2015(Segmenter):
    """The U-Net of 2015 to the letter, in 2D or 3D: unpadded convolutions with biases and no normalisation.

    `forward_valid` is the paper's network: 572 × 572 pixels in, 388 × 388 out. `forward` mirrors an image of any size
    at its borders, so that logits come out for all of it. The grid of coarser levels is that of the image, 2 pixels on.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: poolings, 0 to 7.
        width: channels of the first stage, 1 or more; each stage doubles them.
        dropout: probability after the last two stages of the contracting path, 0 to below 1. The paper speaks of
            "drop-out layers at the end of the contracting path"; two with 0.5 is what its authors released.
        deep_supervision: a head for each level of the expanding path, for `forward_levels`; not the paper's.

    Attributes:
        margin: pixels that `forward_valid` takes off each side, 6 · 2^depth − 4.

    Raises:
        UsageError: a value outside these bounds.

    Source:
        Ronneberger et al. 2015, figures 1 and 2: 31.0 million parameters.

    Example:
        >>> import torch
        >>> model = UNet2015(1, 2, depth=2, width=8)
        >>> model(torch.zeros(1, 1, 33, 17)).shape, model.forward_valid(torch.zeros(1, 1, 76, 60)).shape
        (torch.Size([1, 2, 33, 17]), torch.Size([1, 2, 36, 20]))
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        *,
        depth: int = 4,
        width: int = 64,
        dropout: float = 0.5,
        deep_supervision: bool = False,
    ) -> None:
        widths = stage_widths(depth, width, None)
        block = partial(ConvBlock, padding=0)
        encoder = TwiceDroppedPath(in_channels, widths, dims=spatial_dims, norm="none", dropout=dropout, block=block)
        decoder = CroppingPath(
            widths, widths[:-1], dims=spatial_dims, norm="none", up="transpose", skips=range(depth), block=block
        )
        initialise(encoder)
        initialise(decoder)
        super().__init__(
            encoder,
            decoder,
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            norm="none",
            deep_supervision=deep_supervision,
        )
        self.margin = 6 * self.grid - 4
        self.receptive_field = mirrored_halo(depth)

    def forward_valid(self, x: Tensor) -> Tensor:
        """Logits for the pixels whose whole surroundings are there: the network without mirroring.

        Args:
            x: N C *S, normalised; each size a multiple of 2^depth more than 2 · margin + 4, as 572 is with depth 4.

        Returns:
            N K *(S − 2 · margin), before softmax; its first pixel belongs to the input's pixel `margin`.

        Raises:
            UsageError: a size the poolings do not divide, with the nearest that they do.
        """
        self.check(x)
        nearest = [valid_sizes(size, self.margin, self.grid) for size in x.shape[2:]]
        if any(size not in valid for size, valid in zip(x.shape[2:], nearest, strict=True)):
            raise UsageError(
                "unpadded convolutions and pooling do not fit that size",
                found=" × ".join(map(str, x.shape[2:])),
                expected=" × ".join(" or ".join(map(str, valid)) for valid in nearest),
                mend="cut or mirror the image to it, or call the network itself, which does",
            )
        return self.heads[0](self.decoder(self.encoder(x))[0])  # type: ignore[no-any-return]

    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """As `Segmenter.forward_levels`: pixel k of level i is the cell that pixel k · 2^i of the image lies in."""
        decoded = self.decoder(self.encoder(self.pad(x)))
        levels = []
        for level, (head, feature) in enumerate(zip(self.heads, decoded, strict=False)):
            # Level i begins 2^(i+1) − 2 pixels before the image: pixel 0 lies in the second cell of coarser levels.
            inside = feature[(..., *[slice(min(level, 1), None)] * self.spatial_dims)]
            levels.append(crop(head(inside), [-(-size // 2**level) for size in x.shape[2:]]))
        return levels

    def pad(self, x: Tensor) -> Tensor:
        """`x` checked, and mirrored at its borders up to a valid size that gives logits for all of it."""
        self.check(x)
        # What comes out is 4 pixels more than a multiple of the grid, and holds the image.
        covering = [(size + 5 * self.grid - 5) // self.grid * self.grid - 4 * self.grid + 4 for size in x.shape[2:]]
        return mirror(
            x, self.margin, [full - size + self.margin for full, size in zip(covering, x.shape[2:], strict=True)]
        )


def mirror(x: Tensor, before: int, after: Sequence[int]) -> Tensor:
    """`x` continued beyond its borders by its mirror image, in turns where that is smaller than the margin.

    The border pixel is the mirror and is not repeated: c b | a b c | b a.

    Args:
        x: N C *S, any size from 1 up.
        before: pixels added before each axis.
        after: pixels added after each.

    Returns:
        N C *(before + S + after).

    Example:
        >>> mirror(torch.tensor([[[1, 2, 3]]]), 3, [1]).tolist()
        [[[2, 3, 2, 1, 2, 3, 2]]]
    """
    for axis, (size, beyond) in enumerate(zip(x.shape[2:], after, strict=True), start=2):
        # A tensor, for a graph that is recorded holds no sizes of 1 in plain numbers.
        period = torch.full((), 2 * size - 2, device=x.device)
        there_and_back = torch.arange(-before, size + beyond, device=x.device) % period.clamp(min=1)
        x = x.index_select(axis, torch.minimum(there_and_back, (period - there_and_back).abs()))
    return x


def valid_sizes(size: int, margin: int, grid: int) -> tuple[int, ...]:
    """The sizes nearest to `size` that the unpadded network can take: itself, or those below and above.

    Args:
        size: pixels.
        margin: pixels that the network takes off each side.
        grid: 2 to the power of the poolings.

    Example:
        >>> valid_sizes(572, 92, 16), valid_sizes(580, 92, 16), valid_sizes(20, 92, 16)
        ((572,), (572, 588), (188,))
    """
    # What comes out is 4 pixels more than a multiple of the grid, and 1 or more.
    lost = 2 * margin + 4
    above = max(-(-(size - lost) // grid), -(3 // grid)) * grid + lost
    below = (size - lost) // grid * grid + lost
    return (below, above) if 2 * margin < below < above else (above,)


def mirrored_halo(depth: int) -> int:
    """How far beyond a block of output the image still matters, in pixels, borders where it is mirrored included.

    Tiles are mirrored too, but inside the image: what that margin holds there is not the image, so no pixel of the
    block may see it. And at the image's end the block sees the image's own mirror: as far back as it sees beyond.

    Args:
        depth: poolings.

    Returns:
        Pixels on each side of a block that starts on the grid and ends on it or with the image; 2, 9, 23, 48, 103 for
        0 to 4 poolings.
    """
    grid = 1 << depth

    def end(stop: int) -> int:
        """Where the part of the input ends that logits up to `stop` depend on."""
        for level in range(depth):
            stop += 2 << level  # two convolutions
            stop += (2 - stop) % (2 << level)  # whole cells of the next level, which begin 2 pixels after the grid
        return stop + 4 * grid - 2

    within = end(grid) - grid
    at_the_end = max(end(stop) - 2 * stop + 1 for stop in range(1, grid + 1))
    return max(within, at_the_end)
