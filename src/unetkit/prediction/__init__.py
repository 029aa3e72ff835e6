"""Prediction: a trained network applied to images of any size."""

from unetkit.prediction.predictor import Predictor
from unetkit.prediction.tiles import Tile, tiles

__all__ = ["Predictor", "Tile", "tiles"]
