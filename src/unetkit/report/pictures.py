"""Pictures as data URIs: photographs as JPEG, painted labels without loss."""

from __future__ import annotations

import base64
import io
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

Bytes = npt.NDArray[np.uint8]
Whole = TypeVar("Whole", bound=np.integer[Any])


def fit_image(image: Bytes, longest: int) -> Bytes:
    """The picture (H W 3), averaged down so that its longer side has at most `longest` pixels."""
    size = _fitted(image.shape, longest)
    if size is None:
        return image
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BOX))


def fit_labels(labels: npt.NDArray[Whole], longest: int) -> npt.NDArray[Whole]:
    """The labels (H W), thinned out like `fit_image` does it; no label is made up."""
    size = _fitted(labels.shape, longest)
    if size is None:
        return labels
    columns, rows = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, labels.shape[::-1], strict=True))
    return labels[np.ix_(rows.astype(np.intp), columns.astype(np.intp))]


def _fitted(shape: tuple[int, ...], longest: int) -> tuple[int, int] | None:
    height, width = shape[:2]
    if max(height, width) <= longest:
        return None
    factor = longest / max(height, width)
    return max(1, round(width * factor)), max(1, round(height * factor))


def photograph(image: Bytes, quality: int = 90) -> str:
    """A JPEG data URI of a picture (H W 3); of a grey one, a third of the size."""
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    picture = Pillow.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))
    return _uri(picture, "jpeg", quality=quality, optimize=True)


def drawing(paint: Bytes) -> str:
    """A lossless WebP data URI of a picture with opacity (H W 4)."""
    return _uri(Pillow.fromarray(paint), "webp", lossless=True, quality=60, method=3)


def _uri(picture: Pillow.Image, kind: str, **options: int | bool) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
