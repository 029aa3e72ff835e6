"""How right a run is about predictions it has no mask for: expected against true Dice, and foreign images flagged.

    python benchmarks/expected_quality.py RUN… [--foreign DATA…] [--images 8] [--out FILE]

Each run's test images are judged as `unetkit predict` judges new images, and then compared with their masks: rank
correlation of expected and true Dice, their mean absolute difference, how many true values lie in the 95 % interval,
and the calibration error before and after the temperature. Images of the data sets named with --foreign (and of the
other runs) that the run's network takes are to be told from its test images by their distance: area under the ROC
curve, and the shares that are flagged. Nothing is written to the runs.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from unetkit.classes import read_classes
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.splits import stored_split
from unetkit.errors import UnetkitError
from unetkit.files import write_text
from unetkit.formats import read_image
from unetkit.pipeline import load_predictor
from unetkit.pipeline.infer import list_inputs, match_channels
from unetkit.pipeline.quality import Trial, read_quality
from unetkit.pipeline.quality.distance import MARGIN
from unetkit.pipeline.quality.fit import learn
from unetkit.prediction import source_of
from unetkit.training import RunFolder

OUT = Path(__file__).parent / "results" / "expected_quality.md"


@dataclass
class Result:
    """What came of one run, or of several together."""

    name: str
    expected: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)
    calibration: str = ""

    def add(self, other: Result) -> None:
        """Take another run's numbers up."""
        for name in ("expected", "true", "inside", "own", "foreign"):
            getattr(self, name).extend(getattr(other, name))

    def row(self) -> str:
        """As a line of the table."""
        difference = np.abs(np.subtract(self.expected, self.true)).mean() if self.true else np.nan
        cells = [
            self.name,
            len(self.true),
            self.calibration,
            f"{spearman(self.expected, self.true):.2f}",
            f"{difference:.3f}",
            f"{np.mean(self.inside):.0%}" if self.inside else "",
            len(self.foreign),
            f"{roc(self.own, self.foreign):.3f}",
            f"{np.mean(np.array(self.own) > MARGIN):.0%}",
            f"{np.mean(np.array(self.foreign) > MARGIN):.0%}" if self.foreign else "",
        ]
        return "| " + " | ".join(map(str, cells)) + " |"


def spearman(first: list[float], second: list[float]) -> float:
    """Rank correlation."""
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1]) if len(first) > 2 else np.nan


def roc(own: list[float], foreign: list[float]) -> float:
    """Area under the ROC curve: how often a foreign image is farther away than one of the run's own."""
    if not own or not foreign:
        return np.nan
    ahead = np.array(foreign)[:, None] - np.array(own)[None]
    return float((ahead > 0).mean() + (ahead == 0).mean() / 2)


def judge(path: Path, sets: list[Path], images: int) -> Result:
    """Judge a run's test images, and foreign ones."""
    run = RunFolder(path)
    home = Path(run.read_json("data.json")["data"])
    dataset, split = open_dataset(home, classes=read_classes(run.classes)), stored_split(run.split)
    quality = read_quality(run) or learn(run, dataset, split)
    trial, result = Trial(), Result(home.name)
    predictor = trial.of(load_predictor(path), [quality])
    count = predictor.plan.data.num_classes
    for name in split.test or split.val:
        sample = dataset.sample(name)
        image = match_channels(dataset.read_image(sample), predictor.plan)
        labels, outputs = predictor.labels_and_outputs(image)
        trial.compare(name, labels, np.log(outputs[:count].clip(1e-12)), dataset.read_labels(sample).labels)
    for row in trial.rows:
        result.own.append(row["distance"])
        if np.isfinite([row["expected_dice"], row["dice"]]).all():
            result.expected.append(row["expected_dice"])
            result.true.append(row["dice"])
            result.inside.append(row["low"] <= row["dice"] <= row["high"])
    sheet = trial.sheet()
    assert sheet is not None
    assert trial.judge is not None
    result.calibration = f"{quality.temperature:.2f}: {sheet.own_error:.4f} → {sheet.scaled_error:.4f}"
    for other in sets:
        if other.resolve() == home.resolve():
            continue
        for one in list(list_inputs([other / "images"]).values())[:images]:
            try:
                image = match_channels(read_image(one), predictor.plan)
                result.foreign.append(trial.judge.distance(source_of(image), predictor.measure(image))[0])
            except UnetkitError:  # an image that the network cannot take needs no flag
                break
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--foreign", type=Path, nargs="*", default=[])
    parser.add_argument("--images", type=int, default=8, help="of each foreign data set")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    homes = [Path(RunFolder(run).read_json("data.json")["data"]) for run in arguments.runs]
    sets = sorted({path.resolve() for path in (*homes, *arguments.foreign) if path.is_dir()})
    together, rows = Result("together"), []
    for run in arguments.runs:
        result = judge(run, sets, arguments.images)
        together.add(result)
        rows.append(result.row())
        print(rows[-1], flush=True)
    head = ["data", "test images", "temperature: calibration error", "Spearman", "mean difference", "in the interval"]
    head += ["foreign images", "AUROC", "own flagged", "foreign flagged"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|", *rows, together.row()]
    said = f"Measured {date.today():%Y-%m-%d} by `benchmarks/expected_quality.py` on {os.cpu_count()} cores."
    write_text(arguments.out, "\n".join([said, "", *lines, ""]))


if __name__ == "__main__":
    main()
