"""Draw each network of the registry from itself: it runs on an image without pixels, and what it does is drawn.

    python docs/make_diagrams.py            writes docs/images/unet.svg, …; needs nothing but the package

Every number in a picture is one that was met on the way: sizes and channels in the forward pass at the defaults, the
parameters in the network. A test holds the written pictures against what would be drawn now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from diagrams.anatomy import Anatomy, Branch, Join, Stage, Unit, dissect
from diagrams.inside import draw_inside
from diagrams.trace import Trace
from diagrams.triangle import draw_triangle
from diagrams.u import draw_u
from torch import Tensor

from unetkit.models import MODELS, build_model, count_parameters

IMAGES = Path(__file__).parent / "images"

NOT_DRAWN = {"unet-timm": "it looks as its encoder does, and needs timm"}
SIZES = {"unet-2015": 572}  # the paper's own; 256 for all others
CHANNELS = {"unet-lite0": 3}  # colour, as it was pretrained on; 1 for all others
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "unet-lite0": {"pretrained": False},  # no picture shows the weights
    "unet++": {"deep_supervision": True},  # all its heads are what it is made for
}
CALLS: Mapping[str, Callable[[Any, Tensor], object]] = {
    "unet-2015": lambda network, x: network.forward_valid(x),
    "unet++": lambda network, x: network.forward_levels(x),
}


def main() -> None:
    """Write every picture."""
    for name in MODELS:
        if name not in NOT_DRAWN:
            path_of(name).write_text(picture(name), encoding="utf-8", newline="\n")


def path_of(name: str) -> Path:
    """The file of a network's picture, named as its page is."""
    return IMAGES / f"{name.replace('+', '-plus')}.svg"


def picture(name: str) -> str:
    """The SVG of a registered network."""
    channels, size = CHANNELS.get(name, 1), SIZES.get(name, 256)
    with torch.device("meta"):
        network, plain = (
            build_model(name, in_channels=channels, num_classes=2, **options).eval()
            for options in (OPTIONS.get(name, {}), {**OPTIONS.get(name, {}), "deep_supervision": False})
        )
        image = torch.empty(1, channels, size, size)
    trace = Trace()
    trace.run(network, partial(CALLS[name], network) if name in CALLS else network, image)
    anatomy = dissect(network, trace)
    nested = any(len(join.place) > 1 for join in anatomy.joins)
    board = draw_triangle(anatomy) if nested else draw_u(anatomy)
    for unit in blocks(anatomy):
        draw_inside(board, unit)
    parameters = f"{count_parameters(plain):,}".replace(",", " ")
    of = f"{channels} channel{'s' if channels > 1 else ''} in, 2 classes out, {parameters} parameters"
    board.write_legend(f"{name} at its defaults: {of}. Drawn from its forward pass.")
    return board.canvas.svg(f"The network {name}", f"{MODELS[name].summary}; {of}")


def blocks(anatomy: Anatomy) -> list[Unit]:
    """Of each sort of block the first with most inside, one that changes the channels if there is one."""

    def inside(unit: Unit) -> tuple[int, bool]:
        return len(unit.steps), unit.source.channels != unit.output.channels

    branches = (branch for join in anatomy.joins for branch in join.branches)
    found: dict[type, Unit] = {}
    for units in (part.units for part in chain[Stage | Join | Branch](anatomy.stages, anatomy.joins, branches)):
        for unit in units:
            if unit.block is not None and inside(unit) > inside(found.setdefault(type(unit.block), unit)):
                found[type(unit.block)] = unit
    return list(found.values())


if __name__ == "__main__":
    main()
