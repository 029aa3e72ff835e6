"""The recorded program as an ONNX model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from unetkit import __version__

IMAGE, PROBABILITIES = "image", "probabilities"
"""Names of what goes in and comes out; both have free sizes."""

AXES = {2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


def to_onnx(
    program: torch.export.ExportedProgram,
    spatial_dims: int,
    facts: Mapping[str, str],
    *,
    inputs: Sequence[str] = (IMAGE,),
    output: str = PROBABILITIES,
) -> Any:
    """An `onnx.ModelProto`: image in, probabilities out; BatchNorm within convolutions, sizes free, weights inside.

    Args:
        program: from `unetkit.export.graph.record`.
        spatial_dims: 2 or 3.
        facts: what metadata_props shall say.
        inputs: names of what goes in.
        output: name of what comes out.
    """
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own old habits; the copy is held against the original
        logger = logging.getLogger("torch.onnx._internal.exporter._registration")
        before = logger.level
        logger.setLevel(logging.ERROR)  # it misses torchvision, which nothing here is made of
        try:
            exported = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                input_names=list(inputs),
                output_names=[output],
                external_data=False,
            )
        finally:
            logger.setLevel(before)
    assert exported is not None
    model: Any = exported.model_proto
    model.producer_name, model.producer_version = "unetkit", __version__
    for node in model.graph.node:
        del node.metadata_props[:]  # where in which file it was recorded is nobody's business
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
        if value.name in (IMAGE, PROBABILITIES):
            for axis, name in enumerate(AXES[spatial_dims], start=2):
                value.type.tensor_type.shape.dim[axis].dim_param = name
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model)
    return model
