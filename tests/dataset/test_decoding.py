"""Decoding takes most of the time before training: once to look at a file, once to train on it, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, label

from unetkit.classes import Classes
from unetkit.dataset import find_leaks, make_folds, make_split, open_dataset
from unetkit.dataset import fingerprint as fingerprint_module
from unetkit.dataset import survey as survey_module
from unetkit.dataset.check import check
from unetkit.dataset.duplicates import Vector, near_duplicates
from unetkit.dataset.fingerprint import fingerprint
from unetkit.dataset.patches import PatchSource
from unetkit.errors import FileError
from unetkit.formats import FORMATS, write_image, write_mask
from unetkit.losses import build_loss
from unetkit.pipeline.preparation import Options, prepare
from unetkit.pipeline.validation import Validator

COUNT = 12
COLOURS = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)


def build(root: Path, encoding: str) -> Path:
    """Twelve numbered smooth images, so that they may be a series, with masks of one class."""
    generator = np.random.default_rng(0)
    for number in range(COUNT):
        picture = 128 + 900 * gaussian_filter(generator.standard_normal((48, 48)), 3)
        region = picture > 150
        masks = {"values": region.astype(np.uint8) * 255, "colours": COLOURS[region.astype(int)]}
        mask = label(region)[0].astype(np.uint16) if encoding == "instances" else masks[encoding]
        write_image(root / "images" / f"tile_{number}.png", picture.clip(0, 255).astype(np.uint8)[None])
        write_mask(root / "masks" / f"tile_{number}.png", mask)
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was decoded, as "images/a.png"."""
    counts: Counter[str] = Counter()

    def counting(read: Callable[..., Any]) -> Callable[..., Any]:
        def spy(path: Path, *rest: Any) -> Any:
            counts[f"{path.parent.name}/{path.name}"] += 1
            return read(path, *rest)

        return spy

    for name, format in FORMATS.items():
        readers = {field: getattr(format, field) for field in ("read", "read_window", "read_mask")}
        spies: dict[str, Any] = {field: counting(read) for field, read in readers.items() if read is not None}
        monkeypatch.setitem(FORMATS, name, replace(format, **spies))
    return counts


@pytest.mark.parametrize("encoding", ["values", "instances", "colours"])
def test_no_file_is_decoded_more_than_twice_before_the_first_step(
    encoding: str, tmp_path: Path, decoded: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, encoding)
    monkeypatch.setattr(fingerprint_module, "MAX_IMAGES", 3)
    monkeypatch.setattr(fingerprint_module, "MAX_MASKS", 2)
    prepared = prepare(tmp_path, Options(steps=1))
    assert len(decoded) == 2 * COUNT
    measured = {file for file, count in decoded.items() if count > 1}
    assert Counter(file.partition("/")[0] for file in measured) == {"images": 3, "masks": 2}
    assert decoded.total() == 2 * COUNT + 5

    plan, split = prepared.plan, prepared.split
    assert measured <= {f"{folder}/{name}.png" for folder in ("images", "masks") for name in split.train}
    dataset = open_dataset(tmp_path, classes=prepared.dataset.classes)
    PatchSource(dataset, split.train, plan.normalization)
    loss = build_loss(plan.training.loss, num_classes=2, **plan.training.loss_options)
    Validator(dataset, split.val, plan, loss, device=torch.device("cpu"))
    assert all(count <= 2 + (file in measured) for file, count in decoded.items())
    assert all(decoded[f"images/{name}.png"] == 1 for name in split.test)


def test_a_given_split_and_folds_look_at_each_image_once(tmp_path: Path, decoded: Counter[str]) -> None:
    dataset = open_dataset(build(tmp_path, "values"))
    folds = make_folds(dataset, folds=3)
    assert [find_leaks(dataset, fold) for fold in folds] == [[]] * 3
    assert {decoded[f"images/tile_{number}.png"] for number in range(COUNT)} == {1}


def test_images_are_compared_once_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counting(descriptors: Vector) -> list[tuple[int, int, float]]:
        compared.append(len(descriptors))
        return near_duplicates(descriptors)

    monkeypatch.setattr("unetkit.dataset.duplicates.near_duplicates", counting)
    build(tmp_path, "values")
    pixels = np.random.default_rng(1).integers(0, 255, (1, 48, 48)).astype(np.uint8)
    write_image(tmp_path / "images" / "unlabelled.png", pixels)
    dataset = prepare(tmp_path, Options(steps=1)).dataset
    make_folds(dataset, folds=3)
    assert compared == [COUNT + 1]
    opened = open_dataset(tmp_path)  # where nobody checked
    for fold in make_folds(opened, folds=3):
        find_leaks(opened, fold)
    assert compared == [COUNT + 1, COUNT]


@pytest.mark.parametrize("encoding", ["values", "instances", "colours"])
def test_a_survey_changes_no_result(encoding: str, tmp_path: Path) -> None:
    build(tmp_path, encoding)
    surveyed, plain = check(tmp_path).dataset, open_dataset(tmp_path)
    assert surveyed is not None
    assert surveyed.survey is not None
    assert surveyed == plain
    split = make_split(plain, seed=3)
    assert make_split(surveyed, seed=3) == split
    assert find_leaks(surveyed, split) == find_leaks(plain, split)
    assert fingerprint(surveyed, split.train) == fingerprint(plain, split.train)


def test_grey_and_colour_copies_are_found_with_and_without_a_survey(tmp_path: Path) -> None:
    build(tmp_path, "values")
    grey = open_dataset(tmp_path).read_image(open_dataset(tmp_path).samples[0]).pixels
    for name, pixels in (("copy", np.repeat(grey, 3, 0)), ("other", np.stack([grey[0], grey[0] // 2, grey[0].T]))):
        write_image(tmp_path / "images" / f"{name}.png", pixels)
        write_mask(tmp_path / "masks" / f"{name}.png", (grey[0] > 150).astype(np.uint8) * 255)
    surveyed, plain = check(tmp_path).dataset, open_dataset(tmp_path)
    assert surveyed is not None
    split = make_split(plain)
    torn = split.model_copy(update={"train": ("copy",), "val": ("other",), "test": ("tile_0",)})
    assert make_split(surveyed) == split
    assert find_leaks(surveyed, torn)[0] == "copy (train) and tile_0 (test) are the same picture"
    assert find_leaks(surveyed, torn) == find_leaks(plain, torn)


def test_class_shares_come_from_all_masks_of_a_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint_module, "MAX_MASKS", 2)
    dataset = check(build(tmp_path, "values")).dataset
    assert dataset is not None
    found = fingerprint(dataset, [sample.name for sample in dataset.samples])
    labels = np.stack([dataset.read_labels(sample).labels for sample in dataset.samples])
    assert found.class_shares[1] == pytest.approx(labels.mean())
    assert found.class_images == (COUNT, COUNT)
    assert "2 of 12 masks" in found.sampled
    assert found.sampled.endswith("class pixels in all 12")


def test_the_survey_counts_the_values_of_all_masks_also_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, "values")
    rare = np.zeros((48, 48), np.uint8)
    rare[8:20, 8:20], rare[30:40, 30:40] = 255, 100
    write_mask(tmp_path / "masks" / "tile_5.png", rare)
    for module in ("encoding", "survey"):
        monkeypatch.setattr(f"unetkit.dataset.{module}.MAX_READ", 2)
    surveyed = check(tmp_path).dataset
    assert surveyed is not None
    assert surveyed.classes.values == (0, 100, 255)
    assert surveyed.classes.evidence.startswith("12 masks hold")
    assert open_dataset(tmp_path).classes.values == (0, 255)  # nobody looked at all of them


def test_a_value_without_a_class_is_refused_with_its_pixels(tmp_path: Path) -> None:
    dataset = check(build(tmp_path, "values")).dataset
    assert dataset is not None
    sample = dataset.samples[0]
    pixels = int(dataset.count_labels(sample)[1])
    strict = replace(dataset, classes=Classes(names=("background", "foreground")))
    with pytest.raises(FileError, match=f"found 255 on {pixels} pixels"):
        strict.count_labels(sample)


def test_what_the_survey_saw_only_in_part_is_looked_at_once_more_where_it_must(
    tmp_path: Path, decoded: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "LARGE", 100)  # PNG has no windows
    dataset = check(build(tmp_path, "values")).dataset
    assert dataset is not None
    assert not any(decoded[f"images/tile_{number}.png"] for number in range(COUNT))
    split = make_split(dataset)
    assert find_leaks(dataset, split) == []
    assert split == make_split(open_dataset(tmp_path))
    assert max(count for file, count in decoded.items() if file.startswith("images")) == 2


def test_positions_to_draw_from_do_not_depend_on_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(build(tmp_path, "values"))
    plan = prepare(tmp_path, Options(steps=1)).plan
    names = [sample.name for sample in dataset.samples[:2]]
    monkeypatch.setattr("unetkit.dataset.patches.POINTS", 300)
    whole = PatchSource(dataset, names, plan.normalization).cases
    monkeypatch.setattr("unetkit.dataset.patches.BLOCK", 100)
    for one, other in zip(PatchSource(dataset, names, plan.normalization).cases, whole, strict=True):
        assert one.points.keys() == other.points.keys() == {0, 1}
        for index, at in one.points.items():
            np.testing.assert_array_equal(at, other.points[index])
            assert (one.labels[tuple(at.T)] == index).all()
            assert len(np.unique(at, axis=0)) == len(at) == min(300, one.counts[index])
