"""What is exported: the raw image in, class probabilities out, everything between them inside.

image 1 C *S ─ float ─┬─ standardise ─ network ─ softmax ─┬─ mean ─▶ probabilities 1 K *S
                      └─ standardise ─ network ─ softmax ─┘
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from unetkit.export.standardise import Standardise
from unetkit.prediction import Predictor

InputType = Literal["uint8", "uint16", "float32"]

INPUT_TYPES: dict[str, torch.dtype] = {"uint8": torch.uint8, "uint16": torch.uint16, "float32": torch.float32}
"""The types that an exported model may take; all of them hold their numbers exactly in float32."""


class Graph(nn.Module):
    """A predictor without files, devices and tiles: one pass over the whole image, without flipped views.

    Args:
        predictor: its networks, and how each sees an image; it is left as it is.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        ways = list(dict.fromkeys(plan.normalization for plan in predictor.plans))
        self.ways = nn.ModuleList(Standardise(way, predictor.plan.data.channels) for way in ways)
        self.networks = nn.ModuleList(copy.deepcopy(network).cpu() for network in predictor.models)
        self.way_of = [ways.index(plan.normalization) for plan in predictor.plans]
        self.num_classes = predictor.plan.data.num_classes  # what a network gives after these tells objects apart
        self.requires_grad_(False).eval()

    @property
    def standardisers(self) -> list[Standardise]:
        """One for each way of normalising that a network was trained with."""
        return cast("list[Standardise]", list(self.ways))

    def forward(self, image: Tensor) -> Tensor:
        """1 C *S in the file's own numbers -> 1 K *S, summing to 1 over K."""
        pixels = image.float()
        return self.predict([standardise(pixels) for standardise in self.ways])

    def predict(self, seen: Sequence[Tensor]) -> Tensor:
        """The image as each way of normalising shows it, each 1 C *S -> 1 K *S."""
        logits = (network(seen[way]) for network, way in zip(self.networks, self.way_of, strict=True))
        each = [own[:, : self.num_classes].softmax(1) for own in logits]
        total: Tensor = each[0]
        for probability in each[1:]:
            total = total + probability
        return total / len(each) if len(each) > 1 else total


class Measuring(nn.Module):
    """The first half of a graph that is to run tile by tile: what has to be known of the whole image.

    Args:
        graph: the model.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.whole = graph  # a module of the name "graph" would be taken for the recording

    def forward(self, image: Tensor) -> Tensor:
        """1 C *S, the whole image -> W 4 C, for each way of normalising what `Standardise.measure` gives."""
        pixels = image.float()
        return torch.stack([way.measure(pixels) for way in self.whole.standardisers])


class Predicting(nn.Module):
    """The second half: a tile's probabilities.

    Args:
        graph: the model.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.whole = graph  # a module of the name "graph" would be taken for the recording

    def forward(self, image: Tensor, statistics: Tensor) -> Tensor:
        """A tile, 1 C *S, and what `Measuring` gave of the whole image, W 4 C -> 1 K *S."""
        pixels, ways = image.float(), self.whole.standardisers
        return self.whole.predict([way.standardised(pixels, own) for way, own in zip(ways, statistics, strict=True)])
