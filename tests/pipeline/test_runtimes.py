"""Runtimes where users meet them: chosen where it matters, kept through a stop, measured by quantize."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unetkit.cli import app
from unetkit.errors import FileError, RunError, UnetkitError, UsageError
from unetkit.formats import read_image, read_mask, write_image
from unetkit.image import Image
from unetkit.pipeline import Options, infer, load_predictor, predict, quantize, train
from unetkit.prediction import Predictor, choose_runtime, fastest
from unetkit.runtimes import RUNTIMES, usable

OPTIONS = Options(
    steps=60, model="unet", settings=("model.width=4", "model.depth=2", "training.patch=[32, 32]", "training.batch=4")
)


@pytest.fixture(scope="module")
def run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(discs, OPTIONS, out=tmp_path_factory.mktemp("runs") / "discs").path


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What a pass takes on each runtime, as `choose_runtime` shall find it."""
    stated = {"torch": 1.0, "onnxruntime": 0.9, "openvino": 0.5}
    monkeypatch.setattr(fastest, "WORTH", 0.0)
    monkeypatch.setattr(fastest, "WORTH_AT_HAND", 0.0)

    def measured(self: Predictor, side: int) -> float:
        engines = {id(engine): name for name, engine in opened}
        return stated[engines.get(id(self.engines[0]), "torch")]

    opened: list[tuple[str, Callable[..., object]]] = []
    run_on = Predictor.run_on

    def noted(self: Predictor, runtime: str) -> None:
        run_on(self, runtime)
        opened.append((runtime, self.engines[0]))

    monkeypatch.setattr(Predictor, "seconds", measured)
    monkeypatch.setattr(Predictor, "run_on", noted)
    return stated


def test_quantize_measures_every_runtime_and_predict_takes_what_it_wrote(
    run: Path, discs: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with pytest.raises(FileError, match=r"were not quantised.*unetkit quantize RUN"):
        load_predictor(copy, device="cpu", precision="int8")
    rows = quantize(copy)
    assert [(row.runtime, row.precision) for row in rows] == [
        ("torch", "float32"),
        ("onnxruntime", "float32"),
        ("openvino", "float32"),
        ("onnxruntime", "int8"),
        ("openvino", "int8"),
    ]
    for row in rows:
        assert row.pixels_per_second > 0
        assert row.dice is not None
        assert row.difference is not None
        assert row.difference.mean == pytest.approx(row.dice - (rows[0].dice or 0), abs=1e-9)
        assert abs(row.difference.mean) < (0.02 if row.precision == "int8" else 1e-6)
        assert (row.changed > 0) == (row.precision == "int8")
    written = {path: path.stat().st_mtime_ns for path in (copy / "runtimes").iterdir()}
    assert len(written) == 2
    quantize(copy)
    assert {path: path.stat().st_mtime_ns for path in (copy / "runtimes").iterdir()} == written
    image = read_image(discs / "images" / "disc_0.png")
    own = load_predictor(copy, device="cpu", precision="int8")
    assert (own.runtime, own.settled) == ("onnxruntime", False)
    labels = load_predictor(copy, device="cpu").labels(image)
    assert 0 < np.mean(own.labels(image) != labels) < 0.05


def test_quantize_on_the_command_line(run: Path, discs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["quantize", str(run)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "ranges from" in lines[0]
    assert [line.split()[0] for line in lines if "float32" in line or "int8" in line] == [
        "torch",
        "onnxruntime",
        "openvino",
        "onnxruntime",
        "openvino",
    ]
    rows = json.loads(CliRunner().invoke(app, ["quantize", str(run), "--json"]).stdout)
    assert rows[4]["difference"]["n"] == rows[0]["images"]
    arguments = ["predict", str(run), str(discs / "images"), "--out", str(tmp_path), "--precision", "int8"]
    done = CliRunner().invoke(app, [*arguments, "--runtime", "openvino"])
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("*.png"))) == 8


def test_quantize_needs_images(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    about = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps({**about, "data": str(tmp_path / "gone")}))
    shutil.rmtree(copy / "runtimes", ignore_errors=True)
    with pytest.raises(RunError, match="data it was trained on are gone"):
        quantize(copy)


def test_quantize_needs_images_of_the_part(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    (tmp_path / "run" / "split.json").write_text(json.dumps({**split, "test": [], "val": split["val"] + split["test"]}))
    with pytest.raises(UsageError, match="the run has no test images"):
        quantize(tmp_path / "run", split="test")


def test_a_tile_below_nothing_is_refused(run: Path) -> None:
    with pytest.raises(UsageError, match="the side of the tiles is below 0; found -4"):
        load_predictor(run, tile=-4)


@pytest.mark.parametrize(("openvino", "taken"), [(0.5, "openvino"), (0.95, "torch")])
def test_the_fastest_is_taken_where_it_is_clearly_faster(
    run: Path, seconds: dict[str, float], openvino: float, taken: str
) -> None:
    seconds |= {"openvino": openvino, "onnxruntime": 0.98}
    predictor = load_predictor(run, device="cpu")
    notes = choose_runtime(predictor, lambda: 10**9)
    assert (predictor.runtime, predictor.settled) == (taken, True)
    assert notes == (() if taken == "torch" else ("on openvino, 2.0 × as fast here as torch",))
    assert choose_runtime(predictor, lambda: pytest.fail("asked again")) == ()


def test_little_work_is_left_to_torch(run: Path, seconds: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastest, "WORTH", 60.0)
    monkeypatch.setattr(fastest, "WORTH_AT_HAND", 60.0)
    predictor = load_predictor(run, device="cpu")
    assert choose_runtime(predictor, lambda: 59 * 512**2) == ()
    assert predictor.runtime == "torch"
    predictor = load_predictor(run, device="cpu")
    assert choose_runtime(predictor, lambda: 61 * 512**2) != ()
    assert predictor.runtime == "openvino"


def test_what_was_asked_for_stays(run: Path, seconds: dict[str, float]) -> None:
    predictor = load_predictor(run, device="cpu", runtime="onnxruntime")
    assert choose_runtime(predictor, lambda: 10**9) == ()
    assert predictor.runtime == "onnxruntime"


def test_a_runtime_that_fails_is_left_out_loudly(
    run: Path, seconds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on = Predictor.run_on

    def failing(self: Predictor, runtime: str) -> None:
        if runtime == "openvino":
            raise UnetkitError("no such processor")
        run_on(self, runtime)

    monkeypatch.setattr(Predictor, "run_on", failing)
    seconds["onnxruntime"] = 0.5
    predictor = load_predictor(run, device="cpu")
    assert choose_runtime(predictor, lambda: 10**9) == (
        "openvino was left out: no such processor",
        "on onnxruntime, 2.0 × as fast here as torch",
    )


def test_a_stopped_prediction_goes_on_with_its_runtime(
    run: Path, tmp_path: Path, seconds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    pixels = np.random.default_rng(0).integers(0, 255, (1, 400, 300)).astype(np.uint8)
    write_image(tmp_path / "a.tif", pixels)

    def stop(name: str, share: float, pixels: int) -> None:
        if share > 0.5 and pixels:
            raise KeyboardInterrupt

    def fresh() -> Predictor:
        return load_predictor(run, device="cpu", augment=False, tile=64)

    (expected,) = predict(run, [tmp_path / "a.tif"], tmp_path / "expected", predictor=fresh())
    assert any("on openvino" in note for note in expected.notes)
    with pytest.raises(KeyboardInterrupt):
        list(predict(run, [tmp_path / "a.tif"], tmp_path / "out", predictor=fresh(), progress=stop))
    seconds["openvino"] = 5.0  # by now another would be chosen
    predictor = fresh()
    (done,) = predict(run, [tmp_path / "a.tif"], tmp_path / "out", predictor=predictor)
    assert predictor.runtime == "openvino"
    assert any("gone on from" in note for note in done.notes)
    assert done.written[0].read_bytes() == expected.written[0].read_bytes()
    # another runtime that is asked for begins anew
    with pytest.raises(KeyboardInterrupt):
        list(predict(run, [tmp_path / "a.tif"], tmp_path / "other", predictor=fresh(), progress=stop))
    predictor = load_predictor(run, device="cpu", augment=False, tile=64, runtime="openvino")
    (done,) = predict(run, [tmp_path / "a.tif"], tmp_path / "other", predictor=predictor)
    assert any("begun anew" in note for note in done.notes)
    assert (read_mask(done.written[0]).values == read_mask(expected.written[0]).values).all()


def test_tiles_on_any_runtime_give_what_one_pass_on_torch_gives(run: Path) -> None:
    image = read_image(next((run / "test" / "overlays").glob("*.png"))).pixels[:1, :150, :170]

    whole = load_predictor(run, device="cpu", augment=False, tile=2**31, runtime="torch").log_probabilities(
        Image(image)
    )
    for name in RUNTIMES:
        tiled = load_predictor(run, device="cpu", augment=False, tile=32, runtime=name)
        assert np.abs(tiled.log_probabilities(Image(image)) - whole).max() < 1e-4
    assert usable("cpu", "float32") == list(RUNTIMES)
