"""From a file's intensities to what a network sees: zero mean, unit variance, outliers clipped.

Statistics are taken once an image (or once a training set) and then applied to any window of it, so that a tile is
normalised exactly as the whole image would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from unetkit.errors import FileError
from unetkit.image import Image, without_data

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
    """What `apply` needs: clipping limits, means and deviations, each of shape (C,), and the nodata number."""

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]
    nodata: float | None = None


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
    flat = image.pixels.reshape(len(image.pixels), -1)
    return measure_sample(flat[:, :: sampling_step(*flat.shape)], plan, nodata=image.nodata, file=image.path)


def sampling_step(channels: int, pixels: int) -> int:
    """Of an image of so many channels and pixels, every how many-th pixel is looked at, in row-major order."""
    return max(1, pixels * channels // SAMPLED_PIXELS)


def measure_sample(
    sample: npt.NDArray[Any], plan: NormalizationPlan, *, nodata: float | None = None, file: Path | None = None
) -> Statistics:
    """The statistics of an image from a sample of its pixels; those without data do not count.

    Args:
        sample: C N, every `sampling_step`-th pixel.
        plan: which statistics to take.
        nodata: the number that stands for missing data.
        file: named in the error.

    Raises:
        FileError: as for `measure`.
    """
    channels = len(sample)
    missing = without_data(sample, nodata)
    if missing is not None and not missing.all():
        sample = sample[:, ~missing]
    elif missing is not None:
        sample = np.zeros((channels, 1))  # nothing to be normalised
    sample = sample.astype(np.float64)
    if not np.isfinite(sample).all():
        raise FileError(
            "holds NaN or infinite pixels",
            file=file,
            found=f"{int((~np.isfinite(sample)).sum())} among {sample.size} that were looked at",
            mend="unetkit check DATA --fix OUT replaces them, or mask them out before",
        )
    if plan.kind == "none":
        ones = np.ones(channels, np.float32)
        return Statistics(ones * -np.inf, ones * np.inf, ones * 0, ones, nodata)
    if not plan.per_channel:
        sample = sample.reshape(1, -1)
    low, high = np.percentile(sample, (plan.low, plan.high), axis=1)
    if plan.kind == "dataset":
        mean, std = np.asarray(plan.mean), np.asarray(plan.std)
    else:
        clipped = np.clip(sample, low[:, None], high[:, None])
        mean, std = clipped.mean(1), clipped.std(1)
    low, high, mean, std = (
        np.broadcast_to(value, (channels,)).astype(np.float32) for value in (low, high, mean, np.maximum(std, 1e-6))
    )
    return Statistics(low, high, mean, std, nodata)


def apply(pixels: npt.NDArray[Any], statistics: Statistics) -> npt.NDArray[np.float32]:
    """Clip and standardise a window of the image the statistics were taken from.

    Args:
        pixels: array C *S.
        statistics: of the whole image.

    Returns:
        New float32 array C *S; a constant image gives zeros, and so does NaN where it stands for missing data.

    Raises:
        FileError: NaN among the pixels (the statistics are sampled, so a rare one is met only here).
    """
    column = (slice(None), *[None] * (pixels.ndim - 1))
    out = np.clip(pixels.astype(np.float32), statistics.low[column], statistics.high[column])
    out -= statistics.mean[column]
    out /= statistics.std[column]
    undefined = np.isnan(out)
    if undefined.any() and statistics.nodata is not None and np.isnan(statistics.nodata):
        out[undefined] = 0
    elif undefined.any():
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
