"""A run is exported as it is: on its own test images, in the numbers it was trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unetkit.cli import app
from unetkit.errors import UsageError
from unetkit.export import EXPORTS
from unetkit.formats import read_image
from unetkit.pipeline import Options, export, load_predictor, train

TINY = ("model.width=4", "model.depth=2", "training.patch=[32, 32]", "prediction.augment=true")


@pytest.fixture(scope="module")
def run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "discs"
    return train(discs, Options(steps=4, model="unet", settings=TINY), out=out).path


def test_the_command_writes_says_and_refuses(run: Path, discs: Path) -> None:
    words = ["export", str(run), "--format", "onnx,pt2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "input uint8; checked on 2 test images of the run" in done.output
    assert "flipped views" in done.output
    image = read_image(discs / "images" / "disc_0.png")
    truth = load_predictor(run, augment=False).probabilities(image)
    for name, file in (("onnx", "discs.onnx"), ("pt2", "discs.pt2")):
        copy = EXPORTS[name].open(run / "export" / file)
        np.testing.assert_allclose(copy(image.pixels[None])[0], truth, atol=1e-5)
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.output


def test_json_lists_the_files(run: Path, tmp_path: Path) -> None:
    words = ["export", str(run), "--format", "pt2", "--out", str(tmp_path), "--input-type", "uint16", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.output)
    assert one["format"] == "pt2"
    assert one["files"] == [str(tmp_path / "discs.pt2")]
    assert one["difference"] < 1e-5
    assert EXPORTS["pt2"].open(tmp_path / "discs.pt2")(np.ones((1, 1, 3, 5), np.uint16)).shape == (1, 2, 3, 5)


def test_folds_are_exported_together_and_without_their_data(run: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    for fold in ("fold_1", "fold_2"):
        shutil.copytree(run, both / fold)
        gone = json.loads((both / fold / "data.json").read_text()) | {"data": str(tmp_path / "nowhere")}
        (both / fold / "data.json").write_text(json.dumps(gone))
    (both / "folds.json").write_text(json.dumps({"folds": ["fold_1", "fold_2"]}))
    said: list[str] = []
    (one,) = export(both, ["pt2"], say=said.append)
    assert one.files == (both / "export" / "both.pt2",)
    assert "random image" in said[0]
    assert "gone" in said[0]


def test_a_network_that_cannot_be_pruned_says_so(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pruned"):
        export(run, ["pt2"], tmp_path, prune=1)
