"""The residual encoder U-Net: nnU-Net's to the parameter and to the last digit, and tiles that are exact."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from tests.models.test_unet import rounded_up, trained
from unetkit.errors import UsageError
from unetkit.models import Segmenter, build_model, count_parameters
from unetkit.models.blocks import UPS
from unetkit.models.resunet import PlainStage, ResidualBlock, blocks_per_stage

# ResidualEncoderUNet of dynamic-network-architectures 0.4.4 with what nnU-Net's ResEnc planners give it (32 features,
# doubled up to 512 or 320; blocks 1, 3, 4, 6, 6, …; conv_bias, InstanceNorm), one channel, two classes.
REFERENCE = {
    2: ({"depth": 7, "max_width": 512}, 140_017_038),
    3: ({"depth": 5, "max_width": 320}, 102_349_770),
}


@pytest.mark.parametrize("dims", REFERENCE)
def test_parameters_are_those_of_nnunets_presets(dims: int) -> None:
    options, parameters = REFERENCE[dims]
    with torch.device("meta"):
        model = build_model(
            "resunet",
            in_channels=1,
            num_classes=2,
            spatial_dims=dims,
            width=32,
            blocks=(1, 3, 4, 6),
            norm="instance",
            deep_supervision=True,  # the reference always has these heads
            **options,
        )
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d)]
    biases = sum(layer.out_channels for layer in layers if layer.kernel_size[0] == 3)  # without effect before a norm
    assert count_parameters(model) + biases == parameters


def filled(model: Segmenter) -> Segmenter:
    """The model in float64 with weights anybody can write down, and up-convolutions without bias."""
    with torch.no_grad():
        for i, parameter in enumerate(model.double().parameters()):
            n = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((0.3 * torch.sin(1.7 * n + i)).reshape(parameter.shape))
        for layer in model.modules():
            if isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None:
                layer.bias.zero_()
    return model


# Logits of dynamic-network-architectures 0.4.4 with the weights of `filled` and conv_bias=False: the upper left 2×2 of
# the first class, and the sum of all, at full and at half resolution.
LOGITS = {
    "instance": [
        ([-0.15318978367, -0.102273403592, -0.155580072083, -0.114813396169], 30.96990755590435),
        ([0.212991964573, 0.212843681941, 0.206822915335, 0.208051027066], 21.04661729997555),
    ],
    "batch": [
        ([-0.153277906854, -0.100672304323, -0.155659237443, -0.114042115228], 31.146747325410278),
        ([0.21883157113, 0.211867501279, 0.206840314651, 0.208419454254], 21.04538681952037),
    ],
}


@pytest.mark.parametrize("norm", LOGITS)
def test_logits_are_those_of_the_reference(norm: str) -> None:
    model = filled(
        build_model(
            "resunet", in_channels=1, num_classes=2, depth=2, width=3, blocks=(1, 2), norm=norm, deep_supervision=True
        )
    )
    x = torch.sin(torch.arange(2 * 16 * 12, dtype=torch.float64) ** 1.3).reshape(2, 1, 16, 12)
    for logits, (corner, total) in zip(model.forward_levels(x), LOGITS[norm], strict=True):
        expected = torch.tensor(corner, dtype=torch.float64).reshape(2, 2)
        torch.testing.assert_close(logits[0, 0, :2, :2], expected, rtol=0, atol=1e-10)
        assert logits.sum().item() == pytest.approx(total, abs=1e-8)


def test_a_shortcut_does_only_what_is_needed() -> None:
    def layers(in_channels: int, out_channels: int, stride: int) -> list[str]:
        block = ResidualBlock(in_channels, out_channels, dims=2, norm="batch", stride=stride)
        return [type(layer).__name__ for layer in block.shortcut]

    assert layers(4, 4, 1) == []
    assert layers(4, 4, 2) == ["AvgPool2d"]
    assert layers(4, 8, 1) == ["Conv2d", "BatchNorm2d"]
    assert layers(4, 8, 2) == ["AvgPool2d", "Conv2d", "BatchNorm2d"]


def test_a_block_with_silent_convolutions_passes_its_input_on() -> None:
    block = ResidualBlock(3, 3, dims=2, norm="batch")
    nn.init.zeros_(block.layers[-1].weight)  # type: ignore[arg-type]
    x = torch.rand(2, 3, 5, 7)
    assert torch.equal(block(x), x)


def test_blocks_per_stage() -> None:
    assert blocks_per_stage((1, 3, 4, 6, 6, 6), 3) == [1, 3, 4]
    assert blocks_per_stage([1, 2], 1) == [1]
    model = build_model("resunet", in_channels=1, num_classes=2, depth=2, width=4, blocks=(1, 2), decoder_blocks=3)
    stages = model.encoder.get_submodule("stages")
    assert [sum(isinstance(b, ResidualBlock) for b in stage) for stage in stages] == [1, 2, 2]  # type: ignore[attr-defined]
    joins = [join for join in model.decoder.modules() if isinstance(join, PlainStage)]
    assert [sum(isinstance(layer, nn.Conv2d) for layer in join) for join in joins] == [3, 3]


@pytest.mark.parametrize("blocks", [(), 0, (1, 0), True, (1, 2.0), "12"])
def test_impossible_blocks_are_usage_errors(blocks: object) -> None:
    with pytest.raises(UsageError, match="block"):
        build_model("resunet", in_channels=1, num_classes=2, blocks=blocks)


@pytest.mark.parametrize(("name", "up", "depth"), list(product(["resunet", "mobile-unet"], UPS, range(4))))
def test_receptive_field_is_what_a_gradient_reaches(name: str, up: str, depth: int) -> None:
    model = trained(name, depth=depth, width=3, up=up, decoder_blocks=2)
    field, grid = model.receptive_field, model.grid
    assert field is not None
    margin = rounded_up(field, grid) + grid
    x = torch.randn(4, 1, grid, 2 * margin + grid, dtype=torch.float64, requires_grad=True)
    block = model(x)[..., margin : margin + grid]
    (block * torch.randn_like(block)).sum().backward()
    assert x.grad is not None
    columns = x.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    assert margin - columns.min() == field
    # A 3×3 convolution with stride 2 reads one pixel before an aligned block and none after it.
    assert field // 2 <= columns.max() - (margin + grid - 1) <= field


@pytest.mark.parametrize(("name", "up", "norm"), list(product(["resunet", "mobile-unet"], UPS, ["batch", "none"])))
def test_tiles_with_a_halo_give_what_the_whole_image_gives(name: str, up: str, norm: str) -> None:
    model = trained(name, depth=2, width=3, up=up, norm=norm, decoder_blocks=2)
    assert model.exact_tiles
    assert model.receptive_field is not None
    halo, core = rounded_up(model.receptive_field, model.grid), 3 * model.grid
    x = torch.randn(1, 1, 83, 109, dtype=torch.float64)  # no multiples of the grid
    rows, columns = x.shape[2:]
    with torch.no_grad():
        whole = model(x)
        merged = torch.full_like(whole, torch.nan)
        for r, c in product(range(0, rows, core), range(0, columns, core)):
            top, left = max(r - halo, 0), max(c - halo, 0)
            tile = model(x[..., top : r + core + halo, left : c + core + halo])
            merged[..., r : r + core, c : c + core] = tile[..., r - top : r - top + core, c - left : c - left + core]
        torch.testing.assert_close(merged, whole, rtol=0, atol=1e-12)
        # The halo is needed: a tile without the last grid cell of it is off.
        r, less = 48, halo - model.grid
        narrow = model(x[..., r - less : r + core + less, :])[..., less : less + core, :]
        assert (narrow - whole[..., r : r + core, :]).abs().max() > 1e-12


@pytest.mark.parametrize("name", ["resunet", "mobile-unet"])
def test_exact_tiles_in_three_dimensions(name: str) -> None:
    model = trained(name, spatial_dims=3, depth=1, width=2)
    assert model.receptive_field is not None
    halo = rounded_up(model.receptive_field, model.grid)
    x = torch.randn(1, 1, 5, 4, 43, dtype=torch.float64)
    with torch.no_grad():
        tile = model(x[..., 20 - halo : 24 + halo])[..., halo : halo + 4]
        torch.testing.assert_close(tile, model(x)[..., 20:24], rtol=0, atol=1e-12)


def test_instance_norm_does_not_promise_exact_tiles() -> None:
    assert not build_model("resunet", in_channels=1, num_classes=2, norm="instance").exact_tiles


@pytest.mark.parametrize("name", ["resunet", "mobile-unet", "lean-unet"])
def test_memory_order_and_bfloat16(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, in_channels=3, num_classes=2, depth=2, width=8).eval()
    x = torch.rand(2, 3, 16, 24)

    def logits(model: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = model(x)
        return result

    plain = logits(model, x)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(logits(model, x.contiguous(memory_format=torch.channels_last)), plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(logits(model, x).float(), plain, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(("name", "norm"), list(product(["resunet", "mobile-unet"], ["batch", "instance", "none"])))
def test_it_learns(name: str, norm: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, in_channels=1, num_classes=2, depth=1, width=8, norm=norm)
    x = torch.rand(2, 1, 16, 16)
    target = (x[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (model(x).argmax(1) == target).double().mean() > 0.95
