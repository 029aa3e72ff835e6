"""The demo: write two datasets, train on both, and leave two reports.

OUT/demo.json                says that the folder is the demo's, and which runs it began
OUT/cells/, OUT/coins/       datasets
OUT/runs/cells/, …/coins/    runs, each with report.html
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unetkit.demo.cells import cell_names, write_cells
from unetkit.demo.coins import coin_names, write_coins
from unetkit.errors import UsageError
from unetkit.files import read_json, write_json
from unetkit.pipeline import Options, train
from unetkit.training import Hooks, RunFolder

MARK = "demo.json"
MADE_BY = "unetkit demo"


@dataclass(frozen=True, slots=True)
class Chapter:
    """One dataset of the demo.

    Args:
        about: what the user is told before training.
        write: writes it to a folder.
        names: the names of its images by part of the split.
    """

    about: str
    write: Callable[[Path], None]
    names: Callable[[], Mapping[str, list[str]]]


CHAPTERS = {
    "cells": Chapter("cells: generated microscopy with exact truth", write_cells, cell_names),
    "coins": Chapter(
        "coins: crops of one real photograph, so the score tells about this photograph only", write_coins, coin_names
    ),
}
"""Name of each dataset and of its run."""


def run_demo(out: Path, *, time: float, device: str = "auto", hooks: Hooks | None = None) -> list[RunFolder]:
    """Write the demo's datasets, train on each, and evaluate.

    A folder that an earlier demo filled is used again: its datasets are written anew, its runs replaced.

    Args:
        out: folder for data and runs; made where it is not there.
        time: training budget in seconds, for each of the two.
        device: "auto", "cpu", "cuda" or "cuda:1".
        hooks: progress, messages, and the wish to stop.

    Returns:
        The runs of cells and coins, each with its report.html.

    Raises:
        UsageError: the folder holds something that no demo wrote; nothing was changed.
        Stopped: stopped by the user; the run at hand is kept until the next demo.

    Example:
        >>> run_demo(Path("demo"), time=75)[0].report  # doctest: +SKIP
        PosixPath('demo/runs/cells/report.html')
    """
    mark, hooks, runs = _claim(out), hooks or Hooks(), []
    for name, chapter in CHAPTERS.items():
        hooks.say(chapter.about)
        chapter.write(out / name)
        run = out / "runs" / name
        if run.is_dir():
            shutil.rmtree(run)
        mark["runs"] = sorted({*mark["runs"], name})
        write_json(out / MARK, mark)
        runs.append(train(out / name, Options(time=time, device=device), out=run, hooks=hooks))
    return runs


def _claim(out: Path) -> dict[str, Any]:
    """Mark a folder as the demo's.

    Raises:
        UsageError: something in it would be lost or mixed up.
    """
    if out.exists() and not out.is_dir():
        raise UsageError("the demo's folder is a file", found=out, mend="name another --out")
    mark: dict[str, Any] = {"made_by": MADE_BY, "runs": []}
    if out.is_dir() and any(out.iterdir()):
        found = read_json(out / MARK) if (out / MARK).is_file() else None
        if not isinstance(found, dict) or found.get("made_by") != MADE_BY or not isinstance(found.get("runs"), list):
            first = min(path.name for path in out.iterdir())
            raise UsageError(
                "the folder holds something that is not of the demo",
                found=f"{first} in {out}",
                expected="a new folder, an empty one, or that of an earlier demo",
                mend=f"unetkit demo --out {_free_name(out)}",
            )
        mark = found
        _require_no_strangers(out, mark)
    write_json(out / MARK, mark)
    return mark


def _require_no_strangers(out: Path, mark: Mapping[str, Any]) -> None:
    """Refuse a demo's folder in which the user put files of their own where the demo writes."""
    strangers = []
    for name, chapter in CHAPTERS.items():
        images = [stem for part in chapter.names().values() for stem in part]
        known = {out / name / folder / f"{stem}.png" for folder in ("images", "masks") for stem in images}
        known |= {out / name / file for file in ("splits.json", "classes.yaml", "README.md")}
        files = (path for path in sorted((out / name).rglob("*")) if path.is_file() and not path.name.startswith("."))
        strangers += [path for path in files if path not in known]
        run = out / "runs" / name
        if run.exists() and name not in mark["runs"]:
            strangers.append(run)
    if strangers:
        raise UsageError(
            "the demo would write over something of yours",
            found=", ".join(str(path) for path in strangers[:4]),
            expected="only what an earlier demo wrote",
            mend=f"move it elsewhere, or unetkit demo --out {_free_name(out)}",
        )


def _free_name(out: Path) -> Path:
    return next(path for n in range(2, 10_000) if not (path := out.with_name(f"{out.resolve().name}-{n}")).exists())
