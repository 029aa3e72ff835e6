"""Start-up time, peak memory, and how well a time budget is held.

    python benchmarks/footprint.py --data DATA [--minutes 1 2]

The named rival of the start-up is `python -c "import torch"`, which every other command line of the field pays at once.
Peak memory is that of the whole `unetkit train` process, evaluation and report included; the budget is compared with
the seconds in results.csv, which end with the last step.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter

OUT = Path(__file__).parent / "results" / "footprint.md"
UNETKIT = str(Path(sys.executable).with_name("unetkit"))


def seconds(command: list[str]) -> float:
    """Wall-clock time of a command that has to succeed."""
    started = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - started


def main() -> None:
    """Measure, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, nargs="*", default=[1.0, 2.0])
    arguments = parser.parse_args()
    starts = [(seconds([UNETKIT, "--help"]), seconds([sys.executable, "-c", "import torch"])) for _ in range(7)]
    own, rival = (median(times) for times in zip(*starts, strict=True))
    lines = [
        "| what | measured |",
        "| --- | --- |",
        f"| `unetkit --help` | {own:.2f} s |",
        f"| `import torch` alone | {rival:.2f} s |",
    ]
    for minutes in arguments.minutes:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            subprocess.run(
                [UNETKIT, "train", str(arguments.data), "--time", f"{minutes * 60:g}s", "--out", str(run)],
                check=True,
                capture_output=True,
            )
            spent = float((run / "results.csv").read_text().splitlines()[-1].split(",")[1])
        error = 100 * (spent / (60 * minutes) - 1)
        lines.append(f"| a budget of {60 * minutes:g} s | {spent:.1f} s used ({error:+.1f} %) |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines += [f"| peak memory of `train` | {peak:.2f} GB |", "", f"{arguments.data.name}; {machine}; {date.today()}."]
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT.read_text())


if __name__ == "__main__":
    main()
