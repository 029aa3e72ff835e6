"""Separation: what a network learns beside the class map so that touching objects come apart, and how they do.

    ids of a patch ──targets──▶ extra outputs of the network ──relief──▶ watershed (`unetkit.objects.basins`)

To add one: a file with a `Separator`, and a line in `SEPARATORS`; the tests run over it.
"""

from __future__ import annotations

from unetkit.separation.decode import Decoding, basins_of, cut, decode, rescaled
from unetkit.separation.kinds import BORDER, BOUNDARY, COMPONENTS, DISTANCE, FLOW
from unetkit.separation.loss import JointLoss, pack, unpack
from unetkit.separation.separator import Separator

__all__ = [
    "SEPARATORS",
    "Decoding",
    "JointLoss",
    "Separator",
    "basins_of",
    "cut",
    "decode",
    "pack",
    "rescaled",
    "unpack",
]

SEPARATORS: dict[str, Separator] = {
    "components": COMPONENTS,
    "border": BORDER,
    "boundary": BOUNDARY,
    "distance": DISTANCE,
    "flow": FLOW,
}
