"""What is exported: the raw image in, class probabilities out, everything between them inside.

image 1 C *S ─ float ─┬─ standardise ─ network ─ softmax ─┬─ mean ─▶ probabilities 1 K *S
                      └─ standardise ─ network ─ softmax ─┘
"""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from unetkit.errors import UnetkitError
from unetkit.export.standardise import Standardise
from unetkit.prediction import Predictor

InputType = Literal["uint8", "uint16", "float32"]

INPUT_TYPES: dict[str, torch.dtype] = {"uint8": torch.uint8, "uint16": torch.uint16, "float32": torch.float32}
"""The types that an exported model may take; all of them hold their numbers exactly in float32."""

EXAMPLE = {2: (40, 52), 3: (9, 10, 13)}
"""Sizes that a graph is recorded with. It holds for all others."""


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


def record(graph: Graph, channels: int, spatial_dims: int, dtype: InputType) -> torch.export.ExportedProgram:
    """The graph as a program for images of any size from one pixel up.

    Args:
        graph: the model.
        channels: of the image.
        spatial_dims: 2 or 3.
        dtype: of the image.

    Raises:
        UnetkitError: this torch cannot record graphs of every size.
    """
    from torch.fx.experimental import _config

    if not hasattr(_config, "backed_size_oblivious"):
        raise UnetkitError(
            "this version of torch cannot record a network for images of every size",
            found=f"torch {torch.__version__}",
            expected="2.9 or newer",
            mend="pip install --upgrade torch",
        )
    example = torch.zeros((1, channels, *EXAMPLE[spatial_dims]), dtype=INPUT_TYPES[dtype])
    sizes = dict.fromkeys(range(2, 2 + spatial_dims), torch.export.Dim.DYNAMIC)
    # Else sizes that are 1 at the coarsest level of the example, or are not, would be taken for a promise.
    oblivious = _config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with oblivious, torch.no_grad():
        program = torch.export.export(graph, (example,), dynamic_shapes=(sizes,), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it would tell the paths of this machine to everybody
    return program
