"""A U-Net whose contracting path is an encoder of timm, the collection of image models for PyTorch.

    image ──▶ two 3×3 convolutions at each stride ─ skip ──▶ joins ─ head ─▶ logits
      │       that the encoder does not have                   ▲
      └─────▶ resnet18: strides 2, 4, 8, 16, 32 ─── skip ──▶ joins
              convnext_atto:    4, 8, 16, 32

Iglovikov & Shvets: "TernausNet", 2018, put a pretrained classifier in place of the contracting path. Wightman:
"PyTorch Image Models", 2019, is where the encoders come from. timm needs torchvision, so it is an extra.
"""

from __future__ import annotations

import copy
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from unetkit.errors import FileError, MissingExtra, UnknownName, UsageError
from unetkit.models.base import Pyramid, Segmenter
from unetkit.models.blocks import initialise, whole_number
from unetkit.models.lite0 import inflate
from unetkit.models.unet import ContractingPath, ExpandingPath, stage_widths

FITTING = "an encoder for images of any size whose features halve from stride 1, 2 or 4, as those of resnet18 do"
COUNTER = "num_batches_tracked"  # of BatchNorm: nothing depends on it, and older files lack it


class TimmEncoder(Pyramid):
    """The features of a timm encoder, and of a small branch for the finer strides that it lacks.

    Most encoders begin at stride 2, some at 4, which loses thin structures; so two 3×3 convolutions look at the image
    in full, and where the encoder begins at stride 4, two more after a pooling look at it at half the resolution.

    Args:
        name: of the encoder, one of `timm.list_models()`.
        in_channels: channels of the image. Pretrained first filters are fitted to them by `inflate`.
        fine_width: channels of the branch at full resolution; at half the resolution it has twice as many.
        weights: file of pretrained weights; drawn at random, as timm does it, when None.

    Raises:
        MissingExtra: timm is not installed, or does not load.
        UnknownName: timm has no such encoder; the nearest names are in the message.
        UsageError: the encoder takes images of one size only, or its features do not halve.
        FileError: the weights are damaged or not those of this encoder.
    """

    def __init__(self, name: str, in_channels: int, *, fine_width: int, weights: str | None) -> None:
        super().__init__()
        self.body = make_body(name, in_channels)
        strides, channels = self.body.feature_info.reduction(), self.body.feature_info.channels()
        lacking = strides[0].bit_length() - 1
        fine = [fine_width * 2**level for level in range(lacking)]
        self.fine = ContractingPath(in_channels, fine, dims=2, norm="batch", dropout=0.0) if lacking else None
        self.out_channels = (*fine, *channels)
        self.reach = (0,) * len(self.out_channels)  # not known; nothing is promised from it
        if self.fine is not None:
            initialise(self.fine)
        if weights is not None:
            load_pretrained(self.body, name, Path(weights))

    @property
    def pretrained_part(self) -> nn.Module:
        """timm's encoder, without the branch for finer strides."""
        part: nn.Module = self.body
        return part

    def forward(self, x: Tensor) -> list[Tensor]:
        """N C H W, multiples of the coarsest stride -> a feature at each power of two up to that stride."""
        fine = self.fine(x) if self.fine is not None else []
        return [*fine, *self.body(x)]


class UNetTimm(Segmenter):
    """A U-Net on an encoder of timm, for 2D images.

    Args:
        in_channels: channels of the image; any number.
        num_classes: K, 2 or more.
        spatial_dims: 2; timm's filters are two-dimensional.
        encoder: name of the encoder, one of `timm.list_models()`: "resnet18", "convnext_atto", "efficientnet_b0", ….
        pretrained: start the encoder from `weights`; False draws its weights at random.
        weights: file of that encoder's weights as timm publishes or saves them, .safetensors or torch's .pth; nothing
            is ever fetched.
        width: channels of the decoder's finest stage; each coarser stage has twice as many.
        max_width: no stage of the decoder is wider than this.
        fine_width: channels of the branch at full resolution, for thin structures, where the encoder begins later.
        up: "transpose" or "interpolate".
        deep_supervision: a head for each level of the decoder, for `forward_levels`.

    Raises:
        MissingExtra: timm is not installed, or does not load.
        UsageError: a value outside these bounds, or an encoder that is unknown or takes images of one size only.
        FileError: the weights are damaged or not those of this encoder.

    Source:
        Wightman 2019 for the encoders, Ronneberger et al. 2015 for the decoder.

    Example:
        >>> import torch
        >>> UNetTimm(3, 2, encoder="resnet18").eval()(torch.zeros(1, 3, 33, 17)).shape  # doctest: +SKIP
        torch.Size([1, 2, 33, 17])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        *,
        encoder: str = "resnet18",
        pretrained: bool = False,
        weights: str | None = None,
        width: int = 16,
        max_width: int | None = None,
        fine_width: int = 16,
        up: str = "interpolate",
        deep_supervision: bool = False,
    ) -> None:
        whole_number("fine_width", fine_width, 1)
        if pretrained != (weights is not None):
            raise UsageError(
                "a pretrained encoder needs its weights, and they need to be wanted",
                found=f"pretrained={pretrained}, weights={weights}",
                mend="--set model.pretrained=true --set model.weights=FILE, or neither",
            )
        contracting = TimmEncoder(encoder, in_channels, fine_width=fine_width, weights=weights)
        widths = stage_widths(len(contracting.out_channels) - 1, width, max_width)[:-1]
        expanding = ExpandingPath(
            contracting.out_channels, widths, dims=spatial_dims, norm="batch", up=up, skips=range(len(widths))
        )
        initialise(expanding)
        super().__init__(
            contracting,
            expanding,
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            norm="batch",
            deep_supervision=deep_supervision,
        )
        # What an encoder reads is not known here, and some normalise over the tile or average over all of it.
        self.receptive_field, self.exact_tiles = None, False


def load_timm() -> Any:
    """timm, where it is installed and loads.

    Raises:
        MissingExtra: it does not.
    """
    try:
        import timm
    except Exception as error:  # a torchvision made for another torch raises more than ImportError
        raise MissingExtra("timm", "timm", error) from error
    return timm


def make_body(name: str, in_channels: int) -> Any:
    """timm's encoder with random weights; its call gives its features, finest first.

    Raises:
        MissingExtra: timm is not installed, or does not load.
        UnknownName: timm has no such encoder.
        UsageError: it gives no features that halve, for images of any size.
    """
    timm = load_timm()
    names = timm.list_models()
    if name not in names:
        near = get_close_matches(name, names, n=5, cutoff=0.4)
        raise UnknownName(
            f"timm {timm.__version__} has no encoder called '{name}'",
            expected="a name of timm.list_models(), without the tag of its weights",
            mend=f"did you mean {' or '.join(map(repr, near))}?" if near else None,
        )
    try:
        body = timm.create_model(name, pretrained=False, features_only=True, in_chans=in_channels)
        shapes = feature_shapes(body, in_channels)
    except Exception as error:  # each encoder has its own way to say that it cannot
        raise UsageError(
            f"timm's {name} cannot be an encoder here", found=first_line(error), expected=FITTING
        ) from error
    strides, channels = body.feature_info.reduction(), body.feature_info.channels()
    side = strides[-1]
    halving = strides[0] in (1, 2, 4) and all(coarse == 2 * fine for fine, coarse in pairwise(strides))
    wanted = [(c, side // stride, 3 * side // stride) for c, stride in zip(channels, strides, strict=True)]
    if not halving or shapes != wanted:
        of = f"strides {', '.join(map(str, strides))}, from an image of {side} × {3 * side} features {shapes}"
        raise UsageError(f"timm's {name} cannot be an encoder here", found=of, expected=FITTING)
    return body


def feature_shapes(body: Any, in_channels: int) -> list[tuple[int, ...]]:
    """The shapes C H W of an encoder's features of its smallest image, three times as wide; nothing is computed."""
    side = body.feature_info.reduction()[-1]
    ghost = copy.deepcopy(body).to("meta").eval()
    with torch.no_grad():
        features = ghost(torch.empty(1, in_channels, side, 3 * side, device="meta"))
    return [tuple(feature.shape[1:]) for feature in features]


def load_pretrained(body: Any, name: str, path: Path) -> None:
    """Fill an encoder with pretrained weights, its first filters fitted to its channels.

    Args:
        body: from `make_body`.
        name: of the encoder.
        path: of timm's weights for RGB, with or without those of the classifier.

    Raises:
        FileError: the file cannot be read, lacks a layer, has one of another shape, or one that the encoder has not.
    """
    stored = read_weights(path)
    with torch.device("meta"):
        whole = load_timm().create_model(name, pretrained=False).state_dict()
    if unknown := [layer for layer in stored if layer not in whole]:
        raise FileError(
            "are weights of another network",
            file=path,
            found=f"layer {unknown[0]}",
            expected=f"only layers of timm's {name}",
        )
    own = body.state_dict()
    # timm wraps some encoders, and of others joins the first two parts of each name by a line
    wrapped = next((part for part in ("model.", "body.") if all(layer.startswith(part) for layer in own)), "")
    by_name = {layer.replace(".", "_"): weight for layer, weight in stored.items()}
    for layer, value in own.items():
        weight = by_name.get(layer.removeprefix(wrapped).replace(".", "_"))
        if weight is None and layer.endswith(COUNTER):
            continue
        if weight is not None and weight.ndim == 4 and weight.shape[1] == 3:
            weight = inflate(weight, value.shape[1])
        if weight is None or weight.shape != value.shape:
            raise FileError(
                f"the pretrained weights do not fit layer {layer}",
                file=path,
                found="nothing" if weight is None else tuple(weight.shape),
                expected=f"{tuple(value.shape)}, as in timm's {name}",
            )
        own[layer] = weight
    body.load_state_dict(own)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of one that torch saved.

    Raises:
        FileError: missing, damaged, or no weights.
    """
    try:
        safe = path.suffix == ".safetensors"
        stored = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise FileError("cannot be read as weights", file=path, found=first_line(error)) from error
    stored = stored.get("state_dict", stored) if isinstance(stored, dict) else stored
    if not isinstance(stored, dict) or not all(isinstance(weight, Tensor) for weight in stored.values()):
        raise FileError(
            "holds no weights", file=path, found=type(stored).__name__, expected="a state dict, names to tensors"
        )
    return stored


def first_line(error: Exception) -> str:
    """What an error says, on one line, or its name where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
