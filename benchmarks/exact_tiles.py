"""How far tiled prediction is from one pass over the whole image: the measured proof that tiles are exact.

    python benchmarks/exact_tiles.py [--sizes 3]
    python benchmarks/exact_tiles.py --data DATA [--steps 60]

Every network of the family whose tiles can be exact, at 2 to 5 poolings, with statistics as if trained, on images of
random sizes: the largest difference of a logit, over the range of the logits. The same with the halo cut to a half and
with tiles that begin one pixel off the grid shows that the measurement can fail. With --data, instead, a network is
trained for some steps on each data set, and its labels of all images are compared pixel by pixel.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import torch
from against_smp import SETS, TRAIN_FLAGS, stated_copy  # beside this file
from torch import Tensor, nn

from unetkit.errors import UsageError
from unetkit.formats import read_image
from unetkit.models import MODELS, Segmenter, build_model
from unetkit.pipeline import Options, load_predictor, train
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.targets import list_inputs
from unetkit.prediction import WHOLE
from unetkit.prediction.tiles import tiles

OUT = Path(__file__).parent / "results" / "exact_tiles.md"
TILE = 128


def as_if_trained(name: str, depth: int) -> Segmenter | None:
    """A network with statistics that differ from layer to layer; None where this member has no such depth."""
    torch.manual_seed(depth)
    options = {"depth": depth} if "depth" in MODELS[name].options else {}
    if not options:
        return None
    try:
        model = build_model(name, in_channels=1, num_classes=3, width=8, **options)
    except UsageError:
        return None
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


@torch.inference_mode()
def tiled(model: Segmenter, x: Tensor, *, halo: int, offset: int = 0) -> Tensor:
    """Logits put together from tiles; an offset moves all tiles but the first off the grid."""
    whole = torch.empty(1, model.num_classes, *x.shape[2:])
    for tile in tiles(x.shape[2:], TILE, halo, model.grid):
        read = tuple(slice(max(part.start - offset, 0), part.stop) for part in tile.read)
        inner = tuple(slice(w.start - r.start, w.stop - r.start) for w, r in zip(tile.write, read, strict=True))
        whole[(..., *tile.write)] = model(x[(..., *read)])[(..., *inner)]
    return whole


def differences(model: Segmenter, sizes: list[tuple[int, int]]) -> tuple[float, float, float]:
    """Largest difference over the range of the logits: with the halo, with half of it, off the grid."""
    found = np.zeros(3)
    assert model.receptive_field is not None
    for size in sizes:
        x = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(size[0]))
        with torch.inference_mode():
            whole = model(x)
        field = model.receptive_field
        cuts = [(field, 0), (field // 2 // model.grid * model.grid, 0), (field + model.grid, 1)]
        for number, (halo, offset) in enumerate(cuts):
            off = (tiled(model, x, halo=halo, offset=offset) - whole).abs().max() / (whole.max() - whole.min())
            found[number] = max(found[number], float(off))
    return tuple(found.tolist())  # type: ignore[return-value]


def differing_labels(data: Path, steps: int) -> tuple[int, int]:
    """(pixels whose label differs between tiles and one pass, pixels) over all images of a data set."""
    with tempfile.TemporaryDirectory() as folder:
        stated = stated_copy(data, Path(folder) / "data" / data.name)
        leaks = data.name in TRAIN_FLAGS
        options = Options(steps=steps, model="unet", settings=("model.norm=batch",), allow_leakage=leaks)
        run = train(stated, options, out=Path(folder) / "run").path
        whole, parts = (load_predictor(run, augment=False, tile=tile) for tile in (WHOLE, TILE))
        wrong = count = 0
        for path in list_inputs([data / "images"]).values():
            image = match_channels(read_image(path), whole.plan)
            wrong += int((whole.labels(image) != parts.labels(image)).sum())
            count += int(np.prod(image.shape))
    return wrong, count


def main() -> None:
    """Measure, print and store the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}; {date.today()}"
    if arguments.data is None:
        lines = [*networks(arguments.sizes), "", f"Tiles of {TILE} pixels, images of 150 to 420; {machine}."]
        OUT.write_text("\n".join(lines) + "\n")
        return
    lines = ["| data set | pixels | labels that differ |", "| --- | ---: | ---: |"]
    for name in SETS:
        wrong, count = differing_labels(arguments.data / name, arguments.steps)
        lines.append(f"| {name} | {count} | {wrong} |")
        print(lines[-1], flush=True)
    lines += ["", f"Tiles of {TILE} pixels against one pass, after {arguments.steps} steps; {machine}."]
    OUT.with_name("exact_labels.md").write_text("\n".join(lines) + "\n")


def networks(count: int) -> list[str]:
    """The table of the family, on so many images each."""
    random = np.random.default_rng(0)
    lines = ["| network | poolings | halo | tiles | with half the halo | one pixel off the grid |", "| --- " * 6 + "|"]
    for name in MODELS:
        for depth in range(2, 6):
            model = as_if_trained(name, depth)
            if model is None or not model.exact_tiles:
                continue
            sizes = [tuple(random.integers(150, 420, 2).tolist()) for _ in range(count)]
            off = differences(model, sizes)
            lines.append(
                f"| {name} | {depth} | {model.receptive_field} | " + " | ".join(f"{d:.1e}" for d in off) + " |"
            )
            print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    main()
