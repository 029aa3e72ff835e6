"""UNet++: its size on paper, the nodes it is made of, what it sees, and the shallower networks inside it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from unetkit.errors import UsageError
from unetkit.models import build_model, count_parameters, multiply_adds
from unetkit.models.blocks import UPS
from unetkit.models.unet_plus_plus import UNetPlusPlus


def trained(dims: int = 2, **options: Any) -> UNetPlusPlus:
    """A network in float64 whose BatchNorm statistics and biases are those of no fresh network."""
    torch.manual_seed(3)
    model = UNetPlusPlus(1, 2, dims, **options).double().eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(layer.bias, 0, 0.5)
    return model


def rounded_up(pixels: int, grid: int) -> int:
    return -(-pixels // grid) * grid


def parameters_on_paper(depth: int, width: int, classes: int) -> int:
    """Two convolutions with biases a node, 2×2 up-convolutions, one head: the paper's network for one grey channel."""
    w = [width * 2**level for level in range(depth + 1)]

    def node(before: int, after: int) -> int:
        return 9 * before * after + after + 9 * after * after + after

    total = classes * (width + 1)
    for level in range(depth + 1):
        total += node(w[level - 1] if level else 1, w[level])
        for column in range(1, depth - level + 1):
            total += 4 * w[level + 1] * w[level] + w[level]
            total += node((column + 1) * w[level], w[level])
    return total


def test_parameters_are_those_of_the_authors_network() -> None:
    # "Total params: 9,041,601" stands above Nest_Net, one grey channel and one class, in model.py of
    # github.com/MrGiovanni/UNetPlusPlus: biases, no normalisation, Conv2DTranspose 2×2 to the width of the level. The
    # 9.16 million (9,162,753) often met are those of another code, which joins bilinearly enlarged features in full.
    authors = UNetPlusPlus(1, 1, depth=4, width=32, norm="none")
    assert count_parameters(authors) == parameters_on_paper(4, 32, 1) == 9_041_601
    normalised = UNetPlusPlus(1, 1, depth=4, width=32)
    assert count_parameters(normalised) == 9_041_601 + 1984 + 1664  # a scale and a shift for each bias
    assert count_parameters(normalised) / 1e6 == pytest.approx(9.04, abs=0.01)


def test_each_level_keeps_the_parameters_of_a_network_of_that_depth() -> None:
    model = UNetPlusPlus(1, 1, depth=4, width=32, norm="none", deep_supervision=True)
    assert [count_parameters(model.pruned(level)) for level in (1, 2, 3, 4)] == [
        parameters_on_paper(level, 32, 1) for level in (1, 2, 3, 4)
    ]
    assert count_parameters(model) == 9_041_601 + 3 * 33


def test_costs_are_those_of_the_documentation() -> None:
    model = UNetPlusPlus(1, 2, depth=4, width=32, deep_supervision=True)
    costs = [(count_parameters(part), multiply_adds(part, (1, 1, 256, 256))) for part in map(model.pruned, (1, 2, 3))]
    assert costs == [(101_250, 3_479_175_168), (511_842, 8_881_438_720), (2_206_658, 17_437_818_880)]
    assert (count_parameters(model), multiply_adds(model, (1, 1, 256, 256))) == (9_045_480, 29_752_295_424)


@pytest.mark.parametrize(("dims", "depth"), [(2, 1), (2, 3), (3, 2)])
def test_multiply_adds_are_the_sum_over_the_drawing(dims: int, depth: int) -> None:
    width, side = 4, 16
    expected = side**dims * width * 2  # head
    for level in range(depth + 1):
        pixels, w = (side >> level) ** dims, width << level
        before = 1 if level == 0 else w // 2
        expected += pixels * 3**dims * (before * w + w * w)
        for column in range(1, depth - level + 1):
            expected += pixels * (2 * w * w + 3**dims * ((column + 1) * w * w + w * w))
    model = UNetPlusPlus(1, 2, dims, depth=depth, width=width, deep_supervision=True)
    assert multiply_adds(model, (1, 1, *[side] * dims)) == expected


def test_with_one_pooling_it_is_the_plain_unet() -> None:
    model, plain = trained(depth=1, width=4), build_model("unet", in_channels=1, num_classes=2, depth=1, width=4)
    state = {
        key.replace("ups.0.0.", "ups.0.").replace("joins.0.0.", "joins.0."): value
        for key, value in model.state_dict().items()
    }
    plain.double().eval().load_state_dict(state)
    x = torch.randn(1, 1, 17, 12, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(x), plain(x), rtol=0, atol=1e-12)


def test_without_poolings_it_is_one_stage_and_a_head() -> None:
    model = trained(depth=0, width=4, deep_supervision=True)
    x = torch.randn(1, 1, 5, 3, dtype=torch.float64)
    (level,) = model.forward_levels(x)
    assert torch.equal(level, model(x))
    assert (model.grid, model.receptive_field) == (1, 2)


def test_a_node_joins_all_before_it_on_its_level_and_the_one_below() -> None:
    model = trained(depth=3, width=2)
    features = model.encoder(torch.randn(1, 1, 16, 16, dtype=torch.float64))
    rows = model.decoder.nodes(features)
    assert [len(row) for row in rows] == [4, 3, 2, 1]
    for level, row in enumerate(rows):
        assert all(node.shape == features[level].shape for node in row)
    up, join = model.decoder.ups[0][2], model.decoder.joins[0][2]  # type: ignore[index]
    again = join(torch.cat([rows[0][0], rows[0][1], rows[0][2], up(rows[1][2])], dim=1))
    assert torch.equal(again, rows[0][3])
    assert [row[-1].shape for row in rows] == [decoded.shape for decoded in model.decoder(features)]


def furthest(depth: int, up: int) -> int:
    """Halo of X^{0,depth} as the longest of all paths to the image, each walked node by node."""

    def below(level: int, column: int, pixels: int) -> int:
        if column == 0:
            return pixels + 2 if level == 0 else below(level - 1, 0, 2 * (pixels + 2))
        pixels += 2
        aside = [below(level, before, pixels) for before in range(column)]
        return max(*aside, below(level + 1, column - 1, -(-(pixels + up) // 2)))

    return below(0, depth, 0)


@pytest.mark.parametrize("up", UPS)
def test_no_path_through_the_nodes_reads_further_than_the_receptive_field(up: str) -> None:
    for depth in range(8):
        model = UNetPlusPlus(1, 2, depth=depth, width=1, up=up)
        assert model.receptive_field == furthest(depth, getattr(UPS[up](1, 1, dims=2), "reach", 0))


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


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("level", [1, 2])
def test_tiles_with_a_halo_give_what_the_whole_image_gives(up: str, level: int) -> None:
    model = trained(depth=2, width=3, up=up, deep_supervision=True).pruned(level)
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
    model = trained(3, depth=1, width=2)
    assert model.receptive_field is not None
    halo = rounded_up(model.receptive_field, model.grid)
    x = torch.randn(1, 1, 5, 4, 27, dtype=torch.float64)
    with torch.no_grad():
        tile = model(x[..., 12 - halo : 16 + halo])[..., halo : halo + 4]
        torch.testing.assert_close(tile, model(x)[..., 12:16], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_pruned_network_gives_what_the_head_of_that_level_gives(dims: int) -> None:
    model = trained(dims, depth=3, width=2, max_width=6, deep_supervision=True)
    x = torch.randn(1, 1, *[9, 20, 7][:dims], dtype=torch.float64)
    fields, costs = [], []
    with torch.no_grad():
        levels = model.forward_levels(x)
        for level in (1, 2, 3):
            part = model.pruned(level)
            # A finer grid pads the image less, which the last pixels see: compare on multiples of both.
            even = torch.randn(1, 1, *[16] * dims, dtype=torch.float64)
            torch.testing.assert_close(part(even), model.forward_levels(even)[3 - level], rtol=0, atol=1e-12)
            assert part(x).shape == levels[3 - level].shape == (*x.shape[:1], 2, *x.shape[2:])
            assert part.grid == 2**level
            assert not part.training
            fields.append(part.receptive_field)
            costs.append(multiply_adds(part.float(), x.shape))
            part.double()
    assert fields == [8, 22, 46]
    assert costs == sorted(costs)
    assert costs[-1] == multiply_adds(model.float(), x.shape)


def test_a_pruned_network_shares_its_weights_and_leaves_the_whole_as_it_is() -> None:
    torch.manual_seed(0)
    model = UNetPlusPlus(1, 2, depth=3, width=2, up="interpolate", deep_supervision=True)
    before, generator = list(model.state_dict()), torch.get_rng_state()
    part = model.pruned(2)
    assert torch.equal(torch.get_rng_state(), generator)
    assert list(model.state_dict()) == before
    whole = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    assert {id(tensor) for tensor in (*part.parameters(), *part.buffers())} < whole
    assert part.training
    assert part.heads[0] is model.heads[1]
    x = torch.rand(1, 1, 8, 8)
    part(x).sum().backward()
    assert model.encoder.stages[2][0].weight.grad is not None  # type: ignore[index]
    assert model.encoder.stages[3][0].weight.grad is None  # type: ignore[index]


def test_pruning_needs_deep_supervision_and_a_level_there_is() -> None:
    with pytest.raises(UsageError, match=r"training.deep_supervision=true"):
        UNetPlusPlus(1, 2, depth=2, width=2).pruned(1)
    for level in (0, 3, -1):
        with pytest.raises(UsageError, match=rf"found {level}; expected a whole number, 1 to 2"):
            UNetPlusPlus(1, 2, depth=2, width=2, deep_supervision=True).pruned(level)


@pytest.mark.parametrize(("name", "options"), [("unet", {}), ("unet-lite0", {"pretrained": False})])
def test_other_networks_say_that_they_cannot_be_pruned(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"cannot be pruned to level 1; .*--model unet\+\+"):
        build_model(name, in_channels=1, num_classes=2, **options).pruned(1)


def test_half_precision_and_channels_last() -> None:
    model = trained(depth=2, width=4, deep_supervision=True).float().to(memory_format=torch.channels_last)
    x = torch.rand(2, 1, 20, 12).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(x)
    with torch.no_grad():
        torch.testing.assert_close(half.float(), model(x), rtol=0.1, atol=0.1)


def test_every_head_learns() -> None:
    torch.manual_seed(0)
    model = UNetPlusPlus(1, 2, depth=2, width=4, deep_supervision=True)
    x = torch.rand(2, 1, 16, 16)
    target = (x[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(30):
        loss = torch.stack([nn.functional.cross_entropy(level, target) for level in model.forward_levels(x)]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for level in (1, 2):
        assert (model.pruned(level)(x).argmax(1) == target).double().mean() > 0.97
