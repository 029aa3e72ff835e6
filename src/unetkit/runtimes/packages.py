"""Optional packages, imported when they are needed, and without the reports that some of them send home."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unetkit import extras

REPORTER = "openvino_telemetry"
"""What `import openvino` reports its use with, over the network; where it is absent, OpenVINO does without."""


def load(package: str, extra: str) -> Any:
    """An optional package.

    Args:
        package: its name.
        extra: the extra of unetkit that brings it.

    Raises:
        MissingExtra: it is not installed, or does not load.

    Example:
        >>> load("json", "onnx").dumps([1])
        '[1]'
    """
    with _without(REPORTER):
        return extras.load(package, extra)


@contextmanager
def _without(package: str) -> Iterator[None]:
    """A package that is not imported yet cannot be imported meanwhile."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
