"""Places cover an image without overlap, and what the model thinks of them is what it predicts there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.active.conftest import Trained
from unetkit.active.candidates import candidates_of, cut, places_of
from unetkit.active.voters import one_voice, several_voices
from unetkit.errors import FileError, UsageError
from unetkit.formats import read_image, write_image
from unetkit.image import Geometry
from unetkit.pipeline import load_predictor
from unetkit.prediction import Predictor


@given(st.integers(1, 700), st.integers(1, 700), st.integers(8, 300))
def test_places_cover_an_image_once_in_equal_parts(rows: int, columns: int, side: int) -> None:
    seen = np.zeros((rows, columns), int)
    for place in places_of("a", Path("a.png"), (rows, columns), side):
        seen[place.slices] += 1
        assert all(0 < stop - start <= side for start, stop in place.window)
    assert (seen == 1).all()
    for axis in cut((rows, columns), side):
        assert np.ptp(np.diff(axis)) <= 1


def test_an_image_by_itself_is_one_whole_place() -> None:
    (place,) = places_of("a", Path("a.png"), (30, 40), None)
    assert place.whole
    assert not any(one.whole for one in places_of("a", Path("a.png"), (30, 40), 32))


@pytest.fixture(scope="module")
def predictor(trained_once: Trained) -> Predictor:
    return load_predictor(trained_once.run, device="cpu")


@pytest.mark.parametrize("tile", [0, 16])
@pytest.mark.parametrize("side", [None, 30])
def test_doubt_and_shares_are_those_of_the_prediction(
    trained_once: Trained, tile: int, side: int | None, narrow_tiles: None
) -> None:
    predictor = load_predictor(trained_once.run, device="cpu", tile=tile)
    path = trained_once.data / "images" / "disc_9.png"
    found = candidates_of("disc_9", path, predictor, one_voice(predictor), side=side)
    probabilities = load_predictor(trained_once.run, device="cpu", augment=False).probabilities(read_image(path))
    doubt = -(probabilities * np.log(probabilities)).sum(0) / np.log(2)
    foreground = probabilities.argmax(0) == 1
    assert len(found) == (1 if side is None else 9)
    for one in found:
        assert one.doubt == pytest.approx(doubt[one.place.slices].mean(), abs=1e-4)
        assert one.foreground == pytest.approx(foreground[one.place.slices].mean(), abs=1e-3)
        assert one.spread == pytest.approx(0, abs=1e-6)
        assert one.features.shape == (8,)


def test_views_disagree_where_dropout_and_folds_are_absent(trained_once: Trained, predictor: Predictor) -> None:
    voters = several_voices(predictor)
    assert voters.words == "4 flipped views of one network"
    path = trained_once.data / "images" / "disc_9.png"
    (one,) = candidates_of("disc_9", path, predictor, voters, side=None)
    assert 0 < one.spread < one.doubt <= 1


def test_dropout_disagrees_alike_each_time(trained_once: Trained) -> None:
    predictor = load_predictor(trained_once.run, device="cpu")
    predictor.plan = predictor.plans[0] = predictor.plan.with_settings(["augmentation=none"])
    with pytest.raises(UsageError, match="single opinion"):
        several_voices(predictor)
    predictor.models[0].encoder.dropout.p = 0.3  # type: ignore[union-attr]
    voters = several_voices(predictor)
    assert voters.words == "8 passes with dropout"
    path = trained_once.data / "images" / "disc_9.png"
    first, again = (candidates_of("a", path, predictor, voters, side=None)[0] for _ in range(2))
    assert first.spread == again.spread > 0
    assert np.array_equal(first.features, again.features)


def test_several_networks_disagree(predictor: Predictor, trained_once: Trained) -> None:
    other = load_predictor(trained_once.run, device="cpu").models[0]
    for parameter in other.parameters():
        parameter.data *= 0.9
    two = Predictor([predictor.models[0], other], [predictor.plan, predictor.plan])
    assert several_voices(two).words == "2 folds"
    path = trained_once.data / "images" / "disc_9.png"
    (one,) = candidates_of("a", path, two, several_voices(two), side=None)
    assert one.spread > 0


def test_what_has_no_data_is_no_candidate(trained_once: Trained, predictor: Predictor, tmp_path: Path) -> None:
    pixels = read_image(trained_once.data / "images" / "disc_9.png").pixels.astype(np.float32)
    pixels[:, :, :32] = -1
    path = tmp_path / "a.tif"
    write_image(path, pixels, geometry=Geometry().with_nodata(-1))
    found = candidates_of("a", path, predictor, one_voice(predictor), side=32)
    assert sorted(one.place.window for one in found) == [((0, 32), (32, 64)), ((32, 64), (32, 64))]


def test_an_image_with_other_channels_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((3, 16, 16), np.uint8))
    with pytest.raises(FileError, match="wrong number of channels"):
        candidates_of("a", tmp_path / "a.png", predictor, one_voice(predictor), side=None)
