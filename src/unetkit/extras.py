"""Optional packages, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from unetkit.errors import MissingExtra


def load(module: str, extra: str) -> Any:
    """An optional module.

    Args:
        module: its dotted name.
        extra: the extra of unetkit that brings it.

    Raises:
        MissingExtra: it is not installed, or does not load.

    Example:
        >>> load("json", "zarr").dumps([1])
        '[1]'
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(module.partition(".")[0], extra, error) from error
