"""What a network's encoder makes of an image, as a list of numbers that can be compared.

All levels count: where training images are of several kinds, the coarsest alone hardly tells foreign ones from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unetkit.dataset.normalize import NormalizationPlan, Statistics
from unetkit.image import without_data
from unetkit.models import Segmenter
from unetkit.prediction.piece import normalized
from unetkit.prediction.predictor import Predictor
from unetkit.prediction.source import Source
from unetkit.prediction.tiles import Window

SIDE, PLACES = {2: 256, 3: 48}, {2: 3, 3: 2}
"""An image is looked at through windows of at most so many pixels a side, at so many places along each axis."""


@torch.inference_mode()
def features(
    predictor: Predictor, source: Source, statistics: Mapping[NormalizationPlan, Statistics]
) -> list[npt.NDArray[np.float32]] | None:
    """Mean and standard deviation of every channel of every encoder level, over windows of an image.

    Args:
        predictor: its networks run in PyTorch here, whatever runtime predicts.
        source: the image.
        statistics: of it, for each way in which the networks' plans normalise.

    Returns:
        For each network 2 F numbers, F being the channels of all levels; None where no window has data.

    Raises:
        FileError: NaN pixels, or a file that cannot be read.

    Example:
        >>> features(predictor, source_of(image), predictor.measure(image))[0].shape  # doctest: +SKIP
        (240,)
    """
    windows = [source.read(window) for window in places(source.shape)]
    kept = [pixels for pixels in windows if (gone := without_data(pixels, source.nodata)) is None or not gone.all()]
    if not kept:
        return None
    prepared = [normalized(pixels, statistics) for pixels in kept]
    found = []
    for model, plan in zip(predictor.models, predictor.plans, strict=True):
        each = [_moments(model, one[plan.normalization].to(predictor.device)) for one in prepared]
        mean, square = torch.stack(each).mean(0)
        deviation = (square - mean**2).clamp_min(0).sqrt()
        found.append(torch.cat([mean, deviation]).float().cpu().numpy())
    return found


def _moments(model: Segmenter, pixels: Tensor) -> Tensor:
    """Mean and mean square of each channel of all levels: 2 F, of one window 1 C *S."""
    levels = [level[0].flatten(1).double() for level in model.encoder(model.pad(pixels))]
    return torch.stack([torch.cat([flat.pow(power).mean(1) for flat in levels]) for power in (1, 2)])


def places(shape: tuple[int, ...]) -> list[Window]:
    """Windows that lie evenly over an image of that shape, all equally large.

    Example:
        >>> places((300, 100))
        [(slice(0, 256, None), slice(0, 100, None)), (slice(44, 300, None), slice(0, 100, None))]
    """
    side, most = SIDE[len(shape)], PLACES[len(shape)]
    axes = []
    for extent in shape:
        count = min(most, -(-extent // side))
        starts = np.linspace(0, max(extent - side, 0), count).astype(int)
        axes.append([slice(int(start), min(int(start) + side, extent)) for start in starts])
    return list(product(*axes))
