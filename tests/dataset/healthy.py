"""A small healthy dataset, and the tools with which the other builders break it.

The files are written with Pillow, tifffile and NumPy and not with unetkit: they are what other programs
leave behind.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as Pillow

Array = npt.NDArray[Any]

COUNT = 7
SIZE = 48


def scene(seed: int, classes: int = 2, size: int = SIZE) -> tuple[Array, Array]:
    """Bright discs on a dark, textured ground, and which class (0 … classes-1) each pixel is."""
    random = np.random.default_rng(seed)
    image = 40 + 10 * random.standard_normal((size, size))
    labels = np.zeros((size, size), np.uint8)
    rows, columns = np.mgrid[:size, :size]
    for number in range(3 * (classes - 1)):
        kind = 1 + number % (classes - 1)
        row, column = random.integers(8, size - 8, 2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 < random.integers(4, 7) ** 2
        labels[disc] = kind
        image[disc] = 90 + 50 * kind + 10 * random.standard_normal(int(disc.sum()))
    return image.clip(0, 250).astype(np.uint8), labels


def name(number: int) -> str:
    """The stem of an image."""
    return f"tile_{'bgkmpsw'[number]}"


def save(path: Path, pixels: Array) -> None:
    """Write with Pillow (or tifffile, NumPy), making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Pillow.fromarray(pixels).save(path)


def clean(root: Path, *, classes: int = 2, values: tuple[int, ...] = (0, 255), suffix: str = ".png") -> None:
    """A dataset without any fault."""
    for number in range(COUNT):
        image, labels = scene(number, classes)
        save(root / "images" / f"{name(number)}{suffix}", image)
        save(root / "masks" / f"{name(number)}.png", np.array(values, np.uint8)[labels])


def image_file(root: Path, number: int) -> Path:
    """The image of a number."""
    return root / "images" / f"{name(number)}.png"


def mask_file(root: Path, number: int) -> Path:
    """The mask of a number."""
    return root / "masks" / f"{name(number)}.png"


def pixels_of(path: Path) -> Array:
    """A copy of the pixels of a PNG."""
    with Pillow.open(path) as image:
        return np.array(image)


def change(path: Path, edit: Callable[[Array], Array]) -> None:
    """Rewrite a PNG with edited pixels."""
    save(path, edit(pixels_of(path)))


def as_jpeg(pixels: Array, quality: int) -> bytes:
    """JPEG bytes."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def split(root: Path, **parts: list[int | str]) -> None:
    """Write splits.json; numbers stand for stems."""
    named = {part: [name(n) if isinstance(n, int) else n for n in numbers] for part, numbers in parts.items()}
    (root / "splits.json").write_text(json.dumps(named), encoding="utf-8")
