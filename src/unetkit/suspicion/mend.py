"""A mask file as it would be if what was found were true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import IGNORE, Classes
from unetkit.suspicion.findings import SURROUNDED, Finding
from unetkit.suspicion.moves import exchanged, shifted
from unetkit.suspicion.regions import Region

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.uint8]


def mended(values: Array, labels: Labels, seen: Labels, findings: Sequence[Finding], classes: Classes) -> Array:
    """The numbers of a mask file with every finding's mend made; what is not concerned stays to the bit.

    Args:
        values: *S numbers or *S 3 colours, as the file holds them.
        labels: *S, what they mean, 255 where ignored.
        seen: *S, the model's labels, for what a shift leaves open.
        findings: of a verdict.
        classes: how the file holds classes.

    Returns:
        An array like `values`, which stays as it is.
    """
    for move in (finding.move for finding in findings if finding.move is not None):
        if move.offset:
            open_ = np.zeros_like(values) if classes.encoding == "instances" else _encoded(seen, values, classes)
            values, labels = shifted(values, move.offset, open_), shifted(labels, move.offset, IGNORE)
        else:
            new = exchanged(labels, move.classes)
            values, labels = _repainted(values, new != labels, new, classes), new
    for region in (finding.region for finding in findings if finding.region is not None):
        place = np.zeros(labels.shape, bool)
        place[region.window] = region.inside
        if classes.encoding == "instances":
            values = _renumbered(values, place, region, classes)
        else:
            values = _repainted(values, place, np.full_like(labels, region.proposed), classes)
    return values


def _encoded(labels: Labels, values: Array, classes: Classes) -> Array:
    return classes.encode(labels).astype(values.dtype)


def _repainted(values: Array, where: npt.NDArray[np.bool_], labels: Labels, classes: Classes) -> Array:
    painted = values.copy()
    painted[where] = _encoded(labels[where], values, classes)
    return painted


def _renumbered(values: Array, where: npt.NDArray[np.bool_], region: Region, classes: Classes) -> Array:
    """Numbered objects: a region joins the object that surrounds it, or becomes one of its own, or none."""
    painted = values.copy()
    several = classes.label_divisor > 0
    painted[where] = classes.values[0] if several else 0
    if region.proposed:
        beside = values[ndimage.binary_dilation(where) & ~where]
        numbers, counts = np.unique(beside[classes.decode(beside) == region.proposed], return_counts=True)
        joins = len(numbers) and region.rim > SURROUNDED
        first = classes.values[region.proposed] * classes.label_divisor if several else 0
        painted[where] = numbers[counts.argmax()] if joins else _unused(values, first, classes)
    return painted


def _unused(values: Array, above: int, classes: Classes) -> int:
    """The smallest number above another that no object has."""
    used = np.union1d(values, classes.ignore_values)
    return int(np.setdiff1d(np.arange(above + 1, above + len(used) + 2), used)[0])
