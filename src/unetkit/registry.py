"""Names to things: every registry is a plain dict, this is how a name is looked up in one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from unetkit.errors import UnknownName

T = TypeVar("T")


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry called `name`, or an error that lists the nearest names.

    Args:
        table: a registry, such as `unetkit.models.MODELS`.
        name: what the user typed.
        kind: what the registry holds, in one word, for the error.

    Returns:
        The registered thing.

    Raises:
        UnknownName: no entry has that name; the nearest ones are in the message.

    Example:
        >>> lookup({"unet": 1}, "unet", "model")
        1
    """
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=3, cutoff=0.4)
    known = ", ".join(sorted(table))
    raise UnknownName(
        f"no {kind} is called '{name}'",
        expected=f"one of {known}",
        mend=f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None,
    )
