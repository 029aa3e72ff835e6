"""How unlabelled patches are looked at: weakly, strongly, and mixed by boxes (CutMix, Yun et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unetkit.augment import AugmentationSettings

MIXED = 0.5
"""Probability that a strong view shows a box of the next patch, as in UniMatch."""

BOX = (0.1, 0.5)
"""Smallest and largest share of the patch that such a box covers."""

STRONG = AugmentationSettings(
    intensity_probability=0.5, brightness=0.5, contrast=(0.5, 2.0), gamma=(0.5, 2.0), blur=2.0, noise=0.2
)
"""What a strong view may do to the intensities of a normalised patch, each of them to half of the patches."""


def weak_view(settings: AugmentationSettings) -> AugmentationSettings:
    """What may happen to a weak view: the plan's geometry, no change of intensities."""
    return settings.model_copy(update={"intensity_probability": 0.0, "channel_drop": 0.0})


def strong_view(settings: AugmentationSettings) -> AugmentationSettings:
    """What then happens to a strong view: no geometry, and stronger changes of the intensities that the plan changes.

    What the plan leaves alone stays alone: where brightness tells classes apart, say, and the user set it to 0.

    Example:
        >>> strong_view(AugmentationSettings(intensity_probability=0.1, blur=1.0)).blur
        2.0
        >>> strong_view(AugmentationSettings(intensity_probability=0.0, blur=1.0)) == AugmentationSettings()
        True
    """
    neutral = AugmentationSettings()
    if not settings.intensity_probability:
        return neutral.model_copy(update={"spacing": settings.spacing})
    names = ("brightness", "contrast", "gamma", "blur", "noise")
    changed = {name: getattr(STRONG, name) for name in names if getattr(settings, name) != getattr(neutral, name)}
    common = {"intensity_probability": STRONG.intensity_probability, "spacing": settings.spacing}
    return neutral.model_copy(update=common | changed)


def draw_boxes(generators: Sequence[np.random.Generator], size: Sequence[int], views: int) -> tuple[Tensor, ...]:
    """Where each patch shall show the next one, anew for every view.

    Args:
        generators: one a patch, N.
        size: spatial shape *S of the patches.
        views: how many.

    Returns:
        `views` tensors N *S bool, all False for the patches that are not mixed.
    """
    boxes = torch.zeros((views, len(generators), *size), dtype=torch.bool)
    for place, generator in enumerate(generators):
        for view in range(views):
            mixed, share = generator.random() < MIXED, generator.uniform(*BOX) ** (1 / len(size))
            sides = [max(1, round(share * extent)) for extent in size]
            starts = [int(generator.integers(extent - side + 1)) for extent, side in zip(size, sides, strict=True)]
            window = tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))
            if mixed:
                boxes[view, place][window] = True
    return tuple(boxes)


def paste(part: Tensor, box: Tensor) -> Tensor:
    """`part` of each patch, N *S or N C *S, with that of the next patch (after the last, the first) inside of the box.

    Example:
        >>> paste(torch.tensor([[1, 1], [2, 2]]), torch.tensor([[False, True], [False, False]])).tolist()
        [[1, 2], [2, 2]]
    """
    inside = box if part.ndim == box.ndim else box.unsqueeze(1)
    return torch.where(inside, part.roll(-1, 0), part)
