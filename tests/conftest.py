"""What every test may lean on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("UNETKIT_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real annotated data sets; tests that need it are skipped, and say so, where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real data is absent: {REAL_DATA} does not exist (set UNETKIT_REAL_DATA to use another folder)")
    return REAL_DATA
