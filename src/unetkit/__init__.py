"""unetkit: image segmentation with U-Nets that works on a laptop, from few labels, and can be understood.

The verbs of the command line are functions here, loaded when they are first used:

    check, fix                  what is wrong with a folder of images and masks, and a mended copy
    prepare, train              the plan, and the training, of Options(time=600)
    cross_validate              as many models as folds
    predict, load_predictor     masks for new images; a model in memory
    evaluate, score_folders     scores of a run; of masks made by anyone
    measure_files               the objects of label files made by anyone, in one table
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Threads that spin for long while they wait for each other make a training many times slower as soon as another
# program wants a core; threads that sleep at once cost a fifth on an idle machine. A short spin has most of both
# (benchmarks/busy_core.py). It has to be said before torch is loaded; what the environment says already counts more.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_HOMES = {
    "Options": "unetkit.pipeline",
    "check": "unetkit.dataset.check",
    "cross_validate": "unetkit.pipeline",
    "evaluate": "unetkit.pipeline",
    "fix": "unetkit.dataset.fix",
    "load_predictor": "unetkit.pipeline",
    "measure_files": "unetkit.measuring",
    "predict": "unetkit.pipeline",
    "prepare": "unetkit.pipeline",
    "read_image": "unetkit.formats",
    "score_folders": "unetkit.scoring",
    "suspect": "unetkit.pipeline",
    "train": "unetkit.pipeline",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unetkit' has no attribute '{name}'; it has {', '.join(_HOMES)}")
    return getattr(import_module(_HOMES[name]), name)
