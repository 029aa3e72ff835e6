"""Objects as YOLO segmentation labels: a text file an image, a line an object.

Source: docs.ultralytics.com/datasets/segment. A line is `class x1 y1 x2 y2 …`, coordinates as shares of width and
height, classes counted from 0 without the background. A line holds one ring, so the rings of an object in several
pieces, or with holes, are joined to one by bridges of no width, there and back, from the longest ring to each other.
Filled by the even-odd rule, as YOLO's loader does, they show the same object but for the pixels that bridges cross.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from scipy.spatial import cKDTree

from unetkit.classes import Classes
from unetkit.objects.outline import Outline, Ring
from unetkit.vector.format import Add, ImageObjects, Say

DIGITS = 7
"""Of a coordinate: a hundredth of a pixel in an image of 100 000 pixels."""


@contextmanager
def draw_yolo(image: ImageObjects, path: Path, say: Say) -> Iterator[Add]:
    """Begin the labels of an image."""
    height, width = image.size
    joined = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def add(outline: Outline) -> None:
            nonlocal joined
            rings = [ring for polygon in outline.polygons for ring in polygon]
            joined += len(rings) > 1
            shares = join_rings(rings) / np.array((width, height))
            numbers = " ".join(f"{share:.{DIGITS}g}" for share in shares.reshape(-1).tolist())
            file.write(f"{image.class_of(outline.id) - 1} {numbers}\n")

        yield add
    if joined:
        say(f"yolo: {joined} objects with holes or in several pieces are one ring each, joined by bridges of no width")


def write_data_yaml(path: Path, classes: Classes) -> None:
    """The names of the classes, as training with YOLO wants them."""
    names = dict(enumerate(classes.names[1:]))
    text = "# the images belong into images/, beside labels/; state images to validate on before training\n"
    text += yaml.safe_dump({"path": ".", "train": "images", "names": names}, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def join_rings(rings: list[Ring]) -> Ring:
    """One ring that runs along all of them, with bridges from the longest one to the nearest corner of each other.

    Example:
        >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.int32)
        >>> len(join_rings([square, square + 3]))
        10
    """
    main = max(rings, key=len)
    if len(rings) == 1:
        return main
    tree = cKDTree(main)
    visits: dict[int, list[Ring]] = {}
    for ring in rings:
        if ring is main:
            continue
        distances, nearest = tree.query(ring)
        begin = int(np.argmin(distances))
        tour = np.concatenate([ring[begin:], ring[: begin + 1]])
        visits.setdefault(int(nearest[begin]), []).append(tour)
    parts, done = [], 0
    for at, tours in sorted(visits.items()):
        parts.append(main[done : at + 1])
        for tour in tours:
            parts += [tour, main[at : at + 1]]
        done = at + 1
    return np.concatenate([*parts, main[done:]])
