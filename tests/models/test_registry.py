"""What every model of the registry promises; a new entry is tested by its line there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from unetkit.errors import MissingExtra, UnknownName, UsageError
from unetkit.models import MODELS, Segmenter, build_model

SMALL: dict[str, dict[str, Any]] = {
    "unet": {"depth": 2, "width": 4},
    "unet-2015": {"depth": 2, "width": 8},
    "unet-lite0": {"pretrained": False},
    "unet-timm": {"encoder": "test_efficientnet", "width": 4, "fine_width": 4},
    "unet++": {"depth": 2, "width": 4},
    "attention-unet": {"depth": 2, "width": 4},
    "resunet": {"depth": 2, "width": 4},
    "lean-unet": {"depth": 2, "width": 4},
    "mobile-unet": {"depth": 2, "width": 4},
}
SIZES = {2: [(1, 1), (1, 7), (33, 17), (64, 64)], 3: [(1, 1, 1), (5, 9, 7)]}
CASES = [(name, dims) for name, entry in MODELS.items() for dims in entry.spatial_dims]


def small(name: str, dims: int = 2, *, in_channels: int = 1, num_classes: int = 2, **options: Any) -> Segmenter:
    torch.manual_seed(0)
    options = SMALL.get(name, {}) | options
    try:
        return build_model(name, in_channels=in_channels, num_classes=num_classes, spatial_dims=dims, **options)
    except MissingExtra as error:
        pytest.skip(f"{name}: {error}")


@pytest.mark.parametrize(("name", "dims"), CASES)
@pytest.mark.parametrize("train", [True, False])
def test_any_size_gives_logits_of_that_size(name: str, dims: int, train: bool) -> None:
    model = small(name, dims, num_classes=3).train(train)
    for size in SIZES[dims]:
        logits = model(torch.rand(1, 1, *size))
        assert logits.shape == (1, 3, *size)
        assert logits.isfinite().all()


@pytest.mark.parametrize(("name", "dims"), CASES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels(name: str, dims: int, channels: int) -> None:
    assert small(name, dims, in_channels=channels)(torch.rand(2, channels, *[8] * dims)).shape == (2, 2, *[8] * dims)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_levels_are_halved_or_whole_and_the_first_is_the_prediction(name: str, dims: int) -> None:
    model = small(name, dims, num_classes=4, deep_supervision=True).eval()
    size = SIZES[dims][-1] if dims == 3 else (33, 17)
    x = torch.rand(2, 1, *size)
    with torch.no_grad():
        levels = model.forward_levels(x)
        assert len(levels) >= 2
        for level, logits in enumerate(levels):
            assert logits.shape in [(2, 4, *[-(-s // 2**halvings) for s in size]) for halvings in (0, level)]
        assert torch.equal(levels[0], model(x))


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_gradients_reach_every_parameter(name: str, dims: int) -> None:
    model = small(name, dims, deep_supervision=True)
    loss = sum(
        (logits**2).mean() for logits in model.forward_levels(torch.rand(2, 1, *[64 if dims == 2 else 16] * dims))
    )
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_weights_survive_a_file(name: str, dims: int) -> None:
    model, x = small(name, dims).eval(), torch.rand(1, 1, *[9] * dims)
    torch.manual_seed(1)
    other = build_model(name, in_channels=1, num_classes=2, spatial_dims=dims, **SMALL.get(name, {})).eval()
    with torch.no_grad():
        assert not torch.equal(model(x), other(x))
        other.load_state_dict(load(save(model.state_dict())))
        assert torch.equal(model(x), other(x))


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_prediction_repeats_itself_and_leaves_the_input_alone(name: str, dims: int) -> None:
    model, x = small(name, dims).eval(), torch.rand(2, 1, *[11] * dims)
    before = x.clone()
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
        torch.testing.assert_close(model(x)[1:], model(x[1:]), rtol=1e-4, atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_same_seed_same_weights(name: str, dims: int) -> None:
    one, two = small(name, dims).state_dict(), small(name, dims).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", MODELS)
def test_published_facts_agree(name: str) -> None:
    model = small(name)
    assert model.grid == 2 ** (len(model.encoder.out_channels) - 1)
    assert model.decoder.out_channels[-1] == model.encoder.out_channels[-1]
    assert len(model.encoder.reach) == len(model.encoder.out_channels)
    assert MODELS[name].summary
    assert set(SMALL.get(name, {})) <= set(MODELS[name].options)


@pytest.mark.parametrize("name", MODELS)
def test_an_input_of_the_wrong_shape_is_told_what_was_expected(name: str) -> None:
    model = small(name, in_channels=3)
    for shape in [(1, 1, 8, 8), (3, 8, 8), (1, 3, 8, 8, 8), (1, 3, 0, 8)]:
        with pytest.raises(UsageError, match=r"expected \(images, 3 channels, rows, columns\)") as caught:
            model(torch.zeros(shape))
        assert str(shape) in str(caught.value)


def test_an_unknown_model_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'unet'"):
        build_model("unett", in_channels=1, num_classes=2)


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_option_lists_the_valid_ones(name: str) -> None:
    with pytest.raises(UsageError, match=r"no option 'breadth'; expected .*deep_supervision"):
        build_model(name, in_channels=1, num_classes=2, breadth=3)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("unet", {"depth": 12}),
        ("unet", {"depth": -1}),
        ("unet", {"depth": 2.0}),
        ("unet", {"depth": True}),
        ("unet", {"width": 0}),
        ("unet", {"width": "16"}),
        ("unet", {"width": 16, "max_width": 8}),
        ("unet", {"norm": "layer"}),
        ("unet", {"up": "bicubic"}),
        ("unet", {"dropout": 1.0}),
        ("unet", {"dropout": float("nan")}),
        ("unet", {"skips": "bottom"}),
        ("unet", {"depth": 2, "skips": (2,)}),
        ("unet", {"skips": (True,)}),
        ("unet", {"skips": 0}),
        ("unet", {"norm": None}),
        ("unet", {"up": ["transpose"]}),
        ("unet", {"dropout": "0.1"}),
        ("unet", {"deep_supervision": "no"}),
        ("unet", {"spatial_dims": 4}),
        ("unet", {"in_channels": 0}),
        ("unet", {"num_classes": 1}),
        ("unet-2015", {"depth": 8}),
        ("unet-2015", {"width": 0}),
        ("unet-2015", {"dropout": 1.0}),
        ("unet-2015", {"deep_supervision": 1}),
        ("unet++", {"depth": 8}),
        ("unet++", {"width": 0}),
        ("unet++", {"width": 8, "max_width": 4}),
        ("unet++", {"norm": "layer"}),
        ("unet++", {"up": "bicubic"}),
        ("unet++", {"dropout": -0.1}),
        ("attention-unet", {"depth": 8}),
        ("attention-unet", {"width": 0}),
        ("attention-unet", {"norm": "layer"}),
        ("attention-unet", {"up": "bicubic"}),
        ("attention-unet", {"dropout": 1.0}),
        ("attention-unet", {"skips": "bottom"}),
        ("attention-unet", {"gates": "finest"}),
        ("attention-unet", {"gates": 1}),
        ("attention-unet", {"gates": (3,)}),
        ("attention-unet", {"skips": (0, 1), "gates": (2,)}),
        ("attention-unet", {"depth": 1}),
        ("attention-unet", {"skips": "none", "gates": "all"}),
        ("resunet", {"depth": 8}),
        ("resunet", {"width": 16, "max_width": 8}),
        ("resunet", {"blocks": "many"}),
        ("resunet", {"decoder_blocks": 0}),
        ("resunet", {"norm": "layer"}),
        ("resunet", {"dropout": 1.0}),
        ("lean-unet", {"width": 0}),
        ("lean-unet", {"max_width": 64}),
        ("lean-unet", {"dropout": -0.1}),
        ("mobile-unet", {"depth": 8}),
        ("mobile-unet", {"decoder_blocks": 0}),
        ("mobile-unet", {"norm": "layer"}),
        ("mobile-unet", {"dropout": 1.0}),
        ("mobile-unet", {"skips": (3,)}),
        ("unet-lite0", {"spatial_dims": 3}),
        ("unet-lite0", {"widths": (16, 8)}),
        ("unet-lite0", {"widths": 16}),
        ("unet-lite0", {"widths": (16, 8, 8, 8, 0)}),
        ("unet-lite0", {"fine_width": -1}),
        ("unet-lite0", {"up": "cubic"}),
    ],
)
def test_impossible_values_are_usage_errors(name: str, change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"in_channels": 1, "num_classes": 2, "spatial_dims": 2} | change
    if name == "unet-lite0":
        arguments["pretrained"] = False
    with pytest.raises(UsageError) as caught:
        build_model(name, **arguments)
    assert caught.value.expected is not None
