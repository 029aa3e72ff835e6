"""A whole experiment: the verbs of the command line as functions, each on one screen."""

from unetkit.pipeline.assess import evaluate
from unetkit.pipeline.infer import load_predictor, predict
from unetkit.pipeline.prepare import Prepared, prepare
from unetkit.pipeline.train import train

__all__ = ["Prepared", "evaluate", "load_predictor", "predict", "prepare", "train"]
