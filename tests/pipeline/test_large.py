"""Images that are not held in memory: the same results, from files larger than memory, through kills and gaps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.pipeline.test_encodings import COLOURS, STEPS, dataset
from unetkit.errors import FileError, UsageError
from unetkit.formats import read_header, read_image, read_mask, write_image
from unetkit.image import Geometry
from unetkit.pipeline import infer, large, predict, train
from unetkit.pipeline.infer import load_predictor
from unetkit.prediction import Predictor

pytestmark = pytest.mark.usefixtures("narrow_tiles")

ENCODINGS: dict[str, Callable[[np.ndarray], object]] = {
    "values": lambda labels: (labels * 50).astype(np.uint8),
    "colours": lambda labels: COLOURS[labels],
    "instances": lambda labels: np.where(labels > 0, np.cumsum(labels > 0).reshape(labels.shape) // 60 + 1, 0).astype(
        np.uint16
    ),
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A run of three steps on masks of that encoding."""
    made: dict[str, Path] = {}

    def run(encoding: str) -> Path:
        if encoding not in made:
            root = tmp_path_factory.mktemp(encoding)
            data = dataset(root / "data", lambda labels: (ENCODINGS[encoding](labels), None))
            made[encoding] = train(data, STEPS, out=root / "run").path
        return made[encoding]

    return run


def raster(path: Path, shape: tuple[int, ...] = (1, 610, 530), *, geometry: Geometry | None = None) -> Path:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (shape[0], *(-(-n // 9) for n in shape[1:])))
    for axis in range(1, len(shape)):
        coarse = np.repeat(coarse, 9, axis)
    pixels = coarse[(slice(None), *(slice(0, n) for n in shape[1:]))].astype(np.uint8)
    write_image(path, pixels, geometry=geometry)
    return path


def results(run: Path, image: Path, out: Path, **options: object) -> dict[str, Path]:
    (prediction,) = predict(run, [image], out, save=("labels", "probabilities", "overlay"), **options)
    if prediction.fault is not None:
        raise prediction.fault
    return dict(zip(("labels", "probabilities", "overlay"), prediction.written, strict=True))


@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_what_is_streamed_is_what_memory_gives(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    run, image = runs(encoding), raster(tmp_path / "a.tif")
    predictor = lambda: load_predictor(run, augment=False, tile=96, runtime="torch")  # noqa: E731
    whole = results(run, image, tmp_path / "whole", predictor=load_predictor(run, augment=False))
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    streamed = results(run, image, tmp_path / "streamed", predictor=predictor())
    assert np.array_equal(read_mask(whole["labels"]).values, read_mask(streamed["labels"]).values)
    assert read_header(whole["labels"]).dtype == read_header(streamed["labels"]).dtype
    one, other = (read_image(files["probabilities"]).pixels for files in (whole, streamed))
    assert np.abs(one - other).max() < 1e-5
    assert np.array_equal(read_image(whole["overlay"]).pixels, read_image(streamed["overlay"]).pixels)
    assert [path.name for path in (tmp_path / "streamed").iterdir() if path.name.startswith(".")] == []
    once = results(run, image, tmp_path / "tiles", predictor=predictor())  # the same tiles: to the last bit
    assert once["labels"].read_bytes() == streamed["labels"].read_bytes()


def test_a_prediction_that_was_interrupted_goes_on(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    run, image = runs("values"), raster(tmp_path / "a.tif")
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
    expected = results(run, image, tmp_path / "expected", predictor=predictor)

    class Interrupted(Exception):
        pass

    def stop(name: str, share: float, pixels: int) -> None:
        if share > 0.5 and pixels:
            raise Interrupted

    passes: list[int] = []
    logits = Predictor._logits
    monkeypatch.setattr(Predictor, "_logits", lambda self, *rest: passes.append(1) or logits(self, *rest))
    with pytest.raises(Interrupted):
        results(run, image, tmp_path / "out", predictor=predictor, progress=stop)
    before = len(passes)
    assert 40 < before < 60
    assert not (tmp_path / "out" / "a.tif").exists()
    (prediction,) = predict(
        run, [image], tmp_path / "out", save=("labels", "probabilities", "overlay"), predictor=predictor
    )
    assert len(passes) <= 90 + 2
    assert any("gone on from" in note for note in prediction.notes)
    for kind, path in zip(expected, prediction.written, strict=True):
        assert path.read_bytes() == expected[kind].read_bytes()


def test_a_changed_image_is_not_gone_on_with(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    run, image = runs("values"), raster(tmp_path / "a.tif")
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")

    def stop(name: str, share: float, pixels: int) -> None:
        if share > 0.5 and pixels:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        results(run, image, tmp_path / "out", predictor=predictor, progress=stop)
    write_image(image, read_image(image).pixels[:, ::-1].copy())
    os.utime(image, (1, 1))
    (prediction,) = predict(run, [image], tmp_path / "out", predictor=predictor)
    assert any("begun anew" in note for note in prediction.notes)
    (fresh,) = predict(run, [image], tmp_path / "fresh", predictor=predictor)
    assert prediction.written[0].read_bytes() == fresh.written[0].read_bytes()


KILLED = """
import sys
from unetkit.pipeline import infer
from unetkit.pipeline.infer import load_predictor, predict
infer.IN_MEMORY = 0
run, image, out = sys.argv[1:]
told = lambda name, share, pixels: print(share, flush=True)
list(predict(run, [image], out, predictor=load_predictor(run, augment=False, tile=48, runtime="torch"), progress=told))
"""


def test_after_kill_9_the_result_is_the_same(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run, image = runs("instances"), raster(tmp_path / "a.tif")
    command = [sys.executable, "-c", KILLED, str(run), str(image)]
    subprocess.run([*command, str(tmp_path / "expected")], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([*command, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while float(process.stdout.readline()) < 0.5:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = list((tmp_path / "out").iterdir())
    assert [path.name for path in left] == [".a.journal"]
    again = subprocess.run([*command, str(tmp_path / "out")], check=True, capture_output=True, text=True)
    shares = [float(line) for line in again.stdout.split()]
    assert min(share for share in shares if share > large.MEASURED) > 0.45  # where it was
    assert (tmp_path / "out" / "a.tif").read_bytes() == (tmp_path / "expected" / "a.tif").read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "quality.csv"]


@pytest.mark.parametrize("in_memory", [0, 2**30])
def test_where_there_is_no_data_there_is_no_result(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", in_memory)
    pixels = np.random.default_rng(0).normal(100, 20, (1, 300, 280)).astype(np.float32)
    pixels[0, :150] = -9999
    pixels[0, 200:210, 5:17] = -9999
    missing = pixels[0] == -9999
    write_image(tmp_path / "a.tif", pixels, geometry=Geometry(extra={"nodata": -9999.0}))
    passes: list[int] = []
    logits = Predictor._logits
    monkeypatch.setattr(Predictor, "_logits", lambda self, *rest: passes.append(1) or logits(self, *rest))
    run = runs("values")
    files = results(
        run,
        tmp_path / "a.tif",
        tmp_path / "out",
        predictor=load_predictor(run, augment=False, tile=48, runtime="torch"),
    )
    labels, header = read_mask(files["labels"]).values, read_header(files["labels"])
    assert header.geometry.nodata == 255
    assert ((labels == 255) == missing).all()
    assert set(np.unique(labels[~missing])) <= {0, 50, 100}
    assert (np.isnan(read_image(files["probabilities"]).pixels) == missing).all()
    if in_memory == 0:
        assert len(passes) == 4 * 6  # the tiles above hold nothing, and the network does not see them


def test_nan_as_nodata_is_no_error(runs: Callable[[str], Path], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).normal(100, 20, (1, 60, 50)).astype(np.float32)
    pixels[0, 10:20] = np.nan
    run = runs("values")
    write_image(tmp_path / "bad.tif", pixels)
    with pytest.raises(FileError, match="holds NaN or infinite pixels"):
        results(run, tmp_path / "bad.tif", tmp_path / "out")
    write_image(tmp_path / "good.tif", pixels, geometry=Geometry(extra={"nodata": float("nan")}))
    labels = read_mask(results(run, tmp_path / "good.tif", tmp_path / "out")["labels"]).values
    assert ((labels == 255) == np.isnan(pixels[0])).all()


def test_equal_tiles_are_predicted_once(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    pixels = np.full((1, 400, 400), 240, np.uint8)
    pixels[:, 180:190, 180:200] = 10
    write_image(tmp_path / "a.tif", pixels)
    run = runs("values")
    expected = load_predictor(run, augment=False).labels(read_image(tmp_path / "a.tif"))
    passes: list[int] = []
    logits = Predictor._logits
    monkeypatch.setattr(Predictor, "_logits", lambda self, *rest: passes.append(1) or logits(self, *rest))
    files = results(
        run,
        tmp_path / "a.tif",
        tmp_path / "out",
        predictor=load_predictor(run, augment=False, tile=32, runtime="torch"),
    )
    assert len(passes) < 13 * 13 // 2
    assert np.array_equal(read_mask(files["labels"]).values, expected * 50)


def test_a_file_that_ends_early_keeps_the_finished_tiles(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look through the whole file comes first, so a cut file is refused before anything is predicted."""
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    pixels = np.random.default_rng(0).integers(0, 255, (600, 500)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(64, 64), compression="zlib")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2])
    run = runs("values")
    (prediction,) = predict(run, [tmp_path / "a.tif"], tmp_path / "out")
    assert prediction.fault is not None
    assert "a.tif" in str(prediction.fault)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    for n in range(4):
        labels = np.zeros((16, 24, 24), np.uint8)
        labels[4:12, 5:15, 6 : 10 + n] = 1
        write_image(
            tmp_path / "data" / "images" / f"v{n}.tif",
            (labels * 90 + random.integers(0, 50, labels.shape))[None].astype(np.uint8),
        )
        write_image(tmp_path / "data" / "masks" / f"v{n}.tif", labels[None] * 255)
    options = STEPS.__class__(steps=2, model="unet", settings=("model.width=4", "model.depth=1"))
    run = train(tmp_path / "data", options, out=tmp_path / "run").path
    image = raster(tmp_path / "big.tif", (1, 40, 70, 66))
    predictor = load_predictor(run, augment=False, tile=24, runtime="torch")
    whole = results(run, image, tmp_path / "whole", predictor=load_predictor(run, augment=False))
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    streamed = results(run, image, tmp_path / "streamed", predictor=predictor)
    assert np.array_equal(read_mask(whole["labels"]).values, read_mask(streamed["labels"]).values)
    assert np.array_equal(read_image(whole["overlay"]).pixels, read_image(streamed["overlay"]).pixels)


def test_a_network_whose_tiles_cannot_be_exact_says_how_far_off_it_is(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = STEPS.__class__(steps=3, model="unet", settings=("model.width=4", "model.depth=1", "model.norm=instance"))
    run = train(discs, options, out=tmp_path / "run").path
    image = raster(tmp_path / "a.tif", (1, 210, 330))
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
    memory, streamed = [], []
    for limit, kept in ((2**30, memory), (0, streamed)):
        monkeypatch.setattr(infer, "IN_MEMORY", limit)
        kept += predict(run, [image, discs / "images" / "disc_0.png"], tmp_path / str(limit), predictor=predictor)
    one, other = (read_mask(kept[0].written[0]).values for kept in (memory, streamed))
    assert np.array_equal(one, other)
    assert any("differ by up to 0." in note for note in memory[0].notes)
    assert not memory[1].notes  # it fits into one window


def test_another_pixel_size_than_trained_is_said(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", lambda labels: (labels, None), suffix=".tif")
    for path in (data / "images").iterdir():
        write_image(path, read_image(path).pixels, geometry=Geometry((0.5, 0.5), "um"))
    run = train(data, STEPS, out=tmp_path / "run").path
    notes = []
    for n, spacing in enumerate([(0.5, 0.5), (0.55, 0.45), (0.25, 0.25), (500.0, 500.0)]):
        image = raster(tmp_path / f"{n}.tif", (1, 40, 40), geometry=Geometry(spacing, "nm" if n == 3 else "um"))
        (prediction,) = predict(run, [image], tmp_path / "out")
        notes.append(prediction.notes)
    told = (
        "pixels of 0.25 × 0.25 um, trained on 0.5 × 0.5 um: things look 2 × 2 times as large to the model; "
        "--match-spacing resamples"
    )
    assert notes == [(), (), (told,), ()]


def test_averaged_windows_go_on_too_and_leave_out_what_has_no_data(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    options = STEPS.__class__(steps=3, model="unet", settings=("model.width=4", "model.depth=1", "model.norm=instance"))
    run = train(discs, options, out=tmp_path / "run").path
    pixels = read_image(raster(tmp_path / "full.tif", (1, 500, 300))).pixels.astype(np.int16)
    pixels[:, :260] = -1
    write_image(tmp_path / "a.tif", pixels, geometry=Geometry(extra={"nodata": -1.0}))
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
    passes: list[int] = []
    logits = Predictor._logits
    monkeypatch.setattr(Predictor, "_logits", lambda self, *rest: passes.append(1) or logits(self, *rest))
    expected = results(run, tmp_path / "a.tif", tmp_path / "expected", predictor=predictor)
    assert len(passes) < 14 * 9 - 5 * 9
    labels = read_mask(expected["labels"]).values
    assert ((labels == labels[0, 0]) == (pixels[0] == -1)).all()

    def stop(name: str, share: float, pixels: int) -> None:
        if pixels and share > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        results(run, tmp_path / "a.tif", tmp_path / "out", predictor=predictor, progress=stop)
    again = results(run, tmp_path / "a.tif", tmp_path / "out", predictor=predictor)
    for kind, path in again.items():
        assert path.read_bytes() == expected[kind].read_bytes()


def test_what_cannot_be_written_is_refused_before_predicting(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    monkeypatch.setattr(Predictor, "_logits", lambda *rest: pytest.fail("predicted"))
    raster(tmp_path / "a.tif").rename(tmp_path / "a.png")
    with pytest.raises(
        FileError, match=r"cannot be written piece by piece.*too large for memory: predict --as tif, or name it a\.tif"
    ):
        results(runs("values"), tmp_path / "a.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_kill_left_of_a_result_is_taken_away(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    (tmp_path / "out").mkdir()
    for name in (".a.0123abcd.tif", ".a_overlay.0123abcd.png", ".b.0123abcd.tif"):
        (tmp_path / "out" / name).write_text("half")
    results(runs("values"), raster(tmp_path / "a.tif"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob(".*")] == [".b.0123abcd.tif"]


def test_existing_results_can_be_passed_over(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run, images = runs("values"), [raster(tmp_path / f"{name}.tif", (1, 40, 50)) for name in "abc"]
    out = tmp_path / "out"
    list(predict(run, images[:2], out))
    stamps = [(out / f"{name}.tif").stat().st_mtime_ns for name in "ab"]
    with pytest.raises(UsageError, match="--skip-existing for the other images"):
        list(predict(run, images, out))
    assert [result.name for result in predict(run, images, out, skip_existing=True)] == ["c"]
    assert [(out / f"{name}.tif").stat().st_mtime_ns for name in "ab"] == stamps
    with pytest.raises(UsageError, match="other results of this image are missing"):
        list(predict(run, images, out, save=("labels", "overlay"), skip_existing=True))


def test_what_reading_drops_is_said_of_a_streamed_image(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    pixels = np.random.default_rng(0).integers(0, 255, (90, 80, 2)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"
    )
    (prediction,) = predict(runs("values"), [tmp_path / "a.tif"], tmp_path / "out")
    assert prediction.fault is None
    assert "alpha channel dropped" in prediction.notes


def test_the_journal_is_named_by_its_image_and_its_facts_are_json(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    image = raster(tmp_path / "a.tif")

    def stop(name: str, share: float, pixels: int) -> None:
        if pixels:
            raise KeyboardInterrupt

    for save in (("overlay", "labels"), ("labels", "overlay")):
        with pytest.raises(KeyboardInterrupt):
            list(predict(runs("values"), [image], tmp_path / "out", save=save, progress=stop))
        (journal,) = (tmp_path / "out").iterdir()
        assert journal.name == ".a.journal"
    head = json.loads(journal.read_bytes().split(b"\n")[0])
    assert head["facts"]["image"][0] == str(image)
    assert time.time_ns() > head["facts"]["image"][2] > 0
