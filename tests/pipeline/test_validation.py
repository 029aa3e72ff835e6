"""What is looked at to choose the best weights, and that it does not grow with the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import draw_discs
from unetkit.augment.histograms import Quantiles, match_histogram, quantiles
from unetkit.dataset import open_dataset
from unetkit.dataset.normalize import apply
from unetkit.formats import read_image, write_image
from unetkit.losses import build_loss
from unetkit.pipeline import Options, prepare
from unetkit.pipeline.validation import DISGUISE, Validator
from unetkit.plan import build_network

SETTINGS = ("model.width=4", "model.depth=1", "training.patch=[32, 32]")


def validator(data: Path, pixels: int) -> Validator:
    prepared = prepare(data, Options(steps=20, settings=(*SETTINGS, f"training.validate_pixels={pixels}")))
    names = [sample.name for sample in prepared.dataset.labelled]
    return Validator(
        open_dataset(data), names, prepared.plan, build_loss("ce", num_classes=2), device=torch.device("cpu")
    )


@pytest.mark.parametrize("pixels", [0, 8 * 64 * 64])
def test_all_images_are_looked_at_whole_where_they_are_few(discs: Path, pixels: int) -> None:
    pieces = validator(discs, pixels).pieces
    assert len({piece.name for piece in pieces}) == len(pieces) == 8
    assert {piece.truth.shape for piece in pieces} == {(64, 64)}


def test_many_images_are_looked_at_in_part(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetkit.pipeline.validation.WINDOW", {2: 32})
    few, again = validator(discs, 5 * 32 * 32), validator(discs, 5 * 32 * 32)
    assert len({piece.name for piece in few.pieces}) == len(few.pieces) == 5
    for piece, same in zip(few.pieces, again.pieces, strict=True):
        assert piece.image.shape == piece.truth.shape == (32, 32)
        assert piece.image.pixels.base is None  # a view would hold the whole image in memory
        assert piece.truth.base is None
        assert (piece.image.pixels == same.image.pixels).all()


def test_few_large_images_give_several_windows_each(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetkit.pipeline.validation.WINDOW", {2: 16})
    pieces = validator(discs, 20 * 16 * 16).pieces
    assert len(pieces) == 20
    assert len({piece.name for piece in pieces}) == 8


def test_a_window_is_normalised_as_its_image(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {piece.name: piece.statistics for piece in validator(discs, 0).pieces}
    monkeypatch.setattr("unetkit.pipeline.validation.WINDOW", {2: 16})
    for piece in validator(discs, 1000).pieces:
        assert piece.statistics.mean == whole[piece.name].mean
        assert piece.statistics.std == whole[piece.name].std


def test_windows_give_a_loss_and_a_score(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetkit.pipeline.validation.WINDOW", {2: 32})
    validate = validator(discs, 6 * 32 * 32)
    torch.manual_seed(0)
    look = validate(build_network(validate.plan))
    assert 0 < look.loss < 10
    assert 0 <= look.score <= 1


def test_the_plan_bounds_what_is_looked_at(discs: Path) -> None:
    plan = prepare(discs, Options(steps=3000, settings=("training.patch=[256, 256]",))).plan
    trained = plan.training.validate_every * plan.training.batch * 256**2
    assert 0.3 * trained < plan.training.validate_pixels < 0.5 * trained
    assert "training.validate_pixels" in plan.reasons


DISGUISED = ("training.method=histogram-matching",)


def disguisable(data: Path, pixels: int = 0) -> Validator:
    """A validator for a plan whose guard compares in disguise."""
    for n in range(4):
        pixels_of = read_image(data / "images" / f"disc_{n}.png").pixels
        write_image(data / "images" / f"bare_{n}.png", np.roll(pixels_of, 9, axis=1))
    settings = (*SETTINGS, *DISGUISED, f"training.validate_pixels={pixels}")
    prepared = prepare(data, Options(steps=20, settings=settings))
    names = [sample.name for sample in prepared.dataset.labelled]
    loss = build_loss("ce", num_classes=2)
    return Validator(open_dataset(data), names, prepared.plan, loss, device=torch.device("cpu"))


def dark(name: str) -> Quantiles:
    """The histogram of dark things on bright ground."""
    return quantiles(np.where(np.arange(1000) < 150, -2.5, 0.4).reshape(1, 1000) + np.linspace(-0.1, 0.1, 1000))


def test_scores_count_a_share_of_what_the_images_would_give_with_other_histograms(tmp_path: Path) -> None:
    validate = disguisable(draw_discs(tmp_path / "data"))
    torch.manual_seed(0)
    model = build_network(validate.plan)
    with torch.no_grad():
        model.heads[0].bias.copy_(torch.tensor([0.0, 0.3]))  # type: ignore[index, union-attr, operator]
    plain = validate(model)
    validate.disguise(["a", "b"], dark, 1.0)
    for piece, other in zip(validate.pieces, validate.disguised, strict=True):
        pair = (apply(one.image.pixels, one.statistics).ravel() for one in (piece, other))
        assert np.corrcoef(*pair)[0, 1] < -0.7
        assert other.truth is piece.truth
    whole = validate(model)
    assert whole.scores != plain.scores
    assert (whole.score, whole.loss) == (plain.score, plain.loss)  # which weights are best, the images themselves say
    validate.disguise(["a", "b"], dark, 0.25)
    expected = [0.75 * one + 0.25 * other for one, other in zip(plain.scores, whole.scores, strict=True)]
    assert validate(model).scores == pytest.approx(expected)
    validate.disguise(["blank"], lambda name: None, 0.5)
    assert validate(model).scores == pytest.approx(plain.scores)


def test_windows_are_disguised_as_parts_of_their_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own histogram a window of ground would be stretched until its noise looked like objects."""
    data = draw_discs(tmp_path / "data")
    whole = {piece.name: piece for piece in disguisable(data).pieces}
    monkeypatch.setattr("unetkit.pipeline.validation.WINDOW", {2: 16})
    validate = disguisable(data, 2000)
    validate.disguise(["a"], dark, 0.5)
    for piece, other in zip(validate.pieces, validate.disguised, strict=True):
        known = whole[piece.name].histogram
        assert known is not None
        expected = match_histogram(apply(piece.image.pixels, piece.statistics), known, dark("a"), DISGUISE)
        assert np.array_equal(other.image.pixels, expected)


def test_few_images_are_disguised_several_times(tmp_path: Path) -> None:
    data = draw_discs(tmp_path / "data")
    whole = disguisable(data)
    few = Validator(open_dataset(data), ["disc_0", "disc_1"], whole.plan, whole.loss, device=torch.device("cpu"))
    asked: list[str] = []

    def told(name: str) -> Quantiles:
        asked.append(name)
        return dark(name)

    few.disguise("abcdef", told, 0.5)
    assert [piece.name for piece in few.disguised] == ["disc_0", "disc_1"] * 3
    assert len(set(asked)) > 2
    assert len(few(build_network(few.plan)).scores) == 2


def test_an_empty_image_that_is_rightly_left_so_once_counts_one_there(discs: Path) -> None:
    validate = validator(discs, 0)
    validate.share = 0.25
    nothing = float("nan")
    assert np.isnan(validate._mixed(nothing, nothing))
    assert validate._mixed(nothing, 0.0) == 0.75
    assert validate._mixed(0.0, nothing) == 0.25
