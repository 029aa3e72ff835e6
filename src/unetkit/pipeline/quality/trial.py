"""Judgements put to the test: images are judged as if they had no mask, and then compared with it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from unetkit.evaluation import csv_text
from unetkit.files import write_json, write_text
from unetkit.metrics.bootstrap import number
from unetkit.metrics.confusion import confusion_matrix
from unetkit.metrics.reliability import Reliability, reliability
from unetkit.pipeline.quality.judge import Judge
from unetkit.pipeline.quality.pixels import labelled_pixels
from unetkit.pipeline.quality.record import Quality
from unetkit.pipeline.quality.table import COLUMNS
from unetkit.pipeline.validation import mean_dice
from unetkit.prediction import Predictor
from unetkit.report.quality_charts import QualitySheet

FEWEST = 3
"""Images below which a rank correlation says nothing."""


class Trial:
    """Fills itself while images are predicted for an evaluation.

    Attributes:
        rows: one an image: the columns of quality.csv, and `dice`, the true one.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.own: Reliability | None = None
        self.scaled: Reliability | None = None
        self.judge: Judge | None = None

    def of(self, predictor: Predictor, qualities: list[Quality]) -> Predictor:
        """Judge the predictor's images from now on; nothing where nothing is known of its networks."""
        self.judge = Judge(predictor, qualities) if qualities else None
        return predictor

    def compare(
        self,
        name: str,
        labels: npt.NDArray[np.uint8],
        log_probabilities: npt.NDArray[np.float32],
        truth: npt.NDArray[np.uint8],
    ) -> None:
        """The image that was predicted last.

        Args:
            name: of the image.
            labels: *S, as predicted.
            log_probabilities: K *S.
            truth: *S, 255 where nobody labelled.
        """
        if self.judge is None:
            return
        dice = mean_dice(confusion_matrix(labels, truth, len(log_probabilities)))
        self.rows.append({**asdict(self.judge.last(name)), "dice": dice})
        logs, true = labelled_pixels(log_probabilities, truth)
        own, scaled = (reliability(logs, true, temperature=one) for one in (1.0, self.judge.temperature))
        self.own = own if self.own is None else self.own + own
        self.scaled = scaled if self.scaled is None else self.scaled + scaled

    def sheet(self) -> QualitySheet | None:
        """What the report shows; None where nothing was judged."""
        if self.own is None or self.scaled is None or self.judge is None:
            return None
        return QualitySheet(
            images=self.rows,
            spearman=self.spearman(),
            temperature=self.judge.temperature,
            own=self.own.rows(),
            own_error=number(self.own.error),
            scaled=self.scaled.rows(),
            scaled_error=number(self.scaled.error),
        )

    def spearman(self) -> float | None:
        """The rank correlation of expected and true Dice; None for too few images, or equal ones."""
        pairs = np.array([[row["expected_dice"], row["dice"]] for row in self.rows]).reshape(-1, 2)
        expected, true = pairs[np.isfinite(pairs).all(1)].T
        if len(true) < FEWEST or len(set(expected)) == 1 or len(set(true)) == 1:
            return None
        return float(np.corrcoef(rankdata(expected), rankdata(true))[0, 1])

    def write(self, folder: Path) -> None:
        """quality.csv with the true Dice, and quality.json; those of an earlier evaluation go where there are none."""
        table, summary = folder / "quality.csv", folder / "quality.json"
        sheet = self.sheet()
        if sheet is None:
            table.unlink(missing_ok=True)
            summary.unlink(missing_ok=True)
            return
        write_text(table, csv_text((*COLUMNS, "dice"), self.rows))
        write_json(summary, {key: value for key, value in asdict(sheet).items() if key != "images"})
