"""Augmentation: training patches varied on the training device, in two and three dimensions.

    warp       mirrored, turned, rotated, scaled, sheared and bent, in one interpolation
    intensity  brightness, contrast, gamma, blur, low resolution, noise, channel drop

What happens to a sample depends on its own generator only, so that a batch split over processes stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unetkit.augment.intensity import (
    Transform,
    blur,
    brightness,
    channel_drop,
    contrast,
    gamma,
    low_resolution,
    noise,
)
from unetkit.augment.settings import AugmentationSettings
from unetkit.augment.warp import (
    WARP_DRAWS,
    deformation_grid,
    draw_warp,
    follow,
    move_whole,
    source_positions,
    source_size,
)
from unetkit.classes import IGNORE
from unetkit.errors import UsageError

__all__ = [
    "AUGMENTATIONS",
    "TRANSFORMS",
    "AugmentationSettings",
    "Transform",
    "augment",
    "deformation_grid",
    "source_size",
]

_FULL = AugmentationSettings(
    flips=(True, True, True),
    quarter_turns=True,
    warp_probability=0.5,
    rotation=180.0,
    scale=(0.8, 1.25),
    shear=5.0,
    elastic_sigma=10.0,
    intensity_probability=0.2,
    brightness=0.3,
    contrast=(0.75, 1.33),
    gamma=(0.7, 1.4),
    blur=1.0,
    low_resolution=2.0,
    noise=0.2,
    channel_drop=0.05,
)

AUGMENTATIONS: dict[str, AugmentationSettings] = {
    "none": AugmentationSettings(),
    "flips": AugmentationSettings(flips=(True, True, True), quarter_turns=True),
    "full": _FULL,
    "upright": _FULL.model_copy(update={"flips": (False, False, True), "quarter_turns": False, "rotation": 10.0}),
}
"""Ready-made settings. "upright" is "full" for pictures that have an up and a down, such as streets."""

TRANSFORMS: dict[str, Transform] = {
    "brightness": Transform(brightness, lambda s: s.intensity_probability if s.brightness > 0 else 0.0),
    "contrast": Transform(contrast, lambda s: s.intensity_probability if s.contrast != (1.0, 1.0) else 0.0),
    "gamma": Transform(gamma, lambda s: s.intensity_probability if s.gamma != (1.0, 1.0) else 0.0),
    "blur": Transform(blur, lambda s: s.intensity_probability if s.blur > 0 else 0.0),
    "low_resolution": Transform(low_resolution, lambda s: s.intensity_probability if s.low_resolution > 1 else 0.0),
    "noise": Transform(noise, lambda s: s.intensity_probability if s.noise > 0 else 0.0),
    "channel_drop": Transform(channel_drop, lambda s: s.channel_drop),
}
"""Changes of pixel values, in the order in which they are applied: the scene, then the optics, then the sensor."""


@torch.no_grad()
def augment(
    images: Tensor,
    labels: Tensor,
    valid: Tensor,
    settings: AugmentationSettings,
    generators: Sequence[torch.Generator],
    *,
    out_size: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Vary a batch of training patches; the tensors given are not changed.

    Args:
        images: N C *S float32, normalised, S = (row, column) or (plane, row, column).
        labels: N *S integers, class indices; 255 is never valid.
        valid: N *S bool, where the labels count.
        settings: what may happen, and how strongly.
        generators: one CPU generator a sample; all of a sample's randomness comes from it.
        out_size: spatial shape of the result, at most S along each axis; the warp looks at the centre of the source, so
            that a larger source (`source_size`) leaves fewer pixels without labels. None: S.

    Returns:
        images N C *out float32, labels N *out (255 where warped from outside the source), valid N *out.

    Raises:
        UsageError: shapes, types or the number of generators do not fit together.

    Example:
        >>> images, labels = torch.randn(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.int64)
        >>> generators = [torch.Generator().manual_seed(i) for i in range(2)]
        >>> moved, _, valid = augment(images, labels, labels == 0, AUGMENTATIONS["full"], generators, out_size=(48, 48))
        >>> moved.shape, valid.dtype
        (torch.Size([2, 1, 48, 48]), torch.bool)
    """
    size = tuple(images.shape[2:] if out_size is None else out_size)
    _require_fit(images, labels, valid, settings, generators, size)
    samples = [_augment_one(*sample, settings, size) for sample in zip(images, labels, valid, generators, strict=True)]
    moved = [torch.stack(parts) for parts in zip(*samples, strict=True)]
    return moved[0], moved[1], moved[2]


def _augment_one(
    image: Tensor,
    labels: Tensor,
    valid: Tensor,
    generator: torch.Generator,
    settings: AugmentationSettings,
    size: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Sample by sample: on a CPU that is faster than the whole batch at once, whose parts outgrow the cache."""
    draws = torch.rand(WARP_DRAWS + 2 * len(TRANSFORMS), generator=generator).tolist()
    warp = draw_warp(settings, size, draws[:WARP_DRAWS], generator)
    valid = valid & (labels != IGNORE)
    if warp.matrix is None:
        image, labels, valid = (move_whole(part, warp, size) for part in (image, labels, valid))
    else:
        positions = source_positions(warp, image.shape[1:], size, image.device)
        image, labels, valid = follow(image, labels, valid, positions)
    pairs = zip(draws[WARP_DRAWS::2], draws[WARP_DRAWS + 1 :: 2], strict=True)
    for transform, (occurs, strength) in zip(TRANSFORMS.values(), pairs, strict=True):
        if occurs < transform.probability(settings):
            image = transform.apply(image, settings, strength, generator)
    return image, labels, valid


def _require_fit(
    images: Tensor,
    labels: Tensor,
    valid: Tensor,
    settings: AugmentationSettings,
    generators: Sequence[torch.Generator],
    size: Sequence[int],
) -> None:
    if images.ndim not in (4, 5) or images.numel() == 0 or images.dtype != torch.float32:
        raise UsageError(
            "images do not fit",
            found=f"{tuple(images.shape)} {images.dtype}",
            expected="N C *S float32, not empty, S of 2 or 3 axes",
        )
    shape = images.shape[2:]
    if labels.shape != (len(images), *shape) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise UsageError(
            "labels do not fit the images",
            found=f"{tuple(labels.shape)} {labels.dtype}",
            expected=f"{(len(images), *shape)} integers",
        )
    if valid.shape != labels.shape or valid.dtype != torch.bool:
        raise UsageError(
            "valid does not fit the labels",
            found=f"{tuple(valid.shape)} {valid.dtype}",
            expected=f"{tuple(labels.shape)} torch.bool",
        )
    if len(generators) != len(images) or any(g.device.type != "cpu" for g in generators):
        raise UsageError(
            "augmentation takes one CPU generator a sample", found=len(generators), expected=f"{len(images)} on the CPU"
        )
    if len(size) != len(shape) or any(not 1 <= out <= source for out, source in zip(size, shape, strict=False)):
        raise UsageError("out_size does not fit", found=tuple(size), expected=f"1 to {tuple(shape)} along each axis")
    if len(settings.spacing) < len(shape):
        raise UsageError(
            "settings name too few axes", found=f"spacing {settings.spacing}", expected=f"{len(shape)} entries"
        )
