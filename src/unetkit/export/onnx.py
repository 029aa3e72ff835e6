"""ONNX: the model for onnxruntime, on servers, in browsers and in other languages."""

from __future__ import annotations

from pathlib import Path

from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.image import Array


def write_onnx(subject: Subject, stem: Path) -> None:
    """Write STEM.onnx."""
    stem.with_name(stem.name + ".onnx").write_bytes(subject.onnx.SerializeToString())


def open_onnx(path: Path) -> Runtime:
    """The model of an ONNX file on onnxruntime's CPU."""
    return run_onnx(path.read_bytes())


def run_onnx(model: bytes) -> Runtime:
    """The model of an ONNX file's content."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def run(image: Array) -> Array:
        result: Array = session.run(["probabilities"], {"image": image})[0]
        return result

    return run
