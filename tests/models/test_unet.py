"""The U-Net: its size on paper, what it sees, and tiles that give what the whole image gives."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from unetkit.models import Segmenter, build_model, count_parameters, multiply_adds
from unetkit.models.blocks import NORMS, UPS, ConvBlock, initialise, pad_to_multiple
from unetkit.models.unet import skip_levels


def trained(name: str = "unet", **options: Any) -> Segmenter:
    """A network in float64 whose BatchNorm statistics and biases are those of no fresh network."""
    torch.manual_seed(3)
    model = build_model(name, in_channels=1, num_classes=2, **options).double().eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(layer.bias, 0, 0.5)
    return model


def rounded_up(pixels: int, grid: int) -> int:
    return -(-pixels // grid) * grid


@pytest.mark.parametrize(("width", "millions"), [(64, 31.0), (32, 7.76), (16, 1.94), (8, 0.49)])
def test_parameters_are_those_of_the_literature(width: int, millions: float) -> None:
    model = build_model("unet", in_channels=1, num_classes=2, depth=4, width=width)
    assert count_parameters(model) / 1e6 == pytest.approx(millions, abs=0.5 * 10 ** -(1 if width == 64 else 2))


def test_frozen_parameters_are_not_counted() -> None:
    model = nn.Conv2d(1, 1, 3)
    model.bias.requires_grad_(False)  # type: ignore[union-attr]
    assert count_parameters(model) == 9


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_multiply_adds_are_the_sum_over_the_drawing(dims: int, depth: int) -> None:
    width, side = 4, 16
    expected = 0
    for level in range(depth + 1):
        pixels, w = (side >> level) ** dims, width << level
        before = 1 if level == 0 else w // 2
        expected += pixels * 3**dims * (before * w + w * w)  # contracting
        if level < depth:
            expected += pixels * 3**dims * (2 * w * w + w * w)  # expanding
            expected += pixels * 2 * w * w  # each fine pixel has one tap of the up-convolution
    expected += side**dims * width * 2  # head
    model = build_model("unet", in_channels=1, num_classes=2, spatial_dims=dims, depth=depth, width=width)
    assert multiply_adds(model, (1, 1, *[side] * dims)) == expected
    assert multiply_adds(model, (3, 1, *[side] * dims)) == 3 * expected


def test_counting_leaves_the_model_as_it_is() -> None:
    model = build_model("unet", in_channels=1, num_classes=2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    multiply_adds(model, (1, 1, 40, 24))
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("up", "depth"), list(product(UPS, range(4))))
def test_receptive_field_is_what_a_gradient_reaches(up: str, depth: int) -> None:
    model = trained(depth=depth, width=3, up=up)
    field, grid = model.receptive_field, model.grid
    assert field is not None
    margin = rounded_up(field, grid) + grid
    x = torch.randn(4, 1, grid, 2 * margin + grid, dtype=torch.float64, requires_grad=True)
    block = model(x)[..., margin : margin + grid]
    (block * torch.randn_like(block)).sum().backward()
    assert x.grad is not None
    columns = x.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    assert margin - columns.min() == field
    assert columns.max() - (margin + grid - 1) == field


def test_receptive_fields_of_the_usual_depths() -> None:
    fields = [build_model("unet", in_channels=1, num_classes=2, depth=d, width=1).receptive_field for d in range(5)]
    assert fields == [2, 8, 22, 46, 94]  # below 6·2^D


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("skips", ["all", "none"])
def test_tiles_with_a_halo_give_what_the_whole_image_gives(up: str, norm: str, skips: str) -> None:
    model = trained(depth=2, width=3, up=up, norm=norm, skips=skips)
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
        assert (narrow - whole[..., r : r + core, :]).abs().max() > 1e-9


def test_exact_tiles_in_three_dimensions() -> None:
    model = trained(spatial_dims=3, depth=1, width=2)
    assert model.receptive_field is not None
    halo = rounded_up(model.receptive_field, model.grid)
    x = torch.randn(1, 1, 5, 4, 27, dtype=torch.float64)
    with torch.no_grad():
        tile = model(x[..., 12 - halo : 16 + halo])[..., halo : halo + 4]
        torch.testing.assert_close(tile, model(x)[..., 12:16], rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["group", "instance"])
def test_normalisations_that_see_the_tile_do_not_promise_exact_tiles(norm: str) -> None:
    model = trained(depth=1, width=4, norm=norm)
    assert not model.exact_tiles
    x = torch.randn(1, 1, 64, 8, dtype=torch.float64)
    with torch.no_grad():
        assert (model(x[..., :32, :])[..., :16, :] - model(x)[..., :16, :]).abs().max() > 1e-6


@pytest.mark.parametrize(("dims", "norm", "up"), list(product([2, 3], NORMS, UPS)))
def test_every_norm_and_way_up_trains_on_one_pixel_and_fits_any_width(dims: int, norm: str, up: str) -> None:
    for width in (1, 3, 8):
        model = build_model(
            "unet", in_channels=2, num_classes=2, spatial_dims=dims, depth=1, width=width, norm=norm, up=up
        )
        x = torch.rand(1, 2, *[1] * dims)
        model(x).sum().backward()
        assert model.eval()(x).isfinite().all()


def test_multiples_of_the_grid_are_not_padded() -> None:
    x = torch.rand(1, 1, 16, 32)
    assert pad_to_multiple(x, 16) is x
    assert pad_to_multiple(x, 16, more_than_one=True) is x
    assert pad_to_multiple(x[..., :16], 16, more_than_one=True).shape == (1, 1, 32, 32)


def test_padding_repeats_the_edge() -> None:
    padded = pad_to_multiple(torch.arange(6.0).reshape(1, 1, 2, 3), 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]


def test_weights_have_the_papers_deviation() -> None:
    layers = [nn.Conv2d(16, 256, 3), nn.ConvTranspose2d(64, 128, 2, stride=2), nn.Conv3d(8, 128, 3)]
    torch.manual_seed(0)
    for layer, incoming in zip(layers, (16 * 9, 64, 8 * 27), strict=True):
        initialise(layer)
        assert layer.weight.std().item() == pytest.approx((2 / incoming) ** 0.5, rel=0.03)
        assert layer.bias is not None
        assert layer.bias.abs().max() == 0


def test_no_bias_before_a_norm() -> None:
    assert all(layer.bias is None for layer in ConvBlock(1, 2, dims=2) if isinstance(layer, nn.Conv2d))
    assert all(layer.bias is not None for layer in ConvBlock(1, 2, dims=2, norm="none") if isinstance(layer, nn.Conv2d))


def test_skips_change_the_joins() -> None:
    counts = [
        count_parameters(build_model("unet", in_channels=1, num_classes=2, depth=2, width=4, skips=skips))
        for skips in ("none", (1,), [0, 1], "all")
    ]
    assert counts[0] < counts[1] < counts[2] == counts[3]
    assert skip_levels((2, 0, 2), 3) == (0, 2)


def test_without_skips_a_join_takes_only_what_comes_up() -> None:
    model = trained(depth=3, width=4, skips="none")
    joins = model.decoder.joins
    assert isinstance(joins, nn.ModuleList)
    assert [join[0].in_channels for join in joins] == [4, 8, 16]  # type: ignore[index]


def test_width_doubles_up_to_the_cap() -> None:
    model = build_model("unet", in_channels=1, num_classes=2, depth=4, width=8, max_width=20)
    assert model.encoder.out_channels == (8, 16, 20, 20, 20)


def test_dropout_acts_on_the_coarsest_feature_in_training_only() -> None:
    model = build_model("unet", in_channels=1, num_classes=2, depth=1, width=8, dropout=0.5)
    x = torch.rand(2, 1, 16, 16)
    fine, coarse = model.encoder(x)
    again = model.encoder(x)
    assert torch.equal(fine, again[0])
    assert not torch.equal(coarse, again[1])
    model.eval()
    assert torch.equal(model.encoder(x)[1], model.encoder(x)[1])


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_deep_supervision_has_a_head_per_decoder_level(depth: int) -> None:
    model = build_model("unet", in_channels=1, num_classes=2, depth=depth, width=4, deep_supervision=True)
    assert len(model.heads) == max(depth, 1)
    plain = build_model("unet", in_channels=1, num_classes=2, depth=depth, width=4)
    assert len(plain.forward_levels(torch.rand(1, 1, 8, 8))) == 1


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = build_model("unet", in_channels=1, num_classes=2, depth=1, width=4)
    x = torch.rand(2, 1, 16, 16)
    target = (x[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (model(x).argmax(1) == target).double().mean() > 0.97
