"""Post-training quantisation: weights and activations in 8 bits, ranges taken from a few patches of real images.

The result is an ONNX model with pairs of QuantizeLinear and DequantizeLinear, which onnxruntime and OpenVINO both run
in whole numbers. The last convolution stays in single precision: it is small, and its logits decide.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from unetkit.image import Array
from unetkit.runtimes.packages import load


def quantised(model: bytes, patches: Iterable[Array]) -> bytes:
    """A network in 8 bits.

    Args:
        model: content of an ONNX file, from `Network.onnx`.
        patches: what the network sees of images, 1 C *S float32, normalised; some tens suffice.

    Returns:
        Content of an ONNX file with the same input and output.

    Raises:
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> quantised(network.onnx, patches)  # doctest: +SKIP
    """
    onnx, _ = load("onnx", "onnx"), load("onnxruntime", "onnx")
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Patches(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[Array] = iter(patches)

        def get_next(self) -> dict[str, Array] | None:
            patch = next(self.left, None)
            return None if patch is None else {"image": patch}

    with TemporaryDirectory() as folder:
        plain, prepared, small = (Path(folder) / name for name in ("plain.onnx", "prepared.onnx", "small.onnx"))
        plain.write_bytes(model)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        last = [node.name for node in onnx.load(prepared).graph.node if node.op_type == "Conv"][-1]
        quantize_static(
            str(prepared),
            str(small),
            Patches(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # 7 bits: without VNNI, sums of two products overflow in 16 bits
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=[last],
        )
        return small.read_bytes()
