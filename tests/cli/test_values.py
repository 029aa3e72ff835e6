"""Times as people type them."""

from __future__ import annotations

import pytest

from unetkit.cli.values import seconds
from unetkit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("1h 30m", 5400), (None, None)],
)
def test_times_are_understood(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "ten", "10x", "-5m", "0", "5m!", "m5", "nan", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected such as"):
        seconds(text)
