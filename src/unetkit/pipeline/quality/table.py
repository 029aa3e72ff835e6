"""The table of what a folder's predictions are worth: quality.csv."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path
from time import monotonic
from types import TracebackType

from unetkit.errors import FileError, RunError, UsageError
from unetkit.evaluation import csv_text
from unetkit.files import write_text
from unetkit.pipeline.quality.judge import Judge, Judgement
from unetkit.pipeline.quality.record import known_qualities
from unetkit.prediction import Predictor
from unetkit.training import RunFolder

COLUMNS = tuple(field.name for field in fields(Judgement))
"""The columns of quality.csv, in order."""

EVERY = 10.0
"""Seconds after which the table is written again while it grows."""

UNKNOWN = "the run does not know how good its predictions are: 'unetkit evaluate RUN' finds out"


class Judging:
    """Judges images while they are predicted; at the end of the block, however it ends, the table is written.

    Rows of images that were predicted earlier stay.

    Args:
        run: the run, or the cross-validation.
        predictor: its networks.
        out: the folder of the table.
        needed: whether calibrated probabilities are asked for.

    Attributes:
        temperature: by which logits are to be divided; 1 where nothing is known.

    Raises:
        RunError: they are asked for, and the run does not know its temperature.
        UsageError: another file of that name stands there.
        RunError: what the run knows is damaged.
    """

    def __init__(self, run: RunFolder, predictor: Predictor, out: Path, *, needed: bool = False) -> None:
        self.path, self.written = out / "quality.csv", monotonic()
        qualities = known_qualities(run)
        if needed and not qualities:
            raise RunError(
                "does not know how to calibrate its probabilities", file=run.path, mend=f"unetkit evaluate {run.path}"
            )
        self.judge = Judge(predictor, qualities) if qualities else None
        self.temperature = self.judge.temperature if self.judge else 1.0
        self.rows = read_rows(self.path) if qualities else {}
        self.said = False

    def __enter__(self) -> Judging:
        return self

    def notes(self) -> tuple[str, ...]:
        """What the user should know of them all; it is said once."""
        unknown = self.judge is None and not self.said
        self.said = True
        return (UNKNOWN,) if unknown else ()

    def take_up(self, name: str) -> Judgement | None:
        """Judge the image that was predicted last; the file follows every few seconds.

        Args:
            name: of the image.

        Returns:
            None where the run does not know how good its predictions are.

        Raises:
            FileError: the table cannot be written, or the image cannot be read again.
        """
        if self.judge is None:
            return None
        judgement = self.judge.last(name)
        self.rows[name] = asdict(judgement)
        if monotonic() - self.written > EVERY:
            self._write()
        return judgement

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write()
        except FileError:
            if kind is None:  # else what came first is to be told
                raise

    def _write(self) -> None:
        if self.rows:
            write_text(self.path, csv_text(COLUMNS, self.rows.values()))
        self.written = monotonic()


def read_rows(path: Path) -> dict[str, dict[str, object]]:
    """The rows of a table by their images; none where there is no table.

    Raises:
        UsageError: it is no table of this kind.
    """
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UsageError(
                "is no table of what predictions are worth, and would be replaced",
                file=path,
                expected=f"the columns {', '.join(COLUMNS)}",
                mend="move it, or name another --out",
            )
        return {row["image"]: dict(row) for row in reader}
