"""Objects as COCO JSON: one file for all images, written as they come.

Source: cocodataset.org/#format-data. A polygon's coordinates are pixel corners, x to the right and y down, so that it
decodes to the object's very pixels. COCO's polygons have no holes: objects with holes are written as run-length codes,
which every reader of COCO takes too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetkit.classes import Classes
from unetkit.objects.outline import Outline
from unetkit.vector.format import Add, Begin, ImageObjects, Say
from unetkit.vector.rle import compress, run_lengths


@contextmanager
def collect_coco(path: Path, classes: Classes, say: Say) -> Iterator[Begin]:
    """Begin a file with polygons, and run-length codes for objects with holes."""
    with _collect(path, classes, say, polygons=True) as begin:
        yield begin


@contextmanager
def collect_coco_rle(path: Path, classes: Classes, say: Say) -> Iterator[Begin]:
    """Begin a file with run-length codes for all objects."""
    with _collect(path, classes, say, polygons=False) as begin:
        yield begin


@contextmanager
def _collect(path: Path, classes: Classes, say: Say, *, polygons: bool) -> Iterator[Begin]:
    images: list[dict[str, Any]] = []
    written = coded = 0
    categories = [{"id": index, "name": name} for index, name in enumerate(classes.names) if index]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"categories": {json.dumps(categories, ensure_ascii=False)},\n"annotations": [')

        @contextmanager
        def begin(image: ImageObjects) -> Iterator[Add]:
            nonlocal written, coded
            height, width = image.size
            number, before, place = len(images) + 1, (written, coded), file.tell()

            def add(outline: Outline) -> None:
                nonlocal written, coded
                holes = any(len(polygon) > 1 for polygon in outline.polygons)
                segmentation = _polygons(outline) if polygons and not holes else _code(outline, image)
                coded += polygons and holes
                file.write(",\n" if written else "\n")
                written += 1
                about = {"id": written, "image_id": number, "category_id": image.class_of(outline.id)}
                file.write(json.dumps({**about, **_facts(outline, image), "segmentation": segmentation}))

            try:
                yield add
            except BaseException:  # an image that fails leaves nothing in the file of all images
                file.seek(place)
                file.truncate()
                written, coded = before
                raise
            images.append({"id": number, "file_name": image.file or image.name, "width": width, "height": height})

        yield begin
        file.write(f'],\n"images": {json.dumps(images, ensure_ascii=False)}}}\n')
    if coded:
        say(f"coco: {coded} objects with holes are run-length codes, the others polygons")


def _facts(outline: Outline, image: ImageObjects) -> dict[str, Any]:
    left, top, right, bottom = outline.box
    facts = {"bbox": [left, top, right - left, bottom - top], "area": outline.area, "iscrowd": 0}
    values = image.values(outline.id)
    score = {"score": values.pop("confidence")} if "confidence" in values else {}
    return {**facts, **score, "attributes": {"object": outline.id, **values}}


def _polygons(outline: Outline) -> list[list[int]]:
    return [polygon[0].reshape(-1).tolist() for polygon in outline.polygons]


def _code(outline: Outline, image: ImageObjects) -> dict[str, Any]:
    left, top, right, bottom = outline.box
    mask = image.objects.ids[top:bottom, left:right] == np.uint32(outline.id)
    return {"size": list(image.size), "counts": compress(run_lengths(mask, (top, left), image.size))}
