"""Overlapping windows averaged with Gaussian weights, for networks whose tiles cannot be exact.

A pixel near the edge of a window has seen less of its surroundings than one in the middle, so it counts less. Source:
Isensee et al., "nnU-Net", 2021 (Gaussian of an eighth of the window).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

from unetkit.prediction.tiles import Edges, Window, edges_of

SIGMA = 0.125
"""Of the Gaussian, in sides of a window."""


def overlapping(extent: int, size: int, overlap: int, grid: int) -> list[slice]:
    """Windows that cover one axis, each overlapping the next; all begin on the grid.

    Args:
        extent: of the axis in pixels.
        size: of a window, a multiple of `grid`.
        overlap: of neighbours, at least; a multiple of `grid` below `size`.
        grid: 2 ** number of poolings.

    Example:
        >>> overlapping(13, 8, 4, 2)
        [slice(0, 8, None), slice(4, 12, None), slice(6, 13, None)]
    """
    if extent <= size:
        return [slice(0, extent)]
    last = -(-(extent - size) // grid) * grid
    return [slice(start, min(start + size, extent)) for start in (*range(0, last, size - overlap), last)]


def blended(
    axes: Sequence[Sequence[slice]], predict: Callable[[Window], Tensor], *, done: frozenset[Edges] = frozenset()
) -> Iterator[tuple[Window, Tensor]]:
    """Weighted means over windows, strip by strip: only the rows that further windows will add to are held.

    Args:
        axes: for each spatial axis the windows that cover it, from `overlapping`.
        predict: window -> C *window, on the CPU.
        done: strips that need not be given again.

    Yields:
        (strip, mean C *strip) from top to bottom; a strip is as wide as the image.
    """
    first, others = axes[0], axes[1:]
    across = tuple(slice(0, windows[-1].stop) for windows in others)
    ends = [*(rows.start for rows in first[1:]), first[-1].stop]
    strips = [(slice(rows.start, end), *across) for rows, end in zip(first, ends, strict=True)]
    held: Tensor | None = None  # what earlier windows added to the rows from this strip on
    weight = torch.zeros(())
    for number, (rows, strip) in enumerate(zip(first, strips, strict=True)):
        if all(edges_of(one) in done for one in strips[number:] if one[0].start < rows.stop):
            held = None
            continue
        left = 0 if held is None else held.shape[1]
        total: Tensor | None = None
        for place in product(*others):
            values = predict((rows, *place))
            if total is None:
                sizes = (rows.stop - rows.start, *(part.stop for part in across))
                total, summed = torch.zeros((len(values), *sizes)), torch.zeros(sizes)
                if held is not None:
                    total[:, :left] += held
                    summed[:left] += weight
            weights = _gaussian(values.shape[1:])
            total[(slice(None), slice(None), *place)] += values * weights
            summed[(slice(None), *place)] += weights
        assert total is not None
        height = strip[0].stop - strip[0].start
        if edges_of(strip) not in done:
            yield strip, total[:, :height] / summed[:height]
        held, weight = total[:, height:].clone(), summed[height:].clone()


def _gaussian(sizes: Sequence[int]) -> Tensor:
    """Weights *sizes, 1 in the middle, never below a thousandth."""
    weights = torch.ones(())
    for size in sizes:
        away = (torch.arange(size) + 0.5) / size - 0.5
        weights = weights[..., None] * torch.exp(-0.5 * (away / SIGMA) ** 2)
    return weights.clamp_min(1e-3)
