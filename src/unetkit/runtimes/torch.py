"""PyTorch: on the CPU as it was trained, on a GPU also in half precision."""

from __future__ import annotations

import torch
from torch import Tensor

from unetkit.runtimes.network import Engine, Network

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def open_torch(network: Network) -> Engine:
    """The network itself; in half precision its convolutions compute so (autocast), its sums do not."""
    half = HALVES.get(network.precision)

    @torch.inference_mode()
    def run(pixels: Tensor) -> Tensor:
        pixels = pixels.to(network.device)
        if pixels.ndim == 4 and network.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(network.device.type, half, enabled=half is not None):
            logits: Tensor = network.model(pixels)
        return logits.float().cpu()

    return run
