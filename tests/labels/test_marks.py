"""Marks: what their files may hold, whoever wrote them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetkit.errors import DatasetError, FileError
from unetkit.labels import Kind, Mark, Marks, find_marks, read_marks, write_marks
from unetkit.labels.marks import CORNERS

SIZE = (40, 60)
numbers = st.floats(0, 30).map(lambda number: round(number, 3))


@st.composite
def any_mark(draw: st.DrawFn) -> Mark:
    kind: Kind = draw(st.sampled_from(list(CORNERS)))
    least, most = CORNERS[kind]
    count = draw(st.integers(least, most or 6))
    at = [(draw(numbers), draw(numbers)) for _ in range(count)]
    if kind == "box":
        (top, left), _ = at
        at[1] = (top + 1 + draw(numbers), left + 1 + draw(numbers))
    width = draw(st.floats(0.5, 9)) if kind == "scribble" else 3.0
    return Mark(kind=kind, name=draw(st.text(min_size=1, max_size=8)), at=tuple(at), width=width)


@given(st.lists(any_mark(), min_size=1, max_size=5), st.booleans())
def test_marks_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, marks: list[Mark], complete: bool
) -> None:
    path = tmp_path_factory.mktemp("marks") / "a.json"
    written = Marks(complete=complete, marks=tuple(marks))
    write_marks(path, written)
    assert read_marks(path) == written


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def drawn(kind: str, *at: list[float], **more: Any) -> str:
    return json.dumps({"marks": [{"kind": kind, "class": "cell", "at": list(at), **more}]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (drawn("box", [5, 5], [5, 9]), "mark 1: a box without area: rows 5 to 5, columns 5 to 9"),
        (drawn("box", [9, 9], [5, 5]), "without area"),
        (drawn("point", [5, 5], [6, 6]), "mark 1: a point has 2 positions; expected 1"),
        (drawn("scribble", [5, 5], width=0), "width"),
        (drawn("scribble", [50, 5], [45, 9]), "mark 1, a scribble of 'cell', lies outside of the image"),
        (drawn("point", [-3, 5]), "lies outside"),
        (drawn("point", [5, float("nan")]), "mark 1"),
        (drawn("blob", [5, 5]), "mark 1: kind"),
        ('{"marks": []}', "complete: true"),
        ('{"marks": [{"kind": "point"}]}', "mark 1: class"),
        ("[1, 2]", "dictionary"),
        ("{", "not valid JSON"),
    ],
)
def test_a_mark_that_is_none_is_refused_by_its_number(tmp_path: Path, text: str, words: str) -> None:
    path = put(tmp_path, "a.json", text)
    with pytest.raises(FileError) as caught:
        find_marks(tmp_path, {"a": SIZE})
    assert words in str(caught.value)
    assert caught.value.file == path


def test_what_reaches_beyond_the_image_counts_up_to_its_border_and_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.json", drawn("box", [-2, 50], [10, 65]))
    found = find_marks(tmp_path, {"a": SIZE})
    assert found.notes == ("1 marks of a.json reach beyond their image and count up to its border",)


VOC = """<annotation><filename>a.png</filename><size><width>60</width><height>40</height><depth>1</depth></size>
<object><name>cell</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>20</xmax><ymax>10</ymax></bndbox></object>
</annotation>"""

COCO: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "set/a.png", "height": 40, "width": 60},
        {"id": 2, "file_name": "b.png", "height": 40, "width": 60},
        {"id": 3, "file_name": "elsewhere.png", "height": 9, "width": 9},
    ],
    "categories": [{"id": 7, "name": "cell"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 5, 10, 5]},
        {"id": 2, "image_id": 3, "category_id": 7, "bbox": [0, 0, 3, 3]},
    ],
}

BOX = Mark(kind="box", name="cell", at=((5, 10), (10, 20)))


def boxes_of(folder: Path) -> dict[str, Marks]:
    return dict(find_marks(folder, {"a": SIZE, "b": SIZE}).of)


def test_the_same_box_in_every_form(tmp_path: Path) -> None:
    put(tmp_path / "voc", "a.xml", VOC)
    put(tmp_path / "yolo", "a.txt", "0 0.25 0.1875 0.16666667 0.125\n")
    put(tmp_path / "yolo", "classes.txt", "cell\n")
    put(tmp_path / "coco", "instances.json", json.dumps(COCO))
    put(tmp_path / "own", "a.json", json.dumps({"complete": True, "marks": [BOX.model_dump(by_alias=True)]}))
    for form in ("voc", "yolo", "coco", "own"):
        marks = boxes_of(tmp_path / form)["a"]
        assert marks.complete
        (mark,) = marks.marks
        assert mark.name == "cell"
        assert [number for corner in mark.at for number in corner] == pytest.approx([5, 10, 10, 20], abs=1e-4)


def test_an_image_that_is_listed_without_objects_has_nothing_in_it(tmp_path: Path) -> None:
    nothing = Marks(complete=True)
    put(tmp_path / "voc", "b.xml", "<annotation></annotation>")
    put(tmp_path / "yolo", "b.txt", "")
    put(tmp_path / "coco", "instances.json", json.dumps(COCO))
    put(tmp_path / "list", "nothing.txt", "b\n")
    for form in ("voc", "yolo", "coco", "list"):
        assert boxes_of(tmp_path / form)["b"] == nothing
    assert find_marks(tmp_path / "coco", {"a": SIZE, "b": SIZE}).notes == (
        "instances.json marks 1 images, which is not in images/",
    )


def test_polygons_are_regions(tmp_path: Path) -> None:
    put(tmp_path / "yolo", "a.txt", "0 0.25 0.25 0.5 0.25 0.5 0.5\n")
    put(tmp_path / "yolo", "classes.txt", "cell\n")
    shape = {**COCO, "annotations": [{**COCO["annotations"][0], "segmentation": [[15, 10, 30, 10, 30, 20]]}]}
    put(tmp_path / "coco", "all.json", json.dumps(shape))
    for form in ("yolo", "coco"):
        (mark,) = boxes_of(tmp_path / form)["a"].marks
        assert mark == Mark(kind="region", name="cell", at=((10, 15), (10, 30), (20, 30)))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xml", VOC.replace("60</width>", "61</width>"), "another size"),
        ("a.xml", VOC.replace("<xmax>20", "<xmax>10"), "without area"),
        ("a.xml", VOC.replace("<name>cell</name>", ""), "mark 1"),
        ("a.xml", "<annotation>", "VOC's form"),
        ("a.txt", "0 0.5 0.5 0.1 0.1\n", "no name"),
        ("a.txt", "cell 0.5 0.5 0.1 0.1\n", "line 1"),
        ("a.txt", "0 0.5 0.5 0.1 0.1 0.9\n", "line 1"),
        ("c.json", json.dumps({**COCO, "annotations": [{"image_id": 1}]}), "COCO's form"),
        (
            "c.json",
            json.dumps({**COCO, "annotations": [{**COCO["annotations"][0], "segmentation": {"counts": "x"}}]}),
            "run-length",
        ),
    ],
)
def test_faulty_files_of_other_tools_are_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    put(tmp_path, name, text)
    with pytest.raises(FileError, match=words):
        boxes_of(tmp_path)


def test_an_image_is_marked_once_and_marks_belong_to_an_image(tmp_path: Path) -> None:
    put(tmp_path, "a.json", drawn("point", [5, 5]))
    put(tmp_path, "nothing.txt", "a\n")
    with pytest.raises(DatasetError, match=r"'a' is marked in two files.*a\.json and nothing\.txt"):
        boxes_of(tmp_path)
    with pytest.raises(DatasetError, match="belongs to an image"):
        find_marks(tmp_path, {"other": SIZE})
