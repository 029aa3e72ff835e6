"""The ledger: what was suggested by which strategy and which model, kept beside the data as suggestions.json.

    rounds   one a run that made suggestions: how many labels it had learnt from, and what it suggested

A later call of the same run replaces its round, but for what was labelled since. A place that several rounds suggest
is credited to the last one.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from unetkit.errors import FileError
from unetkit.files import read_json, write_json
from unetkit.prediction.tiles import Edges

LEDGER = "suggestions.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Suggested(_Record):
    """A place that was suggested.

    Args:
        image: name of the image.
        file: where it stood.
        digest: of its content.
        window: (start, stop) along each axis.
        strategy: that chose it.
        surprise: how wrong the suggesting model was there, 0 to 1; None while nobody labelled it.
    """

    image: str
    file: Path
    digest: str
    window: Edges
    strategy: str
    surprise: float | None = None

    @property
    def key(self) -> tuple[str, Edges]:
        """What it is, whatever suggested it."""
        return self.digest, self.window


class Round(_Record):
    """What one run suggested.

    Args:
        run: its folder.
        images: labelled images it was trained on.
        pixels: labelled pixels of these.
        suggested: in order.
    """

    run: Path
    images: int
    pixels: int
    suggested: tuple[Suggested, ...] = ()


class Ledger(_Record):
    """All rounds, the oldest first."""

    version: int = 1
    rounds: tuple[Round, ...] = ()

    def with_round(self, new: Round) -> Ledger:
        """The ledger after another round; what an earlier one of the same run suggested stays where it was labelled."""
        before = [one for one in self.rounds if one.run != new.run]
        own = [s for one in self.rounds if one.run == new.run for s in one.suggested if s.surprise is not None]
        again = {s.key for s in new.suggested}
        kept = tuple(s for s in own if s.key not in again)
        return self.model_copy(
            update={"rounds": (*before, new.model_copy(update={"suggested": (*kept, *new.suggested)}))}
        )

    def credited(self) -> list[tuple[Round, Suggested]]:
        """Every suggested place once, with the last round that suggested it."""
        last = {s.key: (one, s) for one in self.rounds for s in one.suggested}
        return list(last.values())


def read_ledger(path: Path) -> Ledger:
    """The ledger in a file; an empty one where there is none.

    Raises:
        FileError: damaged, or of another version.
    """
    if not path.is_file():
        return Ledger()
    try:
        ledger = Ledger.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FileError(
            "is no ledger of suggestions", file=path, found=f"{where}: {first['msg']}", mend="move it out of the way"
        ) from error
    if ledger.version != Ledger().version:
        raise FileError("is a ledger of another version", file=path, found=ledger.version, expected=Ledger().version)
    return ledger


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Write a ledger, whole or not at all."""
    write_json(path, ledger.model_dump(mode="json"))
