"""Objects told apart by unetkit against a plain loop with segmentation_models_pytorch and connected components.

    python benchmarks/objects_against_smp.py --data DATA --rival FOLDER --rival-python ENV/bin/python --minutes 10

Same data, split, minutes and cores; trainings run one after the other. Both are judged twice: by the rival's own
evaluate.py (pooled AP at IoU 0.5, connected regions of 16 pixels or more), and by the scores of unetkit. A finished
cell is kept as JSON and not run again. The test images of unetkit's runs are also predicted in tiles and band by band,
and have to come out as the whole image does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from against_smp import JUDGE_FLAGS, TRAIN_FLAGS, run, train_rival  # beside this file

import unetkit
from unetkit.dataset import Dataset, open_dataset
from unetkit.dataset.folder import read_objects
from unetkit.formats import read_image, write_mask
from unetkit.metrics.instances import score_objects
from unetkit.objects import instance_mask, remove_small
from unetkit.pipeline.infer import match_channels
from unetkit.pipeline.loading import load_predictor

RESULTS = Path(__file__).parent / "results"
CELLS = {
    "nuclei_dsb2018": ("unetkit", "lite0", "plain16"),
    "em_isbi2012": ("unetkit", "lite0", "plain16"),
    "cells": ("unetkit",),
}
SHOWN = ("AP50", "ap50", "ap", "f1", "v_rand", "found", "merged", "split", "missed", "true_objects")
SPECKS = 16


def main() -> None:
    """Run what is missing, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rival", type=Path, required=True)
    parser.add_argument("--rival-python", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", nargs="*", default=[], help="cells such as em_isbi2012.lite0")
    parser.add_argument("--work", type=Path, default=Path("bench/objects"), help="folder for runs and predictions")
    arguments = parser.parse_args()
    arguments.rival_python = arguments.rival_python.absolute()
    folder = RESULTS / f"objects_{arguments.minutes:g}m"
    folder.mkdir(parents=True, exist_ok=True)
    for name, systems in CELLS.items():
        for system in systems:
            cell = folder / f"{name}.{system}.json"
            if cell.is_file() or (arguments.only and f"{name}.{system}" not in arguments.only):
                continue
            result = run_cell(arguments, name, system)
            cell.write_text(json.dumps(result, indent=1) + "\n")
            print(name, system, json.dumps(result), flush=True)
    table = tabulate(folder)
    (RESULTS / f"objects_{arguments.minutes:g}m.md").write_text(table)
    print(table)


def run_cell(arguments: argparse.Namespace, name: str, system: str) -> dict[str, Any]:
    """Train, predict the test images, judge."""
    out = arguments.work / f"{name}.{system}"
    data = arguments.data / name if name != "cells" else generated(arguments.work / "cells")
    dataset = open_dataset(data)
    facts = out / "trained.json"
    if not facts.is_file():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        begun, cpu = monotonic(), os.times().children_user
        made = train_unetkit(arguments, data, out) if system == "unetkit" else train_rival(arguments, data, out, system)
        made["cores_used"] = round((os.times().children_user - cpu) / (monotonic() - begun), 2)
        facts.write_text(json.dumps(made))
    names = json.loads((data / "splits.json").read_text())["test"]
    scores = judge(dataset, names, out, system)
    if name != "cells":
        command = [str(arguments.rival_python), "evaluate.py", str(data.resolve()), str((out / "masks").resolve())]
        scores |= json.loads(run([*command, *JUDGE_FLAGS.get(name, [])], cwd=arguments.rival))
    machine = {"date": f"{date.today()}", "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    return {
        **json.loads(facts.read_text()),
        **scores,
        **machine,
        "torch": torch.__version__,
        "unetkit": unetkit.__version__,
    }


def generated(folder: Path) -> Path:
    """Cells that touch without a gap, drawn once."""
    if not folder.is_dir():
        from unetkit.demo.cells import write_cells

        write_cells(folder, seed=7)
    return folder


def train_unetkit(arguments: argparse.Namespace, data: Path, out: Path) -> dict[str, Any]:
    """The command a user would type."""
    program = [str(Path(sys.executable).with_name("unetkit")), "train", str(data)]
    budget = ["--time", f"{arguments.minutes * 60:g}s", "--out", str(out / "run"), "--json"]
    begun = monotonic()
    run([*program, *budget, *TRAIN_FLAGS.get(data.name, [])])
    plan = load_predictor(out / "run").plan
    last = (out / "run" / "results.csv").read_text().splitlines()[-1].split(",")
    told = {"model": f"{plan.model.name}, {plan.objects.separate}", "steps": int(last[0])}
    return {**told, "whole_command_s": round(monotonic() - begun, 1)}


def judge(dataset: Dataset, names: list[str], out: Path, system: str) -> dict[str, Any]:
    """unetkit's scores, and the objects written for the rival's judge."""
    predictor = load_predictor(out / "run") if system == "unetkit" else None
    every: list[dict[str, float]] = []
    for name in names:
        sample = dataset.sample(name)
        if predictor is not None:
            image = match_channels(dataset.read_image(sample), predictor.plan)
            labels, outputs = predictor.labels_and_outputs(image)
            ids: npt.NDArray[Any] = predictor.apart(labels, outputs).ids
            stored = ids if dataset.classes.encoding == "instances" else labels
            write_mask(out / "masks" / f"{name}.png", stored.astype(np.uint16 if stored is ids else np.uint8))
        else:
            stored = read_image(out / "masks" / f"{name}.png").pixels[0]
            ids = instance_mask(remove_small(stored == 1, SPECKS))
        valid = dataset.read_labels(sample).labels != 255
        scores = score_objects(ids, read_objects(dataset, sample).ids, valid=valid)
        every.append({**scores.values, **scores.counts})
    counts = ("true_objects", "predicted_objects", "found", "merged", "split", "missed", "invented")
    return {key: sum(one[key] for one in every) if key in counts else mean(every, key) for key in every[0]}


def mean(every: list[dict[str, float]], key: str) -> float:
    """Over the images where it is defined."""
    values = [one[key] for one in every if not np.isnan(one[key])]
    return round(float(np.mean(values)), 4) if values else float("nan")


def tabulate(folder: Path) -> str:
    """The finished cells as a Markdown table."""
    cells = {tuple(path.stem.split(".", 1)): json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    lines = [f"| set | system | model | {' | '.join(SHOWN)} |", "| --- " * (len(SHOWN) + 3) + "|"]
    for (name, system), cell in sorted(cells.items(), key=lambda item: (item[0][0], item[0][1] != "unetkit")):
        row = [f"{cell[key]:.3f}" if isinstance(cell.get(key), float) else str(cell.get(key, "–")) for key in SHOWN]
        lines.append(f"| {name} | {system} | {cell['model']} | {' | '.join(row)} |")
    dates = ", ".join(sorted({cell["date"] for cell in cells.values()}))
    some = next(iter(cells.values()))
    lines += ["", "AP50 is the rival's judge's, pooled over the images; the other scores are means over the images."]
    lines += [f"{some['machine']}; torch {some['torch']}; unetkit {some['unetkit']}; {dates}."]
    lines += [f"- {n} {s}: {c['steps']} steps, {c['cores_used']} cores used" for (n, s), c in cells.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
