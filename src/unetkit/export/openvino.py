"""OpenVINO: the fastest on most Intel processors, and on their graphics."""

from __future__ import annotations

from pathlib import Path

from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.runtimes.openvino import run_openvino
from unetkit.runtimes.packages import load


def write_openvino(subject: Subject, stem: Path) -> None:
    """Write STEM.xml and STEM.bin, weights in single precision, facts in rt_info under "unetkit"."""
    openvino = load("openvino", "openvino")
    model = openvino.Core().read_model(subject.onnx.SerializeToString(), b"")
    for name, fact in subject.facts.items():
        model.set_rt_info(fact, ["unetkit", name])
    openvino.save_model(model, stem.with_name(stem.name + ".xml"), compress_to_fp16=False)


def open_openvino(path: Path) -> Runtime:
    """The model of an .xml file on the CPU."""
    return run_openvino(path)
