"""OpenVINO: an ONNX model, or one of its own, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from unetkit.image import Array
from unetkit.runtimes.network import Engine, Network
from unetkit.runtimes.packages import load


def run_openvino(model: bytes | Path) -> Callable[[Array], Array]:
    """The function that a model stands for: one array in, one out, with as many threads as torch has.

    Args:
        model: the content of an ONNX file, or the path of an .xml file.

    Returns:
        It computes in single precision also where the processor offers less, and in int8 what was quantised.

    Example:
        >>> run_openvino(Path("cells.xml"))(pixels)  # doctest: +SKIP
    """
    core = load("openvino", "openvino").Core()
    read = core.read_model(model, b"") if isinstance(model, bytes) else core.read_model(model)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = core.compile_model(read, "CPU", settings)

    def run(image: Array) -> Array:
        result: Array = compiled(image)[0]
        return result

    return run


def open_openvino(network: Network) -> Engine:
    """The network's ONNX copy on OpenVINO."""
    run = run_openvino(network.onnx)
    return lambda pixels: torch.from_numpy(run(pixels.contiguous().numpy()))
