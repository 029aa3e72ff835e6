"""The Lean U-Net: the U-Net with its width held, and over 30 times fewer parameters."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from unetkit.models import build_model, count_parameters, multiply_adds


@pytest.mark.parametrize("dims", [2, 3])
def test_it_is_the_unet_with_its_width_held(dims: int) -> None:
    def built(name: str, **options: int) -> torch.nn.Module:
        torch.manual_seed(0)
        return build_model(name, in_channels=2, num_classes=3, spatial_dims=dims, depth=3, width=5, **options)

    lean, plain = built("lean-unet").state_dict(), built("unet", max_width=5).state_dict()
    assert list(lean) == list(plain)
    assert all(torch.equal(lean[key], plain[key]) for key in lean)


def test_parameters_are_over_thirty_times_fewer() -> None:
    def size(name: str) -> int:
        return count_parameters(build_model(name, in_channels=1, num_classes=2, depth=4, width=64))

    c = 64
    first, convolution, up, head = 9 * c, 9 * c * c, 4 * c * c + c, 2 * c + 2
    norms = 2 * c * (2 * 5 + 2 * 4)
    drawn = first + 9 * convolution + 4 * (up + 2 * convolution + convolution) + head + norms
    assert size("lean-unet") == drawn == 842_946
    assert size("unet") / size("lean-unet") > 30  # the paper's abstract; here 36.8


@pytest.mark.parametrize("dims", [2, 3])
def test_depth_beyond_two_costs_little(dims: int) -> None:
    costs = [
        multiply_adds(
            build_model("lean-unet", in_channels=1, num_classes=2, spatial_dims=dims, depth=depth, width=4),
            (1, 1, *[32] * dims),
        )
        for depth in range(2, 6)
    ]
    assert all(1 < deeper / cost < 1.05 for cost, deeper in pairwise(costs))
