"""Zarr: what OME-Zarr says of axes and places is understood, and what is written follows OME-Zarr 0.5."""

from __future__ import annotations

import errno
import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models
import pytest
import zarr

from unetkit.dataset.check import check
from unetkit.dataset.fix import fix
from unetkit.errors import FileError
from unetkit.files import replacing_folder, stamp, sweep, sweep_beside
from unetkit.formats import (
    Streamed,
    files_below,
    is_image_path,
    read_header,
    read_image,
    read_mask,
    read_window,
    write_image,
    write_mask,
    write_streamed,
)
from unetkit.formats import zarr_write as writing
from unetkit.image import Geometry

RNG = np.random.default_rng(3)
UNITS = {"z": "micrometer", "y": "micrometer", "x": "micrometer"}


def ome(
    path: Path,
    axes: str,
    numbers: np.ndarray,
    *,
    version: str = "0.5",
    scale: dict[str, float] | None = None,
    units: dict[str, str] = UNITS,
    translation: dict[str, float] | None = None,
    labels: tuple[str, ...] = (),
) -> Path:
    """An OME-Zarr of one level, as other programs write it."""
    kinds = {"t": "time", "c": "channel"}
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [(scale or {}).get(axis, 1.0) for axis in axes]}]
    if translation:
        transforms.append({"type": "translation", "translation": [translation.get(axis, 0.0) for axis in axes]})
    multiscale = {
        "axes": [
            {"name": a, "type": kinds.get(a, "space"), **({"unit": units[a]} if a in units else {})} for a in axes
        ],
        "datasets": [{"path": "0", "coordinateTransformations": transforms}],
    }
    old = version == "0.4"
    attributes: dict[str, Any] = {"multiscales": [multiscale | ({"version": version} if old else {})]}
    if labels:
        attributes["omero"] = {"channels": [{"label": label, "color": "FFFFFF"} for label in labels]}
    attributes = attributes if old else {"ome": {"version": version, **attributes}}
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if old else 3, attributes=attributes)
    array = group.create_array("0", shape=numbers.shape, chunks=(5,) * numbers.ndim, dtype=numbers.dtype)
    array[...] = numbers
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("axes", "shape"), [("yx", (7, 9)), ("cyx", (2, 7, 9)), ("tczyx", (1, 2, 4, 7, 9))])
def test_axes_spacing_and_names_are_read(tmp_path: Path, version: str, axes: str, shape: tuple[int, ...]) -> None:
    numbers = RNG.integers(0, 999, shape).astype(">u2")
    names = ("one", "two") if "c" in axes else ()
    scale = {"z": 2.0, "y": 0.5, "x": 0.25}
    image = read_image(ome(tmp_path / "a.zarr", axes, numbers, version=version, scale=scale, labels=names))
    spatial = [axis for axis in axes if axis in "zyx"]
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, numbers.reshape(image.pixels.shape))
    assert image.pixels.shape == (2 if names else 1, *shape[-len(spatial) :])
    assert image.geometry == Geometry(tuple(scale[axis] for axis in spatial), "um")
    assert (image.channels or ()) == names


def test_axes_in_any_order(tmp_path: Path) -> None:
    numbers = RNG.integers(0, 99, (6, 8, 4, 3)).astype(np.uint8)
    path = ome(tmp_path / "a.zarr", "yxzc", numbers, scale={"z": 3.0, "y": 1.0, "x": 2.0})
    image = read_image(path)
    assert np.array_equal(image.pixels, numbers.transpose(3, 2, 0, 1))
    assert image.geometry.spacing == (3.0, 1.0, 2.0)
    window = (slice(1, 3), slice(2, 6), slice(5, 8))
    assert np.array_equal(read_window(path, window).pixels, image.pixels[(slice(None), *window)])


def test_a_volume_of_one_plane_is_an_image(tmp_path: Path) -> None:
    numbers = RNG.integers(0, 99, (1, 2, 1, 6, 8)).astype(np.uint8)
    path = ome(tmp_path / "a.zarr", "tczyx", numbers, scale={"z": 9.0, "y": 0.5, "x": 0.5}, translation={"z": 4.0})
    image = read_image(path)
    assert image.pixels.shape == (2, 6, 8)
    assert image.geometry.spacing == (0.5, 0.5)


def test_units_are_brought_together_and_places_follow_windows(tmp_path: Path) -> None:
    units = {"z": "nanometer", "y": "micrometer", "x": "micrometer"}
    path = ome(
        tmp_path / "a.zarr",
        "zyx",
        np.zeros((4, 6, 8), np.uint8),
        scale={"z": 250.0, "y": 0.5, "x": 0.5},
        units=units,
        translation={"z": 500.0, "x": 10.0},
    )
    geometry = read_header(path).geometry
    assert geometry.unit == "um"
    assert geometry.spacing == pytest.approx((0.25, 0.5, 0.5))
    assert geometry.extra["translation"] == pytest.approx((0.5, 0.0, 10.0))
    part = read_window(path, (slice(2, 3), slice(1, 3), slice(4, 6)))
    assert part.geometry.extra["translation"] == pytest.approx((1.0, 0.5, 12.0))
    write_image(tmp_path / "b.zarr", part.pixels, geometry=part.geometry)
    with pytest.raises(FileError, match="cannot hold this reference system"):
        write_image(tmp_path / "b.tif", part.pixels, geometry=part.geometry)


def test_numbers_without_unit_tell_the_shape_of_a_pixel(tmp_path: Path) -> None:
    numbers = np.zeros((4, 6, 8), np.uint8)
    even = ome(tmp_path / "even.zarr", "zyx", numbers, scale=dict.fromkeys("zyx", 2.0), units={})
    flat = ome(tmp_path / "flat.zarr", "zyx", numbers, scale={"z": 5.0}, units={})
    assert read_header(even).geometry.spacing is None
    assert read_header(flat).geometry == Geometry((5.0, 1.0, 1.0), "px")


@pytest.mark.parametrize("format", [2, 3])
@pytest.mark.parametrize("shape", [(7, 9), (2, 7, 9), (2, 4, 7, 9)])
def test_plain_arrays_are_read_as_npy_files_are(tmp_path: Path, format: int, shape: tuple[int, ...]) -> None:
    numbers = RNG.normal(size=shape).astype(np.float32)
    zarr.create_array(str(tmp_path / "a.zarr"), data=numbers, zarr_format=format)
    image = read_image(tmp_path / "a.zarr")
    assert np.array_equal(image.pixels, numbers if numbers.ndim > 2 else numbers[None])


def test_named_dimensions_of_plain_arrays_count(tmp_path: Path) -> None:
    numbers = RNG.integers(0, 99, (6, 8, 3)).astype(np.uint8)
    zarr.create_array(str(tmp_path / "a.zarr"), data=numbers, dimension_names=("y", "x", "band"))
    assert np.array_equal(read_image(tmp_path / "a.zarr").pixels, np.moveaxis(numbers, -1, 0))


def test_the_one_image_of_bioformats2raw_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path), mode="w", attributes={"ome": {"version": "0.5", "bioformats2raw.layout": 3}})
    numbers = RNG.integers(0, 99, (6, 8)).astype(np.uint8)
    ome(path / "0", "yx", numbers)
    assert np.array_equal(read_image(path).pixels[0], numbers)
    ome(path / "1", "yx", numbers)
    with pytest.raises(FileError, match=r"is not one image; found several images.*copy or link the folder"):
        read_image(path)


def layouts(root: Path) -> dict[str, tuple[Path, str]]:
    """What is no image, and a word of the error."""
    numbers = np.zeros((3, 6, 8), np.uint8)
    group = lambda name, **attributes: zarr.open_group(str(root / name), mode="w", attributes=attributes)  # noqa: E731
    plate = group("plate.zarr", ome={"version": "0.5", "plate": {}})
    labels = group("labels.zarr", ome={"version": "0.5", "labels": ["cells"]})
    group("arrays.zarr").create_array("raw", shape=(3,), dtype="u1")
    gone = ome(root / "gone.zarr", "zyx", numbers)
    shutil.rmtree(gone / "0")
    wide = zarr.create_array(str(root / "wide.zarr"), shape=(2, 2, 2, 2, 2), chunks=(2,) * 5, dtype="u1")
    last = zarr.create_array(str(root / "last.zarr"), shape=(64, 64, 3), chunks=(64, 64, 3), dtype="u1")
    texts = zarr.create_array(str(root / "complex.zarr"), shape=(4, 4), chunks=(4, 4), dtype="c8")
    del plate, labels, wide, last, texts
    (root / "bad.zarr").mkdir()
    (root / "bad.zarr" / "zarr.json").write_text("{")
    (root / "other.zarr").mkdir()
    (root / "other.zarr" / "notes.txt").write_text("x")
    (root / "file.zarr").write_text("x")
    return {
        "plate": (root / "plate.zarr", "a high-content screening plate"),
        "labels": (root / "labels.zarr", "a list of label images"),
        "arrays": (root / "arrays.zarr", "a group of the arrays raw"),
        "time": (ome(root / "time.zarr", "tyx", numbers), "has time points; found 3"),
        "strange": (ome(root / "strange.zarr", "wyx", numbers), "axes besides channel, plane, row and column"),
        "old": (ome(root / "old.zarr", "zyx", numbers, version="0.3"), "of a version that is not read; found 0.3"),
        "gone": (gone, "no array '0'"),
        "wide": (root / "wide.zarr", "a number of axes that no image has"),
        "last": (root / "last.zarr", "as if the channels came last"),
        "complex": (root / "complex.zarr", "cannot be used as pixels; found type complex64"),
        "bad": (root / "bad.zarr", "damaged"),
        "other": (root / "other.zarr", "is not a ZARR image; found a folder with notes.txt"),
        "file": (root / "file.zarr", "is not a ZARR image; found text"),
    }


def test_what_is_no_image_is_one_clear_error(tmp_path: Path) -> None:
    for name, (path, words) in layouts(tmp_path).items():
        for function in (read_header, read_image, read_mask):
            with pytest.raises(FileError) as caught:
                function(path)
            assert words in str(caught.value), name
            assert caught.value.file == path
            assert caught.value.mend


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), data=np.zeros((4, 4), np.uint8), zarr_format=2)
    about = json.loads((path / ".zarray").read_text())
    for part in ({"compressor": {"id": "pickle", "protocol": 5}}, {"filters": [{"id": "pickle", "protocol": 5}]}):
        (path / ".zarray").write_text(json.dumps(about | part))
        with pytest.raises(FileError, match="pickle"):
            read_header(path)


def test_a_chunk_that_ends_early_is_an_error_and_one_that_is_missing_the_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, RNG.integers(1, 200, (1, 600, 600)).astype(np.uint8))
    (chunk,) = (path / "0" / "c" / "0").iterdir()
    data = chunk.read_bytes()
    chunk.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileError, match="truncated, damaged"):
        read_image(path)
    read_window(path, (slice(550, 560), slice(0, 10)))
    chunk.unlink()
    assert not read_image(path).pixels[:, :512].any()


@pytest.mark.parametrize(
    ("shape", "geometry"),
    [
        ((1, 700, 1100), Geometry((0.5, 0.25), "um")),
        ((3, 600, 700), Geometry((0.5, 0.25), "nm", {"translation": (3.0, -2.0)})),
        ((1, 5, 530, 540), Geometry((3.0, 1.0, 1.0), "px")),
        ((2, 33, 40, 520), Geometry((3.0, 1.0, 1.0), "mm", {"nodata": 7.0})),
        ((1, 1, 1), Geometry()),
    ],
)
def test_what_is_written_is_ome_zarr(tmp_path: Path, shape: tuple[int, ...], geometry: Geometry) -> None:
    numbers = RNG.integers(0, 9, shape).astype(np.uint16)
    names = tuple(f"band {n}" for n in range(shape[0])) if shape[0] > 1 else None
    write_image(tmp_path / "a.zarr", numbers, geometry=geometry, channels=names)
    image = read_image(tmp_path / "a.zarr")
    assert np.array_equal(image.pixels, numbers)
    assert image.geometry == geometry
    assert image.channels == names
    model = ome_zarr_models.open_ome_zarr(str(tmp_path / "a.zarr"), version="0.5")
    assert type(model).__name__ == "Image"
    levels = model.ome_attributes.multiscales[0].datasets
    finest, coarsest = (zarr.open(str(tmp_path / "a.zarr" / one.path), mode="r") for one in (levels[0], levels[-1]))
    assert max(coarsest.shape[-2:]) <= 512
    for before, after in pairwise(levels):
        one, other = (level.coordinateTransformations[0].scale for level in (before, after))
        assert [b / a for a, b in zip(one, other, strict=True)] == [1.0] * (len(one) - 2) + [2.0, 2.0]
    assert finest.shape[-2:] == shape[-2:]
    assert not list(tmp_path.glob(".*"))


def streamed(pixels: np.ndarray, *, mask: bool = False) -> Streamed:
    return Streamed(pixels.shape, pixels.dtype, lambda c, window: pixels[(c, *window)], Geometry(), mask=mask)


def test_piece_by_piece_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHUNK", {2: (64, 64), 3: (4, 32, 32)})
    monkeypatch.setattr(writing, "SMALLEST", 64)
    for n, shape in enumerate([(1, 300, 900), (2, 9, 100, 70)]):
        pixels = RNG.integers(0, 9, shape).astype(np.uint8)
        write_image(tmp_path / f"{n}.zarr", pixels)
        whole = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        shutil.rmtree(tmp_path / f"{n}.zarr")
        write_streamed(tmp_path / f"{n}.zarr", streamed(pixels))
        again = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        assert whole == again
        assert np.array_equal(read_image(tmp_path / f"{n}.zarr").pixels, pixels)


def blocks(numbers: np.ndarray) -> list[list[list[float]]]:
    """The up to four numbers below each pixel of the next level."""
    height, width = (-(-n // 2) for n in numbers.shape)
    padded = np.pad(numbers, [(0, n % 2) for n in numbers.shape], mode="edge")
    block = lambda r, c: padded[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].ravel().tolist()  # noqa: E731
    return [[block(r, c) for c in range(width)] for r in range(height)]


def test_levels_of_masks_hold_the_most_frequent_class_and_those_of_images_the_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SMALLEST", 8)
    labels = RNG.integers(0, 3, (13, 22)).astype(np.uint8)
    write_mask(tmp_path / "m.zarr", labels)
    level = zarr.open(str(tmp_path / "m.zarr" / "1"), mode="r")[...]
    expected = [[Counter(four).most_common(1)[0][0] for four in row] for row in blocks(labels)]  # the first of equals
    assert level.tolist() == expected
    numbers = RNG.normal(size=(13, 22)).astype(np.float32)
    numbers[:2, :3] = np.nan
    write_image(tmp_path / "i.zarr", numbers[None], geometry=Geometry(extra={"nodata": float("nan")}))
    level = zarr.open(str(tmp_path / "i.zarr" / "1"), mode="r")[...]
    assert np.isnan(level[0, 0])
    known = [[[v for v in four if v == v] for four in row] for row in blocks(numbers)]
    means = [[np.mean(four) if four else np.nan for four in row] for row in known]
    np.testing.assert_allclose(level, means, rtol=1e-6)
    assert np.isnan(read_header(tmp_path / "i.zarr").geometry.nodata or 0.0)
    colours = RNG.integers(0, 255, (13, 22, 3)).astype(np.uint8)
    write_mask(tmp_path / "c.zarr", colours)
    level = zarr.open(str(tmp_path / "c.zarr" / "1"), mode="r")[...]
    assert np.array_equal(level, np.moveaxis(colours[::2, ::2], -1, 0))


def test_geometry_that_zarr_cannot_hold_is_refused(tmp_path: Path) -> None:
    for geometry in (Geometry(extra={"geotiff": {}}), Geometry((1.0, 1.0), "us-ft"), Geometry((1.0,), "um")):
        with pytest.raises(FileError, match=r"cannot hold|does not fit"):
            write_image(tmp_path / "a.zarr", np.zeros((1, 4, 4), np.uint8), geometry=geometry)
    with pytest.raises(FileError, match="no palette"):
        write_mask(tmp_path / "a.zarr", np.zeros((4, 4), np.uint8), palette=((0, 0, 0),))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, np.full((1, 30, 30), 1, np.uint8))
    write_image(path, np.full((1, 30, 30), 2, np.uint8))  # another takes its place
    assert read_image(path).pixels.max() == 2

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(FileError, match="cannot be written; found No space left on device") as caught:
        write_image(path, np.full((1, 30, 30), 3, np.uint8))
    assert caught.value.file == path
    assert read_image(path).pixels.min() == 2
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]


def test_what_a_kill_left_of_a_folder_is_swept(tmp_path: Path) -> None:
    for name in (".a.0123abcd.zarr", ".b.0123abcd.zarr"):
        (tmp_path / name / "0").mkdir(parents=True)
    sweep_beside(tmp_path / "a.zarr")
    assert [one.name for one in tmp_path.iterdir()] == [".b.0123abcd.zarr"]
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_cannot_be_written_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="cannot be written"), replacing_folder(tmp_path / "file" / "a.zarr"):
        pass


def test_a_zarr_is_one_image_among_files(tmp_path: Path) -> None:
    ome(tmp_path / "in" / "a.zarr", "yx", np.zeros((4, 4), np.uint8))
    (tmp_path / "in" / "b.png").write_bytes(b"x")
    (tmp_path / "in" / "a.zarr" / "c.png").write_bytes(b"x")
    assert [path.name for path in files_below(tmp_path)] == ["a.zarr", "b.png"]
    assert is_image_path(tmp_path / "in" / "a.zarr")


def test_a_stamp_tells_a_changed_folder(tmp_path: Path) -> None:
    path = ome(tmp_path / "a.zarr", "yx", np.zeros((4, 4), np.uint8))
    before = stamp(path)
    assert stamp(path) == before
    ((path / "0") / "c").mkdir(exist_ok=True)
    (path / "0" / "c" / "new").write_bytes(b"")
    assert stamp(path) != before


def test_a_zarr_that_holds_another_thing_is_named_by_the_check_and_copied_whole_by_the_fix(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for n in range(4):
        labels = np.zeros((40, 40), np.uint8)
        labels[5 + n : 20, 8:30] = 1
        noise = np.random.default_rng(n).integers(0, 60, labels.shape)
        write_image(data / "images" / f"a{n}.zarr", (labels * 90 + noise).astype(np.uint8)[None])
        write_mask(data / "masks" / f"a{n}.zarr", labels * 255)
    zarr.open_group(str(data / "images" / "plate.zarr"), mode="w", attributes={"ome": {"version": "0.5", "plate": {}}})
    report = check(data)
    assert [finding.files for finding in report.findings if finding.rule == "unreadable"] == [("images/plate.zarr",)]
    fix(report, data, tmp_path / "mended")
    assert sorted(path.name for path in (tmp_path / "mended" / "images").iterdir()) == [f"a{n}.zarr" for n in range(4)]
    for n in range(4):
        one, other = (read_image(root / "images" / f"a{n}.zarr").pixels for root in (data, tmp_path / "mended"))
        assert np.array_equal(one, other)


def test_a_nodata_value_that_the_type_does_not_hold(tmp_path: Path) -> None:
    """GDAL's files often state one."""
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    for number in (-9999.0, 300.0, float("nan")):
        path = tmp_path / f"{number}.zarr"
        write_image(path, pixels, geometry=Geometry(extra={"nodata": number}))
        assert np.array_equal(read_image(path).pixels, pixels)
