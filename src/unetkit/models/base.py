"""What all networks have in common: an image of any size in, logits of the same size out."""

from __future__ import annotations

from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.models.blocks import CONVOLUTION, FIXED_AT_PREDICTION, crop, initialise, pad_to_multiple

LONGEST_HALO = {2: 256, 3: 32}
"""A network that sees further is not given tiles with a halo, which would be mostly halo, but overlapping windows."""


class Pyramid(nn.Module):
    """An encoder or a decoder: it returns features, finest first, each half the size of the one before.

    Attributes:
        out_channels: the channels of each feature, finest first.
        reach: how many pixels, of its own level, each level reads beyond a block that is aligned to the grid.
    """

    out_channels: tuple[int, ...]
    reach: tuple[int, ...]

    @property
    def pretrained_part(self) -> nn.Module | None:
        """What pretrained weights fill, and `training.freeze` holds still; None where there is no such part."""
        return None


class Segmenter(nn.Module):
    """An encoder, a decoder and a 1×1 convolution, the head, that turns features into one logit per class.

    Args:
        encoder: image to features; the number of its levels fixes the grid.
        decoder: those features to features of the same sizes.
        in_channels: channels of the image.
        num_classes: K, 2 or more; one logit each, the activation belongs to prediction.
        spatial_dims: 2 or 3.
        norm: the normalisation in encoder and decoder.
        deep_supervision: give each level of the decoder a head for `forward_levels`.

    Attributes:
        grid: 2 to the power of the poolings; tiles start at its multiples, inputs are padded inside to them.
        receptive_field: pixels beyond a block of output aligned to `grid` that still matter, so the halo it needs.
        exact_tiles: whether tiles with that halo give what the whole image gives, and prediction may rely on it.
        norm, deep_supervision: as given.

    Source:
        Deep supervision: Lee et al., "Deeply-Supervised Nets", 2015. Exact tiles: `halo` below.
    """

    def __init__(
        self,
        encoder: Pyramid,
        decoder: Pyramid,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int,
        norm: str,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.in_channels, self.num_classes, self.spatial_dims = in_channels, num_classes, spatial_dims
        self.norm, self.deep_supervision = norm, deep_supervision
        poolings = len(encoder.out_channels) - 1
        # The coarsest level is the encoder's own: no head there unless it is the only one.
        levels = max(poolings, 1) if deep_supervision else 1
        self.heads = nn.ModuleList(
            CONVOLUTION[spatial_dims](channels, num_classes, 1) for channels in decoder.out_channels[:levels]
        )
        initialise(self.heads)
        self.grid = 2**poolings
        self.receptive_field: int | None = halo(encoder, decoder)
        self.exact_tiles = norm in FIXED_AT_PREDICTION

    def forward(self, x: Tensor) -> Tensor:
        """Logits for every pixel.

        Args:
            x: N C *S, normalised, any size from 1 up.

        Returns:
            N K *S, before softmax.

        Raises:
            UsageError: the number of axes or channels is not what the network was built for.
        """
        features = self.encoder(self.pad(x))
        decoded = self.decoder(features)
        return crop(self.heads[0](decoded[0]), x.shape[2:])

    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """Logits at every level that has a head, the one of `forward` first; here level i has stride 2^i.

        Args:
            x: as for `forward`.

        Returns:
            One N K *⌈S / stride⌉ per head, strides being powers of two; only the first without deep supervision.
        """
        features = self.encoder(self.pad(x))
        decoded = self.decoder(features)
        return [
            crop(head(feature), [-(-size // 2**level) for size in x.shape[2:]])
            for level, (head, feature) in enumerate(zip(self.heads, decoded, strict=False))
        ]

    @property
    def tiles_exactly(self) -> bool:
        """Whether an image is cut into tiles with a halo, which then give what one pass over the whole would give."""
        field = self.receptive_field
        return self.exact_tiles and field is not None and field <= LONGEST_HALO[self.spatial_dims]

    def pruned(self, level: int) -> Segmenter:
        """The part of the network that predicts with so many poolings, sharing its weights; few networks have one.

        Args:
            level: poolings that stay, 1 or more.

        Raises:
            UsageError: this network has no such part.
        """
        raise UsageError(
            f"this network cannot be pruned to level {level}",
            found=type(self).__name__,
            expected="a UNet++ trained with deep supervision",
            mend="unetkit train DATA --model unet++ --set training.deep_supervision=true",
        )

    def pad(self, x: Tensor) -> Tensor:
        """`x` checked, and its last rows and columns repeated up to a multiple of the grid."""
        self.check(x)
        # Where statistics come from the pixels at hand, one value per channel is too few for a mean and a deviation.
        batch_alone = self.norm == "batch" and self.training and x.shape[0] == 1
        return pad_to_multiple(x, self.grid, more_than_one=batch_alone or self.norm not in FIXED_AT_PREDICTION)

    def check(self, x: Tensor) -> None:
        """Refuse an input that is not N C *S with the channels and the axes the network was built for.

        Raises:
            UsageError: it is not.
        """
        if x.ndim != self.spatial_dims + 2 or x.shape[1] != self.in_channels or 0 in x.shape:
            axes = "rows, columns" if self.spatial_dims == 2 else "planes, rows, columns"
            raise UsageError(
                "this network cannot take that input",
                found=f"shape {tuple(x.shape)}",
                expected=f"(images, {self.in_channels} channels, {axes}), none of them 0",
            )


def halo(encoder: Pyramid, decoder: Pyramid) -> int:
    """How far beyond a block of output that is aligned to the grid the image still matters, in pixels.

    Walks from the output down the decoder, where every halving rounds up to whole pixels, and up the encoder again.
    A tile whose origin and size are multiples of the grid and that shows this much around the block (and ends at the
    true border of the image where there is no more) gives there what the whole image gives.

    Args:
        encoder: publishes its reach per level.
        decoder: publishes its reach per level; the coarsest level is the encoder's.

    Returns:
        Pixels on each side; 2, 8, 22, 46, 94 for a U-Net with 0 to 4 poolings and two 3×3 convolutions a stage.
    """
    pixels = 0
    for beyond in decoder.reach:
        pixels = -(-(pixels + beyond) // 2)
    pixels += encoder.reach[-1]
    for beyond in reversed(encoder.reach[:-1]):
        pixels = 2 * pixels + beyond
    return pixels
