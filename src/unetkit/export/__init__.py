"""A trained model as a file that runs without unetkit: the raw image goes in, class probabilities come out.

    Subject ─ Graph ─ torch.export ─┬─ pt2
                                    └─ ONNX ─┬─ onnx, and in a bioimage.io package
                                             ├─ openvino
                                             └─ html, in two halves: the whole image is measured, tiles are predicted

To add a format: a file with a function that writes it and one that opens it, and a line in `EXPORTS`; the tests run
over it. What is written is kept only if it predicts as the model does (`parity`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unetkit.export.bioimageio import open_bioimageio, write_bioimageio
from unetkit.export.html import open_html, read_page, write_html
from unetkit.export.onnx import open_onnx, write_onnx
from unetkit.export.openvino import open_openvino, write_openvino
from unetkit.export.parity import TOLERANCE, Runtime
from unetkit.export.pt2 import open_pt2, write_pt2
from unetkit.export.subject import Credit, Subject

__all__ = ["EXPORTS", "TOLERANCE", "Credit", "Export", "Subject"]


@dataclass(frozen=True)
class Export:
    """One format of the registry.

    Args:
        summary: what it is for, in one line.
        suffixes: of the files that `write` makes from a stem; the last one is that to be opened.
        write: makes them from (subject, stem).
        open: the model of that file, ready to run on the CPU.
        packages: what has to be installed.
        extra: the extra of unetkit that brings them; None where nothing has to be.
        dims: spatial dimensions of the models that it is for.
        require: raises what is missing besides packages.
    """

    summary: str
    suffixes: tuple[str, ...]
    write: Callable[[Subject, Path], None]
    open: Callable[[Path], Runtime]
    packages: tuple[str, ...] = ()
    extra: str | None = None
    dims: tuple[int, ...] = (2, 3)
    require: Callable[[], object] = lambda: None


EXPORTS: dict[str, Export] = {
    "onnx": Export(
        "for onnxruntime: servers, browsers, C++, C#, Java, mobile phones",
        (".onnx",),
        write_onnx,
        open_onnx,
        ("onnx", "onnxscript", "onnxruntime"),
        "onnx",
    ),
    "openvino": Export(
        "for OpenVINO: fast on Intel's processors and graphics",
        (".bin", ".xml"),
        write_openvino,
        open_openvino,
        ("onnx", "onnxscript", "openvino"),
        "openvino",
    ),
    "pt2": Export("for PyTorch, without unetkit: torch.export's archive", (".pt2",), write_pt2, open_pt2),
    "bioimageio": Export(
        "for bioimage.io, ImageJ, QuPath and others that read its packages",
        (".bioimageio.zip",),
        write_bioimageio,
        open_bioimageio,
        ("onnx", "onnxscript", "onnxruntime", "bioimageio.spec"),
        "bioimageio",
    ),
    "html": Export(
        "a page that runs the model in the browser, on images dropped into it; nothing leaves the computer",
        (".html",),
        write_html,
        open_html,
        ("onnx", "onnxscript", "onnxruntime"),
        "onnx",
        dims=(2,),
        require=read_page,
    ),
}
