"""unetkit against a plain loop with segmentation_models_pytorch: same data, split, minutes and cores.

For every data set the trainings of both sides are run one after the other, interleaved, and judged by the rival's own
evaluate.py. A finished cell is kept as JSON and not run again, so that the command may be interrupted.

    python benchmarks/against_smp.py --data DATA --rival FOLDER --rival-python ENV/bin/python --minutes 5

FOLDER holds smp_loop.py and evaluate.py; ENV is the environment they run in. The rival's budget counts its training
alone; unetkit's counts everything from opening the folder to the last step.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import torch

import unetkit

RESULTS = Path(__file__).parent / "results"
RIVALS = ("lite0", "plain8", "plain16", "resnet18")
MEASURE = {"camvid": "mIoU_all", "cropweed_cwfid": "mIoU_all"}
"""Mean IoU for sets of several classes; mean Dice over images for the others."""

JUDGE_FLAGS = {"nuclei_dsb2018": ["--instances"], "em_isbi2012": ["--em"]}
TRAIN_FLAGS = {"nuclei_dsb2018": ["--allow-leakage"]}
"""The groups of nuclei_dsb2018 are kinds of image over which its given split is stratified, not patients."""

STATEMENTS = {"camvid": "ignore_values: [11]\n"}
"""What a user has to state in classes.yaml: the rival's program knows it by the folder's name."""

SETS = ("em_isbi2012", "nuclei_dsb2018", "camvid", "cropweed_cwfid", "magtile_defects", "retina_drive")


def main() -> None:
    """Run what is missing, then print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rival", type=Path, required=True)
    parser.add_argument("--rival-python", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--rivals", nargs="*", default=RIVALS)
    parser.add_argument("--work", type=Path, default=Path("bench"), help="folder for runs and predictions")
    arguments = parser.parse_args()
    arguments.rival_python = arguments.rival_python.absolute()  # not resolved: it is a link into its environment
    folder = RESULTS / f"against_smp_{arguments.minutes:g}m"
    for name in arguments.sets:
        for system in ("unetkit", *arguments.rivals):
            cell = folder / f"{name}.{system}.json"
            if not cell.is_file():
                result = run_cell(arguments, name, system)
                cell.parent.mkdir(parents=True, exist_ok=True)
                cell.write_text(json.dumps(result, indent=1) + "\n")
                print(name, system, json.dumps(result), flush=True)
    table = tabulate(folder)
    (RESULTS / f"against_smp_{arguments.minutes:g}m.md").write_text(table)
    print(table)


def run_cell(arguments: argparse.Namespace, name: str, system: str) -> dict[str, Any]:
    """Train, predict the test images and judge; with the share of the two cores that training really had."""
    data, out = arguments.data / name, arguments.work / f"{name}.{system}"
    trained = out / "trained.json"
    if not trained.is_file():
        shutil.rmtree(out, ignore_errors=True)  # what an interruption left
        out.mkdir(parents=True)
        load, started, cpu = os.getloadavg()[0], monotonic(), os.times().children_user
        if system == "unetkit":
            facts = train_unetkit(data, out, arguments.minutes)
        else:
            facts = train_rival(arguments, data, out, system)
        facts["load_before"] = round(load, 2)
        facts["cores_used"] = round((os.times().children_user - cpu) / (monotonic() - started), 2)
        trained.write_text(json.dumps(facts))
    facts = json.loads(trained.read_text())
    judge = [str(arguments.rival_python), "evaluate.py", str(data.resolve()), str((out / "masks").resolve())]
    scores = json.loads(run([*judge, *JUDGE_FLAGS.get(name, [])], cwd=arguments.rival))
    return {
        **facts,
        **scores,
        "date": f"{date.today()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "unetkit": unetkit.__version__,
    }


def train_unetkit(data: Path, out: Path, minutes: float) -> dict[str, Any]:
    """The two commands a user would type; predictions become class indices for the judge."""
    program = [str(Path(sys.executable).with_name("unetkit"))]
    data = stated_copy(data, out / "data" / data.name)
    budget = ["--time", f"{minutes * 60:g}s", "--out", str(out / "run"), "--json"]
    run([*program, "train", str(data), *budget, *TRAIN_FLAGS.get(data.name, [])])
    split = json.loads((data / "splits.json").read_text())["test"]
    images = [str(next(p for p in (data / "images").iterdir() if p.stem == stem)) for stem in split]
    run([*program, "predict", str(out / "run"), *images, "--out", str(out / "masks")])
    history = (out / "run" / "results.csv").read_text().splitlines()
    last = dict(zip(history[0].split(","), map(float, history[-1].split(",")), strict=True))
    plan = (out / "run" / "plan.yaml").read_text()
    model = next(line.split(":")[1].strip() for line in plan.splitlines() if line.startswith("  name:"))
    return {"model": model, "steps": int(last["step"]), "train_s": last["seconds"]}


def stated_copy(data: Path, copy: Path) -> Path:
    """The data set; by links and with a classes.yaml where one is needed."""
    if data.name not in STATEMENTS:
        return data
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for entry in data.iterdir():
        (copy / entry.name).symlink_to(entry.resolve())
    (copy / "classes.yaml").write_text(STATEMENTS[data.name])
    return copy


def train_rival(arguments: argparse.Namespace, data: Path, out: Path, model: str) -> dict[str, Any]:
    """The rival's own program."""
    command = [str(arguments.rival_python), "smp_loop.py", str(data.resolve()), str((out / "masks").resolve())]
    text = run([*command, "--model", model, "--minutes", f"{arguments.minutes:g}"], cwd=arguments.rival)
    facts: dict[str, Any] = json.loads(text.splitlines()[-1])
    return {"model": model, **facts}


def run(command: list[str], cwd: Path | None = None) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def tabulate(folder: Path) -> str:
    """The finished cells as a Markdown table."""
    cells = {tuple(path.stem.split(".", 1)): json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    systems = [s for s in ("unetkit", *RIVALS) if any(system == s for _, system in cells)]
    lines = [f"| set | measure | {' | '.join(systems)} | unetkit's model |", "| --- " * (len(systems) + 3) + "|"]
    for name in dict.fromkeys(name for name, _ in cells):
        measure = MEASURE.get(name, "dice_per_image")
        row = [f"{cells[name, s][measure]:.4f}" if (name, s) in cells else "–" for s in systems]
        lines.append(
            f"| {name} | {measure} | {' | '.join(row)} | {cells.get((name, 'unetkit'), {}).get('model', '–')} |"
        )
    dates = sorted({cell["date"] for cell in cells.values()})
    some = next(iter(cells.values()))
    lines += ["", f"{some['machine']}; torch {some['torch']}; unetkit {some['unetkit']}; {', '.join(dates)}."]
    lines += ["Cores used while training, and the load of the machine before it:", ""]
    lines += [f"- {n} {s}: {c['cores_used']} cores, load {c['load_before']}" for (n, s), c in cells.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
