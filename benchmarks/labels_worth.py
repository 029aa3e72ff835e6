"""What few labels are worth, on real sets: the two bars that unetkit sets itself, measured by `unetkit simulate`.

    scribbles   scribbles over 5 % of the pixels of all training images reach 90 % of the Dice of whole masks
    methods     with 3 labelled images, a method that learns from the unlabelled ones beats supervised training

    python benchmarks/labels_worth.py scribbles --data DIR --sets em_isbi2012,nuclei_dsb2018 --time 2m --out DIR
    python benchmarks/labels_worth.py methods --data DIR --sets em_isbi2012 --methods mean-teacher,fixmatch --out DIR
    python benchmarks/labels_worth.py table --out DIR

Every training is kept: a call that was interrupted goes on, sets and methods can be run one by one and on several
machines, and `table` writes benchmarks/results/labels_worth.md from whatever is there. Train all of one set on one kind
of machine, since a time buys another number of steps elsewhere; or say --steps.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.cli.values import seconds
from unetkit.compare.comparison import image_scores
from unetkit.compare.differences import SAID, Scores, difference, difference_text, on_same_images, score_interval
from unetkit.files import read_json, write_text
from unetkit.pipeline import Options
from unetkit.simulation import Budget, Kind, Watch, simulate

RESULT = Path(__file__).parent / "results" / "labels_worth.md"
SCRIBBLED = "em_isbi2012,nuclei_dsb2018,retina_drive"
WITH_UNLABELLED = "em_isbi2012,nuclei_dsb2018,retina_drive,magtile_defects"
FEW = Budget("3", places=3)
ALL = Budget("all")
SHARE, WANTED = 0.05, 0.9
SUPERVISED = "supervised"


def options_of(arguments: argparse.Namespace, settings: Sequence[str] = ()) -> Options:
    """Time or steps of every training; leaks of a given split are the set's own and accepted."""
    time = None if arguments.steps else seconds(arguments.time)
    own = (*(arguments.set or ()), *settings)
    return Options(time=time, steps=arguments.steps, device=arguments.device, settings=own, allow_leakage=True)


def run_scribbles(arguments: argparse.Namespace) -> None:
    """Whole masks and scribbles on all training images of each set."""
    for name in arguments.sets.split(","):
        simulate(
            arguments.data / name,
            strategies=("random",),
            kinds=(Kind("dense"), Kind("scribbles", SHARE)),
            budgets=(ALL,),
            seeds=arguments.seeds,
            options=options_of(arguments),
            out=arguments.out / "scribbles" / name,
            watch=Watch(say=print),
        )


def run_methods(arguments: argparse.Namespace) -> None:
    """Three labelled images under each method, the rest unlabelled."""
    for name in arguments.sets.split(","):
        for method in (SUPERVISED, *arguments.methods.split(",")):
            simulate(
                arguments.data / name,
                strategies=("random",),
                budgets=(FEW,),
                seeds=arguments.seeds,
                options=options_of(arguments, (f"training.method={method}",)),
                out=arguments.out / "methods" / name / method,
                watch=Watch(say=print),
            )


def scores_of(folder: Path, labels: str, groups: dict[str, str]) -> list[dict[str, float]]:
    """The scores of each finished training on a kind of labels, seed by seed."""
    cells = sorted(folder.glob("cells/*/cell.json"), key=lambda file: int(read_json(file)["seed"]))
    runs = [file.parent / "run" for file in cells if read_json(file)["labels"] == labels]
    done = [run for run in runs if (run / "test" / "per_image.csv").is_file()]
    return [image_scores(run, "test", groups) for run in done]


def tables(found: Sequence[list[dict[str, float]]], groups: dict[str, str]) -> tuple[list[Scores], list[str]]:
    """Scores S N on the images that all trainings have, and the groups of these."""
    names = sorted(set.intersection(*(set(one) for own in found for one in own)))
    kept, mask = on_same_images([np.array([[one[name] for name in names] for one in own]) for own in found])
    return kept, [groups.get(name) or name for name, keep in zip(names, mask, strict=True) if keep]


def score_text(scores: Scores, groups: Sequence[str]) -> str:
    """A mean with its interval over images and seeds."""
    mean, low, high = score_interval(scores, groups) or (float("nan"), None, None)
    return f"{mean:.3f}" if low is None or high is None else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def scribble_rows(out: Path) -> list[str]:
    """A line a set: Dice of masks and of scribbles, and the share that scribbles reach."""
    rows = []
    for folder in sorted((out / "scribbles").glob("*/")):
        groups: dict[str, str] = {}
        found = [scores_of(folder, labels, groups) for labels in ("dense", f"scribbles:{SHARE:g}")]
        if not all(found):
            continue
        (dense, scribbled), group_of = tables(found, groups)
        share = float(scribbled.mean() / dense.mean())
        reached = "reached" if share >= WANTED else "missed"
        texts = (score_text(dense, group_of), score_text(scribbled, group_of))
        rows.append(f"| {folder.name} | {len(dense)} | {texts[0]} | {texts[1]} | {share:.1%} | {reached} |")
    return rows


def method_rows(out: Path) -> list[str]:
    """A line a set and method: Dice, and the difference from supervised training on the same images."""
    rows = []
    for folder in sorted((out / "methods").glob("*/")):
        groups: dict[str, str] = {}
        found = {one.name: scores_of(one, "dense", groups) for one in sorted(folder.glob("*/"))}
        found = {name: own for name, own in found.items() if own}
        if SUPERVISED not in found:
            continue
        scores, group_of = tables(list(found.values()), groups)
        of = dict(zip(found, scores, strict=True))
        for name, own in of.items():
            versus = difference(own, of[SUPERVISED], group_of, comparisons=max(len(of) - 1, 1))
            said = "" if name == SUPERVISED or versus is None else f"{difference_text(versus)}; {SAID[versus.verdict]}"
            rows.append(f"| {folder.name} | {name} | {len(own)} | {score_text(own, group_of)} | {said} |")
    return rows


def write_table(arguments: argparse.Namespace) -> None:
    """benchmarks/results/labels_worth.md, of all that is finished."""
    stated: list[dict[str, Any]] = [read_json(file)["of"] for file in sorted(arguments.out.rglob("simulation.json"))]
    lengths = sorted({f"{of['time']:g} s" if of["time"] else f"{of['steps']} steps" for of in stated})
    lines = [
        "# What few labels are worth",
        "",
        f"Made by `benchmarks/labels_worth.py` on {date.today()}, {platform.machine()}, {os.cpu_count()} cores; "
        f"{', '.join(lengths) or 'nothing'} of training each. Mean Dice of the test images with 95 % intervals over "
        "images and seeds.",
        "",
        f"## Scribbles over {SHARE:.0%} of the pixels against whole masks, on all training images",
        "",
        "| set | seeds | masks | scribbles | reach | bar of 90 % |",
        "| --- | --- | --- | --- | --- | --- |",
        *scribble_rows(arguments.out),
        "",
        "## Three labelled images, the rest unlabelled",
        "",
        "| set | method | seeds | Dice | against supervised |",
        "| --- | --- | --- | --- | --- |",
        *method_rows(arguments.out),
        "",
    ]
    write_text(arguments.result, "\n".join(lines))


RUNS = {"scribbles": run_scribbles, "methods": run_methods, "table": write_table}


def main() -> None:
    """Run the part that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=RUNS)
    parser.add_argument("--data", type=Path, help="folder with the sets")
    parser.add_argument("--sets", help="names of sets, with commas")
    parser.add_argument("--methods", default="histogram-matching,mean-teacher,fixmatch,unimatch")
    parser.add_argument("--time", default="2m", help="of each training")
    parser.add_argument("--steps", type=int, help="of each training, instead of a time")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="for every training")
    parser.add_argument("--out", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--result", type=Path, default=RESULT, help="where the table goes")
    arguments = parser.parse_args()
    if arguments.part != "table" and arguments.data is None:
        parser.error("--data names the folder with the sets")
    arguments.sets = arguments.sets or (SCRIBBLED if arguments.part == "scribbles" else WITH_UNLABELLED)
    RUNS[arguments.part](arguments)


if __name__ == "__main__":
    main()
