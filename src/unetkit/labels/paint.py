"""From marks to a class map: what is said of each pixel, and 255 where nothing is.

    region, scribble, point    their class, on the pixels they cover; later ones over earlier ones
    box                        nothing about the pixels inside
    complete                   background outside of all boxes and regions; but nothing where a point or scribble on an
                               object lies outside of them too, since nobody knows how far that object reaches

With a `SeedsPlan`, what training assumes beyond that lies underneath.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from unetkit.classes import IGNORE
from unetkit.labels.marks import Mark, Marks
from unetkit.labels.seeds import SeedsPlan, sow_boxes, sow_points

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

WHOLE = 0.5
"""From this share of labelled pixels on, a mask counts as whole, with some pixels ignored."""

THIN = 0.7
"""Half the width, in pixels, of the thinnest scribble: less than to the other diagonal of a pixel."""


def paint(marks: Marks, size: Sequence[int], names: Sequence[str], *, seeds: SeedsPlan | None = None) -> Labels:
    """The class of each pixel, as far as marks tell.

    Args:
        marks: of one image, none of them outside of it.
        size: (rows, columns).
        names: of the classes, by their index; the first is the background.
        seeds: what training assumes of points and boxes; None for what is said and no more.

    Returns:
        uint8 *S, 255 where nothing is known.

    Example:
        >>> box = Mark(kind="box", name="cell", at=((0, 1), (1, 3)))
        >>> paint(Marks(complete=True, marks=(box,)), (1, 4), ("background", "cell")).tolist()
        [[0, 255, 255, 0]]
    """
    shape = (size[0], size[1])
    labels = np.full(shape, IGNORE, np.uint8)
    of_class = [(mark, names.index(mark.name)) for mark in marks.marks]
    said = [(covered(mark, shape), mark, index) for mark, index in of_class]
    enclosed = np.zeros(shape, bool)
    for where, mark, _ in said:
        if mark.kind in ("box", "region"):
            enclosed |= where
    strays = any(index and (where & ~enclosed).any() for where, _, index in said)
    if marks.complete and not strays:
        labels[~enclosed] = 0
    if seeds is not None:
        sow_boxes(labels, [(mark, index) for mark, index in of_class if mark.kind == "box"], seeds)
        points = [(mark, index) for mark, index in of_class if mark.kind == "point" and index]
        sow_points(labels, points, complete=marks.complete, plan=seeds)
    for where, mark, index in said:
        if mark.kind != "box":
            labels[where] = index
    return labels


def covered(mark: Mark, shape: tuple[int, int]) -> Mask:
    """The pixels that a mark covers, bool *S."""
    if mark.kind == "region":
        inside: Mask = polygon2mask(shape, np.array(mark.at) - 0.5)  # type: ignore[no-untyped-call]
        return inside
    where = np.zeros(shape, bool)
    if mark.kind == "box":
        (top, left), (bottom, right) = mark.at
        where[max(int(top), 0) : max(int(np.ceil(bottom)), 0), max(int(left), 0) : max(int(np.ceil(right)), 0)] = True
        return where
    for row, column in mark.at:
        if 0 <= row < shape[0] + 1 and 0 <= column < shape[1] + 1:
            where[min(int(row), shape[0] - 1), min(int(column), shape[1] - 1)] = True
    for start, end in zip(mark.at, mark.at[1:] if len(mark.at) > 1 else mark.at, strict=False):
        if mark.kind == "scribble":
            _stroke(where, np.array(start), np.array(end), max(mark.width / 2, THIN))
    return where


def _stroke(where: Mask, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], reach: float) -> None:
    """Mark the pixels whose middles lie within `reach` of the line from start to end."""
    low = np.maximum(np.floor(np.minimum(start, end) - reach), 0).astype(int)
    high = np.maximum(np.ceil(np.maximum(start, end) + reach), 0).astype(int)
    window = where[low[0] : high[0], low[1] : high[1]]
    middles = np.moveaxis(np.indices(window.shape), 0, -1) + low + 0.5
    along = end - start
    length = float(along @ along)
    share = ((middles - start) @ along / length).clip(0, 1)[..., None] if length else 0.0
    window |= (((middles - start) - share * along) ** 2).sum(-1) <= reach**2


def is_partial(labels: Labels, marks: Marks | None = None) -> bool:
    """Whether a class map shows no whole objects: most of it is unlabelled, or the inside of boxes is.

    Args:
        labels: *S, 255 where nobody said.
        marks: that it was painted from, if any.
    """
    boxed = marks is not None and "box" in marks.kinds
    return boxed or float((labels != IGNORE).mean()) < WHOLE
