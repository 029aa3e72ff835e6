"""Wrong labels planted in a copy of a data set: how many of the damaged images stand in the worst tenth?

    python benchmarks/planted_errors.py --data DATA/nuclei_dsb2018 [--steps 300] [--folds 3] [--seeds 3] [--set …]

Each seed damages 5 % of the masks (see planting.py): shifted by 5 to 10 px, one object of the larger half missing, or
two classes exchanged, in turn. `--data cells` draws 40 images of cells. The models are trained on the damaged
masks. A finished seed is kept as JSON and not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
RESULTS = Path(__file__).parent / "results"
CELLS, SIDE = 40, 160


def main() -> None:
    """Run what is missing, then print and store the table of all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="folders of data sets, or cells")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05, help="of the masks that are damaged")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], help="changes to the plan")
    parser.add_argument("--work", type=Path, default=Path("bench/planted"))
    arguments = parser.parse_args()
    for data in arguments.data:
        for seed in range(arguments.seeds):
            run_seed(arguments, data, seed)
    lines = ["| set | seeds | images | damaged | in the worst tenth | shifted | missing | swapped | seconds a seed |"]
    lines.append("| --- " * 9 + "|")
    every: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(arguments.work.glob(f"*.{arguments.folds}.{arguments.steps}.*.json")):
        every[file.name.split(".")[0]].append(json.loads(file.read_text()))
    lines += [row_of(name, found) for name, found in every.items()]
    settings = ", ".join(arguments.settings) or "the plan's own settings"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {date.today()}"
    of = f"{arguments.folds} folds of {arguments.steps} steps; {settings}; {machine}"
    text = "\n".join([*lines, "", of, ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "planted_errors.md").write_text(text)
    print(text)


def run_seed(arguments: argparse.Namespace, data: str, seed: int) -> None:
    """Plant, train, look: the kind and the rank of every damaged image, kept as JSON."""
    from benchmarks.planting import plant
    from unetkit.pipeline import Options, cross_validate, suspect

    name = f"{Path(data).name}.{arguments.folds}.{arguments.steps}.{seed}"
    result = arguments.work / f"{name}.json"
    if not result.is_file():
        source = drawn_cells(arguments.work / "cells") if data == "cells" else Path(data)
        damaged = arguments.work / f"{name}.data"
        planted = plant(source, damaged, share=arguments.share, seed=seed)
        options = Options(steps=arguments.steps, seed=seed, settings=tuple(arguments.settings), allow_leakage=True)
        begun = monotonic()
        run = cross_validate(damaged, arguments.folds, options, out=arguments.work / f"{name}.run", spread=True)
        found = suspect(damaged, run.path, arguments.work / f"{name}.found")
        ranks = {verdict.name: number for number, verdict in enumerate(found.verdicts, 1)}
        told = {
            "images": len(ranks),
            "seconds": monotonic() - begun,
            "planted": [{"name": one.name, "kind": one.kind, "rank": ranks[one.name]} for one in planted],
        }
        result.write_text(json.dumps(told, indent=1))


def drawn_cells(folder: Path) -> Path:
    """The set of generated cells, drawn once."""
    from unetkit.classes import Classes, write_classes
    from unetkit.demo import draw_cells
    from unetkit.formats import write_image, write_mask

    if not folder.is_dir():
        for number, generator in enumerate(np.random.default_rng(0).spawn(CELLS)):
            pixels, instances = draw_cells(generator, shape=(SIDE, SIDE))
            write_image(folder / "images" / f"cells_{number:02d}.png", pixels)
            write_mask(folder / "masks" / f"cells_{number:02d}.png", instances)
        write_classes(
            folder / "classes.yaml", Classes(names=("background", "cell"), encoding="instances", dtype="uint16")
        )
    return folder


def row_of(name: str, found: list[dict[str, Any]]) -> str:
    """A set's line of the table."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for one in found:
        worst = max(len(one["planted"]), one["images"] // 10)
        for image in one["planted"]:
            for kind in ("all", image["kind"]):
                hits[kind].append(image["rank"] <= worst)
    cells = [
        f"{sum(hits[kind])} of {len(hits[kind])}" if hits[kind] else "" for kind in ("shifted", "missing", "swapped")
    ]
    share = f"{np.mean(hits['all']):.0%}"
    seconds = np.mean([one["seconds"] for one in found])
    row = (name, len(found), found[0]["images"], len(hits["all"]), share, *cells, f"{seconds:.0f}")
    return "| " + " | ".join(map(str, row)) + " |"


if __name__ == "__main__":
    main()
