"""A run folder: what stands where, and how its files are kept whole."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from unetkit.errors import RunError
from unetkit.files import read_json, replacing, write_json, write_text

COLUMNS = ("step", "seconds", "learning_rate", "train_loss", "val_loss", "val_score")


class RunFolder:
    """One run's folder.

    Args:
        path: such as runs/2026-01-31-cells.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def plan(self) -> Path:
        return self.path / "plan.yaml"

    @property
    def classes(self) -> Path:
        return self.path / "classes.yaml"

    @property
    def split(self) -> Path:
        return self.path / "split.json"

    @property
    def status(self) -> Path:
        return self.path / "STATUS.json"

    @property
    def best(self) -> Path:
        return self.path / "weights" / "best.safetensors"

    @property
    def last(self) -> Path:
        return self.path / "weights" / "last.pt"

    @property
    def guard(self) -> Path:
        return self.path / "guard.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def begun(self) -> bool:
        """Whether there is something to resume: a plan, or the folds of a cross-validation."""
        return self.plan.is_file() or (self.path / "folds.json").is_file()

    @property
    def trained(self) -> bool:
        """Whether only the evaluation, or nothing, is left to be done."""
        status = self.read_json("STATUS.json") or {}
        return status.get("state") == "done" or status.get("phase") == "evaluation"

    @property
    def verdict(self) -> str:
        """Which weights a guarded run kept, and by how much; "" of other runs."""
        return str((self.read_json("guard.json") or {}).get("verdict", ""))

    def kept(self) -> str:
        """In words, what a stopped run has to go on from."""
        if not self.begun:
            return "nothing was begun"
        if self.trained:
            return "the training is done and kept, only its evaluation is not"
        if folds := self.read_json("folds.json"):
            done = sum(RunFolder(self.path / name).trained for name in folds["folds"])
            return f"all is kept, with {done} of {len(folds['folds'])} folds trained"
        state = self.load_state()
        return "the plan is kept" if state is None else f"everything up to step {state['step']} is kept"

    def require(self) -> RunFolder:
        """This folder, once it is known to hold a trained model.

        Raises:
            RunError: no such folder, or training has not produced weights yet.
        """
        if not self.path.is_dir():
            raise RunError("there is no such run", file=self.path, mend="name the folder 'unetkit train' wrote")
        for needed in (self.plan, self.classes, self.best):
            if not needed.is_file():
                raise RunError(
                    f"is no finished run: {needed.relative_to(self.path)} is missing",
                    file=self.path,
                    mend=f"finish it with 'unetkit train DATA --out {self.path} --resume'",
                )
        return self

    def say(self, line: str) -> None:
        """Append a line with the time to log.txt."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {line}\n")

    def set_status(self, state: str, **more: Any) -> None:
        """Write STATUS.json: running, stopped, failed or done; `phase`, training or evaluation; and since when."""
        write_json(self.status, {"state": state, "time": f"{datetime.now().astimezone():%Y-%m-%dT%H:%M:%S%z}", **more})

    def save_weights(self, weights: dict[str, torch.Tensor], **facts: Any) -> None:
        """Write weights/best.safetensors with the facts (step, score, …) in its header."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        with replacing(self.best) as temporary:
            # one entry only: safetensors writes several in no fixed order, and equal runs shall give equal files
            save_file(tensors, temporary, {"facts": json.dumps(facts)})

    def load_weights(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The best weights and the facts they were saved with.

        Raises:
            RunError: damaged file.
        """
        with self._weights() as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iterator)
        return weights, self.load_facts()

    def load_facts(self) -> dict[str, Any]:
        """The facts that the best weights were saved with, without these.

        Raises:
            RunError: damaged file.
        """
        with self._weights() as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get("facts", "{}"))
        return facts

    @contextmanager
    def _weights(self) -> Iterator[Any]:
        try:
            with safe_open(self.best, "pt") as file:
                yield file
        except (OSError, SafetensorError, ValueError) as error:
            raise RunError("cannot be read as weights", file=self.best, found=error, mend="train again") from error

    def save_state(self, state: dict[str, Any]) -> None:
        """Write weights/last.pt: everything that resuming needs."""
        with replacing(self.last) as temporary:
            torch.save(state, temporary)

    def load_state(self) -> dict[str, Any] | None:
        """What `save_state` wrote last, or None where it never did.

        Raises:
            RunError: damaged file.
        """
        if not self.last.is_file():
            return None
        try:
            state = torch.load(self.last, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file
            raise RunError("cannot be resumed from", file=self.last, found=error, mend="train anew") from error
        if not isinstance(state, dict) or "step" not in state:
            raise RunError("is no training state", file=self.last, mend="train anew")
        return state

    def write_history(self, rows: list[dict[str, float]], events: list[dict[str, Any]]) -> None:
        """Write results.csv (a line a validation) and events.jsonl, each whole."""
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
        write_text(self.path / "results.csv", text.getvalue())
        write_text(self.path / "events.jsonl", "".join(json.dumps(event) + "\n" for event in events))

    def read_history(self) -> list[dict[str, float]]:
        """The rows of results.csv; none where training has not validated yet."""
        path = self.path / "results.csv"
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]

    def read_kept_history(self) -> list[dict[str, float]]:
        """The rows of results.csv that led to the weights: of a guarded run, without those of the other branch."""
        rows, found = self.read_history(), self.read_json("guard.json")
        if found is None:
            return rows
        fork, turn = (found["branches"].get(name, math.inf) for name in ("supervised", "method"))
        alone = found["kept"] == "supervised"
        return [row for row in rows if row["step"] <= (turn if alone else fork) or (row["step"] > turn and not alone)]

    def read_json(self, name: str) -> Any:
        """A JSON file of the run, or None where it is absent."""
        path = self.path / name
        return read_json(path) if path.is_file() else None
