"""Splits: given ones checked, made ones grouped, stratified or in stretches, and leaks between the parts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from unetkit.dataset import Dataset, Split, find_leaks, make_folds, make_split, open_dataset
from unetkit.dataset.stratify import stratify
from unetkit.errors import DatasetError, UsageError
from unetkit.formats import write_image, write_mask

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def build(root: Path, names: Sequence[str], *, shown: Sequence[Sequence[int]] | None = None) -> Dataset:
    """Images of noise; image i shows background and the classes shown[i]."""
    generator = np.random.default_rng(0)
    for i, name in enumerate(names):
        write_image(root / "images" / f"{name}.png", generator.integers(0, 255, (1, 24, 24)).astype(np.uint8))
        mask = np.zeros((24, 24), np.uint8)
        for c in shown[i] if shown else (1,):
            mask[4 * c : 4 * c + 3, :12] = c
        write_mask(root / "masks" / f"{name}.png", mask)
    return open_dataset(root)


def state(root: Path, **parts: object) -> Dataset:
    """Write splits.json and open the folder again."""
    (root / "splits.json").write_text(json.dumps(parts))
    return open_dataset(root)


def all_names(split: Split) -> list[str]:
    return sorted([*split.train, *split.val, *split.test])


def test_parts_are_whole_disjoint_and_repeatable(tmp_path: Path) -> None:
    dataset = build(tmp_path, LETTERS[:20])
    split = make_split(dataset, seed=3)
    assert all_names(split) == list(LETTERS[:20])
    assert (len(split.train), len(split.val), len(split.test)) == (13, 3, 4)
    assert split == make_split(dataset, seed=3)
    assert split.train != make_split(dataset, seed=4).train
    assert split.source == "made"
    assert Split.model_validate_json(split.model_dump_json()) == split


def test_rare_classes_and_empty_masks_are_spread(tmp_path: Path) -> None:
    shown = [(1,)] * 9 + [(1, 2)] * 3 + [()] * 6
    dataset = build(tmp_path, LETTERS[:18], shown=shown)
    for seed in range(5):
        split = make_split(dataset, seed=seed)
        rare, empty = set(LETTERS[9:12]), set(LETTERS[12:18])
        assert rare & set(split.train)
        assert rare & {*split.val, *split.test}
        assert [len(empty & set(part)) for part in (split.train, split.val, split.test)] == [4, 1, 1]


@pytest.mark.parametrize(("count", "sizes"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (5, (3, 1, 1)), (2, (1, 1, 0))])
def test_few_images(tmp_path: Path, count: int, sizes: tuple[int, ...]) -> None:
    split = make_split(build(tmp_path, LETTERS[:count]))
    assert (len(split.train), len(split.val), len(split.test)) == sizes
    assert (count > 2) or any("none is left for a test" in reason for reason in split.reasons)


def test_one_image_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected at least two"):
        make_split(build(tmp_path, "a"))


def test_shares_are_checked(tmp_path: Path) -> None:
    dataset = build(tmp_path, LETTERS[:6])
    with pytest.raises(UsageError, match=r"val 0\.5, test 0\.5"):
        make_split(dataset, val=0.5, test=0.5)
    split = make_split(dataset, test=0)
    assert split.test == ()
    assert any("no test images" in reason for reason in split.reasons)


def test_groups_are_never_torn_apart(tmp_path: Path) -> None:
    build(tmp_path, LETTERS[:20])
    groups = {name: f"patient {i % 6}" for i, name in enumerate(LETTERS[:20])}
    (tmp_path / "groups.json").write_text(json.dumps(groups))
    dataset = open_dataset(tmp_path)
    for split in (make_split(dataset, seed=1), *make_folds(dataset, folds=3)):
        parts = [{groups[name] for name in part} for part in (split.train, split.val, split.test)]
        assert all(parts)
        assert sum(map(len, parts)) == 6
        assert find_leaks(dataset, split) == []


def test_folds_that_judge_masks_spread_the_groups(tmp_path: Path) -> None:
    build(tmp_path, LETTERS[:12])
    groups = {name: f"patient {i // 3}" for i, name in enumerate(LETTERS[:12])}
    (tmp_path / "groups.json").write_text(json.dumps(groups))
    dataset = open_dataset(tmp_path)
    folds = make_folds(dataset, folds=3, spread=True)
    assert Counter(name for fold in folds for name in fold.test) == Counter(LETTERS[:12])
    for fold in folds:
        assert sorted(groups[name] for name in fold.test) == sorted(set(groups.values()))
        assert any("neighbours spread over the folds" in reason for reason in fold.reasons)


def test_one_group_is_split_by_image_and_says_so(tmp_path: Path) -> None:
    build(tmp_path, LETTERS[:6])
    (tmp_path / "groups.json").write_text(json.dumps(dict.fromkeys(LETTERS[:6], "p")))
    split = make_split(open_dataset(tmp_path))
    assert len(split.train) == 4
    assert any("all belong to one group" in reason for reason in split.reasons)


def write_stack(root: Path, count: int, drift: float) -> Dataset:
    """Numbered smooth images; each is the one before, changed by `drift`."""
    generator = np.random.default_rng(0)
    picture = gaussian_filter(generator.standard_normal((32, 32)), 3)
    for i in range(count):
        fresh = gaussian_filter(generator.standard_normal((32, 32)), 3)
        picture = np.sqrt(1 - drift**2) * picture + drift * fresh
        pixels = (128 + 600 * picture).clip(0, 255).astype(np.uint8)
        write_image(root / "images" / f"slice_{i}.png", pixels[None])
        write_mask(root / "masks" / f"slice_{i}.png", (pixels > 128).astype(np.uint8))
    return open_dataset(root)


def number(name: str) -> int:
    return int(name.removeprefix("slice_"))


def test_neighbouring_slices_stay_in_one_stretch(tmp_path: Path) -> None:
    dataset = write_stack(tmp_path, 20, 0.5)
    split = make_split(dataset)
    assert any("neighbours look alike" in reason for reason in split.reasons)
    numbers = [n for part in (split.train, split.val, split.test) for n in sorted(map(number, part))]
    assert numbers == list(range(20))
    for fold in make_folds(dataset, folds=4):
        tested = sorted(map(number, fold.test))
        assert tested == list(range(tested[0], tested[0] + 5))
    spread = [sorted(map(number, fold.test)) for fold in make_folds(dataset, folds=4, spread=True)]
    assert not any(tested == list(range(tested[0], tested[0] + 5)) for tested in spread)


def test_numbered_images_that_differ_are_shuffled(tmp_path: Path) -> None:
    split = make_split(write_stack(tmp_path, 20, 1.0))
    assert not any("neighbours" in reason for reason in split.reasons)


def test_folds_test_every_image_once(tmp_path: Path) -> None:
    dataset = build(tmp_path, LETTERS[:11], shown=[(1, 2) if i % 3 else (1,) for i in range(11)])
    folds = make_folds(dataset, folds=4, seed=2)
    assert Counter(name for fold in folds for name in fold.test) == Counter(LETTERS[:11])
    for k, fold in enumerate(folds):
        assert all_names(fold) == list(LETTERS[:11])
        assert fold.val
        assert fold.source == f"fold {k + 1} of 4"
    for wrong in (1, 12):
        with pytest.raises(UsageError, match="expected 2 to 11"):
            make_folds(dataset, folds=wrong)
    with pytest.raises(DatasetError, match="too small"):
        make_folds(build(tmp_path / "two", "ab"), folds=2)


def test_given_splits_are_used_as_they_are(tmp_path: Path) -> None:
    build(tmp_path, LETTERS[:6])
    (tmp_path / "masks" / "f.png").unlink()
    dataset = state(tmp_path, train=["a.png", "b"], val=["c"], test=["d", "f"], seed=9, note="x", sites=["A"])
    split = make_split(dataset, seed=1)
    assert (split.train, split.val, split.test) == (("a", "b"), ("c",), ("d",))
    assert (split.source, split.seed) == ("given", 9)
    assert any("1 images of test have no label" in reason for reason in split.reasons)
    assert any("stay unused: e" in reason for reason in split.reasons)


def test_missing_val_is_carved_out_of_train_and_missing_test_is_said(tmp_path: Path) -> None:
    build(tmp_path, LETTERS[:8])
    split = make_split(state(tmp_path, train=list(LETTERS[:8])))
    assert (len(split.train), len(split.val), split.test, split.source) == (7, 1, (), "given")
    assert any("no test images" in reason for reason in split.reasons)
    assert any("taken out of train" in reason for reason in split.reasons)
    with pytest.raises(DatasetError, match="label a second one"):
        make_split(state(tmp_path, train=["a"], test=["b"]))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": ["a", "z"]}, "1 images that are not in images/; found z"),
        ({"train": ["a", "b"], "test": ["b"]}, r"b \(in train and test\)"),
        ({"train": ["a", "a"]}, "more than once"),
        ({"train": [], "val": ["a"]}, "no labelled image to train on"),
        ({"val": ["a"]}, "does not state a split"),
        ({"train": "a"}, "'train' is no list"),
        ({"train": ["a"], "valid": ["b"]}, "rename 'valid'"),
    ],
)
def test_faults_of_splits_json(tmp_path: Path, parts: dict[str, object], message: str) -> None:
    build(tmp_path, "abc")
    with pytest.raises(DatasetError, match=message):
        state(tmp_path, **parts)


def test_leaks_are_found(tmp_path: Path) -> None:
    dataset = write_stack(tmp_path, 6, 1.0)
    same = dataset.read_image(dataset.samples[0]).pixels
    write_image(tmp_path / "images" / "copy.png", same)
    write_image(tmp_path / "images" / "lighter.png", (same.astype(int) + 10).clip(0, 255).astype(np.uint8))
    for name in ("copy", "lighter"):
        write_mask(tmp_path / "masks" / f"{name}.png", (same[0] > 128).astype(np.uint8))
    dataset = open_dataset(tmp_path)
    names = [sample.name for sample in dataset.samples]
    split = Split(train=tuple(names[2:7]), val=(names[7],), test=("copy", "lighter"))
    leaks = find_leaks(dataset, split)
    assert "slice_0 (train) and copy (test) are the same picture" in leaks
    assert any("slice_0 (train) and lighter (test) are near copies" in leak for leak in leaks)
    assert len(leaks) == 2
    together = Split(train=("copy", "lighter", "slice_0"), val=("slice_1",), test=("slice_2",))
    assert find_leaks(dataset, together) == []
    (tmp_path / "groups.json").write_text(json.dumps({name: name.partition("_")[0] for name in names}))
    grouped = open_dataset(tmp_path)
    found = find_leaks(grouped, Split(train=("slice_1",), val=("copy",), test=("slice_2",)))
    assert found == ["group 'slice' (groups.json) is in train and test: slice_1, slice_2"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.sampled_from("xyz")), min_size=3, max_size=30), st.integers(0, 5))
def test_stratify_meets_its_targets(labels: list[set[str]], seed: int) -> None:
    count = len(labels)
    targets = [count - 2 * (count // 3), count // 3, count // 3]
    units = [dict.fromkeys(sorted(label), 1) for label in labels]
    parts = stratify(units, [1] * count, targets, np.random.default_rng(seed))
    assert [parts.count(k) for k in range(3)] == targets


@pytest.mark.parametrize("name", ["em_isbi2012", "camvid"])
def test_real_neighbours_are_recognised(real_data: Path, name: str) -> None:
    dataset = open_dataset(real_data / name)
    assert dataset.given_split is not None
    stated = json.loads((real_data / name / "splits.json").read_text())
    split = make_split(dataset)
    assert all(list(getattr(split, part)) == stated[part] for part in ("train", "val", "test"))
    folds = make_folds(dataset, folds=3)
    assert any("neighbours look alike" in reason for reason in folds[0].reasons)


@pytest.mark.parametrize("name", ["cropweed_cwfid", "magtile_defects", "retina_drive"])
def test_real_images_without_order(real_data: Path, name: str) -> None:
    dataset = open_dataset(real_data / name)
    assert not any("neighbours" in reason for reason in make_folds(dataset, folds=3)[0].reasons)


def test_real_groups_astride_are_reported(real_data: Path) -> None:
    dataset = open_dataset(real_data / "nuclei_dsb2018")
    assert any("'purple256x320'" in leak for leak in find_leaks(dataset, make_split(dataset)))
