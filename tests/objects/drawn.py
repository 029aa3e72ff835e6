"""Objects to measure: blobs of every form, some with holes, some in pieces, some touching."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unetkit.objects import ObjectMap


def blobs(shape: tuple[int, ...], *, seed: int = 0, sigma: float = 2.0) -> ObjectMap:
    """Random blobs: every seventh joins the first object (pieces), every second class 2; cut in two (touching)."""
    generator = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(generator.normal(size=shape), sigma)
    ids, _ = ndimage.label(field > (0.3 if len(shape) == 2 else 1.2) * field.std(), np.ones((3,) * len(shape)))
    ids[ids % 7 == 3] = 1
    middle = shape[-1] // 2
    ids[..., middle:] = np.where(ids[..., middle:] > 1, ids[..., middle:] + ids.max(), ids[..., middle:])
    present, index = np.unique(ids, return_inverse=True)
    count = len(present) - 1
    return ObjectMap(index.reshape(shape).astype(np.uint32), (1 + np.arange(count) % 2).astype(np.uint8))


def noise(channels: int, shape: tuple[int, ...], dtype: str = "uint16", seed: int = 1) -> np.ndarray:
    """Pixels C *S of a type, of both signs where it has them."""
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return generator.normal(0, 30, (channels, *shape)).astype(dtype)
    info = np.iinfo(dtype)
    return generator.integers(max(info.min, -4000), min(info.max, 4000), (channels, *shape)).astype(dtype)
