"""Zarr in and out of train and predict: in memory, streamed, interrupted, killed."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import ome_zarr_models
import pytest

from tests.pipeline.test_encodings import STEPS, dataset
from tests.pipeline.test_large import ENCODINGS, KILLED, raster
from unetkit import extras
from unetkit.errors import FileError, MissingExtra, UnknownName, UsageError
from unetkit.formats import read_header, read_image, read_mask
from unetkit.image import Geometry
from unetkit.pipeline import infer, predict, train
from unetkit.pipeline.infer import load_predictor
from unetkit.pipeline.targets import FORMS

SAVE = ("labels", "probabilities")
MICRONS = Geometry((0.5, 0.25), "um")


@pytest.fixture(scope="module", params=["values", "instances", "colours"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, on masks of an encoding."""
    root = tmp_path_factory.mktemp(request.param)
    data = dataset(root / "data", lambda labels: (ENCODINGS[request.param](labels), None))
    return train(data, STEPS, out=root / "run").path


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained on Zarr images and masks."""
    root = tmp_path_factory.mktemp("plain")
    data = dataset(root / "data", lambda labels: (ENCODINGS["values"](labels), None), suffix=".zarr")
    return train(data, STEPS, out=root / "run").path


def content(path: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {one.relative_to(path): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def test_streamed_is_what_memory_gives(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = raster(tmp_path / "a.zarr", (1, 610, 1330), geometry=MICRONS)
    predictor = load_predictor(run, augment=False, tile=96, runtime="torch")
    (whole,) = predict(run, [image], tmp_path / "whole", save=SAVE, predictor=predictor)
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    (streamed,) = predict(run, [image], tmp_path / "streamed", save=SAVE, predictor=predictor)
    assert [path.name for path in whole.written] == ["a.zarr", "a_probabilities.zarr"]
    assert content(whole.written[0]) == content(streamed.written[0])
    difference = read_image(whole.written[1]).pixels - read_image(streamed.written[1]).pixels
    assert np.abs(difference).max() < 1e-5
    for one in (*whole.written, *streamed.written):
        assert read_header(one).geometry == MICRONS
        assert type(ome_zarr_models.open_ome_zarr(str(one), version="0.5")).__name__ == "Image"
    assert read_header(whole.written[1]).channels is not None
    (tiff,) = predict(run, [image], tmp_path / "tiff", form="tif", predictor=predictor)
    assert tiff.written[0].name == "a.tif"
    assert np.array_equal(read_mask(tiff.written[0]).values, read_mask(whole.written[0]).values)


def test_interrupted_it_goes_on(plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    image = raster(tmp_path / "a.zarr")
    predictor = load_predictor(plain_run, augment=False, tile=64, runtime="torch")
    (expected,) = predict(plain_run, [image], tmp_path / "expected", save=SAVE, predictor=predictor)

    def stop(name: str, share: float, pixels: int) -> None:
        if share > 0.5 and pixels:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(predict(plain_run, [image], tmp_path / "out", save=SAVE, predictor=predictor, progress=stop))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".a.journal"]
    # finished tiles do not depend on the form of the result
    (again,) = predict(plain_run, [image], tmp_path / "out", save=SAVE, predictor=predictor, form="zarr")
    assert any("gone on from" in note for note in again.notes)
    for one, other in zip(expected.written, again.written, strict=True):
        assert content(one) == content(other)


def test_after_kill_9_the_result_is_the_same(plain_run: Path, tmp_path: Path) -> None:
    image = raster(tmp_path / "a.zarr")
    command = [sys.executable, "-c", KILLED, str(plain_run), str(image)]
    subprocess.run([*command, str(tmp_path / "expected")], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([*command, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while float(process.stdout.readline()) < 0.93:  # while the result is written
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    subprocess.run([*command, str(tmp_path / "out")], check=True, stdout=subprocess.DEVNULL)
    assert content(tmp_path / "out" / "a.zarr") == content(tmp_path / "expected" / "a.zarr")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.zarr"]


def test_a_folder_of_zarrs_is_one_of_images(plain_run: Path, tmp_path: Path) -> None:
    for name in ("a.zarr", "below/b.zarr"):
        raster(tmp_path / "in" / name, (1, 40, 50))
    done = list(predict(plain_run, [tmp_path / "in"], tmp_path / "out"))
    assert [one.name for one in done] == ["a", "below/b"]
    assert read_mask(tmp_path / "out" / "below" / "b.zarr").values.shape == (40, 50)
    assert not list(predict(plain_run, [tmp_path / "in"], tmp_path / "out", skip_existing=True))
    with pytest.raises(UsageError, match="a result exists already"):
        list(predict(plain_run, [tmp_path / "in"], tmp_path / "out"))
    assert len(list(predict(plain_run, [tmp_path / "in"], tmp_path / "out", overwrite=True))) == 2


def test_a_chunk_that_ends_early_is_one_fault(plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    image = raster(tmp_path / "a.zarr")
    chunk = next(path for path in (image / "0" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:99])
    (prediction,) = predict(plain_run, [image], tmp_path / "out")
    assert isinstance(prediction.fault, FileError)
    assert "truncated, damaged" in str(prediction.fault)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".npy", ".png", ".tif", ".zarr"])
@pytest.mark.parametrize("form", FORMS)
def test_results_have_the_form_that_is_asked_for(plain_run: Path, tmp_path: Path, suffix: str, form: str) -> None:
    image = raster(tmp_path / f"a{suffix}", (1, 40, 50))
    (prediction,) = predict(plain_run, [image], tmp_path / "out", save=SAVE, form=form)
    assert prediction.fault is None
    labels, probabilities = prediction.written
    assert labels.name == f"a{FORMS[form]}"
    assert read_mask(labels).values.shape == (40, 50)
    assert read_image(probabilities).pixels.shape == (3, 40, 50)


def test_npy_gives_npy_and_streams(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = raster(tmp_path / "a.npy")
    predictor = load_predictor(run, augment=False, tile=96, runtime="torch")
    (whole,) = predict(run, [image], tmp_path / "whole", save=SAVE, predictor=predictor)
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    (streamed,) = predict(run, [image], tmp_path / "streamed", save=SAVE, predictor=predictor)
    assert [path.name for path in streamed.written] == ["a.npy", "a_probabilities.npy"]
    assert whole.written[0].read_bytes() == streamed.written[0].read_bytes()
    one, other = (np.load(done.written[1]) for done in (whole, streamed))
    assert one.dtype == other.dtype == np.float32
    assert np.abs(one - other).max() < 1e-5


def test_an_unknown_form_and_a_missing_extra_are_said(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = raster(tmp_path / "a.zarr", (1, 40, 50))
    with pytest.raises(UnknownName, match="no form is called 'tiff'"):
        list(predict(plain_run, [image], tmp_path / "out", form="tiff"))
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtra, match=r"unetkit\[zarr\]"):
        extras.load("zarr", "zarr")
    with pytest.raises(MissingExtra, match=r"unetkit\[zarr\]"):
        list(predict(plain_run, [image], tmp_path / "out"))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MissingExtra, match=r"unetkit\[geo\]"):
        list(predict(plain_run, [image], tmp_path / "out", form="cog"))


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_one_fault_and_keeps_the_finished_tiles(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0 if form != "png" else 2**30)  # a PNG is not written piece by piece
    image = raster(tmp_path / "a.tif", (1, 210, 230))
    predictor = load_predictor(plain_run, augment=False, tile=64, runtime="torch")
    options = {"form": form, "predictor": predictor}
    (expected,) = predict(plain_run, [image], tmp_path / "expected", **options)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        (done,) = predict(plain_run, [image], tmp_path / "out", **options)
    assert isinstance(done.fault, FileError)
    assert "cannot be written; found No space left on device" in str(done.fault)
    assert done.fault.file == tmp_path / "out" / f"a{FORMS[form]}"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ([".a.journal"] if form != "png" else [])
    (again,) = predict(plain_run, [image], tmp_path / "out", **options)
    assert any("gone on from" in note for note in again.notes) == (form != "png")
    one, other = expected.written[0], again.written[0]
    assert content(one) == content(other) if form == "zarr" else one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("in_memory", [0, 2**30])
@pytest.mark.parametrize("form", ["tif", "npy", "zarr", "cog"])
def test_a_folder_that_cannot_be_written_is_one_fault(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, in_memory: int
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", in_memory)
    (tmp_path / "file").write_text("x")
    image = raster(tmp_path / "a.tif", (1, 40, 50))
    (done,) = predict(plain_run, [image], tmp_path / "file" / "out", form=form)
    assert isinstance(done.fault, FileError)
    assert "cannot be written" in str(done.fault)
