"""Images without a label: which may train, and the patches of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import draw_discs
from unetkit.augment.histograms import quantiles
from unetkit.dataset import unlabelled
from unetkit.dataset.check import check
from unetkit.dataset.fingerprint import fingerprint
from unetkit.dataset.folder import Dataset, open_dataset
from unetkit.dataset.normalize import NormalizationPlan, apply, measure, normalize
from unetkit.dataset.patches import PatchSource, histogram_of
from unetkit.dataset.splits import Split
from unetkit.dataset.unlabelled import UnlabelledSource, with_unlabelled
from unetkit.errors import DatasetError
from unetkit.formats import read_image, write_image
from unetkit.image import Geometry, Image
from unetkit.labels import Mark, Marks, write_marks

SPLIT = Split(train=("disc_0", "disc_1"), val=("disc_2",), test=("disc_3",))


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Four labelled images and four without a mask."""
    root = draw_discs(tmp_path / "few", size=40)
    for n in range(4, 8):
        (root / "masks" / f"disc_{n}.png").unlink()
    return root


def opened(root: Path) -> tuple[Dataset, Split]:
    dataset = open_dataset(root)
    return dataset, with_unlabelled(dataset, SPLIT)


def test_all_images_without_a_mask_may_train(few: Path) -> None:
    _, split = opened(few)
    assert split.unlabelled == ("disc_4", "disc_5", "disc_6", "disc_7")
    assert split.reasons == ()


def test_images_with_marks_or_nothing_in_them_are_labelled(few: Path) -> None:
    mark = Mark.model_validate({"kind": "point", "class": "foreground", "at": [[5, 5]]})
    write_marks(few / "marks" / "disc_4.json", Marks(marks=(mark,)))
    (few / "marks" / "nothing.txt").write_text("disc_5\n", encoding="utf-8")
    _, split = opened(few)
    assert split.unlabelled == ("disc_6", "disc_7")
    findings = {finding.rule: finding for finding in check(few).findings}
    assert findings["unlabelled-images"].files == ("images/disc_6.png", "images/disc_7.png")


def test_copies_of_images_that_judge_are_left_out(few: Path) -> None:
    shutil.copy(few / "images" / "disc_3.png", few / "images" / "again.png")
    shutil.copy(few / "images" / "disc_0.png", few / "images" / "trains.png")  # of one that trains it does no harm
    _, split = opened(few)
    assert split.unlabelled == ("disc_4", "disc_5", "disc_6", "disc_7", "trains")
    assert split.reasons == ("1 unlabelled image left out: copies of images that judge",)


def test_images_of_a_group_that_judges_are_left_out(few: Path) -> None:
    rows = [f"disc_{n},{'b' if n in (3, 5) else 'a' if n in (2, 6) else 'c'}" for n in range(8)]
    (few / "groups.csv").write_text("\n".join(["image,group", *rows]))
    _, split = opened(few)
    assert split.unlabelled == ("disc_4", "disc_7")
    assert split.reasons == ("2 unlabelled images left out: their group judges",)
    split = with_unlabelled(open_dataset(few), SPLIT, allow_leakage=True)
    assert split.unlabelled == ("disc_4", "disc_5", "disc_6", "disc_7")


def test_images_too_large_to_hold_are_left_out(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(few / "images" / "large.png", np.zeros((1, 60, 60), np.uint8))
    monkeypatch.setattr(unlabelled, "CACHE_BYTES", 50 * 50 * 4)
    _, split = opened(few)
    assert "large" not in split.unlabelled
    assert split.reasons == ("1 unlabelled image left out: too large to hold in memory",)


def test_images_with_nan_are_left_out(few: Path) -> None:
    write_image(few / "images" / "nan.tif", np.full((1, 40, 40), np.nan, np.float32))
    _, split = opened(few)
    assert "nan" not in split.unlabelled
    assert split.reasons == ("1 unlabelled image left out: NaN or infinite pixels",)
    assert with_unlabelled(open_dataset(few), split) == split


def test_a_split_names_further_images(few: Path) -> None:
    dataset = open_dataset(few)
    split = with_unlabelled(dataset, SPLIT.model_copy(update={"train": ("disc_0",), "unlabelled": ("disc_1", "gone")}))
    assert split.unlabelled == ("disc_4", "disc_5", "disc_6", "disc_7", "disc_1")


def test_patches_depend_on_seed_step_and_place_alone(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, split = opened(few)
    source = UnlabelledSource(dataset, split.unlabelled, NormalizationPlan(), seed=3)
    whole = source.draw(source.generators(5, range(4)), (16, 16), 2)
    monkeypatch.setattr(unlabelled, "CACHE_BYTES", 40 * 40 * 4)  # one image is held at a time
    again = UnlabelledSource(dataset, split.unlabelled, NormalizationPlan(), seed=3)
    again.draw(again.generators(4, range(4)), (16, 16), 2)
    parts = [again.draw(again.generators(5, [place]), (16, 16), 2) for place in range(4)]
    assert len(again._held) == 1
    for both, ones in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(both, torch.cat(ones))
    other = source.draw(source.generators(6, range(4)), (16, 16), 2)
    assert not torch.equal(whole[0], other[0])


def test_beyond_the_image_nothing_is_valid(few: Path) -> None:
    dataset, split = opened(few)
    source = UnlabelledSource(dataset, split.unlabelled[:1], NormalizationPlan())
    images, valid = source.draw(source.generators(0, [0]), (48, 40), 4)
    assert images.shape == (1, 1, 56, 48)
    assert valid.sum() == 40 * 40
    expected = normalize(dataset.read_image(dataset.sample("disc_4")), NormalizationPlan())
    assert np.array_equal(images[0, :, 4:44, 4:44].numpy(), expected)
    assert valid[0, 4:44, 4:44].all()


def test_labelled_patches_take_on_what_unlabelled_images_look_like(few: Path) -> None:
    for n in range(4, 8):
        pixels = 255 - read_image(few / "images" / f"disc_{n}.png").pixels
        write_image(few / "images" / f"disc_{n}.png", pixels)
    dataset, split = opened(few)
    labelled = PatchSource(dataset, split.train, NormalizationPlan(), seed=3, histograms=True)
    source = UnlabelledSource(dataset, split.unlabelled, NormalizationPlan(), seed=3)
    plain = labelled.draw(labelled.generators(5, range(40)), (40, 40), 0)
    changed = labelled.draw(labelled.generators(5, range(40)), (40, 40), 0, source.match)
    assert torch.equal(plain[1], changed[1])
    alike = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(plain[0], changed[0], strict=True)]
    assert all(value > 0.999 or value < -0.8 for value in alike)  # bright discs stay, or become dark ones
    assert 0.25 < np.mean([value < 0 for value in alike]) < 0.75
    again = UnlabelledSource(dataset, split.unlabelled, NormalizationPlan())
    parts = [labelled.draw(labelled.generators(5, [place]), (40, 40), 0, again.match)[0] for place in range(40)]
    assert torch.equal(changed[0], torch.cat(parts))


def test_patches_take_on_what_looks_unlike_where_anything_does(few: Path) -> None:
    for n in (4, 5):
        write_image(few / "images" / f"disc_{n}.png", 255 - read_image(few / "images" / f"disc_{n}.png").pixels)
    dataset, split = opened(few)
    labelled = PatchSource(dataset, split.train, NormalizationPlan(), seed=3, histograms=True)
    shares = []
    for unlike in ((), ("disc_4", "disc_5")):
        source = UnlabelledSource(dataset, split.unlabelled, NormalizationPlan(), unlike=unlike)
        pair = [labelled.draw(labelled.generators(5, range(60)), (40, 40), 0, how)[0] for how in (None, source.match)]
        shares.append(np.mean([np.corrcoef(a.flatten(), b.flatten())[0, 1] < 0 for a, b in zip(*pair, strict=True)]))
    assert 0.1 < shares[0] < 0.4 < shares[1] < 0.7


def test_histograms_are_of_whole_images_and_leave_missing_data_out() -> None:
    pixels = np.random.default_rng(0).normal(100, 20, (1, 300, 310)).clip(1, 255).astype(np.uint8)
    whole = Image(pixels)
    statistics = measure(whole, NormalizationPlan())
    found = histogram_of(whole, statistics)
    assert found is not None
    assert found == pytest.approx(quantiles(apply(pixels, statistics)), abs=0.1)
    holed = pixels.copy()
    holed[:, :150] = 0
    assert histogram_of(Image(holed, geometry=Geometry().with_nodata(0)), statistics) == pytest.approx(found, abs=0.15)
    blank = Image(np.full((1, 20, 20), 7, np.uint8))
    assert histogram_of(blank, measure(blank, NormalizationPlan())) is None
    nothing = Image(np.zeros((1, 20, 20), np.uint8), geometry=Geometry().with_nodata(0))
    assert histogram_of(nothing, statistics) is None


def test_patches_stay_as_they_are_beside_a_blank_image(few: Path) -> None:
    for n in range(4, 8):
        write_image(few / "images" / f"disc_{n}.png", np.full((1, 40, 40), 9, np.uint8))
    dataset, split = opened(few)
    labelled = PatchSource(dataset, split.train, NormalizationPlan(), histograms=True)
    source = UnlabelledSource(dataset, split.unlabelled, NormalizationPlan())
    plain, changed = (
        labelled.draw(labelled.generators(0, range(9)), (40, 40), 0, how)[0] for how in (None, source.match)
    )
    assert torch.equal(plain, changed)
    assert fingerprint(dataset, split.train, unlabelled=split.unlabelled).unlike == ()


def test_missing_data_look_like_nothing(few: Path) -> None:
    generator = np.random.default_rng(0)
    for name, nodata in (("odd", None), ("holed", 255.0)):
        pixels = 255 - (generator.random((1, 40, 40)) < 0.03) * 200
        image = Image(pixels.astype(np.uint8), geometry=Geometry().with_nodata(nodata))
        write_image(few / "images" / f"{name}.tif", image.pixels, geometry=image.geometry)
    dataset, split = opened(few)
    assert fingerprint(dataset, split.train, unlabelled=split.unlabelled).unlike == ("odd",)


def test_nothing_to_learn_from_is_an_error(few: Path) -> None:
    with pytest.raises(DatasetError, match="no unlabelled image"):
        UnlabelledSource(open_dataset(few), (), NormalizationPlan())


def test_an_image_of_other_channels_is_an_error_that_names_it(few: Path) -> None:
    write_image(few / "images" / "five.tif", np.zeros((5, 40, 40), np.uint8))
    with pytest.raises(DatasetError, match=r"five\.tif: the images differ in their number of channels"):
        open_dataset(few)
