"""The U-Net of 2015: the sizes its paper draws, mirrored borders, and tiles that give what the whole image gives."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unetkit.augment import AugmentationSettings
from unetkit.errors import UsageError
from unetkit.image import Image
from unetkit.models import Segmenter, build_model, count_parameters, multiply_adds
from unetkit.models.unet_2015 import UNet2015, mirror
from unetkit.plan import DataPlan, ModelPlan, Plan, TrainingPlan
from unetkit.prediction import Predictor, tiles

FIGURE_1 = (  # every arrow of the paper's figure 1 with weights: channels in and out, kernel, size of what comes out
    *((1, 64, 3, 570), (64, 64, 3, 568)),
    *((64, 128, 3, 282), (128, 128, 3, 280)),
    *((128, 256, 3, 138), (256, 256, 3, 136)),
    *((256, 512, 3, 66), (512, 512, 3, 64)),
    *((512, 1024, 3, 30), (1024, 1024, 3, 28)),
    *((1024, 512, 2, 56), (1024, 512, 3, 54), (512, 512, 3, 52)),
    *((512, 256, 2, 104), (512, 256, 3, 102), (256, 256, 3, 100)),
    *((256, 128, 2, 200), (256, 128, 3, 198), (128, 128, 3, 196)),
    *((128, 64, 2, 392), (128, 64, 3, 390), (64, 64, 3, 388)),
    (64, 2, 1, 388),
)


def trained(name: str = "unet-2015", *, spatial_dims: int = 2, **options: Any) -> Any:
    """A network in float64 with biases that no fresh network has."""
    torch.manual_seed(3)
    model = build_model(name, in_channels=1, num_classes=2, spatial_dims=spatial_dims, **options).double().eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0, 0.5)
    return model


def test_it_has_the_parameters_of_figure_1() -> None:
    expected = sum(kernel**2 * before * after + after for before, after, kernel, _ in FIGURE_1)
    assert expected == 31_030_658
    assert count_parameters(build_model("unet-2015", in_channels=1, num_classes=2)) == expected


def test_it_has_the_multiply_adds_of_figure_1() -> None:
    # a pixel of an up-convolution sees one tap of its 2×2
    expected = sum(
        size**2 * (kernel**2 if kernel != 2 else 1) * before * after for before, after, kernel, size in FIGURE_1
    )
    assert multiply_adds(build_model("unet-2015", in_channels=1, num_classes=2), (1, 1, 388, 388)) == expected


def test_each_layer_gives_the_size_of_figure_1() -> None:
    model = build_model("unet-2015", in_channels=1, num_classes=2).to("meta")
    seen = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(
                lambda layer, _, out: seen.append(
                    (layer.in_channels, layer.out_channels, layer.kernel_size[0], *out.shape[3:])
                )
            )
    assert isinstance(model, UNet2015)
    assert model.forward_valid(torch.empty(1, 1, 572, 572, device="meta")).shape == (1, 2, 388, 388)
    assert tuple(seen) == FIGURE_1
    assert model.margin == 92


def test_weights_have_the_papers_deviation_and_no_bias() -> None:
    torch.manual_seed(0)
    model = build_model("unet-2015", in_channels=8, num_classes=2, depth=1, width=32)
    assert not any("Norm" in type(layer).__name__ for layer in model.modules())
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            incoming = layer.in_channels * (9 if layer.kernel_size == (3, 3) else 1)
            assert layer.weight.std().item() == pytest.approx((2 / incoming) ** 0.5, rel=0.2)
            assert layer.bias is not None
            assert not layer.bias.any()


def test_dropout_acts_after_the_last_two_stages_in_training_only() -> None:
    torch.manual_seed(0)
    model = build_model("unet-2015", in_channels=1, num_classes=2, depth=3, width=4)
    x = torch.rand(1, 1, 108, 108)
    same = [torch.equal(*features) for features in zip(model.encoder(x), model.encoder(x), strict=True)]
    assert same == [True, True, False, False]
    kept = (model.encoder(x)[-1] != 0).double().mean() / (model.eval().encoder(x)[-1] != 0).double().mean()
    assert 0.4 < kept < 0.6
    assert all(torch.equal(*features) for features in zip(model.encoder(x), model.encoder(x), strict=True))


@pytest.mark.parametrize(("dims", "depth"), [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1)])
def test_the_padded_network_gives_the_same_where_its_padding_does_not_reach(dims: int, depth: int) -> None:
    model = trained(spatial_dims=dims, depth=depth, width=2)
    padded = build_model("unet", in_channels=1, num_classes=2, spatial_dims=dims, depth=depth, width=2, norm="none")
    padded.double().eval().load_state_dict(model.state_dict())
    grid = 2**depth
    # two pixels more on each side: the padded network's pooling then falls on the same pixels
    canvas = torch.randn(1, 1, *[14 * grid] * dims, dtype=torch.float64)
    inside, seen = (slice(None), slice(None)), slice(model.margin + 2, -model.margin - 2)
    with torch.no_grad():
        valid = model.forward_valid(canvas[(*inside, *[slice(2, -2)] * dims)])
        torch.testing.assert_close(valid, padded(canvas)[(*inside, *[seen] * dims)], rtol=0, atol=1e-11)


def test_an_image_is_mirrored_as_the_paper_says() -> None:
    model = trained(depth=4, width=1)
    image = torch.randn(1, 1, 388, 388, dtype=torch.float64)
    extended = torch.from_numpy(np.pad(image.numpy(), [(0, 0), (0, 0), (92, 92), (92, 92)], mode="reflect"))
    with torch.no_grad():
        assert torch.equal(model(image), model.forward_valid(extended))


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (1, 5), (2, 9, 1), (40, 3)])
def test_mirroring_repeats_itself_where_the_image_is_smaller_than_the_margin(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, *shape))
    after = [7 + axis for axis in range(len(shape))]
    expected = np.pad(x, [(0, 0), (0, 0), *((20, more) for more in after)], mode="reflect")
    assert (mirror(torch.from_numpy(x), 20, after).numpy() == expected).all()


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ((580, 572), "572 or 588 × 572"),
        ((20, 188), "188 × 188"),
        ((187, 205), "188 × 204 or 220"),
        ((388, 388), "380 or 396 × 380 or 396"),
    ],
)
def test_a_size_that_does_not_fit_is_told_the_nearest(size: tuple[int, int], nearest: str) -> None:
    model = build_model("unet-2015", in_channels=1, num_classes=2, width=1)
    assert isinstance(model, UNet2015)
    with pytest.raises(UsageError) as caught:
        model.forward_valid(torch.zeros(1, 1, *size))
    assert caught.value.expected == nearest
    with pytest.raises(UsageError, match="1 channels"):
        model.forward_valid(torch.zeros(1, 3, 572, 572))


@pytest.mark.parametrize("depth", range(6))
def test_the_valid_sizes_are_those_whose_halves_are_whole(depth: int) -> None:
    model = trained(depth=depth, width=1).to("meta")

    def fits(size: int) -> bool:
        for _ in range(depth):
            size -= 4
            if size < 2 or size % 2:
                return False
            size //= 2
        size -= 4
        for _ in range(depth):
            size = 2 * size - 4 if size > 0 else size
        return size > 0

    for size in range(1, 14 * 2**depth):
        x = torch.empty(1, 1, size, size, device="meta", dtype=torch.float64)
        if fits(size):
            assert model.forward_valid(x).shape == (1, 2, *[size - 2 * model.margin] * 2)
        else:
            with pytest.raises(UsageError):
                model.forward_valid(x)


def reach_of(model: Segmenter, start: int, stop: int, size: int) -> int:
    """How far beyond logits start … stop the columns of an image matter, by gradient."""
    x = torch.randn(3, 1, 1, size, dtype=torch.float64, requires_grad=True)
    block = model(x)[..., start:stop]
    (block * torch.randn_like(block)).sum().backward()
    assert x.grad is not None
    columns = x.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    return int(max(start - columns.min(), columns.max() - (stop - 1)))


@pytest.mark.parametrize(
    ("depth", "field", "last"),
    [(0, 2, range(1, 2)), (1, 9, range(1, 3)), (2, 23, range(1, 5)), (3, 48, range(1, 9)), (4, 103, (1, 5, 6, 16))],
)
def test_receptive_field_is_what_a_gradient_reaches(depth: int, field: int, last: Any) -> None:
    model = trained(depth=depth, width=3)
    grid = model.grid
    start = (field // grid + 2) * grid
    reached = [reach_of(model, start, start + grid, 2 * start + grid)]
    reached += [reach_of(model, start, start + size, start + size) for size in last]  # blocks that end with the image
    reached += [reach_of(model, 0, grid, start + grid)]
    assert max(reached) == model.receptive_field == field


@pytest.mark.parametrize(
    ("depth", "shapes"),
    [
        (1, [(1, 40), (37, 30)]),
        (2, [(61, 1), *((side, 147 - side) for side in range(70, 74))]),
        (3, [(2, size) for size in range(113, 121)]),
        (4, [(1, 261), (1, 277), (133, 5)]),
    ],
)
def test_tiles_give_what_the_whole_image_gives(depth: int, shapes: list[tuple[int, int]]) -> None:
    model = trained(depth=depth, width=2)
    assert model.exact_tiles
    for shape, side in product(shapes, (model.grid, 3 * model.grid)):
        x = torch.randn(1, 1, *shape, dtype=torch.float64)
        with torch.no_grad():
            whole = model(x)
            merged = torch.full_like(whole, torch.nan)
            for tile in tiles(shape, side, model.receptive_field, model.grid):
                merged[(..., *tile.write)] = model(x[(..., *tile.read)])[(..., *tile.inner)]
        torch.testing.assert_close(merged, whole, rtol=0, atol=1e-12)


def test_a_halo_of_the_papers_margin_is_too_little_at_the_images_end() -> None:
    """There a tile sees back as far as it sees beyond, and pooling cells may be cut by the end."""
    model = trained(depth=2, width=3)
    x = torch.randn(1, 1, 9, 101, dtype=torch.float64)
    with torch.no_grad():
        last = model(x)[..., 100:]
        assert torch.allclose(model(x[..., 100 - 24 :])[..., 24:], last, rtol=0, atol=1e-12)
        assert (model(x[..., 100 - model.margin :])[..., model.margin :] - last).abs().max() > 1e-9


def test_exact_tiles_in_three_dimensions() -> None:
    model = trained(spatial_dims=3, depth=1, width=2)
    x = torch.randn(1, 1, 3, 4, 33, dtype=torch.float64)
    with torch.no_grad():
        whole = model(x)
        for tile in tiles(x.shape[2:], 8, model.receptive_field, model.grid):
            part = model(x[(..., *tile.read)])[(..., *tile.inner)]
            torch.testing.assert_close(part, whole[(..., *tile.write)], rtol=0, atol=1e-12)


def test_prediction_in_tiles_is_prediction_in_one() -> None:
    plan = Plan(
        data=DataPlan(channels=1, num_classes=2),
        model=ModelPlan(name="unet-2015", depth=2, width=4),
        training=TrainingPlan(steps=1, patch=(32, 32), validate_every=1),
        augmentation=AugmentationSettings(),
    )
    torch.manual_seed(0)
    model = build_model("unet-2015", in_channels=1, num_classes=2, depth=2, width=4)
    image = Image(np.random.default_rng(0).normal(size=(1, 81, 66)).astype(np.float32))
    whole, tiled = (Predictor([model], plan, tile=tile).log_probabilities(image) for tile in (0, 16))
    assert not Predictor([model], plan, tile=16).approximates(image.shape)
    assert np.abs(whole - tiled).max() <= 1e-5 * np.ptp(whole)


@pytest.mark.parametrize("way", ["skip", "up"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_level_looks_at_the_pixels_it_is_supervised_with(depth: int, way: str) -> None:
    """Pixel k of level i is trained on pixel k·2^i of the image, so it must be the cell in which that pixel lies."""
    model = build_model("unet-2015", in_channels=1, num_classes=2, depth=depth, width=1, deep_supervision=True).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for block in [*model.encoder.stages, *model.decoder.joins]:  # type: ignore[union-attr, misc]
            joins = block[0].in_channels == 2 * block[0].out_channels  # the skip, and then what comes up
            block[0].weight[0, block[0].out_channels if joins and way == "up" else 0, 1, 1] = 1
            block[2].weight[0, 0, 1, 1] = 1
        for step in model.decoder.ups:  # type: ignore[union-attr]
            step.weight[0, 0] = 1  # type: ignore[index, operator]
        for head in model.heads:
            head.weight[0, 0] = 1  # type: ignore[index, operator]
        columns = torch.arange(1.0, 151).expand(1, 1, 3, 150)  # grows to the right: a cell's largest is its last
        levels = [level[0, 0, 0] for level in model.forward_levels(columns)]
        upright = [level[0, 0, :, 0] for level in model.forward_levels(columns.transpose(2, 3))]
    assert len(levels) == depth
    for i, (across, down) in enumerate(zip(levels, upright, strict=True)):
        assert torch.equal(across, down)
        cell = 2 ** (i if way == "skip" else depth)
        supervised = columns[0, 0, 0, :: 2**i]
        beyond = (across - supervised)[2 * cell >> i : -2 * cell >> i]  # cells that no border cuts
        assert len(beyond) > 1
        assert 0 <= beyond.min() <= beyond.max() < cell


def test_levels_have_their_sizes_and_the_finest_is_the_prediction() -> None:
    model = trained(depth=4, width=1, deep_supervision=True)
    for shape in [(1, 1), (17, 33), (40, 7)]:
        x = torch.randn(1, 1, *shape, dtype=torch.float64)
        with torch.no_grad():
            levels = model.forward_levels(x)
            assert torch.equal(levels[0], model(x))
        assert [tuple(level.shape[2:]) for level in levels] == [
            tuple(-(-side // 2**i) for side in shape) for i in range(4)
        ]


def test_it_runs_in_bfloat16_and_with_channels_last() -> None:
    torch.manual_seed(0)
    model = build_model("unet-2015", in_channels=2, num_classes=3, depth=2, width=8).eval()
    x = torch.rand(1, 2, 21, 34)
    with torch.no_grad():
        expected = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(x)
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05 * float(expected.abs().max()))
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        last = model(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-4)


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = build_model("unet-2015", in_channels=1, num_classes=2, depth=1, width=8, dropout=0.0)
    x = torch.rand(2, 1, 16, 16)
    target = (x[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (model(x).argmax(1) == target).double().mean() > 0.97


def test_stages_halve_exactly() -> None:
    model = trained(depth=3, width=1)
    sizes = [feature.shape[3] for feature in model.encoder(torch.zeros(1, 1, 92, 100, dtype=torch.float64))]
    assert all(2 * (coarse + 4) == fine for fine, coarse in pairwise(sizes))
