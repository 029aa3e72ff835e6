"""The same picture twice: exactly, by a hash of the pixels, or nearly, by comparing small normalised thumbnails.

A thumbnail keeps what is peculiar to a picture and drops what a re-saved copy changes. Area means bring every image to
32 x 32; subtracting a blurred copy and dividing by the local strength removes brightness, contrast and gamma, and with
them the frame that all pictures of one kind share (the bright disc of a fundus photograph). What is left correlates
above 0.95 between a picture and its JPEG, resized, brightened or gamma-corrected copy, and below 0.9 between two
fundus photographs of different people, neighbouring slices of a volume or neighbouring frames of a drive.
Mirrored and turned copies are found by comparing all eight symmetries of the square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from unetkit.image import Image

SIDE = 32
"""Rows and columns of a thumbnail."""

NEAR = 0.94
"""Correlation of two thumbnails above which the pictures are taken for copies of each other."""

_BLUR = 1.0  # thumbnail pixels; structure coarser than this is shared by pictures of one kind
_LOCAL = 1.5  # thumbnail pixels over which the strength of the structure is evened out
_FLOOR = 0.3  # of the overall strength: keeps noise in flat regions from being blown up
_BLOCK = 512  # rows compared at a time: 512 x N similarities of 4 bytes stay small

Vector = npt.NDArray[np.float32]


def pixel_hash(image: Image) -> str:
    """A short text that two images share only if shape, number type and every pixel are equal.

    Args:
        image: pixels C *S of any type; file format, name and spacing play no part, and a grey image that is stored as
            red, green and blue counts as grey.

    Returns:
        32 hexadecimal digits (BLAKE2b).

    Example:
        >>> one = Image(np.zeros((1, 4, 4), np.uint8))
        >>> pixel_hash(one) == pixel_hash(Image(np.zeros((1, 4, 4), np.uint8)))
        True
    """
    pixels = image.pixels
    if len(pixels) == 3 and np.array_equal(pixels[0], pixels[1]) and np.array_equal(pixels[0], pixels[2]):
        pixels = pixels[:1]
    digest = blake2b(f"{pixels.shape} {pixels.dtype.str}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def thumbnail_descriptor(image: Image) -> Vector:
    """What is peculiar to a picture, as a vector of length 1 that survives re-saving, resizing and brightness changes.

    Args:
        image: pixels C *S; channels are averaged, planes too, and infinite or NaN pixels count as 0.

    Returns:
        float32 vector of SIDE * SIDE numbers with mean 0 and norm 1; all zeros where the image is constant.

    Example:
        >>> picture = np.random.default_rng(0).integers(0, 200, (1, 64, 96)).astype(np.uint8)
        >>> a, b = thumbnail_descriptor(Image(picture)), thumbnail_descriptor(Image(picture + 20))
        >>> bool(a @ b > 0.99)
        True
    """
    grey = image.pixels.mean(axis=tuple(range(image.pixels.ndim - 2)), dtype=np.float32)  # H W
    if not np.isfinite(grey).all():
        grey = np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
    rows, columns = _area_weights(grey.shape[0]), _area_weights(grey.shape[1])
    small = (rows @ grey @ columns.T).astype(np.float64)  # SIDE SIDE
    detail = small - gaussian_filter(small, _BLUR, mode="nearest")
    strength = np.sqrt(gaussian_filter(detail * detail, _LOCAL, mode="nearest"))
    overall = detail.std()
    if overall <= 1e-6 * max(1.0, float(np.abs(small).max())):
        return np.zeros(SIDE * SIDE, np.float32)
    detail = detail / (strength + _FLOOR * overall)
    detail -= detail.mean()
    vector: Vector = (detail / np.linalg.norm(detail)).astype(np.float32).ravel()
    return vector


def near_duplicates(descriptors: Vector, threshold: float = NEAR) -> list[tuple[int, int, float]]:
    """Pairs of pictures that are copies of each other, also mirrored or turned by quarters.

    Args:
        descriptors: N x SIDE² array, a row from `thumbnail_descriptor` for each picture.
        threshold: correlation (-1 … 1) from which a pair counts as a copy.

    Returns:
        (i, j, correlation) with i < j, in order. Constant pictures are in no pair.

    Example:
        >>> picture = Image(np.random.default_rng(0).random((1, 40, 40)))
        >>> turned = Image(np.rot90(picture.pixels, axes=(1, 2)))
        >>> near_duplicates(np.stack([thumbnail_descriptor(p) for p in (picture, turned)]))[0][:2]
        (0, 1)
    """
    pairs: list[tuple[int, int, float]] = []
    for start in range(0, len(descriptors), _BLOCK):
        block, later = descriptors[start : start + _BLOCK], descriptors[start:]
        best = np.full((len(block), len(later)), -1.0, np.float32)
        for variant in _symmetries(block):
            np.maximum(best, variant @ later.T, out=best)
        first, second = np.nonzero(np.triu(best >= threshold, k=1))
        pairs += [
            (start + int(i), start + int(j), float(min(best[i, j], 1.0))) for i, j in zip(first, second, strict=True)
        ]
    return pairs


class NearCopies:
    """The near copies among the images of a dataset, compared once however often they are asked for."""

    def __init__(self) -> None:
        self._compared: frozenset[Path] = frozenset()
        self._pairs: list[tuple[Path, Path, float]] = []

    def among(self, files: Sequence[Path], descriptor: Callable[[Path], Vector]) -> list[tuple[int, int, float]]:
        """Pairs as from `near_duplicates`.

        Args:
            files: the images, each once.
            descriptor: the `thumbnail_descriptor` of an image; called only for images not yet compared.

        Returns:
            (i, j, correlation) with i < j, in order; i and j count in `files`.
        """
        if not self._compared.issuperset(files):
            found = near_duplicates(np.stack([descriptor(file) for file in files]))
            self._pairs = [(files[i], files[j], likeness) for i, j, likeness in found]
            self._compared = frozenset(files)
        place = {file: number for number, file in enumerate(files)}
        return sorted(
            (min(place[a], place[b]), max(place[a], place[b]), likeness)
            for a, b, likeness in self._pairs
            if a in place and b in place
        )


def _symmetries(vectors: Vector) -> list[Vector]:
    pictures = vectors.reshape(-1, SIDE, SIDE)
    turned = [np.rot90(p, k, axes=(1, 2)) for p in (pictures, pictures[:, :, ::-1]) for k in range(4)]
    return [np.ascontiguousarray(t).reshape(len(vectors), -1) for t in turned]


def _area_weights(length: int) -> Vector:
    """SIDE x length matrix that takes area means; symmetric, so that a mirrored picture gets a mirrored thumbnail."""
    edges = np.linspace(0, length, SIDE + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights: Vector = overlap.clip(min=0).astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights
