"""An encoder whose stages halve the size by their own first convolution, without pooling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.models.base import Pyramid
from unetkit.models.blocks import reach_of_levels


class StridedPath(Pyramid):
    """Stages in a row, dropout at the end.

    Args:
        stages: finest first; the first keeps the size, each other begins with stride 2.
        widths: channels of each stage.
        dropout: probability with which a value of the coarsest feature is dropped in training, 0 to below 1.

    Raises:
        UsageError: dropout is no such probability.
    """

    def __init__(self, stages: Iterable[nn.Module], widths: Sequence[int], *, dropout: float) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UsageError("dropout cannot be used", found=dropout, expected="a probability, 0 to below 1")
        self.stages = nn.ModuleList(stages)
        self.dropout = nn.Dropout(dropout)
        self.out_channels = tuple(widths)
        self.reach = reach_of_levels(self.stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """N C *S -> one N width *S/2^i per stage."""
        features: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        features[-1] = self.dropout(x)
        return features
