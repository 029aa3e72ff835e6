"""The parts every member of the U-Net family is made of, for images (2D) and volumes (3D) alike.

Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015: two 3×3
convolutions with ReLU a stage, 2×2 max pooling on the way down, 2×2 up-convolutions on the way up, weights drawn with
standard deviation √(2/N). Normalisation after each convolution (Ioffe & Szegedy 2015) came later and is the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.registry import lookup

CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
POOL: dict[int, type[nn.MaxPool2d] | type[nn.MaxPool3d]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
BATCH_NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORM: dict[int, type[nn.InstanceNorm2d] | type[nn.InstanceNorm3d]] = {
    2: nn.InstanceNorm2d,
    3: nn.InstanceNorm3d,
}
LINEAR_MODE = {2: "bilinear", 3: "trilinear"}


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with as many of eight groups as leave two channels or more in each."""
    groups = next((g for g in (8, 4, 2) if channels % g == 0 and channels >= 2 * g), 1)
    return nn.GroupNorm(groups, channels)


NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "batch": lambda dims, channels: BATCH_NORM[dims](channels),
    "group": lambda dims, channels: group_norm(channels),
    "instance": lambda dims, channels: INSTANCE_NORM[dims](channels, affine=True),
    "none": lambda dims, channels: nn.Identity(),
}
FIXED_AT_PREDICTION = frozenset({"batch", "none"})  # their output at a pixel does not depend on the rest of the tile


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, dims: int, norm: str, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution and its normalisation.

    Args:
        in_channels: of the input, a multiple of `groups`.
        out_channels: of the output, a multiple of `groups`.
        kernel: odd.
        dims: 2 or 3.
        norm: the normalisation's name; "none" leaves the convolution alone, with a bias.
        stride: 1 keeps the size, 2 halves an even one.
        groups: as many as channels make it depthwise.
    """
    layer = CONVOLUTION[dims](
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=norm == "none"
    )
    return [layer] if norm == "none" else [layer, lookup(NORMS, norm, "normalisation")(dims, out_channels)]


class ConvBlock(nn.Sequential):
    """Two times 3×3 convolution, normalisation, ReLU: one stage of a U-Net.

    Args:
        in_channels: channels of the input, 1 or more.
        out_channels: channels of the output and between the two convolutions.
        dims: spatial dimensions, 2 or 3.
        norm: "batch", "group", "instance" or "none".
        padding: zeros on each side of a convolution's input; 1 keeps the size, 0 takes four pixels of it.

    Example:
        >>> import torch
        >>> ConvBlock(3, 8, dims=2)(torch.zeros(1, 3, 5, 7)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dims: int, norm: str = "batch", padding: int = 1
    ) -> None:
        make_norm = lookup(NORMS, norm, "normalisation")
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            # A bias before a normalisation that subtracts the mean would do nothing.
            layers.append(CONVOLUTION[dims](channels, out_channels, 3, padding=padding, bias=norm == "none"))
            if norm != "none":
                layers.append(make_norm(dims, out_channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class InterpolatedUp(nn.Module):
    """Twice the size by linear interpolation after a 1×1 convolution (they commute, and coarse pixels are fewer)."""

    reach = 1  # fine pixels it reads beyond those below its output

    def __init__(self, in_channels: int, out_channels: int, *, dims: int) -> None:
        super().__init__()
        self.project = CONVOLUTION[dims](in_channels, out_channels, 1, bias=False)
        self.mode = LINEAR_MODE[dims]

    def forward(self, x: Tensor) -> Tensor:  # N C *S -> N K *2S
        return F.interpolate(self.project(x), scale_factor=2.0, mode=self.mode, align_corners=False)


def transposed_up(in_channels: int, out_channels: int, *, dims: int) -> nn.Module:
    """Twice the size by the paper's 2×2 up-convolution with stride 2."""
    return TRANSPOSED[dims](in_channels, out_channels, 2, stride=2)


UPS: dict[str, Callable[..., nn.Module]] = {"transpose": transposed_up, "interpolate": InterpolatedUp}


def initialise(module: nn.Module) -> None:
    """Draw every convolution's weights with standard deviation √(2/N), N the inputs of one output (He et al. 2015).

    Args:
        module: any network; normalisation layers keep their ones and zeros, biases become zero.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            incoming = layer.weight[0].numel()
        elif isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
            # With kernel = stride each output pixel has one tap, so its inputs are the input channels.
            incoming = layer.in_channels // layer.groups
        else:
            continue
        nn.init.normal_(layer.weight, std=math.sqrt(2 / incoming))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def reach(module: nn.Module) -> int:
    """How many pixels beyond its own place an output of stride-1 layers in a row reads, from the kernels they have."""
    total = 0
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            total += layer.dilation[0] * (layer.kernel_size[0] - 1) // 2
    return total


def reach_of_levels(levels: nn.Module) -> tuple[int, ...]:
    """Pixels read beyond an aligned block at each level, finest first; a strided layer reads the finer level."""
    pixels = [0]
    for layer in levels.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            pixels[-1] += reach(layer)
            if layer.stride[0] == 2:
                pixels.append(0)
    return tuple(pixels)


def pad_to_multiple(x: Tensor, multiple: int, *, more_than_one: bool = False) -> Tensor:
    """Repeat the last row and column (and plane) until every size is a multiple; nothing to do returns `x` itself.

    Args:
        x: N C *S, any size from 1 up.
        multiple: of pixels, 1 or more.
        more_than_one: pad an image that fits in one `multiple` to two of them, for normalisations that cannot take
            their statistics from one value.

    Returns:
        N C *T with T ≥ S, the original in its upper left corner.

    Example:
        >>> import torch
        >>> pad_to_multiple(torch.zeros(1, 1, 1, 9), 4).shape
        torch.Size([1, 1, 4, 12])
    """
    sizes = x.shape[2:]
    blocks = [(size + multiple - 1) // multiple for size in sizes]
    more = 1 // math.prod(blocks) if more_than_one else 0  # 1 where the image fits in one, without asking
    padding: list[int] = []
    for size, count in zip(reversed(sizes), reversed(blocks), strict=True):  # F.pad counts from the last axis
        padding += [0, (count + more) * multiple - size]
    # A graph that is recorded has to pad sizes that the one it is recorded with does not show.
    return F.pad(x, padding, mode="replicate") if torch.compiler.is_compiling() or any(padding) else x


def crop(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The upper left corner of the given sizes: N C *T -> N C *sizes."""
    for axis, size in enumerate(sizes, start=2):
        x = x.narrow(axis, 0, size)
    return x


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` if it is an int within the bounds, else an error that says what was expected.

    Raises:
        UsageError: not an int (True and 3.0 are none), below `low` or above `high`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        bounds = f"{low} or more" if high is None else f"{low} to {high}"
        raise UsageError(f"{name} cannot be used", found=repr(value), expected=f"a whole number, {bounds}")
    return value
