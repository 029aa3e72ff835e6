"""What a method of training is given, and what it consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from unetkit.models import Segmenter


@dataclass(frozen=True, slots=True)
class Labelled:
    """Augmented patches with their labels.

    Args:
        images: N C *S float32.
        target: N *S integers.
        valid: N *S bool, where the labels count.
    """

    images: Tensor
    target: Tensor
    valid: Tensor


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """The same patches seen weakly and strongly, pixel over pixel.

    With several processes, images are this process's share; boxes and valid are of the joint batch.

    Args:
        weak: N C *S float32, moved but not changed: mirrored, turned, warped.
        strong: views N C *S: intensities changed too, and a box of each taken from the next patch.
        boxes: of each view N *S bool, True where the next patch shows.
        valid: N *S bool, False beyond the image.
    """

    weak: Tensor
    strong: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]
    valid: Tensor


class Networks(Protocol):
    """The network that learns, and the one with its averaged weights, across all processes.

    Attributes:
        model: the network that learns.
        num_classes: K; what the network gives beyond K channels, to tell objects apart, is not looked at here.
    """

    model: Segmenter
    num_classes: int

    def student(self, *batches: Tensor) -> list[list[Tensor]]:
        """One pass over this process's batches N C *S.

        Returns:
            For each batch the joint logits: of the first, the labelled one, every level that is trained, finest first;
            of the others the finest alone.
        """

    def teacher(self, images: Tensor) -> Tensor:
        """The averaged weights' joint probabilities N K *S of this process's images, without gradient."""

    def loss(self, levels: list[Tensor], labelled: Labelled) -> Tensor:
        """The plan's loss of the labelled batch, a scalar."""


@dataclass(frozen=True, slots=True)
class Method:
    """One entry of the registry.

    Args:
        loss: (networks, labelled, unlabelled, progress 0 to 1, **options) -> what the step makes small. Progress is
            the share of the time spent with this method that is over.
        views: strong views of every unlabelled patch; 0 where none are needed.
        matches: whether labelled patches take on the histograms of unlabelled images.
    """

    loss: Callable[..., Tensor]
    views: int = 0
    matches: bool = False

    @property
    def needs_unlabelled(self) -> bool:
        """Whether there must be images without a label."""
        return self.matches or self.views > 0
