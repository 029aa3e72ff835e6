"""A copy of a network on another runtime is used only where it gives what torch gives."""

from __future__ import annotations

import torch

from unetkit.errors import UnetkitError
from unetkit.runtimes.network import Engine, Network

TOLERANCE = 1e-4
"""Of the logits' range; single precision comes to about a millionth."""


def require_parity(network: Network, engine: Engine, name: str) -> None:
    """Hold a runtime against torch on a small image of noise whose sides are no multiples of the grid.

    Args:
        network: as torch has it.
        engine: the same on the runtime.
        name: of the runtime.

    Raises:
        UnetkitError: a logit differs by more than TOLERANCE, or is none.
    """
    generator = torch.Generator().manual_seed(0)
    side = 4 * network.model.grid
    sizes = [side + 1 + axis for axis in range(network.model.spatial_dims)]
    pixels = torch.randn((1, network.model.in_channels, *sizes), generator=generator)
    with torch.inference_mode():
        truth = network.model(pixels.to(network.device)).float().cpu()
    difference = float((engine(pixels) - truth).abs().max() / (truth.max() - truth.min()).clamp_min(1e-12))
    if not difference <= TOLERANCE:  # NaN, too
        raise UnetkitError(
            f"on {name} this network gives other results than on torch",
            found=f"logits that differ by {difference:.2g} of their range",
            expected=f"at most {TOLERANCE:g}",
            mend=f"--runtime torch, or delete {network.store} and try again",
        )
