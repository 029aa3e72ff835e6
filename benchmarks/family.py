"""The members of the U-Net family on several data sets under equal time: what the plan's choice of a model rests on.

    python benchmarks/family.py --data DATA --seconds 120 [--sets …] [--models …] [--work bench]

With OMP_NUM_THREADS=1 two such commands, each for half of the sets, fill two cores and measure equal time of one core.
Each data set is one `unetkit compare`, so an interrupted run goes on, and each comparison has its page below --work.
The first columns name the member that the plan would choose, and show it: it is trained whether --models names it or
not. Scores are mean Dice of the test images after so many seconds; in brackets the seconds it takes to predict a
megapixel.
"""

from __future__ import annotations

import argparse
import os
import platform
from datetime import date
from pathlib import Path

import torch
from against_smp import TRAIN_FLAGS, stated_copy  # beside this file

import unetkit
from unetkit.compare import Comparison, Row, Watch, compare, write_page
from unetkit.models import MODELS
from unetkit.pipeline import Options, prepare

RESULTS = Path(__file__).parent / "results"
SETS = (
    "em_isbi2012",
    "nuclei_dsb2018",
    "camvid",
    "cropweed_cwfid",
    "magtile_defects",
    "retina_drive",
    "burnscars_s2_5band",
)


def main() -> None:
    """Compare what is missing, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--models", nargs="*", default=[name for name in MODELS if name != "unet-timm"])
    parser.add_argument("--work", type=Path, default=Path("bench"), help="folder for the comparisons")
    arguments = parser.parse_args()
    done = {name: compare_on(arguments, name) for name in arguments.sets}
    table = tabulate(done, arguments)
    (RESULTS / f"family_{arguments.seconds:g}s.md").write_text(table)
    print(table)


def compare_on(arguments: argparse.Namespace, name: str) -> tuple[str, Comparison]:
    """The plan's own choice, and the comparison of all members beside it."""
    data = stated_copy(arguments.data / name, arguments.work / "data" / name)
    options = Options(time=arguments.seconds, allow_leakage=name in TRAIN_FLAGS)
    chosen = prepare(data, Options(steps=1, allow_leakage=name in TRAIN_FLAGS)).plan.model.name
    models = [chosen, *(model for model in arguments.models if model != chosen)]
    out = arguments.work / f"{name}_{arguments.seconds:g}s"
    watch = Watch(say=print)
    comparison = compare(data, models, seeds=arguments.seeds, options=options, out=out, watch=watch)
    write_page(comparison)
    return chosen, comparison


def tabulate(done: dict[str, tuple[str, Comparison]], arguments: argparse.Namespace) -> str:
    """Scores and costs as a Markdown table, a row a data set."""
    lines = [f"| set | the plan's choice | its score | {' | '.join(arguments.models)} |"]
    lines.append("| --- " * (len(arguments.models) + 3) + "|")
    for name, (chosen, comparison) in done.items():
        rows = {row.variant.model: row for row in comparison.rows}
        cells = [_cell(rows[model]) for model in (chosen, *arguments.models)]
        lines.append(f"| {name} | {chosen} | {' | '.join(cells)} |")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} of them for a training"
    versions = f"torch {torch.__version__}; unetkit {unetkit.__version__}"
    lines += [
        "",
        f"{arguments.seconds:g} s a training, {arguments.seeds} training(s); {machine}; {versions}; {date.today()}.",
    ]
    return "\n".join(lines) + "\n"


def _cell(row: Row) -> str:
    """Score, and seconds to predict a megapixel."""
    if not row.costs:
        return row.fault or "–"
    score = "–" if row.score is None else f"{row.score[0]:.3f}"
    return f"{score} ({1 / row.costs['predicted_mpx_per_s']:.1f})"


if __name__ == "__main__":
    main()
