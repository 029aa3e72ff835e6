"""How large tiles should be on this machine: as memory allows, and as a timed probe likes best."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unetkit.memory import free_memory
from unetkit.prediction.predictor import Predictor

CANDIDATES = {2: (128, 256, 512, 1024, 2048), 3: (16, 32, 48, 64, 96, 128)}
TRIED = 3
"""The largest of the candidates that fit into memory are timed."""

MEMORY = 600 * 2**20
"""Bytes that a network may take for one tile, or a quarter of what is free, whichever is less."""


def best_tile(predictor: Predictor) -> int:
    """The side of the tiles with which this machine predicts most pixels a second.

    One tile of each size that fits into memory is predicted, after one that warms up.

    Args:
        predictor: knows the networks, the device and the halo.

    Returns:
        Pixels; the smallest candidate where none fits.

    Example:
        >>> best_tile(predictor)  # doctest: +SKIP
        1024
    """
    data = predictor.plan.data
    dims, most = data.spatial_dims, min(MEMORY, free_memory() // 4)
    pixel_bytes = max(bytes_per_pixel(model, data.channels, dims, predictor.grid) for model in predictor.models)
    halo = predictor.halo if predictor.exact else 0
    fitting = [side for side in CANDIDATES[dims] if pixel_bytes * (side + 2 * halo) ** dims <= most][-TRIED:]
    if len(fitting) < 2:
        return fitting[0] if fitting else CANDIDATES[dims][0]
    predictor.seconds(fitting[0])
    return max(fitting, key=lambda side: side**dims / predictor.seconds(side + 2 * halo))


def bytes_per_pixel(model: nn.Module, channels: int, dims: int, grid: int) -> float:
    """What a forward pass holds at most a pixel of its input: the outputs of all layers, of which it frees some early.

    Args:
        model: the network.
        channels: of its input.
        dims: 2 or 3.
        grid: sizes it takes without padding are multiples of it.
    """
    total = 0.0
    side = 2 * grid

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and not getattr(module, "inplace", False):
            total += output.numel() * output.element_size()

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(count) for layer in leaves]
    try:
        with torch.inference_mode():
            model(torch.zeros(1, channels, *[side] * dims, device=next(model.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return total / float(side**dims)
