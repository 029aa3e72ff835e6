"""Datasets with one fault in the masks or in what is said about them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from tests.dataset.healthy import (
    COUNT,
    SIZE,
    Array,
    as_jpeg,
    change,
    clean,
    image_file,
    mask_file,
    name,
    pixels_of,
    save,
)


def smaller_mask(root: Path) -> None:
    clean(root)
    change(mask_file(root, 2), lambda mask: mask[::2, ::2])


def turned_mask(root: Path) -> None:
    clean(root)
    change(image_file(root, 2), lambda image: image[:40])
    change(mask_file(root, 2), lambda mask: mask[:40].T)


def jpeg_ringing(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        (root / "masks" / f"{name(number)}.jpg").write_bytes(as_jpeg(pixels_of(mask_file(root, number)), 75))
        mask_file(root, number).unlink()


def ringing_in_png(root: Path) -> None:
    clean(root)
    for number in (1, 4):
        with Pillow.open(io.BytesIO(as_jpeg(pixels_of(mask_file(root, number)), 80))) as image:
            save(mask_file(root, number), np.array(image))


def colour_ringing(root: Path) -> None:
    clean(root, classes=3, values=(0, 1, 2))
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for number in range(COUNT):
        change(mask_file(root, number), lambda mask: colours[mask])
        if number > 3:
            with Pillow.open(io.BytesIO(as_jpeg(pixels_of(mask_file(root, number)), 85))) as image:
                save(mask_file(root, number), np.array(image))


def soft_edges(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        with Pillow.open(mask_file(root, number)) as image:
            soft = image.resize((SIZE // 2, SIZE // 2), Pillow.Resampling.BILINEAR)
            soft = soft.resize((SIZE, SIZE), Pillow.Resampling.BILINEAR)
        save(mask_file(root, number), np.array(soft))


def clean_jpeg_mask(root: Path) -> None:
    clean(root)
    blank = np.zeros((SIZE, SIZE), np.uint8)
    mask_file(root, 5).unlink()
    (root / "masks" / f"{name(5)}.jpg").write_bytes(as_jpeg(blank, 95))


def stray_values(root: Path) -> None:
    clean(root, classes=3, values=(0, 1, 2))

    def spill(mask: Array) -> Array:
        mask[3, 5], mask[40, 7] = 77, 77
        return mask

    change(mask_file(root, 2), spill)


def stray_in_binary(root: Path) -> None:
    clean(root)

    def spill(mask: Array) -> Array:
        mask[1, 1] = 100
        return mask

    change(mask_file(root, 6), spill)


def all_from_one(root: Path) -> None:
    clean(root, classes=3, values=(1, 2, 3))


def some_from_one(root: Path) -> None:
    clean(root, classes=3, values=(0, 1, 2))
    for number in (1, 5):
        change(mask_file(root, number), lambda mask: mask + 1)


def flipped_polarity(root: Path) -> None:
    clean(root)
    for number in (0, 4):
        change(mask_file(root, number), lambda mask: 255 - mask)


def one_and_255(root: Path) -> None:
    clean(root)
    for number in (2, 3):
        change(mask_file(root, number), lambda mask: mask // 255)


def colours_and_numbers(root: Path) -> None:
    clean(root)
    change(mask_file(root, 2), lambda mask: np.stack([mask, 0 * mask, 0 * mask], axis=-1))


def rare_class(root: Path) -> None:
    clean(root, classes=3, values=(0, 1, 2))
    for number in range(1, COUNT):
        change(mask_file(root, number), lambda mask: np.where(mask == 2, 1, mask).astype(np.uint8))


def all_masks_empty(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        change(mask_file(root, number), lambda mask: mask * 0)


def nan_in_mask(root: Path) -> None:
    clean(root)
    mask = pixels_of(mask_file(root, 2)).astype(np.float32)
    mask[4, 4] = np.nan
    mask_file(root, 2).unlink()
    np.save(root / "masks" / f"{name(2)}.npy", mask)


def two_masks_for_one_image(root: Path) -> None:
    clean(root)
    save(root / "images" / "tile_again.png", pixels_of(image_file(root, 0)))
    save(root / "masks" / "tile_again.png", pixels_of(mask_file(root, 3)))


def classes_not_yaml(root: Path) -> None:
    clean(root)
    (root / "classes.yaml").write_text("names: [a, b\nvalues: {", encoding="utf-8")


def classes_unknown_field(root: Path) -> None:
    clean(root)
    (root / "classes.yaml").write_text("names: [soil, plant]\nvalues: [0, 255]\ncolors: red\n", encoding="utf-8")


def classes_one_name(root: Path) -> None:
    clean(root)
    (root / "classes.yaml").write_text("names: [plant]\nvalues: [255]\n", encoding="utf-8")


def undeclared_value(root: Path) -> None:
    clean(root, classes=3, values=(0, 1, 2))
    (root / "classes.yaml").write_text("names: [soil, plant]\nvalues: [0, 1]\n", encoding="utf-8")


def few_numbered_objects(root: Path) -> None:
    """One to three objects an image, numbered: they may be classes, too."""
    _numbered(root, [[1], [1, 2], [1, 2, 3]])


def objects_in_pieces(root: Path) -> None:
    """Two objects that share a number."""
    _numbered(root, [[*range(1, count)] for count in range(9, 16)])
    change(mask_file(root, 3), lambda mask: np.where(mask == 2, np.uint16(9), mask))


def objects_with_holes(root: Path) -> None:
    """An object with a hole of one pixel."""
    _numbered(root, [[*range(1, count)] for count in range(9, 16)])

    def pierce(mask: Array) -> Array:
        mask[3, 3] = 0
        return mask

    change(mask_file(root, 3), pierce)


def undeclared_class_of_objects(root: Path) -> None:
    """Numbers of class and object, one of a class that classes.yaml does not state."""
    _numbered(root, [[2001, 2002, 3001]] * 6 + [[2001, 4001]])
    text = "names: [ground, live, dead]\nencoding: instances\nlabel_divisor: 1000\nvalues: [0, 2, 3]\n"
    (root / "classes.yaml").write_text(text, encoding="utf-8")


def _numbered(root: Path, numbers: list[list[int]]) -> None:
    """Squares with these numbers, image by image."""
    for number in range(COUNT):
        image = np.random.default_rng(number).integers(20, 60, (SIZE, SIZE)).astype(np.uint8)
        mask = np.zeros((SIZE, SIZE), np.uint16)
        for spot, one in enumerate(numbers[number % len(numbers)]):
            row, column = divmod(spot, 6)
            here = (slice(8 * row + 1, 8 * row + 6), slice(8 * column + 1, 8 * column + 6))
            mask[here] = one
            image[here] += 120
        save(image_file(root, number), image)
        save(mask_file(root, number), mask)
