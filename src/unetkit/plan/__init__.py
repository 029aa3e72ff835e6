"""The plan: every number a training run uses, with its reason, decided from the data and the time at hand."""

from unetkit.plan.make import make_plan
from unetkit.plan.network import build_network
from unetkit.plan.schema import (
    DataPlan,
    ModelPlan,
    ObjectsPlan,
    Plan,
    PredictionPlan,
    TrainingPlan,
    read_plan,
    write_plan,
)

__all__ = [
    "DataPlan",
    "ModelPlan",
    "ObjectsPlan",
    "Plan",
    "PredictionPlan",
    "TrainingPlan",
    "build_network",
    "make_plan",
    "read_plan",
    "write_plan",
]
