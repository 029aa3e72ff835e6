"""Runtimes: what a trained network runs on at prediction.

    Network ─┬─ torch                            CPU and GPU; float32, on a GPU also bfloat16 and float16
             └─ ONNX ─┬─ onnxruntime             CPU; float32 and int8
                      └─ openvino                CPU; float32 and int8

To add one: a file with a function that opens a network, and a line in `RUNTIMES`; the tests run over it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from unetkit.errors import FileError, MissingExtra, UnetkitError, UsageError
from unetkit.registry import lookup
from unetkit.runtimes.network import Engine, Network
from unetkit.runtimes.onnxruntime import open_onnxruntime
from unetkit.runtimes.openvino import open_openvino
from unetkit.runtimes.packages import load
from unetkit.runtimes.parity import require_parity
from unetkit.runtimes.torch import open_torch

__all__ = ["PRECISIONS", "RUNTIMES", "Engine", "Network", "Runtime", "first_usable", "open_network", "usable"]

PRECISIONS = ("float32", "bfloat16", "float16", "int8")


@dataclass(frozen=True)
class Runtime:
    """One entry of the registry.

    Args:
        summary: what it is, in one line.
        open: a network, ready to run.
        precisions: in which it can run one, for each kind of device.
        packages: what has to be installed.
        extra: the extra of unetkit that brings them; None where nothing has to be.
    """

    summary: str
    open: Callable[[Network], Engine]
    precisions: dict[str, tuple[str, ...]]
    packages: tuple[str, ...] = ()
    extra: str | None = None


RUNTIMES: dict[str, Runtime] = {
    "torch": Runtime(
        "PyTorch itself, eager, channels last",
        open_torch,
        {"cpu": ("float32",), "cuda": ("float32", "bfloat16", "float16")},
    ),
    "onnxruntime": Runtime(
        "ONNX Runtime",
        open_onnxruntime,
        {"cpu": ("float32", "int8")},
        ("onnx", "onnxscript", "onnxruntime"),
        "onnx",
    ),
    "openvino": Runtime(
        "OpenVINO, the fastest on most processors of Intel and AMD",
        open_openvino,
        {"cpu": ("float32", "int8")},
        ("onnx", "onnxscript", "openvino"),
        "openvino",
    ),
}


def open_network(network: Network, name: str) -> Engine:
    """A network, ready to run.

    Args:
        network: what is to be run, where and in what precision.
        name: of `RUNTIMES`.

    Raises:
        UnknownName: no such runtime.
        UsageError: it does not run on that device, or in that precision.
        MissingExtra: a package that it needs is not installed.
        FileError: int8, and the network was not quantised; or its copy is damaged.
        UnetkitError: in float32 it gives other results than torch.

    Example:
        >>> import torch
        >>> from unetkit.models import build_model
        >>> model = build_model("unet", in_channels=1, num_classes=2, depth=1, width=4).eval()
        >>> run = open_network(Network(model, torch.device("cpu")), "torch")
        >>> run(torch.zeros(1, 1, 5, 7)).shape
        torch.Size([1, 2, 5, 7])
    """
    runtime = lookup(RUNTIMES, name, "runtime")
    precisions = runtime.precisions.get(network.device.type, ())
    if network.precision not in precisions:
        others = [one for one in RUNTIMES if network.precision in RUNTIMES[one].precisions.get(network.device.type, ())]
        raise UsageError(
            f"{name} does not predict in {network.precision} on {network.device.type}",
            expected=", ".join(precisions) or "another device: --device cpu",
            mend=f"--runtime {' or '.join(others)}" if others else None,
        )
    for package in runtime.packages:
        assert runtime.extra is not None
        load(package, runtime.extra)
    try:
        engine = runtime.open(network)
        if name != "torch" and network.precision == "float32":
            require_parity(network, engine, name)
    except UnetkitError:
        raise
    except Exception as error:  # each runtime has kinds of its own
        raise FileError(
            f"the network's copy cannot be opened by {name}",
            file=network.copy if network.store is not None else None,
            found=(str(error).strip() or type(error).__name__).splitlines()[0][:200],
            mend="delete it and try again, or --runtime torch",
        ) from error
    return engine


def usable(device: str, precision: str) -> list[str]:
    """The runtimes that are installed and predict in that precision on that kind of device ("cpu", "cuda").

    Example:
        >>> usable("cpu", "float32")[0]
        'torch'
    """
    return [
        name
        for name, runtime in RUNTIMES.items()
        if precision in runtime.precisions.get(device, ()) and all(find_spec(one) for one in runtime.packages)
    ]


def first_usable(device: str, precision: str) -> str:
    """The first of `usable`.

    Raises:
        UsageError: no runtime predicts in that precision on that kind of device.
        MissingExtra: one does, and is not installed.

    Example:
        >>> first_usable("cpu", "float32")
        'torch'
    """
    if names := usable(device, precision):
        return names[0]
    able = [runtime for runtime in RUNTIMES.values() if precision in runtime.precisions.get(device, ())]
    if not able:
        other = next(kind for kind in ("cpu", "cuda") if kind != device)
        raise UsageError(
            f"nothing predicts in {precision} on {device}", mend=f"another --precision, or --device {other}"
        )
    assert able[0].extra is not None
    raise MissingExtra(next(one for one in able[0].packages if not find_spec(one)), able[0].extra)
