"""The network that learns and the one with its averaged weights, as the methods of training see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.losses import build_regulariser
from unetkit.methods import Labelled
from unetkit.models import Segmenter
from unetkit.plan import Plan
from unetkit.training.parallel import World

Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, target, valid) -> what training makes small."""


class Levels(nn.Module):
    """What is trained: all levels the model predicts under deep supervision, else the finest alone."""

    def __init__(self, model: Segmenter, deep: bool) -> None:
        super().__init__()
        self.model, self.deep = model, deep

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.model.forward_levels(images) if self.deep else [self.model(images)]


class TrainedNetworks:
    """`unetkit.methods.Networks`, in the plan's precision and across processes.

    Args:
        model: the network that learns.
        average: the same with averaged weights.
        plan: precision, memory format, deep supervision, regulariser.
        loss: of the labelled images; takes (logits, target, valid).
        world: the processes; all logits are those of the joint batch.
    """

    def __init__(self, model: Segmenter, average: Segmenter, plan: Plan, loss: Criterion, world: World) -> None:
        self.model, self.average, self.criterion, self.world = model, average, loss, world
        self.network = world.wrap(Levels(model, plan.training.deep_supervision))
        self.training, self.num_classes = plan.training, plan.data.num_classes
        name, options = plan.training.regulariser, plan.training.regulariser_options
        self.regulariser = None if name == "none" else build_regulariser(name, **options)

    def student(self, *batches: Tensor) -> list[list[Tensor]]:
        """One pass over all batches, as the protocol says: BatchNorm sees them together."""
        images = self._ordered(torch.cat(batches) if len(batches) > 1 else batches[0])
        with self._autocast():
            levels = self.network(images)
        parts = zip(*(level.float().split([len(batch) for batch in batches]) for level in levels), strict=True)
        labelled, *others = parts
        return [[self.world.gather(level) for level in labelled], *([self.world.gather(one[0])] for one in others)]

    @torch.no_grad()
    def teacher(self, images: Tensor) -> Tensor:
        """Probabilities N K *S by the averaged weights."""
        with self._autocast():
            logits = self.average.eval()(self._ordered(images))
        return self.world.gather(logits[:, : self.num_classes].float().softmax(1))

    def loss(self, levels: list[Tensor], labelled: Labelled) -> Tensor:
        """The loss of the joint labelled batch, and the regulariser of its finest level with the plan's weight."""
        gather = self.world.gather
        value = deep_loss(self.criterion, levels, gather(labelled.target), gather(labelled.valid))
        if self.regulariser is None:
            return value
        classes = levels[0][:, : self.num_classes]
        return value + self.training.regulariser_weight * self.regulariser(classes, gather(labelled.images))

    def _ordered(self, images: Tensor) -> Tensor:
        last = self.training.channels_last and images.ndim == 4
        return images.contiguous(memory_format=torch.channels_last) if last else images

    def _autocast(self) -> torch.autocast:
        precision = self.training.precision
        return torch.autocast(self.world.device.type, getattr(torch, precision), enabled=precision != "float32")


def deep_loss(loss: Criterion, levels: Sequence[Tensor], target: Tensor, valid: Tensor) -> Tensor:
    """The loss over all levels; one with stride 2^i weighs 1/2^i of one at full resolution (weights sum to 1)."""
    strides = [level_stride(logits.shape[2:], target.shape[1:]) for logits in levels]
    total = torch.zeros((), device=target.device)
    for stride, logits in zip(strides, levels, strict=True):
        coarse = (slice(None), *[slice(None, None, stride)] * (target.ndim - 1))
        share = 1 / stride / sum(1 / s for s in strides)
        total = total + share * loss(logits, target[coarse], valid[coarse])
    return total


def level_stride(sizes: Sequence[int], full: Sequence[int]) -> int:
    """The power of two that leads from full sizes to those of a level, which are rounded up.

    Raises:
        UsageError: none does.

    Example:
        >>> level_stride((17, 9), (33, 17))
        2
    """
    strides = (1 << i for i in range(32) if all(-(-f // (1 << i)) == s for s, f in zip(sizes, full, strict=True)))
    if (stride := next(strides, None)) is None:
        level, whole = (" × ".join(map(str, size)) for size in (sizes, full))
        raise UsageError(
            "a level of the network fits the labels with no stride",
            found=f"a level of {level} px for labels of {whole} px",
            expected="the labels' size over 1, 2, 4, …, rounded up, the same along every axis",
        )
    return stride
