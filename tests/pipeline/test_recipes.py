"""The recipes for very large images are run as they stand in the documentation."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.formats.test_geo import mosaic, place
from tests.formats.test_geo import raster as geo_raster
from tests.pipeline.test_encodings import STEPS, dataset
from tests.pipeline.test_large import raster
from tests.test_docs import DOCS, blocks
from unetkit.cli import app
from unetkit.formats import read_header, read_image, write_image
from unetkit.image import Geometry
from unetkit.pipeline import train

VOLUMES = STEPS.__class__(steps=2, model="unet", settings=("model.width=4", "model.depth=1"))


def test_the_recipes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = dataset(tmp_path / "data", lambda labels: (labels, None), suffix=".tif")
    for path in (data / "images").iterdir():
        write_image(path, read_image(path).pixels, geometry=Geometry((0.5, 0.5), "um"))
    train(data, STEPS, out="runs/first")
    labels = np.zeros((12, 24, 24), np.uint8)
    labels[4:10, 5:15, 6:14] = 1
    for n in range(3):
        noise = np.random.default_rng(n).integers(0, 50, labels.shape)
        write_image(Path("volumes", "images", f"v{n}.tif"), (labels * 90 + noise)[None].astype(np.uint8))
        write_image(Path("volumes", "masks", f"v{n}.tif"), labels[None] * 255)
    train("volumes", VOLUMES, out="runs/volumes")
    raster(Path("NEW", "a.tif"), (1, 50, 60))
    raster(Path("slide.zarr"), (1, 130, 140), geometry=Geometry((0.25, 0.25), "um"))
    raster(Path("slide.tif"), (1, 130, 140), geometry=Geometry((0.25, 0.25), "um"))
    raster(Path("stack.zarr"), (1, 12, 40, 44), geometry=Geometry((2.0, 1.0, 1.0), "um"))
    geo_raster(Path("scene.tif"), read_image(Path("slide.tif")).pixels)
    Path("tiles").mkdir()
    geo_raster(Path("tiles", "a.tif"))
    mosaic(Path("mosaic.vrt"))
    commands = "".join(blocks(DOCS / "how-to" / "large.md", "console")).splitlines()
    assert len(commands) == 7
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command.removeprefix("$ unetkit ")))
        assert result.exit_code == 0, f"{command}\n{result.output}"
    assert read_header("predicted/slide.zarr").geometry.spacing == (0.25, 0.25)
    assert read_header("predicted/stack.zarr").shape == (1, 12, 40, 44)
    assert read_header("matched/slide.tif").shape == (1, 130, 140)
    assert place(Path("predicted/scene.tif"))[:2] == place(Path("scene.tif"))[:2]
    assert place(Path("predicted/mosaic.tif"))[:2] == place(Path("mosaic.vrt"))[:2]
