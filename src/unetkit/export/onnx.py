"""ONNX: the model for onnxruntime, on servers, in browsers and in other languages."""

from __future__ import annotations

from pathlib import Path

from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.runtimes.onnxruntime import run_onnx


def write_onnx(subject: Subject, stem: Path) -> None:
    """Write STEM.onnx."""
    stem.with_name(stem.name + ".onnx").write_bytes(subject.onnx.SerializeToString())


def open_onnx(path: Path) -> Runtime:
    """The model of an ONNX file on onnxruntime's CPU."""
    return run_onnx(path.read_bytes())
