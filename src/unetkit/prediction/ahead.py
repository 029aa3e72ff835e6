"""One step ahead: the next item is made while the present one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, each made in another thread while the one before it is used.

    Args:
        items: made one at a time, in their order; what making one raises is raised in its turn.

    Example:
        >>> list(ahead(range(3)))
        [0, 1, 2]
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "ahead") as thread:
        following = thread.submit(next, source, _END)
        while (item := following.result()) is not _END:
            following = thread.submit(next, source, _END)
            yield item  # type: ignore[misc]


_END = object()
