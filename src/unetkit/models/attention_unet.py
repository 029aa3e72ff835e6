"""Attention U-Net: before a skip is joined, a gate scales it at every place by how much matters there, 0 to 1.

    encoder's feature x ─┬──────────────────────────────────────── × ── 1×1, norm ──▶ join
                         └─ Wₓ: 2×2, stride 2 ─┐                   │
                                               + ─ ReLU ─ ψ ─ σ ─ α, twice the size
    decoded one below, g ── W_g: 1×1 ──────────┘

Oktay et al.: "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018 (arXiv 1804.03999). The gating
signal g is itself a picture (the paper's grid attention), so α differs from place to place. As in the paper's code
(github.com/ozan-oktay/Attention-Gated-Networks, unet_CT_single_att_dsv_3D): as many channels inside the gate as the
skip has, and no gate on the finest skip, whose features, says the paper, do not represent the image in a
high-dimensional space yet. Different here: the decoder is the U-Net's; the bottleneck gates as it is, without a 1×1
convolution of its own; deep supervision is an option.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.models.base import Segmenter
from unetkit.models.blocks import CONVOLUTION, LINEAR_MODE, NORMS, crop, initialise, reach
from unetkit.models.unet import ContractingPath, ExpandingPath, skip_levels, stage_widths
from unetkit.registry import lookup


class AttentionGate(nn.Module):
    """Additive attention: α = σ(ψᵀ ReLU(Wₓ x + W_g g + b) + b_ψ), doubled in size by linear interpolation.

    Args:
        channels: of the skip x, and inside.
        gating_channels: of the gating signal g.
        dims: 2 or 3.
        norm: the normalisation's name.
    """

    reach = 1  # fine pixels that α reads beyond those below it

    def __init__(self, channels: int, gating_channels: int, *, dims: int, norm: str) -> None:
        super().__init__()
        convolution, make_norm = CONVOLUTION[dims], lookup(NORMS, norm, "normalisation")
        self.w_x = convolution(channels, channels, 2, stride=2, bias=False)
        self.w_g = convolution(gating_channels, channels, 1)
        self.psi = convolution(channels, 1, 1)
        self.output = nn.Sequential(convolution(channels, channels, 1, bias=norm == "none"), make_norm(dims, channels))
        self.mode = LINEAR_MODE[dims]

    def forward(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """x: N C *2S, g: N G *S -> the gated skip, N C *2S, and α, N 1 *2S, 0 to 1."""
        alpha = torch.sigmoid(self.psi(F.relu(self.w_x(x) + self.w_g(g))))  # N 1 *S
        alpha = F.interpolate(alpha, scale_factor=2.0, mode=self.mode, align_corners=False)
        return self.output(alpha * x), alpha


class GatedPath(ExpandingPath):
    """The expanding path with attention gates on some of its skips.

    Args:
        channels, widths, dims, norm, up, skips: as for `ExpandingPath`.
        gates: the levels whose skip is gated.
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
        gates: Sequence[int],
    ) -> None:
        super().__init__(channels, widths, dims=dims, norm=norm, up=up, skips=skips)
        self.gates = nn.ModuleDict(
            {str(n): AttentionGate(channels[n], self.out_channels[n + 1], dims=dims, norm=norm) for n in gates}
        )
        # α and an interpolated way up read side by side from the level below. What Wₓ reads of the skip lies within
        # what that level reads of it through the pooling.
        self.reach = tuple(
            reach(join) + max(getattr(step, "reach", 0), AttentionGate.reach if level in gates else 0)
            for level, (join, step) in enumerate(zip(self.joins, self.ups, strict=True))
        )

    def skip(self, level: int, feature: Tensor, below: Tensor) -> Tensor:
        """The encoder's feature, gated by the decoded one below where that level has a gate."""
        return self.gate(level, feature, below)[0] if str(level) in self.gates else feature

    def gate(self, level: int, feature: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        """The gated skip of a level and its α; see `AttentionGate.forward`."""
        gated: tuple[Tensor, Tensor] = self.gates[str(level)](feature, below)
        return gated


class AttentionUNet(Segmenter):
    """A U-Net with attention gates on its skips, any depth and width, in 2D or 3D.

    Args:
        in_channels: channels of the image, 1 or more.
        num_classes: K, 2 or more.
        spatial_dims: 2 for images, 3 for volumes.
        depth: poolings, 0 to 7; an input is padded inside to a multiple of 2^depth. The paper's gates need 2 or more.
        width: channels of the first stage; each stage doubles them.
        max_width: no stage is wider than this.
        norm: "batch" (exact tiles), "group", "instance" or "none".
        up: "transpose", a 2×2 up-convolution, or "interpolate", a 1×1 convolution and linear interpolation.
        dropout: probability at the end of the contracting path, 0 to below 1.
        deep_supervision: a head for each level of the expanding path, for `forward_levels`.
        skips: the levels to keep, as for `UNet`.
        gates: which of those to gate: "coarser", the paper's, all but the finest; "all"; "none"; or levels.

    Raises:
        UsageError: a value outside these bounds, or gates where there is no skip.

    Source:
        Oktay et al. 2018. The gates add 0.60 million parameters to the 7.76 of a U-Net at depth 4 and width 32, in 2D.

    Example:
        >>> import torch
        >>> network = AttentionUNet(1, 2, depth=3, width=8)
        >>> {level: tuple(alpha.shape) for level, alpha in network.attention_maps(torch.zeros(1, 1, 33, 17)).items()}
        {1: (1, 1, 17, 9), 2: (1, 1, 9, 5)}
    """

    decoder: GatedPath

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
        gates: str | Sequence[int] = "coarser",
    ) -> None:
        widths = stage_widths(depth, width, max_width)
        joined = skip_levels(skips, depth)
        encoder = ContractingPath(in_channels, widths, dims=spatial_dims, norm=norm, dropout=dropout)
        decoder = GatedPath(
            widths,
            widths[:-1],
            dims=spatial_dims,
            norm=norm,
            up=up,
            skips=joined,
            gates=gate_levels(gates, joined),
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

    def attention_maps(self, x: Tensor) -> dict[int, Tensor]:
        """What the gates let through: for each gated level its α.

        Args:
            x: as for `forward`.

        Returns:
            Level -> N 1 *⌈S / 2^level⌉, 0 to 1, the finest level first.
        """
        features = self.encoder(self.pad(x))
        decoded = self.decoder(features)
        return {
            level: crop(
                self.decoder.gate(level, features[level], decoded[level + 1])[1],
                [-(-size // 2**level) for size in x.shape[2:]],
            )
            for level in map(int, self.decoder.gates)
        }


def gate_levels(gates: str | Sequence[int], skips: Sequence[int]) -> tuple[int, ...]:
    """The levels that `gates` names, of a network with these skips.

    Raises:
        UsageError: neither "coarser" nor "all" nor "none" nor levels with a skip, or a word that names no level here.

    Example:
        >>> gate_levels("coarser", (0, 1, 2))
        (1, 2)
    """
    named = {"coarser": [level for level in skips if level > 0], "all": skips, "none": ()}
    levels = named.get(gates, ()) if isinstance(gates, str) else gates
    if not set(levels) <= set(skips) or (isinstance(gates, str) and gates != "none" and not levels):
        raise UsageError(
            "gates cannot be used",
            found=repr(gates),
            expected=f"'coarser' (all but level 0), 'all', 'none', or some of the levels with a skip, {list(skips)}",
        )
    return tuple(sorted(set(levels)))
