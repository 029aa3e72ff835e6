"""A whole experiment: the verbs of the command line as functions, each on one screen."""

from unetkit.pipeline.assess import evaluate
from unetkit.pipeline.experiment import train
from unetkit.pipeline.folds import cross_validate
from unetkit.pipeline.infer import predict
from unetkit.pipeline.loading import load_predictor
from unetkit.pipeline.object_options import ObjectOptions
from unetkit.pipeline.preparation import Options, Prepared, prepare
from unetkit.pipeline.pruning import pruning_table
from unetkit.pipeline.quantize import RuntimeScore, quantize
from unetkit.pipeline.shipping import export
from unetkit.pipeline.suspect import Suspicion, suspect

__all__ = [
    "ObjectOptions",
    "Options",
    "Prepared",
    "RuntimeScore",
    "Suspicion",
    "cross_validate",
    "evaluate",
    "export",
    "load_predictor",
    "predict",
    "prepare",
    "pruning_table",
    "quantize",
    "suspect",
    "train",
]
