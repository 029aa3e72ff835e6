"""A trained run on discs, eight labelled and four not."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import draw_discs
from unetkit.files import write_json
from unetkit.pipeline import Options, train

SMALL = ("model.width=4", "model.depth=1", "training.patch=[32, 32]")


@dataclass(frozen=True)
class Trained:
    """A run, its data and the masks that were kept back."""

    run: Path
    data: Path
    kept_back: Path


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("active")
    data = draw_discs(root / "data", images=12)
    (root / "kept").mkdir()
    for number in (8, 9, 10, 11):
        (data / "masks" / f"disc_{number}.png").rename(root / "kept" / f"disc_{number}.png")
    parts = {"train": [0, 1, 2, 3, 8, 9, 10, 11], "val": [4, 5], "test": [6, 7]}
    write_json(data / "splits.json", {part: [f"disc_{n}" for n in numbers] for part, numbers in parts.items()})
    train(data, Options(steps=30, model="unet", settings=SMALL), out=root / "run")
    return Trained(root / "run", data, root / "kept")


@pytest.fixture
def trained(trained_once: Trained, tmp_path: Path) -> Trained:
    """A copy that may be changed."""
    shutil.copytree(trained_once.data, tmp_path / "data")
    shutil.copytree(trained_once.run, tmp_path / "run")
    facts = tmp_path / "run" / "data.json"
    facts.write_text(facts.read_text().replace(str(trained_once.data), str(tmp_path / "data")))
    return Trained(tmp_path / "run", tmp_path / "data", trained_once.kept_back)
