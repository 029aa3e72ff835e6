"""Errors of objects as pictures: found, merged, split, missed and invented ones, each in its colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from unetkit.errors import InputError
from unetkit.metrics.instances import FOUND, INVENTED, KINDS, MERGED, MISSED, SPLIT, Kinds
from unetkit.report.overlay import blend, contours

Bytes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.integer[Any]]

KIND_COLOURS: Mapping[int, tuple[int, int, int]] = {
    FOUND: (0, 191, 150),
    MERGED: (255, 248, 80),
    SPLIT: (0, 0, 255),
    MISSED: (220, 30, 220),
    INVENTED: (224, 84, 0),
}
"""Colour of each kind of object; found, missed and invented are those of found, missed and false pixels.

They are apart by a CIELAB distance of 34 for any colour vision: 38, but for split against missed.
"""

_OPACITY = {FOUND: 0, MERGED: 120, SPLIT: 140, MISSED: 120, INVENTED: 120}


def paint_object_errors(prediction_ids: Ids, truth_ids: Ids, kinds: Kinds) -> Bytes:
    """What became of the objects, as a transparent picture.

    True objects that were merged, split or missed are filled, and so are invented ones and those predicted objects that
    are parts of a split, where no true object is painted. Outlines: of the true objects in their kind's colour; of the
    predicted ones, thin, in theirs. Found objects have outlines only.

    Args:
        prediction_ids: H W whole numbers, 0 for no object.
        truth_ids: H W likewise.
        kinds: of these objects. Objects that it does not know (mostly where nobody labelled) stay unpainted.

    Returns:
        H W 4, RGB and opacity.

    Raises:
        InputError: the maps differ in size, or have not two axes.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps, object_kinds
        >>> prediction, truth = np.array([[1, 1, 0, 0]]), np.array([[0, 0, 1, 1]])
        >>> paint_object_errors(prediction, truth, object_kinds(find_overlaps(prediction, truth)))[0, :, 3].tolist()
        [120, 255, 255, 120]
    """
    if prediction_ids.shape != truth_ids.shape or truth_ids.ndim != 2:
        raise InputError("the maps do not fit", found=prediction_ids.shape, expected=f"H W, {truth_ids.shape}")
    true = _kinds_of_pixels(truth_ids, kinds.truth_ids, kinds.true)
    predicted = _kinds_of_pixels(prediction_ids, kinds.predicted_ids, kinds.predicted)
    colours, opacity = np.zeros((6, 3), np.uint8), np.zeros(6, np.uint8)
    for kind, colour in KIND_COLOURS.items():
        colours[kind], opacity[kind] = colour, _OPACITY[kind]
    shown = np.where(true > 0, true, predicted)
    paint = np.concatenate([colours[shown], opacity[shown][..., None]], axis=2)
    for ids, pixels, width in ((prediction_ids, predicted, 1), (truth_ids, true, _width(truth_ids.shape))):
        line = contours(ids, width) & (pixels > 0)
        paint[line, :3], paint[line, 3] = colours[pixels[line]], 255
    paint[paint[..., 3] == 0] = 0
    return paint


def overlay_object_errors(image: Bytes, prediction_ids: Ids, truth_ids: Ids, kinds: Kinds) -> Bytes:
    """The image (H W 3) with the errors of `paint_object_errors` laid on it."""
    return blend(image, paint_object_errors(prediction_ids, truth_ids, kinds))


def object_legend(kinds: Kinds) -> list[tuple[str, str, int]]:
    """Name, colour as #rrggbb and number of the objects of each kind; the names are those of `KINDS`.

    Found, merged, split and missed objects are true ones, invented ones predicted.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps, object_kinds
        >>> object_legend(object_kinds(find_overlaps(np.array([[1]]), np.array([[1]]))))[0]
        ('found', '#00bf96', 1)
    """
    return [
        (
            name,
            "#{:02x}{:02x}{:02x}".format(*KIND_COLOURS[kind]),
            int(np.count_nonzero((kinds.predicted if kind == INVENTED else kinds.true) == kind)),
        )
        for name, kind in KINDS.items()
    ]


def wrong_pixels(prediction_ids: Ids, truth_ids: Ids, kinds: Kinds) -> npt.NDArray[np.bool_]:
    """The pixels of true objects that were not found, and of predicted ones that were invented.

    Args:
        prediction_ids: *S whole numbers, 0 for no object.
        truth_ids: *S likewise.
        kinds: of these objects.

    Returns:
        bool *S.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps, object_kinds
        >>> prediction, truth = np.array([[1, 1, 0, 0]]), np.array([[1, 1, 0, 2]])
        >>> wrong_pixels(prediction, truth, object_kinds(find_overlaps(prediction, truth))).tolist()
        [[False, False, False, True]]
    """
    true = _kinds_of_pixels(truth_ids, kinds.truth_ids, kinds.true)
    predicted = _kinds_of_pixels(prediction_ids, kinds.predicted_ids, kinds.predicted)
    return np.asarray((true > FOUND) | (predicted == INVENTED))


def worst_crops(
    prediction_ids: Ids, truth_ids: Ids, kinds: Kinds, *, side: int = 256, most: int = 6
) -> list[tuple[slice, slice]]:
    """Where the errors of objects are, worst first.

    Each window is the one that holds most `wrong_pixels`. What an earlier window shows does not count again.

    Args:
        prediction_ids: H W whole numbers, 0 for no object.
        truth_ids: H W likewise.
        kinds: of these objects.
        side: of the windows in pixels; smaller images give one window.
        most: how many windows at most.

    Returns:
        Rows and columns of each window; fewer where there are no more errors.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps, object_kinds
        >>> truth = np.zeros((64, 64), int)
        >>> truth[40:44, 40:44] = 1
        >>> nothing = np.zeros_like(truth)
        >>> [rows.start <= 40 < rows.stop for rows, _ in worst_crops(
        ...     nothing, truth, object_kinds(find_overlaps(nothing, truth)), side=16)]
        [True]
    """
    wrong = wrong_pixels(prediction_ids, truth_ids, kinds).astype(np.float32)
    sides = tuple(min(side, length) for length in wrong.shape)
    windows: list[tuple[slice, slice]] = []
    density = uniform_filter(wrong, sides, mode="constant")
    while len(windows) < most and wrong.any():
        centre = np.unravel_index(int(density.argmax()), density.shape)
        starts = [
            min(max(int(c) - s // 2, 0), length - s) for c, s, length in zip(centre, sides, wrong.shape, strict=True)
        ]
        window = slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])
        if not wrong[window].any():
            break
        wrong[window] = 0
        windows.append(window)
        near = tuple(slice(max(0, part.start - s), part.stop + s) for part, s in zip(window, sides, strict=True))
        wide = tuple(slice(max(0, part.start - s), part.stop + s) for part, s in zip(near, sides, strict=True))
        inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(near, wide, strict=True))
        density[near] = uniform_filter(wrong[wide], sides, mode="constant")[inner]
    return windows


def _kinds_of_pixels(ids: Ids, known: Ids, kinds: Bytes) -> Bytes:
    """The kind of the object of each pixel, 0 where there is none."""
    if not len(known):
        return np.zeros(ids.shape, np.uint8)
    at = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return np.where(known[at] == ids, kinds[at], 0).astype(np.uint8)


def _width(shape: tuple[int, ...]) -> int:
    return 1 if max(shape) < 400 else 2
