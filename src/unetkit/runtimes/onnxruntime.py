"""onnxruntime: an ONNX model on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from unetkit.image import Array
from unetkit.runtimes.network import Engine, Network
from unetkit.runtimes.packages import load


def run_onnx(model: bytes) -> Callable[..., Array]:
    """The function that an ONNX file's content stands for: arrays in, one out, with as many threads as torch has.

    Example:
        >>> run_onnx(Path("cells.onnx").read_bytes())(pixels)  # doctest: +SKIP
    """
    onnxruntime = load("onnxruntime", "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin while they wait gain nothing here, and slowed whatever ran next by a quarter (measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run(*inputs: Array) -> Array:
        result: Array = session.run(None, dict(zip(names, inputs, strict=True)))[0]
        return result

    return run


def open_onnxruntime(network: Network) -> Engine:
    """The network's ONNX copy on onnxruntime."""
    run = run_onnx(network.onnx)
    return lambda pixels: torch.from_numpy(run(pixels.contiguous().numpy()))
