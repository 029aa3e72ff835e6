"""What a network does to an image, written down while it does it: each operation, its inputs, channels and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True, eq=False)
class Step:
    """One operation, or the image itself.

    Attributes:
        kind: what sort of operation: "convolution", "depthwise", "up-convolution", "pool", "interpolation", "norm",
            "activation", "dropout", "crop", "+", "×" or "joined"; "image" for what goes in.
        words: how a picture names it.
        inputs: the steps whose outputs it takes.
        channels, size: of its output, rows being as many as columns.
        modules: the modules it runs within, outermost first.
        index: its place in time.
    """

    kind: str
    words: str
    inputs: tuple[Step, ...]
    channels: int
    size: int
    modules: tuple[nn.Module, ...]
    index: int


@dataclass(eq=False)
class Trace(TorchFunctionMode):
    """Records the steps of what is called within it.

    Attributes:
        steps: all of them, the image first.
        outputs: for each module that ran, the step of its output, or of each of its outputs.
    """

    steps: list[Step] = field(default_factory=list)
    outputs: dict[nn.Module, list[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._made: dict[int, tuple[Tensor, Step]] = {}  # the tensor is held, so that no other gets its id
        self._running: list[nn.Module] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation; write it down where it makes a tensor of the image."""
        kwargs = kwargs or {}
        tensors = args[0] if args and isinstance(args[0], (list, tuple)) else args
        inputs = tuple(self._made[id(each)][1] for each in tensors if id(each) in self._made)
        output = func(*args, **kwargs)
        if inputs and isinstance(output, Tensor):
            described = describe(func.__name__.rstrip("_"), args, kwargs, inputs[0], output)
            step = self._add(*described, inputs, output) if described else inputs[0]
            self._made[id(output)] = output, step
        return output

    def run(self, network: nn.Module, call: Callable[[Tensor], object], image: Tensor) -> None:
        """Trace `call`, a method of the network, on an image N C S S."""
        self._made[id(image)] = image, self._add("image", "image", (), image)
        hooks = (register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave))
        with ExitStack() as stack, torch.no_grad():
            for hook in hooks:
                stack.callback(hook.remove)
            stack.enter_context(self)
            call(image)

    def _add(self, kind: str, words: str, inputs: tuple[Step, ...], output: Tensor) -> Step:
        channels, size = output.shape[1], output.shape[2]
        step = Step(kind, words, inputs, channels, size, tuple(self._running), len(self.steps))
        self.steps.append(step)
        return step

    def _enter(self, module: nn.Module, args: object) -> None:
        self._running.append(module)

    def _leave(self, module: nn.Module, args: object, output: Any) -> None:
        self._running.pop()
        tensors = [output] if isinstance(output, Tensor) else output
        self.outputs[module] = [self._made[id(each)][1] for each in tensors]


NORMS = {"batch_norm": "BatchNorm", "group_norm": "GroupNorm", "instance_norm": "InstanceNorm"}
ACTIVATIONS = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "hardtanh": "ReLU6", "sigmoid": "logistic function"}
SIGNS = {"add": "+", "mul": "×"}


def describe(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], before: Step, output: Tensor
) -> tuple[str, str] | None:
    """The kind and the words of an operation; None where it changes nothing that is drawn.

    Args:
        name: torch's.
        args, kwargs: as torch got them.
        before: the step of its first input.
        output: what came of it.

    Raises:
        ValueError: an operation without words here.
    """
    size = output.shape[2]
    if name in NORMS:
        return "norm", NORMS[name]
    if name in ACTIVATIONS:
        return "activation", ACTIVATIONS[name]
    if name in SIGNS:
        return SIGNS[name], SIGNS[name]
    if name == "cat":
        return "joined", "joined"
    if name == "pad":  # of a convolution that pads by itself
        return None
    if name == "narrow":  # one axis after the other; columns are as many as rows
        return ("crop", "cropped") if size != before.size else None
    if name == "dropout":
        return ("dropout", f"dropout {kwargs['p']:g}") if kwargs["p"] else None
    if name == "max_pool2d":
        return "pool", f"{args[1]}×{args[1]} max pooling"
    if name == "avg_pool2d":
        return "pool", f"mean of {args[1]}×{args[1]}"
    if name == "interpolate":
        return "interpolation", f"{kwargs['mode']} interpolation"
    if name == "conv_transpose2d":
        return "up-convolution", f"{args[1].shape[-1]}×{args[1].shape[-1]} up-convolution"
    if name == "conv2d":
        return _convolution(args, before, size)
    raise ValueError(f"docs/diagrams/trace.py has no words for torch's {name}")


def _convolution(args: Sequence[Any], before: Step, size: int) -> tuple[str, str]:
    kernel, stride, groups = args[1].shape[-1], args[3][0], args[6]
    depthwise = "depthwise " if groups > 1 else ""
    words = f"{kernel}×{kernel} {depthwise}convolution"
    if stride > 1:
        words += f", stride {stride}"
    if size * stride < before.size:
        words += ", unpadded"
    return "depthwise" if depthwise else "convolution", words
