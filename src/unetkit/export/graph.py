"""What is exported: the raw image in, class probabilities out, everything between them inside.

image 1 C *S ─ float ─┬─ standardise ─ network ─ softmax ─┬─ mean ─▶ probabilities 1 K *S
                      └─ standardise ─ network ─ softmax ─┘
"""

from __future__ import annotations

import copy
from typing import Literal

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
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """1 C *S in the file's own numbers -> 1 K *S, summing to 1 over K."""
        pixels = image.float()
        seen = [standardise(pixels) for standardise in self.ways]
        each = [network(seen[way]).softmax(1) for network, way in zip(self.networks, self.way_of, strict=True)]
        total: Tensor = each[0]
        for probability in each[1:]:
            total = total + probability
        return total / len(each) if len(each) > 1 else total
