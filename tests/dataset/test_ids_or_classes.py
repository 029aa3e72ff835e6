"""Numbers that count objects, numbers that name classes, and the question where they may be either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unetkit.classes import IGNORE, Classes
from unetkit.dataset.census import count_raw, index_values
from unetkit.dataset.check import check
from unetkit.dataset.encoding import find_classes, infer_classes, read_label_map
from unetkit.dataset.folder import open_dataset, read_objects
from unetkit.dataset.ids_or_classes import why_objects
from unetkit.errors import FileError, InputError, UnclearMasks
from unetkit.formats import RawMask, write_image, write_mask
from unetkit.scoring import score_folders


def spots(numbers: list[int], dtype: str = "uint16") -> np.ndarray:
    """Separate squares with these numbers, on a 96 x 96 image."""
    mask = np.zeros((96, 96), dtype)
    for spot, number in enumerate(numbers):
        row, column = divmod(spot, 12)
        mask[row * 8 + 1 : row * 8 + 6, column * 8 + 1 : column * 8 + 6] = number
    return mask


def write(folder: Path, *masks: np.ndarray, suffix: str = ".npy") -> list[Path]:
    paths = [folder / f"m{i}{suffix}" for i in range(len(masks))]
    for path, mask in zip(paths, masks, strict=True):
        write_mask(path, mask)
    return paths


CLEAR = {
    "the same few in every image": ("values", "uint16", [[1, 2, 3]] * 4),
    "two classes, one absent": ("values", "uint16", [[1], [1, 2], [1]]),
    "few with gaps, some absent": ("values", "uint16", [[1, 3], [2], [1, 2, 3]]),
    "counts that vary": ("instances", "uint16", [[*range(1, n)] for n in (6, 9, 4)]),
    "8 bits, many, counts vary": ("instances", "uint8", [[*range(1, n)] for n in (9, 12, 20)]),
    "every third number": ("instances", "uint16", [[*range(3, n, 3)] for n in (20, 33, 45)]),
    "numbers that go on in the next image": ("instances", "uint16", [[1, 2, 3, 4], [5, 6], [7, 8, 9]]),
    "more numbers than there can be classes": ("instances", "int32", [[*range(i, 300, 4)] for i in (1, 2, 3, 4)]),
    "64 bits": ("instances", "int64", [[2**40 + i for i in range(n)] for n in (5, 9, 7)]),
    "one file of many": ("instances", "uint16", [[*range(1, 40)]]),
    "beside what nobody labelled": ("instances", "int32", [[-1, *range(1, n)] for n in (6, 9, 4)]),
}


@pytest.mark.parametrize("case", CLEAR)
def test_what_is_clear_is_not_asked(tmp_path: Path, case: str) -> None:
    encoding, dtype, images = CLEAR[case]
    found = infer_classes(write(tmp_path, *(spots(numbers, dtype) for numbers in images)))
    assert found.encoding == encoding
    assert found.ignore_values == ((-1,) if -1 in images[0] else ())


UNCLEAR = {
    "three at most": ("uint8", [[1], [1, 2], [1, 2, 3]]),
    "8 bits, few images": ("uint8", [[*range(1, 12)], [*range(1, 9)]]),
    "a single file of few": ("uint16", [[1, 2, 3]]),
    "twenty organs, the same in every image": ("uint16", [[*range(1, 21)]] * 3),
    "twenty organs, some absent": ("uint16", [[*range(1, 20)], [*range(4, 22)], [*range(1, 9), *range(12, 22)]]),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_may_be_either_is_asked_and_one_line_answers(tmp_path: Path, case: str) -> None:
    dtype, images = UNCLEAR[case]
    for number, numbers in enumerate(images):
        write_image(tmp_path / "images" / f"{number}.png", np.full((1, 96, 96), 10 * number, np.uint8))
        write_mask(tmp_path / "masks" / f"{number}.tif", spots(numbers, dtype))
    report = check(tmp_path)
    assert not report.ok
    (finding,) = [finding for finding in report.findings if finding.rule == "ids-or-classes"]
    assert "count objects or name classes?" in finding.what
    with pytest.raises(UnclearMasks):
        open_dataset(tmp_path)
    for line, encoding in (("encoding: instances", "instances"), ("encoding: values", "values")):
        assert f"'{line}'" in finding.mend
        (tmp_path / "classes.yaml").write_text(line)
        answered = check(tmp_path)
        assert answered.dataset is not None
        assert answered.dataset.classes.encoding == encoding
        assert not [one for one in answered.findings if one.rule == "ids-or-classes"]


def test_the_highest_number_is_an_object_where_objects_are_counted_up_to_it(tmp_path: Path) -> None:
    full = np.repeat(np.arange(256, dtype=np.uint8), 16).reshape(64, 64)
    found = infer_classes(write(tmp_path, full, np.where(full < 200, full, 0), np.where(full < 90, full, 0)))
    assert (found.encoding, found.ignore_values) == ("instances", ())
    apart = [np.where(full < most, full, np.where(full > 250, 255, 0)).astype(np.uint8) for most in (40, 90, 60)]
    found = infer_classes(write(tmp_path, *apart))
    assert (found.encoding, found.ignore_values) == ("instances", (255,))
    assert "255 is taken for 'nobody labelled this'" in found.evidence


def test_names_of_more_than_two_classes_answer_too(tmp_path: Path) -> None:
    paths = write(tmp_path, spots([1]), spots([1, 2]), spots([1, 2, 3]))
    (tmp_path / "classes.yaml").write_text("names: [ground, live, dead, debris]")
    found = find_classes(tmp_path / "classes.yaml", paths)
    assert (found.encoding, found.values) == ("values", (0, 1, 2, 3))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 14), min_size=3, max_size=6), st.integers(0, 99))
def test_objects_are_never_taken_for_classes(counts: list[int], seed: int) -> None:
    """Whatever the counts: numbered objects are found to be such, or asked about, or too few to be told apart."""
    masks = [spots([*range(1, count + 1)]) for count in counts]
    seen = [count_raw(Path("a"), RawMask(mask), index_values(mask)) for mask in masks]
    try:
        found = why_objects(seen, ())
    except UnclearMasks:
        return
    assert found is not None or max(counts) < 3 or len(set(counts)) == 1


def test_class_and_object_in_one_number_are_asked_about(tmp_path: Path) -> None:
    masks = [spots([7, 24000, 24001, 26000]), spots([7, 24000, 26000, 26001, 26002])]
    paths = write(tmp_path, *masks)
    with pytest.raises(UnclearMasks, match=r"class · 1000 \+ object.*'label_divisor: 1000'"):
        infer_classes(paths)
    (tmp_path / "classes.yaml").write_text("encoding: instances\nlabel_divisor: 1000\n")
    found = find_classes(tmp_path / "classes.yaml", paths)
    assert (found.values, found.names) == ((0, 7, 24, 26), ("background", "class 7", "class 24", "class 26"))
    assert set(np.unique(read_label_map(paths[0], found).labels)) == {0, 1, 2, 3}
    assert infer_classes(paths, stated={"encoding": "instances"}).names == ("background", "foreground")
    many = [*range(1, 2300)]  # counted on across 1000 and 2000
    mask = np.zeros((60, 60), np.uint16)
    mask.reshape(-1)[: len(many)] = many
    assert infer_classes(write(tmp_path, mask)).encoding == "instances"


def test_what_a_label_divisor_needs() -> None:
    cars = {"names": ("ground", "road", "car"), "encoding": "instances", "label_divisor": 1000}
    assert Classes.model_validate({**cars, "values": (0, 7, 26)}).decode(np.array([0, 7, 7003, 26001])).tolist() == [
        0, 1, 1, 2,
    ]  # fmt: skip
    ignoring = Classes.model_validate({**cars, "values": (0, 7, 26), "ignore_values": (26000, -1)})
    assert ignoring.decode(np.array([-1, 26000, 26001])).tolist() == [IGNORE, IGNORE, 2]
    for wrong, message in (
        ({"values": (7, 0, 26)}, "the background is 0"),
        ({"values": (0, 7, 2600)}, "need a label_divisor above"),
        ({"encoding": "values", "values": (0, 7, 26)}, "goes with 'encoding: instances'"),
        ({"label_divisor": 0}, "unless a label_divisor"),
    ):
        with pytest.raises(ValueError, match=message):
            Classes.model_validate({**cars, **wrong})
    with pytest.raises(FileError, match=r"stand for no class; found 9 on 1 pixels"):
        ignoring.decode(np.array([9001]))


HOSTILE = {
    "negative": (np.array([[0, -3, 1]], np.int16), "holds no numbers of objects; found down to -3.*ignore_values"),
    "fractions": (np.array([[0, 0.5, 1]], np.float32), "found fractions"),
    "float32 above 2^24": (np.array([[0, 2**25, 3]], np.float32), "larger numbers than float32 keeps apart"),
    "64 bits": (np.array([[0, 2**63 + 1, 3]], np.uint64), None),
    "64 bits with a sign": (np.array([[0, 2**62 + 1, 3]], np.int64), None),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_stated_ids_are_read_exactly_or_refused(tmp_path: Path, case: str) -> None:
    values, message = HOSTILE[case]
    write_image(tmp_path / "images" / "a.png", np.zeros((1, *values.shape), np.uint8))
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", values)
    (tmp_path / "classes.yaml").write_text("names: [ground, cell]\nencoding: instances")
    dataset = open_dataset(tmp_path)
    if message is None:
        assert read_objects(dataset, dataset.samples[0]).ids.tolist() == [[0, 2, 1]]
    else:
        with pytest.raises(FileError, match=message):
            read_objects(dataset, dataset.samples[0])


def test_ids_that_63_bits_do_not_hold_are_refused_where_they_are_counted(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"larger numbers.*number the objects 1 … n anew"):
        infer_classes(write(tmp_path, spots([2**63 + i for i in range(9)], "uint64")))


def test_masks_that_memory_does_not_hold_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_image(tmp_path / "images" / f"{number}.png", np.full((1, 96, 96), 10 * number, np.uint8))
        write_mask(tmp_path / "masks" / f"{number}.png", spots([*range(1, 7 + number)]))
    monkeypatch.setattr("unetkit.memory.free_memory", lambda: 10_000)
    report = check(tmp_path)
    assert not report.ok
    assert any("larger than the memory holds" in finding.what for finding in report.findings)
    with pytest.raises(InputError, match=r"0\.png: mask is larger than the memory holds; found 9,216 pixels"):
        score_folders(tmp_path / "masks", tmp_path / "masks")


def test_numbers_are_counted_alike_in_a_list_and_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(0).integers(0, 300, (40, 50)).astype(np.int32)
    listed = index_values(numbers)
    monkeypatch.setattr("unetkit.dataset.census.LISTED", 0)
    by_sorting = index_values(numbers)
    for one, other in ((listed, by_sorting), (index_values(numbers - 5), index_values(numbers.astype(np.int64) - 5))):
        assert np.array_equal(one.values, other.values)
        assert np.array_equal(one.counts, other.counts)
        assert np.array_equal(one.index, other.index)
    assert np.array_equal(listed.values[listed.index], numbers)


def test_holes_and_pieces_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((24, 24), np.uint8)
    mask[2:10, 2:10], mask[4:6, 4:6], mask[7, 7] = 1, 0, 0  # two holes
    mask[14:20, 2:8], mask[16:18, 4:6] = 2, 3  # what another object fills is no hole
    mask[0:5, 14:20], mask[0:3, 16:18] = 4, 0  # open to the border
    mask[12, 20], mask[20, 20] = 5, 5  # two pieces
    count = count_raw(Path("a"), RawMask(mask), index_values(mask))
    assert count.holes[1:].tolist() == [2, 0, 0, 0, 0]
    assert count.pieces[1:].tolist() == [1, 1, 1, 1, 2]
    volume = np.zeros((5, 5, 5), np.uint8)
    volume[1:4, 1:4, 1:4], volume[2, 2, 2], volume[0, 0, 0] = 1, 0, 2
    assert count_raw(Path("a"), RawMask(volume), index_values(volume)).holes.tolist() == [0, 1, 0]
    monkeypatch.setattr("unetkit.dataset.census.LOOKED", 100)  # the middle alone
    assert count_raw(Path("a"), RawMask(mask), index_values(mask)).pieces.tolist() != count.pieces.tolist()
