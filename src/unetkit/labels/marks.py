"""Marks: what a person says of an image without painting a whole mask.

A point lies in an object, a scribble is painted along a class, a box encloses an object, a region outlines one. One
JSON file an image holds them:

    {"complete": true,
     "marks": [{"kind": "point",    "class": "cell", "at": [[12, 40]]},
               {"kind": "scribble", "class": "background", "at": [[3, 4], [9, 30]], "width": 3},
               {"kind": "box",      "class": "cell", "at": [[50, 60], [70, 85]]},
               {"kind": "region",   "class": "cell", "at": [[80, 10], [80, 30], [95, 20]]}]}

Coordinates are (row, column), in pixels from the upper left corner of the image: pixel (r, c) covers r … r + 1 and
c … c + 1. `complete` says that every object of the image is marked; without a mark, that there is nothing in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unetkit.errors import FileError
from unetkit.files import read_json, write_text

Kind = Literal["point", "scribble", "box", "region"]

CORNERS: dict[Kind, tuple[int, int | None]] = {
    "point": (1, 1),
    "scribble": (1, None),
    "box": (2, 2),
    "region": (3, None),
}
"""How many positions a mark of each kind has, at least and at most."""

Number = Annotated[float, Field(allow_inf_nan=False)]


class Mark(BaseModel):
    """One mark.

    Args:
        kind: "point", "scribble", "box" or "region".
        name: of its class; `class` in the file.
        at: (row, column) of the point, along the scribble, of the box's upper left and lower right corner, or around
            the region.
        width: of a scribble, in pixels.

    Example:
        >>> Mark(kind="box", name="cell", at=((2, 3), (4, 8))).at[1]
        (4.0, 8.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: Kind
    name: str = Field(alias="class", min_length=1)
    at: tuple[tuple[Number, Number], ...]
    width: float = Field(3.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits(self) -> Mark:
        least, most = CORNERS[self.kind]
        if len(self.at) < least or (most is not None and len(self.at) > most):
            wanted = f"{least}" if most == least else f"{least} or more"
            raise ValueError(f"a {self.kind} has {len(self.at)} positions; expected {wanted}")
        if self.kind == "box":
            (top, left), (bottom, right) = self.at
            if not (top < bottom and left < right):
                raise ValueError(
                    f"a box without area: rows {top:g} to {bottom:g}, columns {left:g} to {right:g}; "
                    "expected its upper left corner, then its lower right one"
                )
        return self


class Marks(BaseModel):
    """All marks of an image.

    Args:
        complete: whether every object of the image is marked.
        marks: in the order in which they were made; later ones are painted over earlier ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    complete: bool = False
    marks: tuple[Mark, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Marks:
        if not self.complete and not self.marks:
            raise ValueError("no mark, and not complete, says nothing; for an image with nothing in it: complete: true")
        return self

    @property
    def names(self) -> frozenset[str]:
        """The classes that are marked."""
        return frozenset(mark.name for mark in self.marks)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of mark there are, each once."""
        return tuple(kind for kind in CORNERS if any(mark.kind == kind for mark in self.marks))


def read_marks(path: str | PathLike[str]) -> Marks:
    """The marks in a JSON file.

    Raises:
        FileError: no JSON, or a mark that is none; the message says which.
    """
    return checked_marks(read_json(path), path)


def checked_marks(value: object, path: str | PathLike[str]) -> Marks:
    """Marks from what a file holds.

    Raises:
        FileError: a mark that is none; the message says which.
    """
    try:
        return Marks.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = [f"mark {part + 1}" if isinstance(part, int) else str(part) for part in first["loc"] if part != "marks"]
        fault = first["msg"].removeprefix("Value error, ").replace("tuple", "list")
        raise FileError(": ".join([*where[:2], fault]), file=path) from error


def write_marks(path: str | PathLike[str], marks: Marks) -> None:
    """Write marks that `read_marks` reads back, whole or not at all.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_marks(path, Marks(complete=True))
        >>> read_marks(path).complete
        True
    """
    lines = [json.dumps(_plain(mark), ensure_ascii=False) for mark in marks.marks]
    body = ",\n    ".join(lines)
    text = f'{{\n  "complete": {json.dumps(marks.complete)},\n  "marks": [\n    {body}\n  ]\n}}\n'
    write_text(path, text if lines else f'{{"complete": {json.dumps(marks.complete)}}}\n')


def _plain(mark: Mark) -> dict[str, object]:
    left_out = set() if mark.kind == "scribble" else {"width"}
    return mark.model_dump(mode="json", by_alias=True, exclude=left_out)


def require_inside(marks: Marks, size: Sequence[int], path: str | PathLike[str]) -> int:
    """Refuse marks of which nothing lies in the image.

    Args:
        marks: of the image.
        size: (rows, columns).
        path: the file of the marks.

    Returns:
        How many marks reach beyond the image; they count up to its border.

    Raises:
        FileError: a mark that lies outside.
    """
    reaching = 0
    for number, mark in enumerate(marks.marks, 1):
        lows, highs = (
            [min(axis) for axis in zip(*mark.at, strict=True)],
            [max(axis) for axis in zip(*mark.at, strict=True)],
        )
        spans = list(zip(lows, highs, size, strict=True))
        if any(high < 0 or low >= extent for low, high, extent in spans):
            rows, columns = (f"{low:g} to {high:g}" if low != high else f"{low:g}" for low, high, _ in spans)
            raise FileError(
                f"mark {number}, a {mark.kind} of '{mark.name}', lies outside of the image",
                file=path,
                found=f"rows {rows}, columns {columns}",
                expected=f"rows 0 to {size[0]}, columns 0 to {size[1]}",
                mend="positions are (row, column), in pixels of this image",
            )
        reaching += any(low < 0 or high > extent for low, high, extent in spans)
    return reaching


def file_of(root: Path, name: str) -> Path:
    """Where the marks of an image stand: marks/NAME.json below a dataset's root."""
    return root / "marks" / f"{name}.json"
