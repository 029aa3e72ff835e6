"""Whether images are one numbered series whose neighbours look alike: slices of a stack, frames of a film.

Dealt out at random, such images put nearly the same picture into training and test.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

SHORTEST = 6
"""A series has at least this many images."""

PAIRS = 24
"""Neighbours, and images far apart, are compared in this many pairs at most."""

SIDE = 32
"""Images are compared at about this many pixels a side."""

Thumbnail = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.float64]


def series_order(
    shapes: dict[str, tuple[int, ...]], small: Callable[[str], Thumbnail]
) -> tuple[tuple[str, ...], str] | None:
    """The images in the order of their numbers, where neighbours look clearly more alike than images far apart.

    Args:
        shapes: name to shape (C, *S) of each image.
        small: gives the `thumbnail` of a name.

    Returns:
        The names in order and the evidence in plain words, or None where it is no such series.
    """
    series = _numbered(shapes)
    if series is None:
        return None
    near, far = _pairs(series)
    if not near or not far:
        return None
    rest = _without_mean({name: small(name).astype(np.float64) for pair in (*near, *far) for name in pair})
    alike_near = np.array([_correlation(rest[a], rest[b]) for a, b in near])
    alike_far = np.array([_correlation(rest[a], rest[b]) for a, b in far])
    gain = alike_near.mean() - alike_far.mean()
    error = np.sqrt(alike_near.var() / len(near) + alike_far.var() / len(far))
    if gain < 0.2 or gain < 3 * error or alike_near.mean() < 0.2:
        return None
    evidence = (
        f"numbered images whose neighbours look alike (correlation {alike_near.mean():.2f} between neighbours,"
        f" {alike_far.mean():.2f} between images far apart)"
    )
    return tuple(name for part in series for name in part), evidence


def thumbnail(grey: npt.NDArray[np.float32]) -> Thumbnail:
    """An image's mean over its channels, *S, averaged in blocks to about 32 pixels a side."""
    small = grey
    for axis in range(small.ndim):
        size = small.shape[axis]
        starts = np.unique(np.linspace(0, size, min(SIDE, size), endpoint=False).astype(int))
        lengths = np.diff(np.append(starts, size))
        lengths_along = lengths.reshape([-1 if a == axis else 1 for a in range(small.ndim)])
        small = np.asarray(np.add.reduceat(small, starts, axis=axis) / lengths_along, np.float32)
    return small


def _without_mean(thumbnails: dict[str, Pixels]) -> dict[str, Pixels]:
    """What is peculiar to each image: without the mean of all, which a series of one scene shares anyway."""
    by_shape: dict[tuple[int, ...], list[Pixels]] = defaultdict(list)
    for small in thumbnails.values():
        by_shape[small.shape].append(small)
    means = {shape: np.mean(members, axis=0) for shape, members in by_shape.items()}
    return {name: small - means[small.shape] for name, small in thumbnails.items()}


def _numbered(shapes: dict[str, tuple[int, ...]]) -> list[list[str]] | None:
    """The names by what surrounds their last number, in the order of the number; None where most are no series."""
    series: dict[tuple[object, ...], list[tuple[int, str]]] = defaultdict(list)
    for name, shape in shapes.items():
        found = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if found is None:
            series[(name,)].append((0, name))
        else:
            series[(found[1], found[3], shape)].append((int(found[2]), name))
    ordered = [[name for _, name in sorted(members)] for _, members in sorted(series.items(), key=lambda s: str(s[0]))]
    long = sum(len(part) for part in ordered if len(part) >= SHORTEST)
    return ordered if long >= 0.8 * len(shapes) and long else None


def _pairs(series: Sequence[Sequence[str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    near, far = [], []
    for names in series:
        apart = len(names) // 2
        if len(names) >= SHORTEST:
            near += list(pairwise(names))
            far += list(zip(names, names[apart:], strict=False))
    return _spread(near), _spread(far)


def _spread(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pairs[i] for i in np.unique(np.linspace(0, len(pairs) - 1, min(PAIRS, len(pairs))).astype(int))]


def _correlation(a: Pixels, b: Pixels) -> float:
    if a.shape != b.shape:
        return 0.0
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
