"""A network as a recorded program, and the program as an ONNX model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unetkit import __version__
from unetkit.errors import UnetkitError

AXES = {2: ("rows", "columns"), 3: ("planes", "rows", "columns")}

EXAMPLE = {2: (40, 52), 3: (9, 10, 13)}
"""Sizes that a program is recorded with. It holds for all others."""


def record(
    module: nn.Module, channels: int, spatial_dims: int, dtype: torch.dtype, *further: Tensor
) -> torch.export.ExportedProgram:
    """A module as a program for images of any size from one pixel up.

    Args:
        module: takes 1 C *S first.
        channels: C.
        spatial_dims: 2 or 3.
        dtype: of the image.
        further: examples of what else the module takes, whose sizes are fixed.

    Raises:
        UnetkitError: this torch cannot record programs for every size.
    """
    from torch.fx.experimental import _config

    if not hasattr(_config, "backed_size_oblivious"):
        raise UnetkitError(
            "this version of torch cannot record a network for images of every size",
            found=f"torch {torch.__version__}",
            expected="2.9 or newer",
            mend="pip install --upgrade torch",
        )
    example: Tensor = torch.zeros((1, channels, *EXAMPLE[spatial_dims]), dtype=dtype)
    sizes = dict.fromkeys(range(2, 2 + spatial_dims), torch.export.Dim.DYNAMIC)
    # Else sizes that are 1 at the coarsest level of the example, or are not, would be taken for a promise.
    oblivious = _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with oblivious, torch.no_grad():
        inputs, free = (example, *further), (sizes, *[None] * len(further))
        program = torch.export.export(module, inputs, dynamic_shapes=free, strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it would tell the paths of this machine to everybody
    return program


def to_onnx(
    program: torch.export.ExportedProgram,
    spatial_dims: int,
    facts: Mapping[str, str],
    *,
    inputs: Sequence[str] = ("image",),
    output: str = "probabilities",
) -> Any:
    """An `onnx.ModelProto`: image in, one tensor out; BatchNorm within convolutions, sizes free, weights inside.

    Args:
        program: from `record`.
        spatial_dims: 2 or 3.
        facts: what metadata_props shall say.
        inputs: what the tensors that go in are called.
        output: what the tensor that comes out is called.
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
        sizes = value.type.tensor_type.shape.dim
        if len(sizes) == 2 + spatial_dims:  # an image, or what is made of it pixel by pixel
            for axis, name in zip(sizes[2:], AXES[spatial_dims], strict=True):
                axis.dim_param = name
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model)
    return model
