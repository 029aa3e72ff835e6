"""What users type, understood: times, lists, and errors turned into one line and an exit code."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from unetkit.errors import UnetkitError, UsageError

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds(text: str | None) -> float | None:
    """A time such as 90, 90s, 10m, 1.5h or 1h30m, in seconds.

    Raises:
        UsageError: not a time, or not more than nothing.

    Example:
        >>> seconds("1h30m")
        5400.0
    """
    if text is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    whole = "".join(number + unit for number, unit in parts)
    fits = parts and whole == re.sub(r"\s", "", text.lower()) and all(unit in _UNITS for _, unit in parts)
    total = sum(float(number) * _UNITS[unit] for number, unit in parts) if fits else 0.0
    if total <= 0:
        raise UsageError("the time is not understood", found=repr(text), expected="such as 90s, 10m, 1.5h or 1h30m")
    return total


def levels(text: str) -> tuple[int, ...] | None:
    """Levels such as 2 or 1,2; None for "all".

    Raises:
        UsageError: neither.

    Example:
        >>> levels("1, 2")
        (1, 2)
    """
    if text.strip() == "all":
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError("the levels are not understood", found=repr(text), expected="all, or such as 2 or 1,2")
    return tuple(int(part) for part in parts)


def listed(text: str) -> list[str]:
    """Names with commas between them.

    Example:
        >>> listed("labels, objects,")
        ['labels', 'objects']
    """
    return [part.strip() for part in text.split(",") if part.strip()]


def numbers(text: str) -> tuple[float, ...]:
    """Numbers above 0 with commas, such as 0.5 or 2,0.5,0.5.

    Raises:
        UsageError: something else.

    Example:
        >>> numbers("2, 0.5")
        (2.0, 0.5)
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < number < float("inf") for number in found):
        raise UsageError(
            "the numbers are not understood", found=repr(text), expected="above 0, such as 0.5 or 2,0.5,0.5"
        )
    return found


def tile_side(text: str | None) -> int | None:
    """The side of the tiles, such as 512; more than any image has, for "whole".

    Raises:
        UsageError: neither.

    Example:
        >>> tile_side("512"), tile_side("whole")
        (512, 2147483648)
    """
    if text is None:
        return None
    if text.strip() == "whole":
        from unetkit.prediction import WHOLE

        return WHOLE
    if not text.strip().isdecimal():
        raise UsageError("the tile is not understood", found=repr(text), expected="whole, or pixels, such as 512")
    return int(text)


@contextmanager
def reporting(as_json: bool = False) -> Iterator[None]:
    """Turn errors that are the user's to mend into one message and an exit code, without a traceback."""
    try:
        yield
    except UnetkitError as error:
        if as_json:
            say_json({"error": str(error), "kind": type(error).__name__})
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    except (MemoryError, RuntimeError) as error:
        # torch, too, runs out of memory with a RuntimeError; any other one is a defect and shows where it is
        if not isinstance(error, MemoryError) and not re.search("allocate memory|out of memory", str(error), re.I):
            raise
        what = (str(error) or "an array was too large").splitlines()[0][:120]
        mend = "a smaller training.patch or training.batch to train, --tile 512 to predict"
        print(f"error: out of memory ({what}). To mend it: {mend}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        words = [word for word in sys.argv[1:] if word != "--skip-existing"]
        what = f"To begin again: {shlex.join(['unetkit', *words])}"
        if words[:1] == ["predict"]:
            words = [word for word in words if word != "--overwrite"]
            what = f"To go on: {shlex.join(['unetkit', *words, '--skip-existing'])}"
        print(f"stopped; every file that stands is whole. {what}", file=sys.stderr)
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of our output left: nothing is wrong
        sys.stderr.close()
        raise typer.Exit(0) from None


def say_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))
