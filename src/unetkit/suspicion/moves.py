"""Errors of a whole mask: it lies beside its image, or two of its classes are exchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from unetkit.classes import IGNORE
from unetkit.metrics.confusion import Matrix, confusion_matrix
from unetkit.suspicion.doubt import Labels, Probabilities

FARTHEST = 32
"""Pixels along an axis up to which a shift is looked for, and no more than a quarter of the image."""

NEAREST = 2
"""Pixels that a mask may be off without being suspicious."""

HALF = 2.0
"""Pixels beyond these that make a shift of one half's suspicion."""

LEAST_GAIN = 0.2
"""Of what is missing to full agreement, an exchange has to bring so much."""

LEAST_SHARE = 0.01
"""Of the labelled pixels that classes must cover to be called exchanged."""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of the whole mask that makes it fit better.

    Args:
        before, after: agreement with the model, 0 to 1: mean Dice of the classes concerned.
        offset: pixels along each axis, (plane,) row, column, by which to shift the mask; empty if it is not a shift.
        classes: the two classes to exchange; empty if that is not it.
    """

    before: float
    after: float
    offset: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()

    @property
    def suspicion(self) -> float:
        """How wrong the mask is if the model is right, 0 to 1: by how far it lies off, or what an exchange brings."""
        if not self.offset:
            return max(0.0, self.gain)
        beyond = math.hypot(*self.offset) - NEAREST
        return beyond / (beyond + HALF)

    @property
    def gain(self) -> float:
        """Share of what was missing to full agreement that it brings, 0 to 1."""
        return (self.after - self.before) / max(1 - self.before, 1e-9)


def agreement(confusion: Matrix, classes: Sequence[int]) -> float:
    """Mean Dice of those of the classes that occur in a K×K confusion matrix; NaN where none does."""
    both = np.diag(confusion)[list(classes)]
    sizes = (confusion.sum(0) + confusion.sum(1))[list(classes)]
    occurs = sizes > 0
    return float(np.mean(2 * both[occurs] / sizes[occurs])) if occurs.any() else float("nan")


def shifted(array: npt.NDArray[Any], offset: Sequence[int], fill: npt.NDArray[Any] | int) -> npt.NDArray[Any]:
    """An array *S (or *S C) moved by whole pixels.

    Args:
        array: what to move; it stays as it is.
        offset: pixels along each of the S axes.
        fill: what stands where nothing arrives: a number, or an array of the same shape.

    Example:
        >>> shifted(np.array([[1, 2, 3]]), (0, 1), 9).tolist()
        [[9, 1, 2]]
    """
    moved = np.empty_like(array)
    moved[...] = fill
    extents = array.shape[: len(offset)]
    there = tuple(slice(max(by, 0), extent + min(by, 0)) for by, extent in zip(offset, extents, strict=True))
    here = tuple(slice(max(-by, 0), extent + min(-by, 0)) for by, extent in zip(offset, extents, strict=True))
    moved[there] = array[here]
    return moved


def find_shift(labels: Labels, probabilities: Probabilities, classes: Sequence[int]) -> Move | None:
    """The shift with which a mask fits best what the model sees.

    Every class's mask is correlated with its probabilities, each class counting the same however large it is. Where the
    best place is tells more than how much better it is: a model that knows little of the classes still knows that.

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.
        classes: the foreground, or all classes where there is no background.

    Returns:
        The move; None where the mask lies right, or no shift within reach is a better one.
    """
    farthest = [min(FARTHEST, extent // 4) for extent in labels.shape]
    shape = [fft.next_fast_len(extent + far, real=True) for extent, far in zip(labels.shape, farthest, strict=True)]
    score = np.zeros(shape, np.float32)
    for index in classes:
        mask = labels == index
        if mask.any():
            seen = probabilities[index].astype(np.float32)
            spectra = [fft.rfftn(part, shape) for part in (mask.astype(np.float32) / mask.sum(), seen - seen.mean())]
            score += fft.irfftn(np.conj(spectra[0]) * spectra[1], shape)
    for axis, far in enumerate(farthest):
        score = score.take(np.arange(-far, far + 1), axis, mode="wrap")
    best = np.unravel_index(int(score.argmax()), score.shape)
    offset = tuple(int(at) - far for at, far in zip(best, farthest, strict=True))
    if max(map(abs, offset)) <= NEAREST or any(abs(by) == far for by, far in zip(offset, farthest, strict=True)):
        return None
    seen_labels, count = probabilities.argmax(0).astype(np.uint8), len(probabilities)
    before = agreement(confusion_matrix(seen_labels, labels, count), classes)
    moved: Labels = shifted(labels, offset, IGNORE)
    after = agreement(confusion_matrix(seen_labels, moved, count), classes)
    return Move(before, after, offset=offset) if after > before else None  # None, too, where one of them is NaN


def find_exchange(labels: Labels, probabilities: Probabilities) -> Move | None:
    """The two classes that have to be exchanged for a mask to fit, if there are such.

    Args:
        labels: *S, 255 where ignored.
        probabilities: K *S, of a model that has not seen the labels.

    Returns:
        The move; None where no exchange helps.
    """
    confusion = confusion_matrix(probabilities.argmax(0).astype(np.uint8), labels, len(probabilities))
    shares = confusion.sum(1) / max(confusion.sum(), 1)
    moves = []
    for pair in combinations(np.flatnonzero((confusion.sum(0) > 0) | (shares > 0)).tolist(), 2):
        if shares[list(pair)].max() < LEAST_SHARE:
            continue
        exchanged = confusion.copy()
        exchanged[list(pair)] = confusion[list(pair[::-1])]
        moves.append(Move(agreement(confusion, pair), agreement(exchanged, pair), classes=pair))
    best = max(moves, key=lambda move: move.gain, default=None)
    # only where the exchanged mask fits well, and the one at hand hardly at all: classes that models confuse do neither
    return best if best is not None and best.after > 0.5 > best.before and best.gain >= LEAST_GAIN else None


def exchanged(labels: Labels, classes: Sequence[int]) -> Labels:
    """The labels with two classes exchanged."""
    table = np.arange(256, dtype=np.uint8)
    table[list(classes)] = classes[::-1]
    return table[labels]
