"""A folder opened: pairs, groups, channels, sizes, and one clear error for whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unetkit.classes import Classes
from unetkit.dataset import open_dataset
from unetkit.errors import DatasetError, FileError
from unetkit.formats import write_image, write_mask

MASK = np.kron(np.eye(2, dtype=np.uint8), np.ones((4, 4), np.uint8))  # 8 x 8


def add(root: Path, name: str, *, channels: int = 1, mask: str | None = "", suffix: str = ".png") -> None:
    """An 8 x 8 image and, unless None, its mask with that ending."""
    write_image(root / "images" / f"{name}{suffix}", np.full((channels, 8, 8), 7, np.uint8))
    if mask is not None:
        write_mask(root / "masks" / f"{name}{mask}.png", MASK)


def test_pairs_by_stem_across_formats_and_sub_folders(tmp_path: Path) -> None:
    add(tmp_path, "plate/b", suffix=".tif")
    add(tmp_path, "a", suffix=".npy")
    add(tmp_path, "c", mask=None)
    (tmp_path / "fov").mkdir()
    (tmp_path / "images" / ".hidden.png").write_text("no image")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    dataset = open_dataset(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["a", "c", "plate/b"]
    assert [sample.name for sample in dataset.labelled] == ["a", "plate/b"]
    assert (dataset.channels, dataset.spatial_dims, dataset.grouped_by) == (1, 2, "nothing")
    assert any("1 images have no label" in note for note in dataset.notes)
    assert any("notes.txt" in note for note in dataset.notes)
    assert np.array_equal(dataset.read_labels(dataset.sample("plate/b")).labels, MASK)
    with pytest.raises(DatasetError, match="no image 'z'"):
        dataset.sample("z")
    with pytest.raises(DatasetError, match="'c' has no mask"):
        dataset.read_labels(dataset.sample("c"))


@pytest.mark.parametrize("ending", ["_mask", "_masks", "_label", "_labels", "_seg"])
def test_usual_endings_of_masks_are_accepted_and_noted(tmp_path: Path, ending: str) -> None:
    add(tmp_path, "a", mask=ending)
    dataset = open_dataset(tmp_path)
    assert dataset.sample("a").mask == tmp_path / "masks" / f"a{ending}.png"
    assert any(f"a has the mask a{ending}.png" in note for note in dataset.notes)


def test_ambiguous_masks_are_refused(tmp_path: Path) -> None:
    add(tmp_path, "a", mask="_mask")
    write_mask(tmp_path / "masks" / "a_seg.png", MASK)
    with pytest.raises(DatasetError, match=r"'a' has several masks.*a_mask\.png, a_seg\.png"):
        open_dataset(tmp_path)


def test_an_ending_that_is_an_image_of_its_own_is_not_borrowed(tmp_path: Path) -> None:
    add(tmp_path, "a", mask=None)
    add(tmp_path, "a_mask")
    assert open_dataset(tmp_path).sample("a").mask is None


def test_two_files_of_one_stem_are_refused(tmp_path: Path) -> None:
    add(tmp_path, "a")
    add(tmp_path, "a", suffix=".tif")
    with pytest.raises(DatasetError, match=r"share the stem 'a'.*a\.png and a\.tif"):
        open_dataset(tmp_path)


def test_masks_without_image_are_noted(tmp_path: Path) -> None:
    add(tmp_path, "a")
    write_mask(tmp_path / "masks" / "z.png", MASK)
    assert any("1 masks belong to no image" in note and "z.png" in note for note in open_dataset(tmp_path).notes)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no folder 'images'; found an empty folder"):
        open_dataset(tmp_path)
    file = tmp_path / "a.txt"
    file.write_text("x")
    with pytest.raises(DatasetError, match="is a file"):
        open_dataset(file)
    write_image(tmp_path / "a.png", np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"1 images that lie directly in it \(a\.png\).*move the images"):
        open_dataset(tmp_path)
    (tmp_path / "Imgs").mkdir()
    with pytest.raises(DatasetError, match="rename 'Imgs' to 'images'"):
        open_dataset(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match="no folder 'masks'"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="give the folder above"):
        open_dataset(tmp_path / "images")
    (tmp_path / "masks").mkdir()
    with pytest.raises(DatasetError, match="no image that can be read"):
        open_dataset(tmp_path)


def test_no_pairs_shows_both_sides(tmp_path: Path) -> None:
    add(tmp_path, "a", mask=None)
    write_mask(tmp_path / "masks" / "b.png", MASK)
    with pytest.raises(DatasetError, match=r"no image has a mask.*images a; masks b"):
        open_dataset(tmp_path)


def test_grey_among_colours_becomes_three_channels(tmp_path: Path) -> None:
    add(tmp_path, "a")
    add(tmp_path, "b", channels=3)
    dataset = open_dataset(tmp_path)
    assert dataset.channels == 3
    assert any("1 grey and 1 colour images" in note for note in dataset.notes)
    image = dataset.read_image(dataset.sample("a"))
    assert image.pixels.shape == (3, 8, 8)
    assert any("grey repeated" in note for note in image.notes)


def test_other_mixtures_are_refused(tmp_path: Path) -> None:
    add(tmp_path, "a")
    add(tmp_path, "b")
    write_image(tmp_path / "images" / "c.tif", np.zeros((5, 8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"c\.tif.*number of channels; found 5 channels"):
        open_dataset(tmp_path)
    (tmp_path / "images" / "c.tif").unlink()
    write_image(tmp_path / "images" / "v.npy", np.zeros((1, 4, 8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"v\.npy: images and volumes are mixed"):
        open_dataset(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    add(tmp_path, "a")
    write_mask(tmp_path / "masks" / "a.png", np.kron(MASK, np.ones((1, 2), np.uint8)))
    dataset = open_dataset(tmp_path)
    with pytest.raises(FileError, match="a mask of 8 × 16; expected 8 × 8"):
        dataset.read_labels(dataset.sample("a"))


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    add(tmp_path, "a")
    (tmp_path / "images" / "b.png").write_bytes(b"")
    with pytest.raises(FileError, match=r"b\.png"):
        open_dataset(tmp_path)


def test_classes_given_or_stated(tmp_path: Path) -> None:
    add(tmp_path, "a")
    (tmp_path / "classes.yaml").write_text("names: [ground, cell]\n")
    assert open_dataset(tmp_path).classes.names == ("ground", "cell")
    own = Classes(names=("x", "y"))
    assert open_dataset(tmp_path, classes=own).classes is own


@pytest.mark.parametrize(
    "text", ["image,group\na,1\nb,2\n", "\ufeffGroup;Image\n1;a\n2;b\n\n", "image\tgroup\na\t1\nb\t2"]
)
def test_groups_csv(tmp_path: Path, text: str) -> None:
    add(tmp_path, "a")
    add(tmp_path, "b")
    (tmp_path / "groups.csv").write_text(text, encoding="utf-8")
    dataset = open_dataset(tmp_path)
    assert [sample.group for sample in dataset.samples] == ["1", "2"]
    assert dataset.grouped_by == "groups.csv"


def test_groups_json_and_its_faults(tmp_path: Path) -> None:
    add(tmp_path, "a")
    add(tmp_path, "b")
    path = tmp_path / "groups.json"
    path.write_text(json.dumps({"a": 1, "b": "x", "old": "x"}))
    dataset = open_dataset(tmp_path)
    assert [sample.group for sample in dataset.samples] == ["1", "x"]
    assert any("old" in note for note in dataset.notes)
    path.write_text(json.dumps({"a": 1}))
    with pytest.raises(DatasetError, match="1 labelled images have no group; found b"):
        open_dataset(tmp_path)
    path.write_text(json.dumps(["a"]))
    with pytest.raises(DatasetError, match="does not give each image a group"):
        open_dataset(tmp_path)
    (tmp_path / "groups.csv").write_text("name,patient\na,1\n")
    with pytest.raises(DatasetError, match=r"groups\.csv and groups\.json"):
        open_dataset(tmp_path)
    path.unlink()
    with pytest.raises(DatasetError, match="no columns 'image' and 'group'; found name,patient"):
        open_dataset(tmp_path)
    (tmp_path / "groups.csv").write_text("image,group\na,1\na,2\nb,1\n")
    with pytest.raises(DatasetError, match="'a' has two groups"):
        open_dataset(tmp_path)


def test_sub_folders_are_groups_when_evident(tmp_path: Path) -> None:
    for name in ("p1/a", "p1/b", "p2/a"):
        add(tmp_path, name)
    assert open_dataset(tmp_path).grouped_by == "nothing"
    add(tmp_path, "p2/b")
    dataset = open_dataset(tmp_path)
    assert dataset.grouped_by == "sub-folders of images/"
    assert dataset.sample("p2/b").group == "p2"
    assert any("counts as one group" in note for note in dataset.notes)


def test_sub_folders_called_train_and_test_are_a_split(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "valid/c", "test/d"):
        add(tmp_path, name)
    dataset = open_dataset(tmp_path)
    assert dataset.grouped_by == "nothing"
    assert dataset.given_split is not None
    assert dataset.given_split.train == ("train/a", "train/b")
    assert (dataset.given_split.val, dataset.given_split.test) == (("valid/c",), ("test/d",))


def test_real_folders(real_data: Path) -> None:
    nuclei = open_dataset(real_data / "nuclei_dsb2018")
    assert (len(nuclei.labelled), nuclei.channels, nuclei.grouped_by) == (60, 3, "groups.json")
    burns = open_dataset(real_data / "burnscars_s2_5band")
    assert (burns.channels, burns.spatial_dims, burns.classes.values) == (5, 2, (0, 1))
    retina = open_dataset(real_data / "retina_drive")
    assert retina.read_labels(retina.samples[0]).labels.shape == (584, 565)
