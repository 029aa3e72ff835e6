"""The Lean U-Net: as many channels at the coarsest level as at the finest.

    U-Net:   w ─ 2w ─ 4w ─ 8w ─ 16w ─ 8w ─ 4w ─ 2w ─ w
    LUnet:   w ─  w ─  w ─  w ─   w ─  w ─  w ─  w ─ w

Hassler et al.: "Lean Unet: A Compact Model for Image Segmentation" (arXiv 2512.03834, 2025). Pruning a trained U-Net
takes most channels from its widest layers, and which ones hardly matters: with skips, little has to pass through the
bottleneck. So the paper leaves the doubling out from the start.
"""

from __future__ import annotations

from collections.abc import Sequence

from unetkit.models.unet import UNet


class LeanUNet(UNet):
    """The U-Net without doubling: one width for all stages, any depth, in 2D or 3D.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: poolings, 0 to 7; beyond 2, another costs less than 5 % more multiply-adds.
        width: channels of every stage.
        norm: "batch" (exact tiles), "group", "instance" or "none".
        up: "transpose", the 2×2 up-convolution, or "interpolate", a 1×1 convolution and linear interpolation.
        dropout: probability at the end of the contracting path, 0 to below 1.
        deep_supervision: a head for each level of the expanding path, for `forward_levels`.
        skips: "all", "none", or the levels to keep, 0 being the finest.

    Raises:
        UsageError: a value outside these bounds.

    Source:
        Hassler et al. 2025: over 30 times fewer parameters than the U-Net; here 0.84 against 31.0 million at depth 4
        and width 64. The same network is `UNet` with max_width=width.

    Example:
        >>> LeanUNet(1, 2, depth=4, width=8).encoder.out_channels
        (8, 8, 8, 8, 8)
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        *,
        depth: int = 4,
        width: int = 24,
        norm: str = "batch",
        up: str = "transpose",
        dropout: float = 0.0,
        deep_supervision: bool = False,
        skips: str | Sequence[int] = "all",
    ) -> None:
        super().__init__(
            in_channels,
            num_classes,
            spatial_dims,
            depth=depth,
            width=width,
            max_width=width,
            norm=norm,
            up=up,
            dropout=dropout,
            deep_supervision=deep_supervision,
            skips=skips,
        )
