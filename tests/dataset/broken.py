"""Small datasets with one fault each.

FAULTS maps the name of a fault to a function that builds, in an empty folder, a dataset of seven images of about 48x48
pixels with just that fault; RULE_OF names the rule of the mask doctor that must report it. The files are written with
Pillow, tifffile and NumPy and not with unetkit, so that the faults are what other programs leave behind.
"""

from __future__ import annotations

import csv
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
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"


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


def no_images_folder(root: Path) -> None:
    clean(root)
    for path in (root / "images").iterdir():
        path.unlink()
    (root / "images").rmdir()


def images_folder_empty(root: Path) -> None:
    clean(root)
    for path in (root / "images").iterdir():
        path.unlink()


def no_masks_folder(root: Path) -> None:
    clean(root)
    for path in (root / "masks").iterdir():
        path.unlink()
    (root / "masks").rmdir()


def other_mask_names(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        mask_file(root, number).rename(root / "masks" / f"truth{number}.png")


def mask_without_image(root: Path) -> None:
    clean(root)
    save(root / "masks" / "tile_lost.png", pixels_of(mask_file(root, 0)))


def image_without_mask(root: Path) -> None:
    clean(root)
    mask_file(root, 3).unlink()


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


def zero_byte_image(root: Path) -> None:
    clean(root)
    image_file(root, 4).write_bytes(b"")


def zero_byte_mask(root: Path) -> None:
    clean(root)
    mask_file(root, 4).write_bytes(b"")


def lfs_image(root: Path) -> None:
    clean(root)
    image_file(root, 1).write_text(LFS, encoding="utf-8")


def lfs_mask(root: Path) -> None:
    clean(root)
    mask_file(root, 1).write_text(LFS, encoding="utf-8")


def web_page(root: Path) -> None:
    clean(root)
    image_file(root, 1).write_text("<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n", encoding="utf-8")


def truncated_image(root: Path) -> None:
    clean(root)
    content = image_file(root, 0).read_bytes()
    image_file(root, 0).write_bytes(content[: len(content) // 2])


def truncated_mask(root: Path) -> None:
    clean(root)
    content = mask_file(root, 0).read_bytes()
    mask_file(root, 0).write_bytes(content[: len(content) // 2])


def truncated_jpeg(root: Path) -> None:
    clean(root)
    content = as_jpeg(pixels_of(image_file(root, 3)), 90)
    image_file(root, 3).unlink()
    (root / "images" / f"{name(3)}.jpg").write_bytes(content[: len(content) * 2 // 3])


def truncated_tiff(root: Path) -> None:
    clean(root, suffix=".tif")
    path = root / "images" / f"{name(3)}.tif"
    path.write_bytes(path.read_bytes()[:1500])


def zeroed_file(root: Path) -> None:
    clean(root)
    image_file(root, 6).write_bytes(bytes(2000))


def pickled_array(root: Path) -> None:
    clean(root)
    image_file(root, 6).unlink()
    np.save(root / "images" / f"{name(6)}.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _float_images(root: Path, bad: float) -> None:
    clean(root, suffix=".tif")
    for number in range(COUNT):
        path = root / "images" / f"{name(number)}.tif"
        pixels = tifffile.imread(path).astype(np.float32) / 255
        if number == 2:
            pixels[5:8, 9:12] = bad
        save(path, pixels)


def nan_pixels(root: Path) -> None:
    _float_images(root, float("nan"))


def infinite_pixels(root: Path) -> None:
    _float_images(root, float("inf"))


def nan_in_mask(root: Path) -> None:
    clean(root)
    mask = pixels_of(mask_file(root, 2)).astype(np.float32)
    mask[4, 4] = np.nan
    mask_file(root, 2).unlink()
    np.save(root / "masks" / f"{name(2)}.npy", mask)


def rgb_among_five_bands(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        grey = pixels_of(image_file(root, number))
        image_file(root, number).unlink()
        bands = 3 if number == 6 else 5
        pixels = np.stack([grey // (1 + band) for band in range(bands)])
        path = root / "images" / f"{name(number)}.tif"
        if bands == 3:
            tifffile.imwrite(path, np.moveaxis(pixels, 0, -1), photometric="rgb")
        else:
            tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="separate")


def grey_and_rgb(root: Path) -> None:
    clean(root)
    for number in (0, 1, 2):
        change(image_file(root, number), lambda image: np.stack([image, image // 2, image // 3], axis=-1))


def alpha_channel(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        change(image_file(root, number), lambda g: np.stack([g, g // 2, g // 3, np.full_like(g, 255)], axis=-1))


def wrong_suffix(root: Path) -> None:
    clean(root)
    image_file(root, 5).rename(root / "images" / f"{name(5)}.jpg")


def same_image_twice(root: Path) -> None:
    clean(root)
    save(root / "images" / "tile_again.png", pixels_of(image_file(root, 0)))
    save(root / "masks" / "tile_again.png", pixels_of(mask_file(root, 0)))


def same_image_in_train_and_test(root: Path) -> None:
    same_image_twice(root)
    split(root, train=[0, 1, 2, 3, 4], val=[5], test=[6, "tile_again"])


def resaved_copy(root: Path) -> None:
    clean(root)
    brighter = (pixels_of(image_file(root, 0)) * 0.9 + 15).astype(np.uint8)
    (root / "images" / "tile_again.jpg").write_bytes(as_jpeg(brighter, 85))
    save(root / "masks" / "tile_again.png", pixels_of(mask_file(root, 0)))


def mirrored_copy_in_test(root: Path) -> None:
    clean(root)
    save(root / "images" / "tile_again.png", pixels_of(image_file(root, 0))[:, ::-1])
    save(root / "masks" / "tile_again.png", pixels_of(mask_file(root, 0))[:, ::-1])
    split(root, train=[0, 1, 2, 3, 4], val=[5], test=[6, "tile_again"])


def two_masks_for_one_image(root: Path) -> None:
    clean(root)
    save(root / "images" / "tile_again.png", pixels_of(image_file(root, 0)))
    save(root / "masks" / "tile_again.png", pixels_of(mask_file(root, 3)))


def two_files_of_one_name(root: Path) -> None:
    clean(root)
    save(root / "images" / f"{name(2)}.tif", scene(30)[0])


def two_masks_of_one_name(root: Path) -> None:
    clean(root)
    save(root / "masks" / f"{name(2)}.tif", pixels_of(mask_file(root, 6)))


def groups_torn(root: Path) -> None:
    clean(root)
    split(root, train=[0, 1, 2, 3], val=[4], test=[5, 6])
    with (root / "groups.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "group"])
        writer.writerows([name(number), f"patient {number // 2}"] for number in range(COUNT))


def groups_unreadable(root: Path) -> None:
    clean(root)
    (root / "groups.csv").write_text("file;patient\na;1\n", encoding="utf-8")


def unknown_in_split(root: Path) -> None:
    clean(root)
    split(root, train=[0, 1, 2, 3, "tile_gone"], val=[4], test=[5, 6])


def twice_in_split(root: Path) -> None:
    clean(root)
    split(root, train=[0, 1, 2, 3, 4], val=[4], test=[5, 6])


def missing_in_split(root: Path) -> None:
    clean(root)
    split(root, train=[0, 1, 2], val=[4], test=[5, 6])


def split_is_no_json(root: Path) -> None:
    clean(root)
    (root / "splits.json").write_text("{'train': [", encoding="utf-8")


def split_is_a_list(root: Path) -> None:
    clean(root)
    (root / "splits.json").write_text(json.dumps([name(0), name(1)]), encoding="utf-8")


def saturated_image(root: Path) -> None:
    clean(root)
    change(image_file(root, 1), lambda image: np.where(image > 35, 255, image).astype(np.uint8))


def constant_image(root: Path) -> None:
    clean(root)
    change(image_file(root, 1), lambda image: image * 0 + 90)


def eight_and_sixteen_bits(root: Path) -> None:
    clean(root)
    for number in (0, 1):
        change(image_file(root, number), lambda image: image.astype(np.uint16) * 200)


def mixed_spacing(root: Path) -> None:
    clean(root)
    for number in range(COUNT):
        pixels = pixels_of(image_file(root, number))
        image_file(root, number).unlink()
        step = 0.25 if number == 3 else 0.5
        path = root / "images" / f"{name(number)}.tif"
        tifffile.imwrite(path, pixels, imagej=True, resolution=(1 / step, 1 / step), metadata={"unit": "um"})


def tiny_image(root: Path) -> None:
    clean(root)
    for path in (image_file(root, 2), mask_file(root, 2)):
        change(path, lambda pixels: pixels[18:30, 18:30])


def three_images(root: Path) -> None:
    clean(root)
    for number in range(3, COUNT):
        image_file(root, number).unlink()
        mask_file(root, number).unlink()


def volume_among_images(root: Path) -> None:
    clean(root, suffix=".npy")
    volume = np.stack([scene(50 + plane)[0] for plane in range(5)])
    np.save(root / "images" / f"{name(6)}.npy", volume[None])
    mask_file(root, 6).unlink()
    np.save(root / "masks" / f"{name(6)}.npy", (volume > 100).astype(np.uint8) * 255)


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


def names_in_two_cases(root: Path) -> None:
    clean(root)
    image, labels = scene(20)
    save(root / "images" / f"{name(0).upper()}.png", image)
    save(root / "masks" / f"{name(0).upper()}.png", labels * 255)


def text_among_images(root: Path) -> None:
    clean(root)
    (root / "images" / "notes.txt").write_text("taken on Monday\n", encoding="utf-8")


FAULTS: dict[str, Callable[[Path], None]] = {}
"""Builders by the name of the fault."""

RULE_OF: dict[str, str] = {}
"""The rule that reports each fault."""

for _rule, _builders in {
    "no-images": (no_images_folder, images_folder_empty),
    "no-pairs": (no_masks_folder, other_mask_names),
    "unpaired-masks": (mask_without_image,),
    "unlabelled-images": (image_without_mask,),
    "size-mismatch": (smaller_mask, turned_mask),
    "ringing": (jpeg_ringing, ringing_in_png, colour_ringing, soft_edges),
    "jpeg-masks": (clean_jpeg_mask,),
    "stray-values": (stray_values, stray_in_binary),
    "off-by-one": (all_from_one, some_from_one),
    "flipped-polarity": (flipped_polarity,),
    "mixed-encodings": (one_and_255, colours_and_numbers),
    "rare-classes": (rare_class,),
    "all-empty": (all_masks_empty,),
    "empty-file": (zero_byte_image, zero_byte_mask),
    "text-pointer": (lfs_image, lfs_mask, web_page),
    "truncated": (truncated_image, truncated_mask, truncated_jpeg, truncated_tiff),
    "unreadable": (zeroed_file, pickled_array),
    "not-finite": (nan_pixels, infinite_pixels),
    "mask-not-whole": (nan_in_mask,),
    "channel-mismatch": (rgb_among_five_bands,),
    "grey-and-colour": (grey_and_rgb,),
    "alpha": (alpha_channel,),
    "wrong-suffix": (wrong_suffix,),
    "exact-duplicates": (same_image_twice, same_image_in_train_and_test),
    "near-duplicates": (resaved_copy, mirrored_copy_in_test),
    "conflicting-masks": (two_masks_for_one_image,),
    "duplicated-stems": (two_files_of_one_name, two_masks_of_one_name),
    "straddling-groups": (groups_torn,),
    "groups-file": (groups_unreadable,),
    "unknown-in-split": (unknown_in_split,),
    "twice-in-split": (twice_in_split,),
    "missing-in-split": (missing_in_split,),
    "splits-file": (split_is_no_json, split_is_a_list),
    "saturated": (saturated_image,),
    "constant": (constant_image,),
    "mixed-types": (eight_and_sixteen_bits,),
    "mixed-spacing": (mixed_spacing,),
    "tiny": (tiny_image,),
    "few-labels": (three_images,),
    "mixed-dimensions": (volume_among_images,),
    "classes-file": (classes_not_yaml, classes_unknown_field, classes_one_name),
    "undeclared-values": (undeclared_value,),
    "case-collisions": (names_in_two_cases,),
    "other-files": (text_among_images,),
}.items():
    for _build in _builders:
        _fault = _build.__name__.replace("_", "-")
        FAULTS[_fault], RULE_OF[_fault] = _build, _rule
