"""How far overlapping windows are from one pass, measured on a part of an image."""

from __future__ import annotations

import math
from collections.abc import Mapping

from unetkit.dataset.normalize import NormalizationPlan, Statistics
from unetkit.image import Image
from unetkit.prediction.predictor import WHOLE, WHOLE_PIXELS, Predictor
from unetkit.prediction.source import Source, source_of


def deviation(
    predictor: Predictor, source: Source, statistics: Mapping[NormalizationPlan, Statistics], *, tile: int
) -> float | None:
    """The largest difference in probability between averaged windows and one pass, in the middle of an image.

    Args:
        predictor: whose tiles are not exact.
        source: an image.
        statistics: of it, for each way in which the networks' plans normalise.
        tile: side of the windows.

    Returns:
        0 to 1, over a part of two overlapping windows; None where that part is too large for one pass.
    """
    side = predictor.window_side(tile)
    span = 2 * side - predictor.overlap(tile)
    sides = [min(side, extent) for extent in source.shape[:-1]] + [min(span, source.shape[-1])]
    if math.prod(sides) > WHOLE_PIXELS[len(sides)]:
        return None
    starts = [
        (extent - wanted) // 2 // predictor.grid * predictor.grid
        for extent, wanted in zip(source.shape, sides, strict=True)
    ]
    middle = tuple(slice(start, start + wanted) for start, wanted in zip(starts, sides, strict=True))
    part = source_of(Image(source.read(middle), source.geometry, path=source.path))
    whole, pieces = (predictor.pieces(part, statistics, tile=cut, part_of=source.shape) for cut in (WHOLE, tile))
    once = next(whole).logits
    assert once is not None
    once = once.softmax(0)
    return max(
        float((piece.logits.softmax(0) - once[(slice(None), *piece.window)]).abs().max())
        for piece in pieces
        if piece.logits is not None
    )
