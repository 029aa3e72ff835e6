"""The commands as users type them: outputs, exit codes, and one line instead of a traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import draw_discs
from tests.vector.conftest import PLACE
from unetkit.cli import app
from unetkit.formats import read_image, read_mask, write_image
from unetkit.image import Geometry
from unetkit.objects import read_table

TINY = ["--model", "unet", "--set", "model.width=4", "--set", "model.depth=2", "--set", "training.patch=[32, 32]"]


def unetkit(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unetkit", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def run(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "discs"
    unetkit("train", discs, "--steps", 60, *TINY, "--out", out)
    return out


def test_a_run_leaves_behind_what_the_documentation_names(run: Path) -> None:
    for name in (
        "plan.yaml", "classes.yaml", "split.json", "environment.json", "STATUS.json", "log.txt", "events.jsonl",
        "results.csv", "curves.svg", "weights/best.safetensors", "weights/last.pt", "test/per_image.csv",
        "test/summary.json", "report.html",
    ):  # fmt: skip
        assert (run / name).stat().st_size >= (0 if name in ("events.jsonl",) else 1), name
    assert list((run / "test" / "overlays").glob("*.png"))
    assert json.loads((run / "STATUS.json").read_text())["state"] == "done"


def test_a_cross_validation_is_resumed_as_one(discs: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds"
    unetkit("train", discs, "--steps", 3, *TINY, "--folds", 2, "--out", out)
    shutil.rmtree(out / "fold_2")
    unetkit("train", discs, "--out", out, "--resume")
    assert (out / "fold_2" / "weights" / "best.safetensors").is_file()


def test_check_says_ready_and_speaks_json(discs: Path) -> None:
    assert "ready to train on" in unetkit("check", discs).stdout
    assert json.loads(unetkit("check", discs, "--json").stdout)["ok"] is True


def test_plan_gives_reasons_and_a_file_to_edit(discs: Path, tmp_path: Path) -> None:
    out = unetkit("plan", discs, "--steps", 5, "--out", tmp_path / "plan.yaml").stdout
    assert "training.loss" in out
    assert "because" in out
    text = (tmp_path / "plan.yaml").read_text()
    assert "steps: 5" in text
    changed = tmp_path / "changed.yaml"
    changed.write_text(text.replace("steps: 5", "steps: 3"))
    unetkit("train", discs, "--plan", changed, "--out", tmp_path / "run")
    assert "steps: 3" in (tmp_path / "run" / "plan.yaml").read_text()


def test_predictions_come_in_the_encoding_of_the_masks(run: Path, discs: Path, tmp_path: Path) -> None:
    unetkit("predict", run, discs / "images", "--out", tmp_path, "--save", "labels,probabilities,overlay")
    for n in range(8):
        labels = read_mask(tmp_path / f"disc_{n}.png").values
        probabilities = read_image(tmp_path / f"disc_{n}_probabilities.tif").pixels
        assert set(np.unique(labels)) <= {0, 255}
        assert probabilities.shape == (2, *labels.shape)
        assert ((probabilities[1] > probabilities[0]) == (labels == 255)).all()
        assert read_image(tmp_path / f"disc_{n}_overlay.png").pixels.shape == (3, *labels.shape)
    refused = unetkit("predict", run, discs / "images", "--out", tmp_path, code=2)
    assert "--overwrite" in refused.stderr
    unetkit("predict", run, discs / "images", "--out", tmp_path, "--overwrite")
    inside = unetkit("predict", run, discs / "images", "--out", discs / "images", "--overwrite", code=2)
    assert "would replace an input image" in inside.stderr


def test_objects_are_counted_measured_and_go_to_other_programs(run: Path, discs: Path, tmp_path: Path) -> None:
    rule = "area_m2 > 1000"
    for name in ("disc_0", "disc_1"):
        pixels = read_image(discs / "images" / f"{name}.png").pixels
        write_image(
            tmp_path / "images" / f"{name}.tif", pixels, geometry=Geometry((10.0, 10.0), "m", {"geotiff": PLACE})
        )
    wanted = ["--save", "objects", "--keep", rule, "--objects-as", "geojson,coco"]
    said = unetkit("predict", run, tmp_path / "images", "--out", tmp_path / "out", *wanted).stdout
    assert "objects in 2 images" in said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    each = {f"{name}{end}" for name in ("disc_0", "disc_1") for end in ("_objects.tif", "_objects.csv", ".geojson")}
    assert names == {*each, "summary.csv", "summary.json", "coco.json", "quality.csv"}
    kept = 0
    for name in ("disc_0", "disc_1"):
        table = read_table(tmp_path / "out" / f"{name}_objects.csv")
        assert set(table["removed_by"]) <= {"", rule}
        assert ((table["area_m2"] > 1000) == (table["removed_by"] == "")).all()
        features = json.loads((tmp_path / "out" / f"{name}.geojson").read_text())["features"]
        assert [one["properties"]["object"] for one in features] == table["id"][table["removed_by"] == ""].tolist()
        kept += len(features)
    assert f"{kept} objects in 2 images" in said
    told = json.loads(
        unetkit("predict", run, tmp_path / "images", "--out", tmp_path / "out", *wanted, "--json", "--overwrite").stdout
    )
    assert sum(sum(one["kept"].values()) for one in told["objects"].values()) == kept > 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--save", "objects", "--objects-as", "geojson"], 1, "has no geo-reference"),
        (["--save", "objects", "--keep", "area_um2 > 20"], 2, "a column 'area_um2'"),
        (["--keep", "area_px > 20"], 2, "--save labels,objects"),
        (["--save", "objects", "--spacing", "0.5"], 2, "--unit um"),
        (["--save", "objects", "--table", "xlsx"], 2, ".csv, .parquet"),
    ],
)
def test_options_of_objects_that_cannot_be_met(
    run: Path, discs: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    done = CliRunner().invoke(
        app, ["predict", str(run), str(discs / "images" / "disc_0.png"), "--out", str(tmp_path / "out"), *arguments]
    )
    assert done.exit_code == code, done.output
    assert said in " ".join(done.output.split())
    assert not [*(tmp_path / "out").glob("*.*")]


def test_a_bad_image_among_good_ones_is_named_and_the_rest_is_done(run: Path, discs: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    done = unetkit("predict", run, bad, discs / "images" / "disc_0.png", "--out", tmp_path / "out", code=1)
    assert "bad.png" in done.stderr
    assert (tmp_path / "out" / "disc_0.png").is_file()
    assert not (tmp_path / "out" / "bad.png").exists()


def test_scores_of_own_and_of_foreign_masks_agree(run: Path, discs: Path, tmp_path: Path) -> None:
    own = json.loads(unetkit("evaluate", run, "--split", "val", "--json").stdout)
    names = json.loads((run / "split.json").read_text())["val"]
    (tmp_path / "truth").mkdir()
    for name in names:
        (tmp_path / "truth" / f"{name}.png").write_bytes((discs / "masks" / f"{name}.png").read_bytes())
    unetkit("predict", run, *(discs / "images" / f"{name}.png" for name in names), "--out", tmp_path / "masks")
    foreign = json.loads(unetkit("score", tmp_path / "masks", tmp_path / "truth", "--json").stdout)
    assert foreign["mean"]["dice"]["mean"] == pytest.approx(own["mean"]["dice"]["mean"])


def test_score_says_how_it_read_the_masks(discs: Path, tmp_path: Path) -> None:
    classes = tmp_path / "stated.yaml"
    classes.write_text("names: [ground, disc]\nvalues: [0, 255]\n")
    said = unetkit("score", discs / "masks", discs / "masks", "--classes", classes, "--out", tmp_path).stdout
    assert f"true masks: stated in stated.yaml ({classes}); predictions: --encoding truth" in said
    assert list(json.loads((tmp_path / "summary.json").read_text())["classes"]) == ["disc"]


def test_the_plan_of_a_run_repeats_it(run: Path, discs: Path, tmp_path: Path) -> None:
    unetkit("train", discs, "--plan", run / "plan.yaml", "--out", tmp_path / "again")
    assert (tmp_path / "again" / "weights" / "best.safetensors").read_bytes() == (
        run / "weights" / "best.safetensors"
    ).read_bytes()


def test_a_timed_run_holds_its_time_and_can_be_repeated(discs: Path, tmp_path: Path) -> None:
    unetkit("train", discs, "--time", "8s", *TINY, "--out", tmp_path / "timed")
    history = (tmp_path / "timed" / "results.csv").read_text().splitlines()
    assert float(history[-1].split(",")[1]) == pytest.approx(8, abs=6)  # the bar of 10 % is measured, not tested
    unetkit("train", discs, "--plan", tmp_path / "timed" / "plan.yaml", "--out", tmp_path / "again")
    weights = [(tmp_path / name / "weights" / "best.safetensors").read_bytes() for name in ("timed", "again")]
    assert weights[0] == weights[1]


def test_data_that_were_moved_are_the_runs_own_and_others_are_not(run: Path, discs: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(discs, moved)
    tested = json.loads((run / "split.json").read_text())["test"]
    assert json.loads(unetkit("evaluate", run, moved, "--json").stdout)["images"] == len(tested)
    other = draw_discs(tmp_path / "other", images=3, seed=5)
    report = (run / "report.html").read_bytes()
    assert json.loads(unetkit("evaluate", run, other, "--json").stdout)["images"] == 3
    assert (run / "on_other" / "report.html").is_file()
    assert (run / "report.html").read_bytes() == report
    assert "leave --split out" in unetkit("evaluate", run, other, "--split", "val", code=2).stderr


def test_resuming_with_other_choices_is_refused(run: Path, discs: Path) -> None:
    for words in (["--steps", 7], ["--seed", 3], ["--set", "training.batch=1"], ["--model", "unet-lite0"]):
        done = unetkit("train", discs, "--out", run, "--resume", *words, code=2)
        assert "differs from the run" in done.stderr


def test_folds_are_trained_once_and_predict_together(discs: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds"
    unetkit("train", discs, "--folds", 3, "--steps", 4, *TINY, "--out", out)
    summary = json.loads((out / "test" / "summary.json").read_text())
    assert summary["images"] == 8  # every image was tested once
    stamps = [(out / f"fold_{n}" / "weights" / "best.safetensors").stat().st_mtime_ns for n in (1, 2, 3)]
    unetkit("train", discs, "--folds", 3, "--steps", 4, *TINY, "--out", out, "--resume")
    assert [(out / f"fold_{n}" / "weights" / "best.safetensors").stat().st_mtime_ns for n in (1, 2, 3)] == stamps
    unetkit("predict", out, discs / "images" / "disc_1.png", "--out", tmp_path / "masks")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["check", "no-such-folder"], 1, "no-such-folder"),
        (["train", "no-such-folder", "--steps", 1], 1, "no-such-folder"),
        (["train", "DATA", "--time", "soon"], 2, "not understood"),
        (["train", "DATA", "--time", "1m", "--steps", 5], 2, "one of the two"),
        (["train", "DATA", "--steps", 5, "--model", "unte"], 2, "did you mean 'unet'"),
        (["train", "DATA", "--steps", 5, "--set", "training.bath=1"], 2, "did you mean 'batch'"),
        (["train", "DATA", "--steps", 5, "--model", "unet", "--set", "model.depth=40"], 2, "depth"),
        (["train", "DATA", "--steps", 5, "--model", "unet", "--set", "model.detph=2"], 2, "detph"),
        (["train", "DATA", "--steps", 5, "--device", "cuda:7"], 2, "--device cpu"),
        (["train", "DATA", "--folds", 50, "--steps", 5], 2, "folds"),
        (["train", "DATA", "--resume", "--out", "nowhere"], 1, "no run to resume"),
        (["train", "DATA", "--resume"], 2, "--out RUN --resume"),
        (["predict", "nowhere", "DATA/images", "--out", "x"], 1, "no such run"),
        (["predict", "DATA", "DATA/images", "--out", "x"], 1, "no finished run"),
        (["evaluate", "nowhere"], 1, "no such run"),
        (["score", "DATA/masks", "nowhere"], 1, "nowhere"),
        (["score", "DATA/masks", "DATA/masks", "--classes", "absent.yaml"], 1, "absent.yaml"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_mistakes_get_one_line(
    arguments: list[object], code: int, complaint: str, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(a).replace("DATA", str(discs)) for a in arguments]
    if words[0] == "train" and "--out" not in words and "--resume" not in words:
        words += ["--out", str(tmp_path / "run")]
    done = unetkit(*words, code=code)
    assert complaint in (done.stdout if words[0] == "check" else done.stderr)
    assert not (tmp_path / "run").exists()


def test_importing_and_asking_for_help_do_not_load_torch() -> None:
    code = "import sys, unetkit, unetkit.cli; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "predict" in unetkit("--help").stdout


def test_training_does_not_load_what_only_comparing_needs() -> None:
    code = "import sys, unetkit.cli.live; assert 'unetkit.compare' not in sys.modules, 'compare was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_measure_writes_a_table_and_its_summary(tmp_path: Path) -> None:
    discs = draw_discs(tmp_path / "data", images=3)
    out = tmp_path / "out" / "cells.csv"
    said = unetkit(
        "measure", discs / "masks", "--image", discs / "images", "--out", out, "--keep", "area_um2 > 20",
        "--spacing", 0.5, "--unit", "um",
    ).stdout  # fmt: skip
    assert "read as masks of the classes" in said
    header, *rows = out.read_text().splitlines()
    assert header.startswith("image,id,class,centroid_row_px")
    assert {row.rpartition(",")[2] for row in rows} == {"", "area_um2 > 20"}
    assert (tmp_path / "out" / "cells_summary.csv").is_file()
    spoken = json.loads(unetkit("measure", discs / "masks", "--out", out, "--json").stdout)
    assert spoken["objects"] == len(rows)
    assert len(spoken["files"]) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keep", "aera_px > 3"], "did you mean 'area_px'"),
        (["--spacing", "0.5"], "--unit um"),
        (["--spacing", "x", "--unit", "um"], "above 0"),
        (["--out", "table.xls"], ".parquet"),
    ],
)
def test_measure_says_what_is_wrong_and_writes_nothing(
    options: list[str], said: str, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["measure", str(discs / "masks"), "--out", "table.csv", *options])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not list(tmp_path.iterdir())
