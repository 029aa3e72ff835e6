"""What a network costs: its parameters and its multiply-adds."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
TRANSPOSED_CONVOLUTIONS = (nn.ConvTranspose2d, nn.ConvTranspose3d)


def count_parameters(model: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def multiply_adds(model: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-adds of all convolutions and linear layers in a forward pass, counted exactly, without computing them.

    The model is copied to torch's "meta" device, where tensors have shapes but no values. Normalisation, activation,
    pooling and interpolation are not counted: together they are a few per cent.

    Args:
        model: any network; it is left as it is.
        shape: N C *S of the input.

    Returns:
        Multiply-adds; twice as many floating-point operations.

    Example:
        >>> multiply_adds(nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10))
        21600
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, CONVOLUTIONS):
            total += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, TRANSPOSED_CONVOLUTIONS):
            # Each input value is multiplied with the kernels of all outputs of its group.
            total += inputs[0].numel() * math.prod(layer.weight.shape[1:])
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    ghost = copy.deepcopy(model).to("meta").eval()
    handles: list[Any] = [layer.register_forward_hook(count) for layer in ghost.modules()]
    with torch.no_grad():
        ghost(torch.empty(tuple(shape), device="meta"))
    for handle in handles:
        handle.remove()
    return total
