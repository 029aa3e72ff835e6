"""What a camera, a lamp or a stain might have made different: changes of pixel values, one function each.

Every function takes one sample C *S of a normalised image (mean about 0, standard deviation about 1), the settings, a
uniform number in [0, 1) that sets the strength, and the sample's generator; it returns a new tensor. Strengths that are
factors are drawn evenly on a logarithmic scale, so that halving is as likely as doubling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unetkit.augment.settings import AugmentationSettings


@dataclass(frozen=True, slots=True)
class Transform:
    """One entry of TRANSFORMS.

    Args:
        apply: (image C *S, settings, uniform strength, generator) to a new image C *S.
        probability: from the settings, how likely a sample is to get it; 0 where it could not change anything.
    """

    apply: Callable[[Tensor, AugmentationSettings, float, torch.Generator], Tensor]
    probability: Callable[[AugmentationSettings], float]


def brightness(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Add one number, up to ±`settings.brightness`, to every pixel."""
    return image + settings.brightness * (2 * draw - 1)


def contrast(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Stretch each channel about its mean by a factor from `settings.contrast`."""
    factor = between(settings.contrast, draw)
    return image * factor + _mean(image) * (1 - factor)


def gamma(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Bend each channel's grey values by an exponent from `settings.gamma`; its mean and standard deviation stay."""
    axes = _axes(image)
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    bent = ((image - low) / (high - low).clamp_min(1e-6)).pow_(between(settings.gamma, draw))
    mean = _mean(image)
    bent -= _mean(bent)
    # One norm over the other is the ratio of standard deviations, and many times cheaper than computing those.
    spread = torch.linalg.vector_norm(image - mean, dim=axes, keepdim=True)
    factor: Tensor = spread / torch.linalg.vector_norm(bent, dim=axes, keepdim=True).clamp_min(1e-6)
    return bent * factor + mean


def blur(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur with σ from 0.3 px (below, it would change nothing) to `settings.blur` px, edges repeated.

    One axis after the other as a sum of shifted copies: on a CPU that is two to ten times faster than conv2d.
    """
    low = min(0.3, settings.blur)
    sigma = low + draw * (settings.blur - low)
    for axis, coarse in zip(_axes(image), settings.coarseness(image.ndim - 1), strict=True):
        image = _blur_axis(image, axis, sigma / coarse)
    return image


def _blur_axis(image: Tensor, axis: int, sigma: float) -> Tensor:
    radius = math.ceil(3 * sigma)
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    length = image.shape[axis]
    padded = image.index_select(axis, torch.arange(-radius, length + radius, device=image.device).clamp(0, length - 1))
    blurred = padded.narrow(axis, radius, length) * (weights[0] / total)
    for k in range(1, radius + 1):
        blurred.add_(padded.narrow(axis, radius - k, length), alpha=weights[k] / total)
        blurred.add_(padded.narrow(axis, radius + k, length), alpha=weights[k] / total)
    return blurred


def low_resolution(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Show the sample as a scanner up to `settings.low_resolution` times coarser would have.

    Pixels are averaged over areas and interpolated back; an axis that is coarser already loses less, or nothing.
    """
    factor = between((1.0, settings.low_resolution), draw)
    size = image.shape[1:]
    coarse = [
        max(1, round(length / max(1.0, factor / spacing)))
        for length, spacing in zip(size, settings.coarseness(len(size)), strict=True)
    ]
    small = F.interpolate(image[None], coarse, mode="area")
    return F.interpolate(small, size, mode="bilinear" if len(size) == 2 else "trilinear")[0]


def noise(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise with a standard deviation of up to `settings.noise`."""
    return image + torch.randn(image.shape, generator=generator).to(image.device).mul_(settings.noise * draw)


def channel_drop(image: Tensor, settings: AugmentationSettings, draw: float, generator: torch.Generator) -> Tensor:
    """Set one channel to 0, the mean of a normalised image; a sample with a single channel keeps it."""
    image = image.clone()
    if len(image) > 1:
        image[int(draw * len(image))] = 0
    return image


def between(limits: tuple[float, float], draw: float) -> float:
    """The factor a share `draw` of the way between two factors, on a logarithmic scale."""
    return math.exp(math.log(limits[0]) * (1 - draw) + math.log(limits[1]) * draw)


def _axes(image: Tensor) -> tuple[int, ...]:
    return tuple(range(1, image.ndim))


def _mean(image: Tensor) -> Tensor:
    return image.mean(_axes(image), keepdim=True)
