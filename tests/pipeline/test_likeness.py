"""Images of another pixel size or type than trained: what is said of them, and --match-spacing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.test_encodings import STEPS, dataset
from tests.pipeline.test_large import raster
from unetkit.errors import FileError, UsageError
from unetkit.formats import read_header, read_image, read_mask, write_image
from unetkit.image import Geometry, Image
from unetkit.pipeline import infer, predict, train
from unetkit.pipeline.infer import load_predictor
from unetkit.pipeline.likeness import type_notes
from unetkit.prediction import resampled, source_of

SAVE = ("labels", "probabilities", "overlay")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, on pixels of 0.5 um."""
    root = tmp_path_factory.mktemp("scale")
    data = dataset(root / "data", lambda labels: (labels, None), suffix=".tif")
    for path in (data / "images").iterdir():
        write_image(path, read_image(path).pixels, geometry=Geometry((0.5, 0.5), "um"))
    return train(data, STEPS, out=root / "run").path


@pytest.mark.parametrize("size", [0.2, 0.25, 0.9])
@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_streamed_is_what_memory_gives_and_what_resampling_by_hand_gives(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: float, suffix: str
) -> None:
    image = raster(tmp_path / f"a{suffix}", (1, 310, 430), geometry=Geometry((size, size), "um"))
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
    predict_it = lambda name: predict(  # noqa: E731
        run, [image], tmp_path / name, save=SAVE, match_spacing=True, predictor=predictor
    )
    (whole,) = predict_it("whole")
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    (streamed,) = predict_it("streamed")
    assert whole.fault is streamed.fault is None
    assert any("resampled from 310 × 430 to" in note for note in whole.notes)
    for one, other in zip(whole.written[1:], streamed.written[1:], strict=True):
        assert np.abs(read_image(one).pixels.astype(float) - read_image(other).pixels).max() < 1e-5
    labels = read_mask(whole.written[0]).values
    assert np.array_equal(labels, read_mask(streamed.written[0]).values)
    assert labels.shape == (310, 430)
    assert read_header(whole.written[0]).geometry.spacing == pytest.approx((size, size))
    shape = (round(310 * size / 0.5), round(430 * size / 0.5))
    seen = predictor.probabilities(Image(resampled(source_of(read_image(image)), shape).image().pixels))
    back = resampled(source_of(Image(seen)), (310, 430)).image().pixels
    np.testing.assert_allclose(read_image(whole.written[1]).pixels, back, atol=1e-5)


def test_interrupted_it_goes_on(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    image = raster(tmp_path / "a.tif", (1, 610, 530), geometry=Geometry((0.3, 0.3), "um"))
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
    options = {"match_spacing": True, "predictor": predictor}
    (expected,) = predict(run, [image], tmp_path / "expected", **options)

    def stop(name: str, share: float, pixels: int) -> None:
        if share > 0.5 and pixels:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(predict(run, [image], tmp_path / "out", progress=stop, **options))
    # probabilities are in the journal anyhow, so that they may be asked for now
    (again,) = predict(run, [image], tmp_path / "out", save=("labels", "probabilities"), **options)
    assert any("gone on from" in note for note in again.notes)
    assert again.written[0].read_bytes() == expected.written[0].read_bytes()


def test_finished_tiles_of_another_size_are_not_gone_on_with(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    image = raster(tmp_path / "a.tif", (1, 610, 530), geometry=Geometry((0.3, 0.3), "um"))
    predictor = load_predictor(run, augment=False, tile=64, runtime="torch")

    def stop(name: str, share: float, pixels: int) -> None:
        if share > 0.5 and pixels:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(predict(run, [image], tmp_path / "out", progress=stop, predictor=predictor))
    (again,) = predict(run, [image], tmp_path / "out", match_spacing=True, predictor=predictor)
    assert any("begun anew" in note for note in again.notes)


def test_pixels_of_the_trained_size_are_left_alone(run: Path, tmp_path: Path) -> None:
    image = raster(tmp_path / "a.tif", (1, 40, 50), geometry=Geometry((500.0, 500.0), "nm"))
    (plain,) = predict(run, [image], tmp_path / "plain")
    (matched,) = predict(run, [image], tmp_path / "matched", match_spacing=True)
    assert plain.notes == matched.notes == ()
    assert plain.written[0].read_bytes() == matched.written[0].read_bytes()


def test_missing_data_stay_missing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(1, 200, (1, 300, 280)).astype(np.uint8)
    pixels[:, :151, :] = 0
    write_image(tmp_path / "a.tif", pixels, geometry=_placed(0.25))
    for limit in (2**30, 0):
        monkeypatch.setattr(infer, "IN_MEMORY", limit)
        predictor = load_predictor(run, augment=False, tile=64, runtime="torch")
        (done,) = predict(
            run, [tmp_path / "a.tif"], tmp_path / str(limit), save=SAVE, match_spacing=True, predictor=predictor
        )
        assert done.fault is None
        assert np.array_equal(read_mask(done.written[0]).values == 255, pixels[0] == 0)
        assert np.array_equal(np.isnan(read_image(done.written[1]).pixels[0]), pixels[0] == 0)


def _placed(size: float) -> Geometry:
    return Geometry((size, size), "um", {"nodata": 0.0})


def test_what_cannot_be_matched_is_one_clear_error(run: Path, tmp_path: Path) -> None:
    cases = {
        "none": (None, "does not tell the size of its pixels"),
        "pixels": (Geometry((2.0, 1.0), "px"), "does not tell the size of its pixels"),
        "far": (Geometry((500.0, 500.0), "um"), r"too far from the trained one.*within 64 times 0\.5 × 0\.5 um"),
    }
    for name, (geometry, words) in cases.items():
        image = raster(tmp_path / f"{name}.tif", (1, 40, 50), geometry=geometry)
        (done,) = predict(run, [image], tmp_path / "out", match_spacing=True)
        assert isinstance(done.fault, FileError)
        with pytest.raises(FileError, match=words):
            raise done.fault


def test_a_model_without_pixel_size_cannot_match(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", lambda labels: (labels, None))
    run = train(data, STEPS, out=tmp_path / "run").path
    with pytest.raises(UsageError, match="does not know the pixel size it was trained on"):
        list(predict(run, [data / "images"], tmp_path / "out", match_spacing=True))


def test_another_pixel_size_is_said_and_the_option_named(run: Path, tmp_path: Path) -> None:
    image = raster(tmp_path / "a.tif", (1, 40, 40), geometry=Geometry((250.0, 250.0), "nm"))
    (done,) = predict(run, [image], tmp_path / "out")
    assert done.notes == (
        "pixels of 250 × 250 nm, trained on 0.5 × 0.5 um: things look 2 × 2 times as large to the model; "
        "--match-spacing resamples",
    )


def test_another_type_of_numbers_is_said(run: Path, tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    write_image(image, read_image(raster(tmp_path / "b.tif", (1, 40, 40))).pixels.astype(np.uint16) * 16)
    (done,) = predict(run, [image], tmp_path / "out")
    (note,) = done.notes
    assert note.startswith("numbers of type uint16, trained on uint8: each image is normalised by itself")
    assert "bring them to the trained range first" in type_notes(np.dtype("uint16"), "uint8", {"image", "dataset"})[0]
    assert type_notes(np.dtype("uint16"), None, {"none"}) == ()
