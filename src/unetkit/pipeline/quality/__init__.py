"""How good a prediction is where no mask can tell: expected Dice, agreement, distance to the training images."""

from unetkit.pipeline.quality.judge import Judge, Judgement
from unetkit.pipeline.quality.record import Quality, known_qualities, read_quality
from unetkit.pipeline.quality.table import COLUMNS, Judging
from unetkit.pipeline.quality.trial import Trial

__all__ = [
    "COLUMNS",
    "Judge",
    "Judgement",
    "Judging",
    "Quality",
    "Trial",
    "known_qualities",
    "read_quality",
]
