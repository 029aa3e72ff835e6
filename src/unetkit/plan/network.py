"""The network a plan asks for."""

from __future__ import annotations

from unetkit.models import MODELS, Segmenter, build_model
from unetkit.plan.schema import Plan


def build_network(plan: Plan, *, pretrained: bool = True) -> Segmenter:
    """The network of a plan, with fresh weights from torch's global generator.

    Args:
        plan: names it and its options.
        pretrained: False leaves out a pretrained encoder's weights, because trained ones are about to take their place.

    Raises:
        UsageError: an option that the model cannot have, or a pruning that it does not allow.

    Example:
        >>> build_network(plan).grid  # doctest: +SKIP
        8
    """
    options = {**plan.model.options, "deep_supervision": plan.training.deep_supervision}
    if not pretrained and "pretrained" in MODELS[plan.model.name].options:
        options["pretrained"] = False
        options.pop("weights", None)
    data = plan.data
    network = build_model(
        plan.model.name,
        in_channels=data.channels,
        num_classes=plan.outputs,
        spatial_dims=data.spatial_dims,
        **options,
    )
    if plan.prediction.prune:
        network.pruned(plan.prediction.prune)  # an error now is better than one after training
    return network
