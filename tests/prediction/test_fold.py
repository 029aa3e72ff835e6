"""Folding BatchNorm into convolutions changes nothing but rounding, for every network of the registry."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unetkit.models import MODELS, build_model
from unetkit.prediction.fold import folded

SMALL = {"unet-lite0": {"pretrained": False}, "unet-2015": {"width": 4}}
NAMES = [name for name in MODELS if name != "unet-timm"]


CASES = [(name, dims) for name in NAMES for dims in MODELS[name].spatial_dims]


def trained(name: str, dims: int) -> nn.Module:
    torch.manual_seed(0)
    options = {"width": 4, "depth": 2} if dims == 3 else SMALL.get(name, {})
    model = build_model(name, in_channels=2, num_classes=3, spatial_dims=dims, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return model.eval()


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_folding_changes_rounding_alone(name: str, dims: int) -> None:
    sizes = (70, 50) if dims == 2 else (18, 22, 17)
    model, x = trained(name, dims), torch.randn(1, 2, *sizes, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode():
        expected, found = model(x), folded(model)(x)
    assert (expected - found).abs().max() < 1e-4 * (expected.max() - expected.min())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("name", "dims"), [case for case in CASES if case[0] != "unet-2015"])
def test_no_batch_norm_is_left(name: str, dims: int) -> None:
    norms = (nn.BatchNorm2d, nn.BatchNorm3d)
    assert not [module for module in folded(trained(name, dims)).modules() if isinstance(module, norms)]
