"""What every test may lean on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from unetkit.formats import write_image, write_mask
from unetkit.prediction import predictor

# a shell's background job ignores Ctrl+C, and so would every process that the tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

# test times vary with the machine: a slow example is no failure
hypothesis.settings.register_profile("unetkit", deadline=None, derandomize=True)
hypothesis.settings.load_profile("unetkit")

REAL_DATA = Path(os.environ.get("UNETKIT_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real annotated data sets; tests that need it are skipped, and say so, where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real data is absent: {REAL_DATA} does not exist (set UNETKIT_REAL_DATA to use another folder)")
    return REAL_DATA


def draw_discs(root: Path, *, images: int = 8, size: int = 64, seed: int = 0) -> Path:
    """A small dataset of bright discs on noise, with 0/255 masks."""
    generator = np.random.default_rng(seed)
    rows, columns = np.indices((size, size))
    for n in range(images):
        mask = np.zeros((size, size), bool)
        for _ in range(5):
            row, column, radius = *generator.integers(6, size - 6, 2), generator.integers(4, 9)
            mask |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        pixels = np.clip(mask * 90 + generator.normal(80, 20, mask.shape), 0, 255).astype(np.uint8)
        write_image(root / "images" / f"disc_{n}.png", pixels[None])
        write_mask(root / "masks" / f"disc_{n}.png", mask.astype(np.uint8) * 255)
    return root


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of discs, not to be changed."""
    return draw_discs(tmp_path_factory.mktemp("data") / "discs")


@pytest.fixture
def narrow_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are read with their halo and no more, so that a halo that is too narrow shows."""
    monkeypatch.setattr(predictor, "LEAST", {2: 0, 3: 0})
