"""Tiles: an image too large for one pass, cut so that the pieces fit together again.

Tiles start on the pooling grid and are read with a halo as wide as the receptive field. Then every output pixel
sees exactly what it would have seen in one pass over the whole image, and belongs to one tile: nothing is blended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

Window = tuple[slice, ...]
"""A part of an image: a slice for each spatial axis."""

Edges = tuple[tuple[int, int], ...]
"""A window as (start, stop) for each axis, which can be a key."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One piece of an image.

    Args:
        read: window of the image to predict on, halo included.
        write: window of the image this tile owns.
        inner: the owned part, relative to `read`.
    """

    read: Window
    write: Window
    inner: Window


def tiles(shape: Sequence[int], size: int, halo: int, grid: int, *, least: int = 0) -> Iterator[Tile]:
    """Cut a shape into tiles.

    Args:
        shape: spatial shape of the image in pixels.
        size: side of the owned part; rounded up to a multiple of `grid`.
        halo: context on each side in pixels; rounded up to a multiple of `grid`.
        grid: 2 ** number of poolings.
        least: what is read is at least so many pixels along each axis, where the image has them.

    Yields:
        Tiles in row-major order; their `write` windows cover the shape once.

    Example:
        >>> [tile.read for tile in tiles((8,), 4, 1, 2)]
        [(slice(0, 6, None),), (slice(2, 8, None),)]
    """
    size, halo = -(-size // grid) * grid, -(-halo // grid) * grid
    for starts in product(*(range(0, extent, size) for extent in shape)):
        write = tuple(slice(a, min(a + size, n)) for a, n in zip(starts, shape, strict=True))
        read = tuple(_read(w, n, halo, grid, least) for w, n in zip(write, shape, strict=True))
        inner = tuple(slice(w.start - r.start, w.stop - r.start) for w, r in zip(write, read, strict=True))
        yield Tile(read, write, inner)


def _read(write: slice, extent: int, halo: int, grid: int, least: int) -> slice:
    """A tile's part of an axis with its halo and more where that is little, begun on the grid."""
    start, stop = max(write.start - halo, 0), min(write.stop + halo, extent)
    stop = min(max(stop, start + least), extent)
    return slice(max(min(start, (stop - least) // grid * grid), 0), stop)


def edges_of(window: Window) -> Edges:
    """A window as a key.

    Example:
        >>> edges_of((slice(0, 4), slice(2, 6)))
        ((0, 4), (2, 6))
    """
    return tuple((part.start, part.stop) for part in window)
