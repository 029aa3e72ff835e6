"""Attention gates: their formula, their cost against the paper's code, exact tiles, and the maps they give."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unetkit.models import Segmenter, build_model, count_parameters, multiply_adds
from unetkit.models.attention_unet import AttentionGate, AttentionUNet, gate_levels
from unetkit.models.blocks import UPS, initialise


def trained(**options: object) -> AttentionUNet:
    """A network in float64 whose BatchNorm statistics and biases are those of no fresh network."""
    torch.manual_seed(3)
    model = build_model("attention-unet", in_channels=1, num_classes=2, **options).double().eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(layer.bias, 0, 0.5)
    for gate in model.decoder.gates.values():
        nn.init.uniform_(gate.w_g.bias, 0, 0.5)
        nn.init.normal_(gate.psi.weight, std=0.3)  # α neither constant nor all 0 or 1
    return model


def rounded_up(pixels: int, grid: int) -> int:
    return -(-pixels // grid) * grid


def test_a_gate_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(2, 3, dims=2, norm="none").double()
    nn.init.normal_(gate.psi.bias)
    nn.init.normal_(gate.w_g.bias)
    x, g = torch.randn(1, 2, 4, 6, dtype=torch.float64), torch.randn(1, 3, 2, 3, dtype=torch.float64)
    coarse = torch.zeros(1, 1, 2, 3, dtype=torch.float64)
    for row, column in product(range(2), range(3)):
        block = x[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        inner = torch.einsum("krij,rij->k", gate.w_x.weight, block)
        inner = inner + gate.w_g.weight[:, :, 0, 0] @ g[0, :, row, column] + gate.w_g.bias
        coarse[0, 0, row, column] = torch.sigmoid(gate.psi.weight[0, :, 0, 0] @ inner.clamp_min(0) + gate.psi.bias[0])
    alpha = F.interpolate(coarse, size=(4, 6), mode="bilinear", align_corners=False)
    gated, given = gate(x, g)
    torch.testing.assert_close(given, alpha)
    assert isinstance(gate.output[0], nn.Conv2d)
    torch.testing.assert_close(gated, gate.output[0](alpha * x))


# Parameters of GridAttentionBlock3D of github.com/ozan-oktay/Attention-Gated-Networks (commit 4a36328) as built by
# unet_CT_single_att_dsv_3D with feature_scale 4, on skips of 32, 64 and 128 channels: W_x 8c² without a bias, W_g
# 2c² + c, ψ c + 1, output c² + c, its BatchNorm 2c.
REFERENCE_GATES = (11_425, 45_377, 180_865)

# "Number of Params" in the paper's table of CT-150. Its plain network is that code's unet_CT_dsv_3D (5,888,004, cut
# to 5.88 there); with gates it has two of them a skip and, to put the two together, a 1×1 convolution with BatchNorm
# (2c² + 3c), and comes to 6.40. (The released code has a 1×1 convolution on the bottleneck too, 66,304 more.)
PAPER_PLAIN, PAPER_GATED = 5_888_004, 6.40


def test_gates_cost_what_those_of_the_paper_cost() -> None:
    model = build_model("attention-unet", in_channels=1, num_classes=4, spatial_dims=3, depth=4, width=16)
    gates = [count_parameters(gate) for gate in model.decoder.gates.values()]  # type: ignore[operator,union-attr]
    # Less the output's bias, which would do nothing before a BatchNorm.
    assert gates == [reference - c for reference, c in zip(REFERENCE_GATES, (32, 64, 128), strict=True)]
    combined = sum(2 * c**2 + 3 * c for c in (32, 64, 128))
    assert int((PAPER_PLAIN + 2 * sum(REFERENCE_GATES) + combined) / 1e4) / 100 == PAPER_GATED


def test_gates_are_all_that_is_added_to_a_unet() -> None:
    options = {"in_channels": 1, "num_classes": 2, "depth": 4, "width": 32}
    plain, gated = build_model("unet", **options), build_model("attention-unet", **options)
    assert count_parameters(gated) - count_parameters(plain) == sum(7 * c**2 + 4 * c + 1 for c in (64, 128, 256))
    # W_x, W_g and ψ once every four pixels of the skip, the output at each
    added = 0
    for level, c in ((1, 64), (2, 128), (3, 256)):
        pixels = (256 >> level) ** 2
        added += pixels // 4 * (4 * c * c + 2 * c * c + c) + pixels * c * c
    difference = multiply_adds(gated, (1, 1, 256, 256)) - multiply_adds(plain, (1, 1, 256, 256))
    assert difference == added
    without = build_model("attention-unet", **options, gates="none")
    assert count_parameters(without) == count_parameters(plain)


@pytest.mark.parametrize(
    ("gates", "skips", "levels"),
    [
        ("coarser", "all", [1, 2]),
        ("all", "all", [0, 1, 2]),
        ("none", "all", []),
        ((), "all", []),
        ([2, 0], "all", [0, 2]),
        ("coarser", (0, 2), [2]),
        ("all", (1,), [1]),
    ],
)
def test_gates_stand_where_they_are_asked_for(gates: object, skips: object, levels: list[int]) -> None:
    model = build_model("attention-unet", in_channels=1, num_classes=2, depth=3, width=4, gates=gates, skips=skips)
    assert isinstance(model, AttentionUNet)
    assert list(model.attention_maps(torch.rand(1, 1, 9, 7))) == levels


@pytest.mark.parametrize("dims", [2, 3])
def test_maps_are_shares_at_the_skips_resolution(dims: int) -> None:
    model = trained(spatial_dims=dims, depth=2, width=4, gates="all")
    size = (33, 17, 6)[:dims]
    with torch.no_grad():
        maps = model.attention_maps(torch.randn(2, 1, *size, dtype=torch.float64))
    for level, alpha in maps.items():
        assert alpha.shape == (2, 1, *[-(-s // 2**level) for s in size])
        assert alpha.min() >= 0
        assert alpha.max() <= 1
        assert alpha.std() > 0.01


def test_the_maps_are_those_the_prediction_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(depth=3, width=4)
    used: list[Tensor] = []
    forward = AttentionGate.forward

    def watched(self: AttentionGate, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        gated, alpha = forward(self, x, g)
        used.append(alpha)
        return gated, alpha

    monkeypatch.setattr(AttentionGate, "forward", watched)
    x = torch.randn(1, 1, 40, 24, dtype=torch.float64)
    with torch.no_grad():
        model(x)
        coarse_first = used.copy()
        maps = model.attention_maps(x)
    assert all(torch.equal(maps[level], alpha) for level, alpha in zip((2, 1), coarse_first, strict=True))


def test_a_closed_gate_lets_nothing_of_its_skip_through() -> None:
    model = trained(depth=2, width=4, norm="none", gates=(1,))
    gate = model.decoder.gates["1"]
    x = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    features = model.encoder(x)
    with torch.no_grad():
        gate.psi.bias.fill_(-1e4)  # type: ignore[union-attr,operator]
        assert model.attention_maps(x)[1].max() < 1e-6
        closed = model.decoder(features)[1]
        features[1] = torch.zeros_like(features[1])
        torch.testing.assert_close(model.decoder(features)[1], closed)


@pytest.mark.parametrize(("up", "gates", "depth"), list(product(UPS, ["coarser", "all"], [2, 3])))
def test_receptive_field_is_what_a_gradient_reaches(up: str, gates: str, depth: int) -> None:
    model = trained(depth=depth, width=3, up=up, gates=gates)
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


def tiled(model: Segmenter, x: Tensor, core: int, halo: int) -> Tensor:
    """The image in tiles of `core` pixels with that halo: N K *S."""
    rows, columns = x.shape[2:]
    merged = torch.full((1, 2, rows, columns), torch.nan, dtype=x.dtype)
    for r, c in product(range(0, rows, core), range(0, columns, core)):
        top, left = max(r - halo, 0), max(c - halo, 0)
        tile = model(x[..., top : r + core + halo, left : c + core + halo])
        merged[..., r : r + core, c : c + core] = tile[..., r - top : r - top + core, c - left : c - left + core]
    return merged


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("gates", ["coarser", "all"])
def test_tiles_with_a_halo_give_what_the_whole_image_gives(up: str, norm: str, gates: str) -> None:
    model = trained(depth=2, width=3, up=up, norm=norm, gates=gates)
    assert model.exact_tiles
    assert model.receptive_field is not None
    halo, core = rounded_up(model.receptive_field, model.grid), 3 * model.grid
    x = torch.randn(1, 1, 83, 109, dtype=torch.float64)  # no multiples of the grid
    with torch.no_grad():
        whole = model(x)
        scale = whole.abs().max()
        assert (tiled(model, x, core, halo) - whole).abs().max() <= 1e-12 * scale
        # The halo is needed: without its last grid cell tiles are off.
        assert (tiled(model, x, core, halo - model.grid) - whole).abs().max() > 1e-9 * scale


def test_exact_tiles_in_three_dimensions() -> None:
    model = trained(spatial_dims=3, depth=1, width=2, gates="all")
    assert model.receptive_field is not None
    halo = rounded_up(model.receptive_field, model.grid)
    x = torch.randn(1, 1, 5, 4, 31, dtype=torch.float64)
    with torch.no_grad():
        tile = model(x[..., 12 - halo : 16 + halo])[..., halo : halo + 4]
        torch.testing.assert_close(tile, model(x)[..., 12:16], rtol=0, atol=1e-12)


def test_channels_last_and_bfloat16() -> None:
    model = build_model("attention-unet", in_channels=1, num_classes=2, depth=2, width=8).eval()
    x = torch.rand(1, 1, 24, 40)
    with torch.no_grad():
        plain = model(x)
        last = model.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(model(x).float(), plain, rtol=0, atol=0.1)


def test_a_gate_learns_to_open_where_its_signal_says() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(4, 2, dims=2, norm="none")
    initialise(gate)
    g = torch.zeros(1, 2, 4, 4)
    g[..., :2] = 1
    x = torch.ones(1, 4, 8, 8)
    optimiser = torch.optim.Adam(gate.parameters(), 0.1)
    for _ in range(80):
        gated, _ = gate(x, g)
        loss = (gated[..., :3] - 1).square().mean() + gated[..., 5:].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    alpha = gate(x, g)[1]
    assert alpha[..., :3].mean() > 2 * alpha[..., 5:].mean()


def test_level_names() -> None:
    assert gate_levels("coarser", (0, 1, 2)) == (1, 2)
    assert gate_levels((2, 1, 2), (0, 1, 2)) == (1, 2)
