"""A network that is to be run: where, in what precision, and as ONNX for those who want it so."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from unetkit import __version__
from unetkit.errors import FileError
from unetkit.files import read_bytes, write_bytes
from unetkit.models import Segmenter
from unetkit.runtimes.convert import record, to_onnx
from unetkit.runtimes.packages import load

Engine = Callable[[Tensor], Tensor]
"""A network at work: 1 C *S float32 on the CPU, normalised -> logits 1 K *S float32 on the CPU."""


SUFFIXES = {"int8": ".int8.onnx"}
"""Of copies; in any other precision that of ONNX."""


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network and what a runtime has to know of it.

    Args:
        model: in evaluation mode, BatchNorm folded, on `device`.
        device: where torch runs it.
        precision: "float32", "bfloat16", "float16" or "int8".
        channels_last: whether torch keeps the channels of a pixel side by side.
        store: folder in which ONNX copies are kept, for making one takes seconds; None keeps none.
    """

    model: Segmenter
    device: torch.device
    precision: str = "float32"
    channels_last: bool = True
    store: Path | None = None

    @cached_property
    def digest(self) -> str:
        """Of layers and weights, and of the version of unetkit."""
        digest = hashlib.blake2b(f"{__version__} {self.model}".encode(), digest_size=16)
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def copy(self) -> Path:
        """Where its ONNX copy of this precision stands, or would."""
        assert self.store is not None
        return self.store / (self.digest + SUFFIXES.get(self.precision, ".onnx"))

    @cached_property
    def copy_digest(self) -> str | None:
        """Of the quantised copy, which depends on more than the weights; None in any other precision."""
        return hashlib.blake2b(self.onnx, digest_size=16).hexdigest() if self.precision == "int8" else None

    @cached_property
    def onnx(self) -> bytes:
        """The network as an ONNX file's content: image 1 C *S in, logits 1 K *S out, any size.

        Raises:
            FileError: int8 was asked for, and the network was not quantised; or its copy cannot be read.
            MissingExtra: onnx or onnxscript is not installed.
        """
        if self.store is not None and self.copy.is_file():
            return read_bytes(self.copy)
        if self.precision == "int8":
            raise FileError("the networks were not quantised", file=self.store, mend="unetkit quantize RUN")
        data = converted(self.model)
        if self.store is not None:
            with suppress(FileError):  # a folder that cannot be written costs these seconds again, no more
                write_bytes(self.copy, data)
        return data


def converted(model: Segmenter) -> bytes:
    """A network as an ONNX file's content.

    Raises:
        MissingExtra: onnx or onnxscript is not installed.
    """
    for package in ("onnx", "onnxscript"):
        load(package, "onnx")
    module = copy.deepcopy(model).cpu().requires_grad_(False)
    program = record(module, model.in_channels, model.spatial_dims, torch.float32)
    data: bytes = to_onnx(program, model.spatial_dims, {}, output="logits").SerializeToString()
    return data
