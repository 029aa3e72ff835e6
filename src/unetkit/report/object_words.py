"""What is wrong with the objects in a part of an image, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.metrics.instances import FOUND, INVENTED, MERGED, MISSED, SPLIT, Kinds, Overlaps, holding, parting
from unetkit.report.story import counted
from unetkit.report.svg import number

Ids = npt.NDArray[np.integer[Any]]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Window = tuple[slice, slice]


def error_words(
    prediction_ids: Ids,
    truth_ids: Ids,
    window: Window,
    overlaps: Overlaps,
    kinds: Kinds,
    *,
    pixel: float = 1.0,
    unit: str = "px",
) -> list[str]:
    """The errors in a window of two planes of numbered objects, one sentence a kind.

    An object counts where at least half of it (of what lies near the window) lies in the window; where none does, all
    that reach into it count.

    Args:
        prediction_ids: H W whole numbers, 0 for no object.
        truth_ids: H W likewise.
        window: rows and columns to look at.
        overlaps: of the whole maps.
        kinds: what became of their objects.
        pixel: area (volume) of a pixel, in the unit.
        unit: of areas, as it is written.

    Returns:
        Such as ["2 objects merged into one", "1 object missed, 143 px"]; merged first, then split, missed, invented.

    Example:
        >>> from unetkit.metrics.instances import find_overlaps, object_kinds
        >>> truth, prediction = np.array([[1, 1, 2, 2, 0, 3]]), np.array([[7, 7, 7, 7, 0, 0]])
        >>> overlaps = find_overlaps(prediction, truth)
        >>> error_words(prediction, truth, (slice(0, 1), slice(0, 6)), overlaps, object_kinds(overlaps))
        ['2 objects merged into one', '1 object missed, 1 px']
    """
    true, most_true = _wrong(truth_ids, window, kinds.truth_ids, kinds.true != FOUND)
    predicted, most_predicted = _wrong(prediction_ids, window, kinds.predicted_ids, kinds.predicted == INVENTED)
    if most_true.any() or most_predicted.any():
        true, predicted = true[most_true], predicted[most_predicted]
    of_kind = {kind: true[kinds.true[true] == kind] for kind in (MERGED, SPLIT, MISSED)}
    words = []
    if held := _partners(overlaps.true, overlaps.predicted, holding(overlaps), of_kind[MERGED]):
        several = "" if len(held) == 1 else f"in {len(held)} places "
        words.append(f"{several}{_range(held)} objects merged into one")
    if parts := _partners(overlaps.true, overlaps.true, parting(overlaps), of_kind[SPLIT]):
        words.append(f"{counted(len(parts), 'object')} split into {_range(parts)}")
    for what, sizes in (
        ("missed", overlaps.truth_sizes[of_kind[MISSED]]),
        ("invented", overlaps.predicted_sizes[predicted]),
    ):
        if len(sizes):
            least, most = number(float(sizes.min()) * pixel), number(float(sizes.max()) * pixel)
            said = least if least == most else f"{least} to {most}"
            words.append(f"{counted(len(sizes), 'object')} {what}, {said} {unit}")
    return words


def _wrong(ids: Ids, window: Window, known: Ids, wrong: Mask) -> tuple[Counts, Mask]:
    """Positions among the known objects of the wrong ones in the window, and which of these lie mostly in it."""
    inside, pixels = np.unique(ids[window], return_counts=True)
    pixels = pixels[np.isin(inside, known)]
    at = np.searchsorted(known, inside[np.isin(inside, known)])
    pixels, at = pixels[wrong[at]], at[wrong[at]]
    near = tuple(slice(max(0, 2 * part.start - part.stop), 2 * part.stop - part.start) for part in window)
    around, whole = np.unique(ids[near], return_counts=True)
    return at, np.asarray(2 * pixels >= whole[np.searchsorted(around, known[at])])


def _partners(true: Counts, keys: Counts, pairs: Mask, chosen: Counts) -> list[int]:
    """How many of the pairs share a key, for each key that one of the chosen true objects has."""
    keys_of_chosen = np.unique(keys[pairs & np.isin(true, chosen)])
    sizes = np.bincount(keys[pairs], minlength=int(keys.max(initial=0)) + 1)[keys_of_chosen]
    return sorted(sizes[sizes > 1].tolist())


def _range(counts: Sequence[int]) -> str:
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
