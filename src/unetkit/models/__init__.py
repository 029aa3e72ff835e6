"""Networks: `forward(x: N C *S) -> logits N K *S`, for 2D and 3D, for images of any size.

To add one: write a file with a subclass of `Segmenter` and add a line to `MODELS`; the tests run over it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from unetkit.errors import UsageError
from unetkit.models.attention_unet import AttentionUNet
from unetkit.models.base import Segmenter
from unetkit.models.blocks import whole_number
from unetkit.models.cost import count_parameters, multiply_adds
from unetkit.models.lean_unet import LeanUNet
from unetkit.models.mobile_unet import MobileUNet
from unetkit.models.resunet import ResUNet
from unetkit.models.unet import UNet
from unetkit.models.unet_2015 import UNet2015
from unetkit.models.unet_lite0 import UNetLite0
from unetkit.models.unet_plus_plus import UNetPlusPlus
from unetkit.models.unet_timm import UNetTimm
from unetkit.registry import lookup

__all__ = ["MODELS", "ModelEntry", "Segmenter", "build_model", "count_parameters", "multiply_adds"]


@dataclass(frozen=True)
class ModelEntry:
    """One architecture of the registry.

    Args:
        build: makes the network from (in_channels, num_classes, spatial_dims) and its options.
        summary: what it is, in one line.
        spatial_dims: the dimensions it exists for.
    """

    build: Callable[..., Segmenter]
    summary: str
    spatial_dims: tuple[int, ...] = (2, 3)

    @property
    def options(self) -> dict[str, Any]:
        """Its options and their defaults: the builder's keyword arguments."""
        return {name: parameter.default for name, parameter in self._keywords().items()}

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Compare options with the builder's signature; the values' bounds are the builder's own to check.

        Args:
            name: the entry's name, for the error.
            options: as for `build_model`.

        Raises:
            UsageError: an option it does not have, or a value of the wrong type.
        """
        keywords = self._keywords()
        if unknown := sorted(set(options) - set(keywords)):
            raise UsageError(
                f"the model '{name}' has no option {' or '.join(map(repr, unknown))}",
                expected=f"some of {', '.join(keywords)}",
            )
        for option, value in options.items():
            annotation = keywords[option].annotation
            try:
                # Strict, for True is no depth and "no" is no truth.
                TypeAdapter(annotation).validate_python(value, strict=True)
            except ValidationError as error:
                raise UsageError(
                    f"the option '{option}' of the model '{name}' has the wrong type",
                    found=repr(value),
                    expected=inspect.formatannotation(annotation).replace("collections.abc.", ""),
                ) from error

    def _keywords(self) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(self.build, eval_str=True).parameters
        return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


MODELS: dict[str, ModelEntry] = {
    "unet": ModelEntry(UNet, "the U-Net of 2015 with padded convolutions and a normalisation, any depth and width"),
    "unet-2015": ModelEntry(UNet2015, "the U-Net of 2015 to the letter: unpadded convolutions, mirrored borders"),
    "unet-lite0": ModelEntry(UNetLite0, "a U-Net on EfficientNet-Lite0, pretrained on ImageNet's photographs", (2,)),
    "unet-timm": ModelEntry(UNetTimm, "a U-Net on any encoder of timm; needs `pip install 'unetkit[timm]'`", (2,)),
    "attention-unet": ModelEntry(AttentionUNet, "a U-Net whose skips pass gates that learn where to look"),
    "unet++": ModelEntry(UNetPlusPlus, "U-Nets of every depth nested in one, which can be pruned to a shallower one"),
    "resunet": ModelEntry(ResUNet, "a U-Net with a residual encoder, as in nnU-Net's ResEnc presets"),
    "lean-unet": ModelEntry(LeanUNet, "a U-Net as narrow at the bottom as at the top, with few parameters"),
    "mobile-unet": ModelEntry(MobileUNet, "a U-Net of depthwise separable convolutions, fast without a graphics card"),
}


def build_model(name: str, *, in_channels: int, num_classes: int, spatial_dims: int = 2, **options: Any) -> Segmenter:
    """The network called `name`.

    Args:
        name: a key of `MODELS`.
        in_channels: channels of the images, 1 or more.
        num_classes: K, 2 or more, background counted.
        spatial_dims: 2 or 3.
        **options: the entry's own, such as `depth` and `width`.

    Returns:
        The network, in training mode, with weights drawn from torch's global generator.

    Raises:
        UnknownName: no such model; the nearest names are in the message.
        UsageError: an option the model does not have, or a value it cannot take.

    Example:
        >>> build_model("unet", in_channels=3, num_classes=2, width=8).grid
        8
    """
    entry = lookup(MODELS, name, "model")
    whole_number("in_channels", in_channels, 1)
    whole_number("num_classes", num_classes, 2)
    if spatial_dims not in entry.spatial_dims:
        raise UsageError(
            f"the model '{name}' does not exist for that number of spatial dimensions",
            found=repr(spatial_dims),
            expected=" or ".join(map(str, entry.spatial_dims)),
        )
    entry.check(name, options)
    return entry.build(in_channels, num_classes, spatial_dims, **options)
