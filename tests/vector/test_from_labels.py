"""Anybody's label files as objects: how they are read, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from tests.vector.conftest import PLACE
from unetkit.classes import Classes
from unetkit.cli import app
from unetkit.errors import FileError, InputError
from unetkit.formats import RawMask, write_image, write_mask
from unetkit.image import Geometry
from unetkit.vector import OBJECT_FORMATS
from unetkit.vector.from_labels import export_labels, objects_of

INSTANCES = Classes(names=("background", "cell"), encoding="instances")


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """A folder of three label images whose numbers are objects, repeated from image to image."""
    generator = np.random.default_rng(0)
    for image, count in (("a", 20), ("b", 23), ("sub/c", 18)):
        ids = np.zeros((60, 60), np.uint16)
        for number, place in enumerate(generator.permutation(36)[:count], 1):
            row, column = divmod(int(place), 6)
            ids[row * 10 : row * 10 + 8, column * 10 : column * 10 + 7] = number
        write_mask(tmp_path / "labels" / f"{image}.tif", ids)
    return tmp_path / "labels"


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["objects", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64, np.float32])
@pytest.mark.parametrize("numbers", [(1, 2, 3), (1, 3, 200), (7, 9, 11)])
def test_numbers_of_objects_become_1_to_n_in_their_order(dtype: type, numbers: tuple[int, ...]) -> None:
    values = np.array([[0, numbers[2]], [numbers[0], numbers[1]]]).astype(dtype)
    said: list[str] = []
    found = objects_of(RawMask(values), INSTANCES, said.append)
    assert found.ids.tolist() == [[0, 3], [1, 2]]
    assert found.ids.dtype == np.uint32
    assert found.count == 3
    assert len(said) == (numbers != (1, 2, 3))


@pytest.mark.parametrize("background", [0, 5])
def test_numbers_of_64_bits(background: int) -> None:
    values = np.array([[background, 2**63 + 5], [2**40, 2**40]], np.uint64)
    said: list[str] = []
    found = objects_of(RawMask(values), INSTANCES, said.append)
    assert found.ids.tolist() == ([[0, 2], [1, 1]] if background == 0 else [[1, 3], [2, 2]])
    assert len(said) == 1
    assert f"with numbers up to {2**63 + 5}, are numbered 1 to {found.count} in that order" in said[0]


def test_an_object_in_pieces_stays_one_and_a_class_is_many() -> None:
    values = np.array([[1, 0, 1, 2]], np.uint8)
    assert objects_of(RawMask(values), INSTANCES).ids.tolist() == [[1, 0, 1, 2]]
    found = objects_of(RawMask(values), Classes(names=("background", "cell", "dirt")))
    assert found.ids.tolist() == [[1, 0, 2, 3]]
    assert found.classes.tolist() == [1, 1, 2]


def test_ignored_pixels_are_no_objects() -> None:
    values = np.array([[0, 4, -1]], np.int32)
    ignoring = INSTANCES.model_copy(update={"ignore_values": (-1,)})
    assert objects_of(RawMask(values), ignoring).ids.tolist() == [[0, 1, 0]]
    assert (
        objects_of(RawMask(np.array([[0, 1, 255]], np.uint8)), Classes(names=("b", "c"), ignore_values=(255,))).count
        == 1
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, -3]], np.int16), "found down to -3"),
        (np.array([[0.5, 1]], np.float32), "found fractions"),
        (np.array([[np.nan, 1]], np.float32), "found fractions"),
        (np.array([[np.inf, 1]], np.float32), "found fractions"),
        (np.zeros((2, 2, 3), np.uint8), "holds colours"),
    ],
)
def test_numbers_that_are_none_of_objects(values: np.ndarray, message: str) -> None:
    with pytest.raises(FileError, match=message):
        objects_of(RawMask(values, path=Path("a.tif")), INSTANCES)


def test_a_folder_in_every_format(numbered: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "sub/c"):
        file = tmp_path / "images" / f"{name}.tif"
        write_image(file, np.zeros((1, 60, 60), np.uint8), geometry=Geometry((10, 10), "m", {"geotiff": PLACE}))
    every = ",".join(name for name in OBJECT_FORMATS if name != "png")
    code, output = run(numbered, "--format", every, "--out", tmp_path / "out", "--images", tmp_path / "images")
    assert code == 0, output
    assert "each number is an object (3 masks hold instance ids" in output
    assert "61 objects of 3 images in 21 files" in output
    coco = json.loads((tmp_path / "out/coco.json").read_text("utf-8"))
    assert len({one["id"] for one in coco["annotations"]}) == 61  # the files' own numbers repeat
    assert [one["file_name"] for one in coco["images"]] == ["a.tif", "b.tif", "sub/c.tif"]
    assert tifffile.imread(tmp_path / "out/sub/c.objects.tif").max() == 18
    code, output = run(numbered, "--format", "svg", "--out", tmp_path / "out")
    assert code == 2
    assert "exists already" in output


def test_what_the_numbers_are_can_be_stated(tmp_path: Path) -> None:
    values = np.zeros((9, 9), np.uint8)
    values[1:3, 1:3] = values[5:7, 5:7] = 1
    values[1:3, 5:7] = 2
    write_mask(tmp_path / "a.png", values)
    counts = {}
    for kind in ("ids", "classes"):
        code, output = run(tmp_path / "a.png", "--format", "svg", "--out", tmp_path / kind, "--as", kind, "--json")
        assert code == 0, output
        counts[kind] = json.loads(output)["objects"]
    assert counts == {"ids": {"a": 2}, "classes": {"a": 3}}
    (tmp_path / "classes.yaml").write_text("names: [ground, tree, house]\n", "utf-8")
    done = export_labels([tmp_path / "a.png"], tmp_path / "named", ["svg"])
    assert done.classes.names == ("ground", "tree", "house")
    assert "<title>3 house</title>" in (tmp_path / "named/a.svg").read_text("utf-8")


def test_a_label_image_without_objects(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.tif", np.zeros((4, 4), np.uint16))
    code, output = run(tmp_path / "a.tif", "--format", "coco", "--out", tmp_path / "out", "--as", "ids")
    assert code == 0, output
    assert "0 objects of 1 images" in output


def test_labels_that_do_not_fit_are_one_clear_error(numbered: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    write_image(images / "a.png", np.zeros((1, 50, 60), np.uint8))
    cases = {
        "does not exist": ([tmp_path / "nowhere"], None),
        "holds no label files": ([tmp_path / "empty"], None),
        "is no label file": ([tmp_path / "text.txt"], None),
        "two label files are called 'a'": ([numbered, numbered / "a.tif"], None),
        "differs in size from its image; found 60 × 60; expected 50 × 60": ([numbered / "a.tif"], images / "a.png"),
        "the images of 2 of 3 label files are not clear; found for b: none": ([numbered], images),
        "one image cannot belong to several": ([numbered], images / "a.png"),
    }
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").touch()
    for message, (labels, belonging) in cases.items():
        with pytest.raises(InputError, match=message):
            export_labels(labels, tmp_path / "out", ["coco", "svg"], images=belonging, kind="ids")
        assert not (tmp_path / "out").exists() or not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


def test_help_names_every_format() -> None:
    code, output = run("--help")
    assert code == 0
    assert set(OBJECT_FORMATS) <= {word.strip(",.") for word in output.replace("│", " ").split()}
