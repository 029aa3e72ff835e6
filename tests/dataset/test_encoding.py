"""What mask values mean: inferred from files as people have them, completed by what they state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from unetkit.classes import IGNORE, Classes
from unetkit.dataset.encoding import find_classes, infer_classes, read_label_map
from unetkit.errors import DatasetError, FileError
from unetkit.formats import write_mask


def disc(size: int = 48, radius: float = 14, row: float = 24, column: float = 24) -> np.ndarray:
    """A boolean image of a disc."""
    rows, columns = np.mgrid[:size, :size]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


def blobs(count: int, dtype: type) -> np.ndarray:
    """`count` separate squares numbered from 1, on a 64 x 64 image."""
    mask = np.zeros((64, 64), dtype)
    for i in range(count):
        row, column = divmod(i, 8)
        mask[row * 8 + 1 : row * 8 + 6, column * 8 + 1 : column * 8 + 6] = i + 1
    return mask


def write(folder: Path, *masks: np.ndarray, suffix: str = ".png") -> list[Path]:
    """Write masks as m0, m1, …"""
    paths = [folder / f"m{i}{suffix}" for i in range(len(masks))]
    for path, mask in zip(paths, masks, strict=True):
        write_mask(path, mask)
    return paths


@pytest.mark.parametrize(
    ("mask", "values", "dtype"),
    [
        (disc(), (0, 1), "bool"),
        (disc().astype(np.uint8), (0, 1), "uint8"),
        (disc().astype(np.uint8) * 255, (0, 255), "uint8"),
        (np.where(disc(), 200, 50).astype(np.uint8), (50, 200), "uint8"),
        (disc().astype(np.uint16) * 65535, (0, 65535), "uint16"),
    ],
)
def test_two_values_are_background_and_foreground(
    tmp_path: Path, mask: np.ndarray, values: tuple[int, int], dtype: str
) -> None:
    classes = infer_classes(write(tmp_path, mask, mask))
    assert (classes.names, classes.encoding, classes.values) == (("background", "foreground"), "values", values)
    assert classes.dtype == dtype
    assert str(values[1]) in classes.evidence


def test_float_masks_of_whole_numbers_are_fine_and_fractions_are_not(tmp_path: Path) -> None:
    classes = infer_classes(write(tmp_path, disc().astype(np.float32), suffix=".tif"))
    assert (classes.values, classes.dtype) == ((0, 1), "float32")
    fractions = write(tmp_path, disc() * np.float32(0.3), suffix=".npy")
    with pytest.raises(FileError, match=r"fractions.*0\.3.*probability map"):
        infer_classes(fractions)
    nan = write(tmp_path, np.where(disc(), np.nan, 0).astype(np.float32), suffix=".tiff")
    with pytest.raises(FileError, match=r"NaN.*ignore_values"):
        infer_classes(nan)


def test_indices_contiguous_or_not(tmp_path: Path) -> None:
    layers = np.repeat(np.uint8([0, 1, 2]), 12)[:, None].repeat(30, 1)
    classes = infer_classes(write(tmp_path, layers, layers.T.copy()))
    assert (classes.values, classes.names) == ((0, 1, 2), ("class 0", "class 1", "class 2"))
    gaps = np.array([3, 7, 40], np.uint8)[layers]
    classes = infer_classes(write(tmp_path, gaps))
    assert (classes.values, classes.names) == ((3, 7, 40), ("class 3", "class 7", "class 40"))
    trimap = np.array([0, 128, 255], np.uint8)[layers]
    assert infer_classes(write(tmp_path, trimap)).values == (0, 128, 255)


def test_255_beside_small_indices_is_void(tmp_path: Path) -> None:
    mask = disc().astype(np.uint8)
    mask[:3] = 255
    paths = write(tmp_path, mask, mask)
    classes = infer_classes(paths)
    assert (classes.values, classes.ignore_values) == ((0, 1), (255,))
    assert "ignore_values: []" in classes.evidence
    assert (read_label_map(paths[0], classes).labels[:3] == IGNORE).all()
    assert infer_classes(paths, stated={"ignore_values": []}).values == (0, 1, 255)
    signed = np.where(mask == 255, -1, mask.astype(np.int32))
    classes = infer_classes(write(tmp_path, signed, suffix=".npy"))
    assert (classes.values, classes.ignore_values, classes.dtype) == ((0, 1), (-1,), "int32")


def test_masks_that_write_foreground_in_two_ways_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"1 in m0\.png, 255 in m1\.png.*ignore_values: \[255\]"):
        infer_classes(write(tmp_path, disc().astype(np.uint8), disc().astype(np.uint8) * 255))


def test_colours(tmp_path: Path) -> None:
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[disc(radius=8)] = (255, 0, 0)
    mask[:4, :4] = (1, 2, 3)
    empty = np.zeros((48, 48, 3), np.uint8)  # equal channels: reads as one number a pixel
    paths = write(tmp_path, mask, empty)
    classes = infer_classes(paths)
    assert classes.encoding == "colours"
    assert classes.colours == ((0, 0, 0), (1, 2, 3), (255, 0, 0))
    assert classes.names == ("background", "#010203", "red")
    assert read_label_map(paths[0], classes).labels[0, 0] == 1
    assert (read_label_map(paths[1], classes).labels == 0).all()
    assert np.array_equal(classes.encode(read_label_map(paths[0], classes).labels), mask)
    with pytest.raises(FileError, match="holds colours"):
        read_label_map(paths[0], Classes(names=("a", "b")))


def test_colours_without_black_start_with_the_most_frequent(tmp_path: Path) -> None:
    mask = np.full((48, 48, 3), 255, np.uint8)
    mask[disc()] = (0, 128, 0)
    assert infer_classes(write(tmp_path, mask)).names == ("white", "dark green")


def test_palette_files_keep_indices_and_colours(tmp_path: Path) -> None:
    mask = disc().astype(np.uint8) * 2
    mask[disc(radius=6)] = 1
    palette = ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    write_mask(tmp_path / "a.png", mask, palette=palette)
    classes = infer_classes([tmp_path / "a.png"])
    assert (classes.encoding, classes.values, classes.palette) == ("values", (0, 1, 2), True)
    assert classes.colours == palette


def test_palettes_that_disagree_are_read_by_colour(tmp_path: Path) -> None:
    mask = disc().astype(np.uint8)
    write_mask(tmp_path / "a.png", mask, palette=((0, 0, 0), (255, 0, 0)))
    write_mask(tmp_path / "b.png", 1 - mask, palette=((255, 0, 0), (0, 0, 0)))
    classes = infer_classes([tmp_path / "a.png", tmp_path / "b.png"])
    assert (classes.encoding, classes.colours) == ("colours", ((0, 0, 0), (255, 0, 0)))
    for name in "ab":
        assert np.array_equal(read_label_map(tmp_path / f"{name}.png", classes).labels, mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_instances_are_numbered_pieces(tmp_path: Path, dtype: type) -> None:
    classes = infer_classes(write(tmp_path, blobs(9, dtype), blobs(30, dtype), blobs(17, dtype)))
    assert (classes.encoding, classes.names) == ("instances", ("background", "foreground"))
    assert "encoding: values" in classes.evidence
    assert infer_classes([tmp_path / "m0.png"], stated={"encoding": "values"}).encoding == "values"


def test_recurring_classes_in_pieces_are_no_instances(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    masks = [np.kron(generator.integers(0, 12, (8, 8)), np.ones((6, 6))).astype(np.uint16) for _ in range(4)]
    assert infer_classes(write(tmp_path, *masks)).encoding == "values"
    organs = blobs(12, np.uint16)  # every number one piece, but the same twelve in every image
    assert infer_classes(write(tmp_path, organs, organs.T.copy(), organs)).encoding == "values"


def test_instances_can_be_stated(tmp_path: Path) -> None:
    paths = write(tmp_path, blobs(1, np.uint8), blobs(2, np.uint8))
    assert infer_classes(paths).encoding == "values"
    assert infer_classes(paths, stated={"encoding": "instances"}).encoding == "instances"


def test_jpeg_ringing_is_refused_with_the_mend(tmp_path: Path) -> None:
    PillowImage.fromarray(disc(64).astype(np.uint8) * 255).save(tmp_path / "a.jpg", quality=70)
    ringing = np.asarray(PillowImage.open(tmp_path / "a.jpg"))
    assert len(np.unique(ringing)) > 20
    with pytest.raises(FileError, match=r"m0\.png.*ringing.*check DATA --fix OUT"):
        infer_classes(write(tmp_path, ringing, disc(64).astype(np.uint8) * 255))


def test_smoothly_resized_colours_are_refused(tmp_path: Path) -> None:
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[disc()] = (255, 0, 0)
    smooth = np.asarray(PillowImage.fromarray(mask).resize((60, 60), PillowImage.Resampling.BILINEAR))
    with pytest.raises(FileError, match="smooth resizing"):
        infer_classes(write(tmp_path, smooth))


def test_photographs_are_no_masks(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    with pytest.raises(FileError, match="too many colours"):
        infer_classes(write(tmp_path, photograph))


def test_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"one single value.*found 0"):
        infer_classes(write(tmp_path, np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)))
    with pytest.raises(DatasetError, match="no masks"):
        infer_classes([])


def test_stated_fields_win(tmp_path: Path) -> None:
    mask = disc().astype(np.uint8) * 2
    mask[disc(radius=6)] = 1
    paths = write(tmp_path, mask)
    stated = tmp_path / "classes.yaml"
    assert find_classes(stated, paths).values == (0, 1, 2)
    stated.write_text("ignore_values: [2]\n")
    classes = find_classes(stated, paths)
    assert (classes.values, classes.ignore_values) == ((0, 1), (2,))
    stated.write_text("names: [soil, crop, weed, stone]\n")
    assert find_classes(stated, paths).values == (0, 1, 2, 3)
    stated.write_text("names: [soil, crop]\n")
    with pytest.raises(DatasetError, match="2 names, values 0, 1, 2"):
        find_classes(stated, paths)
    stated.write_text("names: [soil, crop]\nvalues: [0, 2]\nignore_values: [1]\n")
    assert find_classes(stated, paths).evidence == "stated in classes.yaml"
    stated.write_text("ignore_value: 2\n")
    with pytest.raises(FileError, match="found ignore_value; expected names"):
        find_classes(stated, paths)


REAL = {
    "em_isbi2012": ("values", (0, 255), ("background", "foreground")),
    "nuclei_dsb2018": ("instances", (), ("background", "foreground")),
    "camvid": ("values", tuple(range(12)), tuple(f"class {i}" for i in range(12))),
    "cropweed_cwfid": ("colours", (), ("background", "green", "red")),
    "magtile_defects": ("values", (0, 255), ("background", "foreground")),
    "retina_drive": ("values", (0, 255), ("background", "foreground")),
}


@pytest.mark.parametrize("name", REAL)
def test_real_encodings(real_data: Path, name: str) -> None:
    classes = infer_classes(sorted((real_data / name / "masks").iterdir()))
    assert (classes.encoding, classes.values, classes.names) == REAL[name]


def test_real_ringing(real_data: Path) -> None:
    masks = sorted((real_data / "magtile_defects" / "masks_as_published").iterdir())
    with pytest.raises(FileError, match="expected only 0, 255"):
        infer_classes(masks)
