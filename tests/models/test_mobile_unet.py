"""The U-Net of separable convolutions: what they compute, and what they cost."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unetkit.models import build_model, count_parameters, multiply_adds
from unetkit.models.mobile_unet import SeparableConvolution, initialise_separable


@pytest.mark.parametrize("stride", [1, 2])
def test_a_separable_convolution_is_a_whole_one_of_rank_one(stride: int) -> None:
    torch.manual_seed(0)
    layer = SeparableConvolution(3, 5, dims=2, norm="none", stride=stride).double()
    depthwise, pointwise = layer[0], layer[1]
    assert isinstance(depthwise, nn.Conv2d)
    assert isinstance(pointwise, nn.Conv2d)
    whole = pointwise.weight * depthwise.weight.transpose(0, 1)  # K C 1 1 · 1 C 3 3
    x = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), F.conv2d(x, whole, pointwise.bias, stride, 1).relu())


def test_cost_of_a_separable_convolution_is_mobilenets() -> None:
    # Howard et al. 2017, section 3.1: 1/N + 1/D_K² of the whole convolution; 8 to 9 times less for 3×3.
    channels, side = 64, 16
    separable = multiply_adds(SeparableConvolution(channels, channels, dims=2, norm="batch"), (1, channels, side, side))
    whole = multiply_adds(nn.Conv2d(channels, channels, 3, padding=1), (1, channels, side, side))
    assert separable / whole == pytest.approx(1 / channels + 1 / 9)
    assert separable == side * side * (9 * channels + channels * channels)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("depth", "decoder_blocks"), [(0, 1), (1, 1), (2, 1), (2, 2)])
def test_parameters_and_multiply_adds_are_the_sum_over_the_drawing(dims: int, depth: int, decoder_blocks: int) -> None:
    width, side, taps, channels = 4, 16, 3**dims, 3
    parameters = taps * channels * width + 2 * width  # the whole convolution and its norm
    operations = side**dims * taps * channels * width

    def separable(before: int, after: int, level: int) -> None:
        nonlocal parameters, operations
        weights = taps * before + before * after
        parameters += weights + 2 * after
        operations += (side >> level) ** dims * weights

    separable(width, width, 0)
    for level in range(1, depth + 1):
        w = width << level
        separable(w // 2, w, level)
        separable(w, w, level)
    for level in range(depth):
        w = width << level
        parameters += 2**dims * 2 * w * w + w
        operations += (side >> level) ** dims * 2 * w * w
        separable(2 * w, w, level)
        for _ in range(decoder_blocks - 1):
            separable(w, w, level)
    parameters += 2 * width + 2
    operations += side**dims * 2 * width
    model = build_model(
        "mobile-unet",
        in_channels=channels,
        num_classes=2,
        spatial_dims=dims,
        depth=depth,
        width=width,
        decoder_blocks=decoder_blocks,
    )
    assert count_parameters(model) == parameters
    assert multiply_adds(model, (1, channels, *[side] * dims)) == operations


def test_variance_survives_the_way_through() -> None:
    torch.manual_seed(0)
    layers = [SeparableConvolution(256, 256, dims=2, norm="none") for _ in range(4)]
    network = nn.Sequential(*layers)
    initialise_separable(network)
    x = torch.randn(1, 256, 32, 32).relu()
    ratio = network(x).square().mean() / x.square().mean()
    assert 0.4 < ratio < 2.5  # 16 times as much without the smaller depthwise weights


def test_width_doubles_up_to_the_cap() -> None:
    model = build_model("mobile-unet", in_channels=1, num_classes=2, depth=3, width=4, max_width=8)
    assert model.encoder.out_channels == (4, 8, 8, 8)
