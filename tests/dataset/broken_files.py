"""Datasets with one fault in the files, the images, or the split."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import tifffile

from tests.dataset.healthy import (
    COUNT,
    as_jpeg,
    change,
    clean,
    image_file,
    mask_file,
    name,
    pixels_of,
    save,
    scene,
    split,
)

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"


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


def image_of_another_kind(root: Path) -> None:
    """Dark lines on a bright, smooth ground."""
    clean(root)
    mask_file(root, 3).unlink()
    pixels = np.full((48, 48), 220, np.uint8)
    pixels[:, 10:14] = pixels[30:34] = 20
    save(image_file(root, 3), pixels)


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


def names_in_two_cases(root: Path) -> None:
    clean(root)
    image, labels = scene(20)
    save(root / "images" / f"{name(0).upper()}.png", image)
    save(root / "masks" / f"{name(0).upper()}.png", labels * 255)


def text_among_images(root: Path) -> None:
    clean(root)
    (root / "images" / "notes.txt").write_text("taken on Monday\n", encoding="utf-8")
