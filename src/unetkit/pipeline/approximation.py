"""What to say of images that are not predicted as one pass would predict them."""

from __future__ import annotations

from collections.abc import Mapping

from unetkit.dataset.normalize import NormalizationPlan, Statistics
from unetkit.prediction import Predictor, Source, deviation

SAID = "predicted in overlapping windows that are averaged: with this network tiles cannot be exact"


class Approximation:
    """Says it of every such image, and measures how far off it is on the first.

    Args:
        predictor: the trained networks.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.measured = False

    def notes(
        self, source: Source, statistics: Mapping[NormalizationPlan, Statistics], *, tile: int | None = None
    ) -> tuple[str, ...]:
        """What to say of an image.

        Args:
            source: the image.
            statistics: of it.
            tile: side of the tiles that it is cut into; None: as the predictor says.
        """
        size = tile or self.predictor.tile_for(source.shape)
        if not self.predictor.approximates(source.shape, tile=size):
            return ()
        if self.measured:
            return (SAID,)
        self.measured = True
        difference = deviation(self.predictor, source, statistics, tile=size)
        if difference is None:
            return (f"{SAID}; how far it is from one pass is not measured, for two such windows are too large for one",)
        return (f"{SAID}; in the middle of this image probabilities differ by up to {difference:.3f} from one pass",)
