"""Boxes and outlines of other tools as marks: Pascal VOC, YOLO and COCO.

All three mean every object of an image, so their marks are complete: an image that they list without any has nothing
in it. Sources: the VOC2012 development kit (pixels counted from 1, both ends inside the box); docs.ultralytics.com
(shares of width and height, classes counted from 0); cocodataset.org/#format-data (x, y, width, height in pixels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from unetkit.errors import FileError
from unetkit.files import read_bytes
from unetkit.labels.marks import Marks, checked_marks


def read_voc(path: Path, size: Sequence[int]) -> Marks:
    """The objects of a VOC file.

    Args:
        path: an XML file with `object` elements.
        size: (rows, columns) of its image.

    Raises:
        FileError: not such XML, a box without area, or one of an image of another size.
    """
    try:
        root = ElementTree.fromstring(read_bytes(path))
        stated = [int(float(root.findtext(f"size/{side}") or 0)) for side in ("height", "width")]
        marks = [_voc_box(thing) for thing in root.iter("object")]
    except (ElementTree.ParseError, ValueError) as error:
        raise FileError("is no annotation in VOC's form", file=path, found=error) from error
    _require_size(path, stated, size)
    return checked_marks({"complete": True, "marks": marks}, path)


def _voc_box(thing: ElementTree.Element) -> dict[str, Any]:
    sides = {side: float(thing.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")}
    at = [[sides["ymin"] - 1, sides["xmin"] - 1], [sides["ymax"], sides["xmax"]]]
    return {"kind": "box", "class": (thing.findtext("name") or "").strip(), "at": at}


def read_yolo(path: Path, size: Sequence[int], names: Sequence[str]) -> Marks:
    """The boxes and polygons of a YOLO file.

    Args:
        path: a text file, a line an object: class, then x, y, width and height of a box or x, y, … of a polygon.
        size: (rows, columns) of its image.
        names: of the classes, by their number.

    Raises:
        FileError: a line that is none of both, a class without a name, or a box without area.
    """
    rows, columns = size
    marks = []
    for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
        if not line.split():
            continue
        try:
            index, *shares = (float(word) for word in line.split())
        except ValueError:
            index, shares = -1.0, []
        if not index.is_integer() or index < 0 or not (len(shares) == 4 or (len(shares) >= 6 and len(shares) % 2 == 0)):
            raise FileError(
                f"line {number} is none of YOLO's",
                file=path,
                found=line[:60],
                expected="a class, then x, y, width, height, or x, y, … of a polygon, as shares of the image",
            )
        if index >= len(names):
            raise FileError(
                f"line {number} is of class {index:g}, which has no name",
                file=path,
                found=f"{len(names)} names",
                mend="write the names, one a line, the first of class 0, into marks/classes.txt",
            )
        mark: dict[str, Any] = {"class": names[int(index)]}
        if len(shares) == 4:
            x, y, width, height = shares
            corners = [[y - height / 2, x - width / 2], [y + height / 2, x + width / 2]]
            mark["kind"] = "box"
        else:
            corners = [[y, x] for x, y in zip(shares[::2], shares[1::2], strict=True)]
            mark["kind"] = "region"
        mark["at"] = [[row * rows, column * columns] for row, column in corners]
        marks.append(mark)
    return checked_marks({"complete": True, "marks": marks}, path)


def is_coco(value: object) -> bool:
    """Whether JSON holds a COCO file and not the marks of one image."""
    return isinstance(value, Mapping) and {"images", "annotations", "categories"} <= value.keys()


def read_coco(value: Mapping[str, Any], path: Path, sizes: Mapping[str, Sequence[int]]) -> dict[str, Marks]:
    """The marks of each image that a COCO file lists.

    Args:
        value: what the file holds.
        path: the file.
        sizes: (rows, columns) of the images there are, by name; others are passed over.

    Returns:
        Marks by image name: polygons where objects have such, else boxes.

    Raises:
        FileError: not COCO's form, run-length codes, or boxes of an image of another size.
    """
    try:
        categories = {category["id"]: category["name"] for category in value["categories"]}
        names = {image["id"]: _name_in(image["file_name"], sizes) for image in value["images"]}
        marks: dict[str, list[dict[str, Any]]] = {}
        for image in value["images"]:
            if (name := names[image["id"]]) is not None:
                _require_size(path, [int(image.get("height", 0)), int(image.get("width", 0))], sizes[name])
                marks[name] = []
        for thing in value["annotations"]:
            if (name := names[thing["image_id"]]) is not None:
                marks[name] += _coco_marks(thing, categories[thing["category_id"]], path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise FileError("is no annotation in COCO's form", file=path, found=fault) from error
    return {name: checked_marks({"complete": True, "marks": found}, path) for name, found in marks.items()}


def _name_in(file: str, sizes: Mapping[str, Sequence[int]]) -> str | None:
    """The image that a file name means: with or without its folders."""
    bare = PurePosixPath(file.replace("\\", "/")).with_suffix("")
    return next((name for name in (bare.as_posix(), bare.name) if name in sizes), None)


def _coco_marks(thing: Mapping[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    outlines = thing.get("segmentation")
    if isinstance(outlines, Mapping):
        raise FileError(
            "holds run-length codes, which are masks and no marks",
            file=path,
            found=f"annotation {thing.get('id')}",
            mend="write them as mask images into masks/ (pycocotools: annToMask)",
        )
    if outlines:
        rings = [list(zip(ring[1::2], ring[::2], strict=True)) for ring in outlines]
        return [{"kind": "region", "class": name, "at": ring} for ring in rings]
    x, y, width, height = thing["bbox"]
    return [{"kind": "box", "class": name, "at": [[y, x], [y + height, x + width]]}]


def _require_size(path: Path, stated: Sequence[int], size: Sequence[int]) -> None:
    if all(stated) and tuple(stated) != tuple(size):
        raise FileError(
            "was made for an image of another size",
            file=path,
            found=f"{stated[0]} × {stated[1]}",
            expected=f"{size[0]} × {size[1]} (rows × columns), the size of the image",
            mend="export the annotations again for these images",
        )
