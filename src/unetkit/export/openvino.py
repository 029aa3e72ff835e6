"""OpenVINO: the fastest on most Intel processors, and on their graphics."""

from __future__ import annotations

from pathlib import Path

from unetkit.export.packages import load
from unetkit.export.parity import Runtime
from unetkit.export.subject import Subject
from unetkit.image import Array


def write_openvino(subject: Subject, stem: Path) -> None:
    """Write STEM.xml and STEM.bin, weights in single precision, facts in rt_info under "unetkit"."""
    openvino = load("openvino", "openvino")
    model = openvino.Core().read_model(subject.onnx.SerializeToString(), b"")
    for name, fact in subject.facts.items():
        model.set_rt_info(fact, ["unetkit", name])
    openvino.save_model(model, stem.with_name(stem.name + ".xml"), compress_to_fp16=False)


def open_openvino(path: Path) -> Runtime:
    """The model of an .xml file on the CPU, in single precision also where the processor offers less."""
    openvino = load("openvino", "openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(image: Array) -> Array:
        result: Array = compiled(image)["probabilities"]
        return result

    return run
