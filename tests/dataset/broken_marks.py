"""Small datasets with marks beside masks or instead of them, and what can be wrong with those."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.dataset.healthy import COUNT, SIZE, change, clean, mask_file, name, pixels_of, save

ROWS = np.indices((SIZE, SIZE))[0]


def mark(root: Path, number: int, *marks: dict[str, Any], complete: bool = False) -> None:
    """Put marks into the place of a mask."""
    mask_file(root, number).unlink(missing_ok=True)
    path = root / "marks" / f"{name(number)}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"complete": complete, "marks": list(marks)}), encoding="utf-8")


def stroke(of: str, row: float, column: float, length: float = 6) -> dict[str, Any]:
    """A scribble to the right."""
    return {"kind": "scribble", "class": of, "at": [[row, column], [row, column + length]], "width": 2}


def box(row: float, column: float, height: float = 9, width: float = 9) -> dict[str, Any]:
    """A box around something in the foreground."""
    return {"kind": "box", "class": "foreground", "at": [[row, column], [row + height, column + width]]}


def one_scribbled_image(root: Path) -> None:
    clean(root)
    mark(root, 3, stroke("foreground", 20, 20), stroke("background", 2, 2))


def one_sparse_mask(root: Path) -> None:
    clean(root, values=(0, 1))
    for number in range(COUNT):
        unlabelled = ROWS % 4 > 0 if number == 2 else ROWS < 2
        change(mask_file(root, number), partial(np.where, unlabelled, np.uint8(255)))


def class_without_label(root: Path) -> None:
    clean(root)
    (root / "classes.yaml").write_text("names: [background, disc, ghost]\nvalues: [0, 255, 7]\n", encoding="utf-8")


def points_on_objects_alone(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        mark(root, number, {"kind": "point", "class": "disc", "at": [[20, 20 + number]]})


def boxes_everywhere(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        rows, columns = (found.tolist() for found in np.nonzero(pixels_of(mask_file(root, number))))
        top, left = min(rows), min(columns)
        mark(root, number, box(top, left, max(rows) + 1 - top, max(columns) + 1 - left), complete=True)


def scribble_outside(root: Path) -> None:
    clean(root)
    mark(root, 3, stroke("foreground", 20, 20), stroke("background", SIZE + 5, 2))


def box_without_area(root: Path) -> None:
    clean(root)
    mark(root, 3, box(4, 4, height=0))


def unknown_class(root: Path) -> None:
    clean(root)
    (root / "classes.yaml").write_text("names: [background, disc]\n", encoding="utf-8")
    mark(root, 3, stroke("disk", 20, 20))


def mask_and_marks(root: Path) -> None:
    clean(root)
    kept = pixels_of(mask_file(root, 3))
    mark(root, 3, stroke("foreground", 20, 20))
    save(mask_file(root, 3), kept)
