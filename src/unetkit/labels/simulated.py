"""What somebody in a hurry would have marked, made from whole masks: to measure what cheap labels are worth.

Everything is drawn by a seed and never contradicts the mask. The effort is that of published studies, for photographs
of everyday things; your own images may take more:

    point       2.4 s for the first of a class in an image, 0.9 s for each further one   Bearman et al., ECCV 2016
    scribble    10.9 s                                                           Bearman et al., ECCV 2016
    box         7.0 s, by clicks on the four outermost points of an object       Papadopoulos et al., ICCV 2017
    region      79.2 s an outlined object (22 hours for 1000)                    Lin et al., ECCV 2014
    nothing     1.0 s a class, to say that it is not there                       Bearman et al., ECCV 2016
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

from unetkit.classes import IGNORE
from unetkit.labels.marks import Mark, Marks
from unetkit.labels.paint import covered

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.integer[Any]]
Position = tuple[int, int]

FIRST_POINT, NEXT_POINT, SCRIBBLE, BOX, OUTLINE, NOTHING = 2.4, 0.9, 10.9, 7.0, 79.2, 1.0
"""Seconds; see the head of this file."""

LENGTH = 60
"""Pixels after which a scribble ends."""

CORNERS = np.ones((3, 3), bool)
"""Pixels that touch at a corner are of one object."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What labelling takes.

    Args:
        clicks: presses of the button; a scribble is one.
        seconds: by published studies.
    """

    clicks: int
    seconds: float


def simulate_points(
    labels: Labels, names: Sequence[str], *, share: float = 1.0, seed: int = 0, ids: Ids | None = None
) -> Marks:
    """A point deep inside of each object, or of a share of them.

    Args:
        labels: *S class indices, 255 where ignored; class 0 is the background.
        names: of the classes.
        share: of the objects, 0 to 1.
        seed: which of them.
        ids: *S whole numbers, one an object and 0 for none; None takes the connected regions of each class.

    Returns:
        The marks; complete where the share is 1.
    """
    marks = []
    for part, name in _objects(labels, names, share, seed, ids):
        depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), part.shape)
        marks.append(Mark(kind="point", name=name, at=((row + 0.5, column + 0.5),)))
    return Marks(complete=share == 1, marks=tuple(marks))


def simulate_boxes(
    labels: Labels, names: Sequence[str], *, share: float = 1.0, seed: int = 0, ids: Ids | None = None
) -> Marks:
    """The tightest box around each object, or around a share of them; arguments and result as `simulate_points`."""
    marks = []
    for part, name in _objects(labels, names, share, seed, ids):
        (rows, columns) = ndimage.find_objects(part.astype(np.uint8))[0]
        marks.append(Mark(kind="box", name=name, at=((rows.start, columns.start), (rows.stop, columns.stop))))
    return Marks(complete=share == 1, marks=tuple(marks))


def simulate_scribbles(
    labels: Labels, names: Sequence[str], *, share: float = 0.02, width: float = 3.0, seed: int = 0
) -> Marks:
    """Strokes along the middle of every class, the background too, until they cover a share of its pixels.

    Args:
        labels: *S class indices, 255 where ignored.
        names: of the classes.
        share: of the pixels of each class, 0 to 1; every class that is there gets one stroke at least.
        width: of the strokes in pixels; less where the class is thinner.
        seed: where they begin.

    Returns:
        The marks, which are not complete.
    """
    generator = np.random.default_rng(seed)
    marks: list[Mark] = []
    for index, name in enumerate(names):
        inside = labels == index
        if not inside.any():
            continue
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        free: Mask = skeletonize(inside)  # type: ignore[no-untyped-call]
        done = np.zeros(labels.shape, bool)
        while free.any() and (not done.any() or done.sum() < share * inside.sum()):
            starts = np.argwhere(free)
            row, column = starts[generator.integers(len(starts))]
            path = _walk(free, (int(row), int(column)))
            free[tuple(np.array(path).T)] = False
            thin = min(float(depth[at]) for at in path)
            at = tuple((row + 0.5, column + 0.5) for row, column in path)
            marks.append(Mark(kind="scribble", name=name, at=at, width=min(width, max(2 * thin - 1, 1))))
            done |= covered(marks[-1], (labels.shape[0], labels.shape[1]))
    return Marks(marks=tuple(marks))


def _walk(free: Mask, start: Position) -> list[Position]:
    """Along a skeleton from a pixel, as straight as it goes, up to its end or to LENGTH."""
    path, heading = [start], np.zeros(2)
    left = free.copy()
    while len(path) < LENGTH:
        row, column = path[-1]
        left[row, column] = False
        top, side = max(row - 1, 0), max(column - 1, 0)
        nearby = np.argwhere(left[top : row + 2, side : column + 2]) + np.array((top, side))
        if not len(nearby):
            break
        steps = nearby - (row, column)
        best = int(np.argmax(steps @ heading / np.linalg.norm(steps, axis=1)))
        heading = 0.7 * heading + steps[best]
        path.append((int(nearby[best][0]), int(nearby[best][1])))
    return path


def simulate_window(labels: Labels, *, share: float = 0.1, seed: int = 0) -> Labels:
    """A whole mask in one window of the image's shape, and 255 around it.

    Args:
        labels: *S class indices, 255 where ignored.
        share: of the image, above 0, up to 1.
        seed: where; of 20 windows that with the most classes is taken, as a person would look for something to paint.

    Returns:
        uint8 *S.
    """
    generator = np.random.default_rng(seed)
    extents = [max(round(extent * share ** (1 / labels.ndim)), 1) for extent in labels.shape]

    def window() -> tuple[slice, ...]:
        starts = [generator.integers(whole - part + 1) for whole, part in zip(labels.shape, extents, strict=True)]
        return tuple(slice(start, start + part) for start, part in zip(starts, extents, strict=True))

    chosen = max((window() for _ in range(20)), key=lambda where: len(np.unique(labels[where])))
    kept = np.full(labels.shape, IGNORE, np.uint8)
    kept[chosen] = labels[chosen]
    return kept


def _objects(labels: Labels, names: Sequence[str], share: float, seed: int, ids: Ids | None) -> list[tuple[Mask, str]]:
    """The objects, or a share of them, each with the name of its class; those without a class are left out."""
    found = []
    for index, name in list(enumerate(names))[1:]:
        of_class = labels == index
        numbered = ndimage.label(of_class, CORNERS)[0] if ids is None else np.where(of_class, ids, 0)
        found += [(numbered == number, name) for number in np.unique(numbered).tolist() if number]
    order = np.random.default_rng(seed).permutation(len(found))[: round(share * len(found))]
    return [found[position] for position in sorted(order)]


def marking_effort(marks: Marks, classes: int = 2) -> Effort:
    """What it takes to make these marks.

    Args:
        marks: of one image.
        classes: how many there are, the background counted; each of the others is said not to be there, where so.

    Example:
        >>> marking_effort(Marks(complete=True)).seconds
        1.0
    """
    seconds, clicks = 0.0, 0
    pointed: set[str] = set()
    for mark in marks.marks:
        if mark.kind == "point":
            seconds += NEXT_POINT if mark.name in pointed else FIRST_POINT
            pointed.add(mark.name)
            clicks += 1
        elif mark.kind == "box":
            seconds, clicks = seconds + BOX, clicks + 4
        elif mark.kind == "scribble":
            seconds, clicks = seconds + SCRIBBLE, clicks + 1
        else:
            seconds, clicks = seconds + OUTLINE, clicks + len(mark.at)
    if not marks.marks:
        seconds, clicks = (classes - 1) * NOTHING, 1
    return Effort(clicks, seconds)


def painting_effort(labels: Labels) -> Effort:
    """What it takes to paint a mask: an outline for each connected region of each class but the background.

    Args:
        labels: *S class indices, 255 where ignored.
    """
    classes = [int(index) for index in np.unique(labels) if index not in (0, IGNORE)]
    count = sum(ndimage.label(labels == index, CORNERS)[1] for index in classes)
    return Effort(count, OUTLINE * count)


SIMULATED: dict[str, Callable[..., Marks]] = {
    "points": simulate_points,
    "boxes": simulate_boxes,
    "scribbles": simulate_scribbles,
}
"""Ways of marking by name, each called as `simulate(labels, names, share=…, seed=…)`."""
