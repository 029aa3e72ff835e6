"""What a run knows of how good its predictions are: RUN/quality.json."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unetkit.errors import RunError
from unetkit.files import write_text
from unetkit.metrics.reliability import COLDEST, HOTTEST
from unetkit.pipeline.loading import member_runs
from unetkit.pipeline.quality.distance import Familiar
from unetkit.pipeline.quality.expected import Expectation
from unetkit.training import RunFolder

FILE = "quality.json"


class Quality(BaseModel):
    """Learnt from a run's validation images, and from what its training images look like to the network.

    Args:
        weights: the facts of the weights it was learnt with; with others it does not hold.
        images: validation images that were looked at.
        temperature: by which logits are to be divided.
        error: the expected calibration error of the network's own probabilities on these images; None without pixels.
        scaled_error: that at the temperature.
        expectation: from what a prediction claims to the Dice to be expected.
        familiar: what the training images look like to the network; None where no image could tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weights: dict[str, Any]
    images: int
    temperature: float = Field(ge=COLDEST, le=HOTTEST)
    error: float | None
    scaled_error: float | None
    expectation: Expectation
    familiar: Familiar | None


def write_quality(run: RunFolder, quality: Quality) -> None:
    """Keep it with the run, whole or not at all."""
    write_text(run.path / FILE, quality.model_dump_json() + "\n")  # on one line: it is mostly features


def read_quality(run: RunFolder) -> Quality | None:
    """What is known of a run's predictions; None for a run that never found out, or was trained on since.

    Raises:
        RunError: the file is damaged.

    Example:
        >>> read_quality(RunFolder("runs/cells")).temperature  # doctest: +SKIP
        1.31
    """
    found = run.read_json(FILE)
    if found is None:
        return None
    try:
        quality = Quality.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise RunError(
            "does not say how good predictions are",
            file=run.path / FILE,
            found=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            mend=f"delete it; 'unetkit evaluate {run.path}' makes it anew",
        ) from error
    return quality if quality.weights == run.load_facts() else None


def known_qualities(run: RunFolder) -> list[Quality]:
    """What is known of each of a run's networks, in the order in which they are loaded; none where one is unknown."""
    found = [read_quality(member) for member in member_runs(run)]
    known = [quality for quality in found if quality is not None]
    return known if len(known) == len(found) else []
