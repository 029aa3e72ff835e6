"""From a file's intensities to what a network sees: zero mean, unit variance, outliers clipped.

Statistics are taken once an image (or once a training set) and then applied to any window of it, so that a tile is
normalised exactly as the whole image would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from unetkit.errors import FileError
from unetkit.image import Image

SAMPLED_PIXELS = 4_000_000
"""Statistics of larger images are taken on an even grid of about this many pixels."""


class NormalizationPlan(BaseModel):
    """How intensities are made comparable.

    Args:
        kind: "image" takes mean and deviation from each image by itself, "dataset" uses those of the training
            images, "none" passes the numbers through.
        per_channel: whether each channel has statistics of its own; together, colours keep their ratios.
        low: percentile below which intensities are clipped.
        high: percentile above which intensities are clipped.
        mean: for kind "dataset": one mean a channel (or one in all).
        std: for kind "dataset": one standard deviation a channel (or one in all).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["image", "dataset", "none"] = "image"
    per_channel: bool = False
    low: float = Field(0.5, ge=0, lt=50)
    high: float = Field(99.5, gt=50, le=100)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """What `apply` needs: per-channel clipping limits, means and deviations, each of shape (C,)."""

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]


def measure(image: Image, plan: NormalizationPlan) -> Statistics:
    """The statistics of one image.

    Args:
        image: pixels C *S of any real type.
        plan: which statistics to take.

    Returns:
        Clipping limits, means and deviations, one a channel.

    Raises:
        FileError: the image holds NaN or infinite pixels.
    """
    pixels = image.pixels
    channels = pixels.shape[0]
    flat = pixels.reshape(channels, -1)
    sample = flat[:, :: max(1, flat[0].size * channels // SAMPLED_PIXELS)].astype(np.float64)
    if not np.isfinite(sample).all():
        raise FileError(
            "holds NaN or infinite pixels",
            file=image.path,
            found=f"{int((~np.isfinite(flat)).sum())} of them",
            mend="unetkit check DATA --fix OUT replaces them, or mask them out before",
        )
    if plan.kind == "none":
        ones = np.ones(channels, np.float32)
        return Statistics(ones * -np.inf, ones * np.inf, ones * 0, ones)
    if not plan.per_channel:
        sample = sample.reshape(1, -1)
    low, high = np.percentile(sample, (plan.low, plan.high), axis=1)
    if plan.kind == "dataset":
        mean, std = np.asarray(plan.mean), np.asarray(plan.std)
    else:
        clipped = np.clip(sample, low[:, None], high[:, None])
        mean, std = clipped.mean(1), clipped.std(1)
    columns = [np.broadcast_to(v, (channels,)).astype(np.float32) for v in (low, high, mean, np.maximum(std, 1e-6))]
    return Statistics(*columns)


def apply(pixels: npt.NDArray[Any], statistics: Statistics) -> npt.NDArray[np.float32]:
    """Clip and standardise a window of the image the statistics were taken from.

    Args:
        pixels: array C *S.
        statistics: of the whole image.

    Returns:
        New float32 array C *S; a constant image gives zeros.

    Raises:
        FileError: NaN among the pixels (the statistics are sampled, so a rare one is met only here).
    """
    column = (slice(None), *[None] * (pixels.ndim - 1))
    out = np.clip(pixels.astype(np.float32), statistics.low[column], statistics.high[column])
    out -= statistics.mean[column]
    out /= statistics.std[column]
    if np.isnan(out).any():
        raise FileError("holds NaN pixels", mend="unetkit check DATA --fix OUT replaces them")
    return out


def normalize(image: Image, plan: NormalizationPlan) -> npt.NDArray[np.float32]:
    """One whole image as the network sees it: float32 C *S.

    Example:
        >>> normalize(Image(np.zeros((1, 4, 4), np.uint8)), NormalizationPlan()).shape
        (1, 4, 4)
    """
    try:
        return apply(image.pixels, measure(image, plan))
    except FileError as error:
        raise FileError(error.what, file=image.path, found=error.found, mend=error.mend) from error
