"""`unetkit.dataset.normalize` as tensor operations, so that a raw image can go into an exported graph.

    image N C *S ─ every step-th pixel ─ sort ─ percentiles ─ clip ─ mean, deviation ─▶ (clip(image) − mean) / deviation

Sizes are unknown while a graph is recorded, so nothing here asks a question of them: no branch, no loop over pixels.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn

from unetkit.dataset.normalize import SAMPLED_PIXELS, NormalizationPlan

FINEST = 20_000
"""Percentiles are multiples of 1 / so much of all pixels. Its square fits into 32 bits, which is all that some runtimes
have for whole numbers."""

BLOCK = 1024
"""Sums are taken over so many values and then over the sums, for runtimes that add up in single precision."""


class Standardise(nn.Module):
    """What a network sees of an image, by one way of normalising.

    Args:
        plan: the way.
        channels: of the image.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, plan: NormalizationPlan, channels: int) -> None:
        super().__init__()
        self.plan = plan
        for name in ("mean", "std"):  # of kind "dataset"; one in all counts for every channel
            values = torch.tensor(getattr(plan, name) or (1.0,), dtype=torch.float64)
            self.register_buffer(name, values.expand(channels).float()[:, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        """The image standardised.

        Args:
            x: 1 C *S float32, raw.

        Returns:
            1 C *S float32; a constant image gives zeros.
        """
        return x if self.plan.kind == "none" else self.standardised(x, self.measure(x))

    def measure(self, x: Tensor) -> Tensor:
        """What has to be known of the whole image: 1 C *S -> 4 C, rows of lower and upper limits, means, deviations."""
        channels = x.shape[1]
        if self.plan.kind == "none":
            return torch.tensor([[-torch.inf], [torch.inf], [0.0], [1.0]]).expand(4, channels)
        sample = even_sample(x[0].flatten(1))  # C n
        if not self.plan.per_channel:
            sample = sample.reshape(1, -1)
        ordered = sample.sort(dim=1).values
        low, high = (percentile(ordered, percent) for percent in (self.plan.low, self.plan.high))  # C 1 or 1 1
        if self.plan.kind == "dataset":
            mean, std = self.mean, self.std
        else:
            # Counted from the lower limit, for small numbers lose less when they are added up.
            beyond = torch.minimum(sample, high) - low
            above = mean_of_rows(beyond.clamp(min=0))
            mean, std = low + above, mean_of_rows((beyond.clamp(min=0) - above).square()).sqrt()
        return torch.stack([v.reshape(-1).expand(channels) for v in (low, high, mean, std.clamp(min=1e-6))])

    def standardised(self, x: Tensor, statistics: Tensor) -> Tensor:
        """The image, or a window of it, standardised by what `measure` gave of the whole: 1 C *S -> 1 C *S."""
        column = (1, -1, *[1] * (x.ndim - 2))
        low, high, mean, std = (row.reshape(column) for row in statistics)
        result: Tensor = (torch.maximum(torch.minimum(x, high), low) - mean) / std
        return result


def even_sample(pixels: Tensor) -> Tensor:
    """Every step-th pixel of each channel, as `unetkit.dataset.normalize.measure` takes them: C P -> C n."""
    channels, size = pixels.shape
    whole = channels * size // SAMPLED_PIXELS
    step = whole + 1 // (whole + 1)  # 1 where that is 0
    return pixels.index_select(1, torch.arange((size + step - 1) // step) * step)


def percentile(ordered: Tensor, percent: float) -> Tensor:
    """A percentile by linear interpolation, NumPy's own.

    Args:
        ordered: C n, each row in ascending order.
        percent: 0 to 100.

    Returns:
        C 1.

    Example:
        >>> percentile(torch.tensor([[0.0, 10.0, 20.0]]), 75).tolist()
        [[15.0]]
    """
    share = Fraction(percent / 100).limit_denominator(FINEST)
    top, bottom = share.numerator, share.denominator
    last = ordered.shape[1] - 1
    rest = last % bottom * top  # last · top / bottom = last // bottom · top + rest / bottom, in small numbers
    below = last // bottom * top + rest // bottom
    above = below + (rest % bottom + bottom - 1) // bottom  # the same where it falls on a value
    ends = [ordered.index_select(1, torch.full((1,), place)) for place in (below, above)]
    return ends[0] + (ends[1] - ends[0]) * (torch.full((1,), rest % bottom).float() / bottom)


def mean_of_rows(x: Tensor) -> Tensor:
    """The mean of each row, added up in blocks: C n -> C 1."""
    rows, size = x.shape
    full = (size + BLOCK - 1) // BLOCK * BLOCK
    padded = torch.cat([x, x.new_zeros(rows, full - size)], dim=1)
    total = padded.reshape(rows, -1, BLOCK).sum(-1).sum(-1, keepdim=True)
    return total / torch.full((1,), size).float()
