"""Prediction: a trained network applied to images of any size."""

from unetkit.prediction.belief import Belief
from unetkit.prediction.deviation import deviation
from unetkit.prediction.fastest import choose_runtime
from unetkit.prediction.features import features
from unetkit.prediction.journal import Journal
from unetkit.prediction.piece import Piece, to_labels
from unetkit.prediction.predictor import WHOLE, Predictor
from unetkit.prediction.resample import OwnGrid, resampled
from unetkit.prediction.size import best_tile
from unetkit.prediction.source import Source, measure_source, open_source, require_finite, source_of
from unetkit.prediction.tiles import Tile, tiles

__all__ = [
    "WHOLE",
    "Belief",
    "Journal",
    "OwnGrid",
    "Piece",
    "Predictor",
    "Source",
    "Tile",
    "best_tile",
    "choose_runtime",
    "deviation",
    "features",
    "measure_source",
    "open_source",
    "require_finite",
    "resampled",
    "source_of",
    "tiles",
    "to_labels",
]
