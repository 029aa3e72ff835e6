"""Label files of anybody, measured: what they hold, what belongs to them, and every fault in one message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.objects.drawn import blobs, noise
from unetkit.dataset.numbered import compact_ids
from unetkit.errors import FileError, InputError, UnetkitError, UsageError
from unetkit.formats import write_image, write_mask
from unetkit.image import Geometry, Image
from unetkit.measuring import Settings, files, measure_files
from unetkit.measuring.files import LARGE
from unetkit.objects import measure

SHAPE = (60, 70)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two label files whose ids repeat, with gaps, and images of the same names."""
    for number in range(2):
        ids = blobs(SHAPE, seed=number).ids
        write_mask(tmp_path / "labels" / f"scan_{number}.tif", (ids * 3).astype(np.uint32))
        write_image(tmp_path / "images" / f"scan_{number}.png", noise(2, SHAPE, seed=number)[:1])
    return tmp_path


def test_a_folder_is_one_table_with_the_ids_of_its_files(folder: Path) -> None:
    measured = measure_files(folder / "labels", folder / "images")
    table = measured.table
    assert list(table.columns)[:3] == ["image", "id", "class"]
    assert list(table.columns)[-1] == "removed_by"
    assert measured.read_as == "numbers of objects"
    for number in range(2):
        objects = blobs(SHAPE, seed=number)
        own = table.rows(table["image"] == f"scan_{number}")
        right = measure(objects, Image(noise(2, SHAPE, seed=number)[:1]))
        assert own["id"].tolist() == (right["id"] * 3).tolist()
        np.testing.assert_array_equal(own["area_px"], right["area_px"])
        np.testing.assert_array_equal(own["median_0"], right["median_0"])
        assert own["neighbour_ids"].tolist() == [
            " ".join(str(3 * int(one)) for one in some.split()) for some in right["neighbour_ids"]
        ]
    alone = measure_files(folder / "labels" / "scan_0.tif", folder / "images" / "scan_0.png").table
    assert alone["area_px"].tolist() == table["area_px"][table["image"] == "scan_0"].tolist()


def test_masks_of_classes_become_their_connected_regions(tmp_path: Path) -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[2:5, 2:5], mask[10:14, 2:5], mask[20:22, 10:20] = 1, 1, 2
    for name in ("a", "b"):
        write_mask(tmp_path / "masks" / f"{name}.png", mask)
    (tmp_path / "classes.yaml").write_text("names: [background, cell, crack]\nvalues: [0, 1, 2]\n")
    settings = Settings(thin_classes=("crack",), spacing=(0.5,), unit="mm")
    measured = measure_files(tmp_path / "masks", settings=settings, numbered=False, classes=tmp_path / "classes.yaml")
    assert measured.table["class"].tolist() == ["cell", "cell", "crack"] * 2
    assert measured.table["area_mm2"].tolist()[:3] == [9 / 4, 3.0, 5.0]
    assert np.isnan(measured.table["width_mm"]).tolist()[:3] == [True, True, False]
    assert measured.extents["a"].size == 900 / 4
    assert "cell, crack" in measured.read_as


def test_a_slanted_line_of_one_pixel_is_one_object(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.eye(40, dtype=np.uint8) * 255)
    table = measure_files(tmp_path / "a.png", numbered=False, settings=Settings(thin_classes=("foreground",))).table
    assert table["skeleton_length_px"].tolist() == [pytest.approx(40 * 2**0.5, rel=0.03)]


def test_what_the_numbers_are_is_found_out_or_can_be_said(tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[5:15, 5:15] = mask[20:30, 20:30] = 255
    write_mask(tmp_path / "a.png", mask)
    assert len(measure_files(tmp_path / "a.png").table) == 2
    as_ids = measure_files(tmp_path / "a.png", numbered=True).table
    assert (as_ids["id"].tolist(), as_ids["pieces"].tolist()) == ([255], [2])


@pytest.mark.parametrize("numbered", [True, False])
def test_a_large_file_is_measured_in_bands_with_the_same_result(
    folder: Path, numbered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = folder / "labels"
    if not numbered:
        labels = folder / "masks"
        for number in range(2):
            write_mask(labels / f"scan_{number}.tif", (blobs(SHAPE, seed=number).ids % 3).astype(np.uint8))
    settings = Settings(spacing=(0.5, 0.25), unit="um", rules=("area_um2 > 1",))
    options = {"settings": settings, "numbered": numbered}
    whole = measure_files(labels, folder / "images", **options)  # type: ignore[arg-type]
    streamed = files.measure_streamed
    monkeypatch.setattr(files, "LARGE", 10)
    monkeypatch.setattr(files, "measure_streamed", lambda *args: streamed(*args, band=7 * SHAPE[1]))
    banded = measure_files(labels, folder / "images", **options)  # type: ignore[arg-type]
    assert LARGE > 10
    assert banded.extents == whole.extents
    assert banded.table.notes
    for name, right in whole.table.columns.items():
        if right.dtype.kind == "O":
            assert banded.table[name].tolist() == right.tolist(), name
        elif not name.startswith("median"):
            np.testing.assert_allclose(banded.table[name].astype(float), right.astype(float), rtol=1e-9, err_msg=name)


def test_ids_of_64_bits(tmp_path: Path) -> None:
    ids = np.zeros((3, 4), np.uint64)
    ids[0, 0], ids[2, 2:] = 2**64 - 1, 7
    np.save(tmp_path / "a.npy", ids)
    table = measure_files(tmp_path / "a.npy", numbered=True).table
    assert table["id"].tolist() == [7, 2**64 - 1]
    assert table["area_px"].tolist() == [2, 1]


@given(
    arrays(st.sampled_from([np.uint8, np.uint16, np.int32, np.uint32, np.int64]), (4, 5), elements=st.integers(0, 120))
)
def test_ids_with_gaps_are_numbered_without(values: np.ndarray) -> None:
    ids, originals = compact_ids(values)
    assert np.array_equal(np.concatenate([[0], originals])[ids], values)
    assert originals.tolist() == sorted({*values.ravel().tolist()} - {0})
    spread, far = compact_ids(values.astype(np.int64) * 2**40)
    assert np.array_equal(spread, ids)
    assert np.array_equal(far, originals * 2**40)


def test_spacing_of_the_file_counts_unless_another_is_stated(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.tif", np.ones((4, 4), np.uint16), geometry=Geometry((0.5, 0.5), "um"))
    assert measure_files(tmp_path / "a.tif", numbered=True).table["area_um2"].tolist() == [4]
    stated = measure_files(tmp_path / "a.tif", numbered=True, settings=Settings(spacing=(2.0,), unit="mm"))
    assert stated.table["area_mm2"].tolist() == [64]


def test_groups_stand_beside_the_labels_or_above(folder: Path) -> None:
    (folder / "groups.csv").write_text("image,group\nscan_0,one\nscan_1,two\n")
    assert measure_files(folder / "labels").groups == {"scan_0": "one", "scan_1": "two"}


def test_a_file_without_objects_has_no_rows_but_counts_as_an_image(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.zeros((5, 5), np.uint16))
    write_mask(tmp_path / "b.png", np.eye(5, dtype=np.uint16) * 2)
    measured = measure_files(tmp_path, numbered=True)
    assert measured.table["image"].tolist() == ["b"]
    assert list(measured.extents) == ["a", "b"]


def test_every_fault_is_one_message(folder: Path, tmp_path: Path) -> None:
    def fault(error: type[UnetkitError], message: str, *arguments: object, **options: object) -> None:
        with pytest.raises(error, match=message):
            measure_files(*arguments, **options)  # type: ignore[arg-type]

    labels = folder / "labels"
    fault(InputError, "does not exist", folder / "nowhere")
    (folder / "empty").mkdir()
    fault(InputError, "holds no label files", folder / "empty")
    (folder / "images" / "scan_1.png").rename(folder / "images" / "other.png")
    fault(InputError, "have no image", labels, folder / "images")
    write_image(folder / "images" / "scan_1.png", noise(1, (5, 5)))
    fault(InputError, "differ in size", labels, folder / "images")
    fault(UsageError, "1 numbers|2 numbers", labels, settings=Settings(spacing=(1.0, 1.0, 1.0), unit="um"))
    fault(UsageError, "area_px", labels, settings=Settings(rules=("aera_px > 3",)))
    fault(UsageError, "no class 'vessel'", labels, settings=Settings(thin_classes=("vessel",)))
    np.save(folder / "fractions.npy", np.full((3, 3), 0.5, np.float32))
    fault(FileError, "fractions", folder / "fractions.npy", numbered=True)
    np.save(folder / "negative.npy", np.full((3, 3), -1, np.int32))
    fault(FileError, "negative", folder / "negative.npy", numbered=True)
    write_mask(folder / "colours.png", np.random.default_rng(0).integers(0, 255, (4, 4, 3), dtype=np.uint8))
    fault(FileError, "colours", folder / "colours.png", numbered=True)
    fault(UsageError, "have no classes", labels, numbered=True, classes=folder / "classes.yaml")


def test_a_mask_of_one_bit_is_one_object() -> None:
    ids, originals = compact_ids(np.array([[False, True]]))
    assert (ids.tolist(), originals.tolist()) == ([[0, 1]], [1])
