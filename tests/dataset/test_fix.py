"""The safe mends: a healthy copy, an untouched source."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.dataset import broken_files, broken_masks, healthy
from tests.dataset.broken import FAULTS, RULE_OF
from unetkit.classes import read_stated
from unetkit.dataset import fix as fix_module
from unetkit.dataset.check import check
from unetkit.dataset.fix import FIXES, fix
from unetkit.dataset.folder import open_dataset
from unetkit.errors import FileError, UsageError
from unetkit.files import read_json
from unetkit.formats import read_image, read_mask

LEFT_TO_PEOPLE = {
    "no-images-folder", "images-folder-empty", "no-masks-folder", "other-mask-names", "mask-without-image",
    "image-without-mask", "smaller-mask", "turned-mask", "colours-and-numbers", "rare-class", "all-masks-empty",
    "nan-in-mask", "rgb-among-five-bands", "grey-and-rgb", "alpha-channel", "resaved-copy", "mirrored-copy-in-test",
    "two-masks-for-one-image", "two-files-of-one-name", "two-masks-of-one-name", "groups-torn", "groups-unreadable",
    "twice-in-split", "missing-in-split", "split-is-no-json", "split-is-a-list", "saturated-image", "constant-image",
    "eight-and-sixteen-bits", "mixed-spacing", "tiny-image", "three-images", "volume-among-images",
    "classes-not-yaml", "classes-unknown-field", "classes-one-name", "undeclared-value", "names-in-two-cases",
    "text-among-images", "one-scribbled-image", "one-sparse-mask", "class-without-label", "points-on-objects-alone",
    "boxes-everywhere", "scribble-outside", "box-without-area", "unknown-class", "mask-and-marks",
    "few-numbered-objects", "image-of-another-kind", "objects-in-pieces", "objects-with-holes",
    "undeclared-class-of-objects",
}  # fmt: skip


def contents(root: Path) -> dict[str, str]:
    """A digest of each file below a folder."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def mended(root: Path) -> Path:
    """Check and fix into a folder beside it."""
    out = root.with_name("mended")
    assert fix(check(root), root, out)
    return out


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty folder for a dataset, with room beside it."""
    root = tmp_path / "data"
    root.mkdir()
    return root


@pytest.mark.parametrize("fault", FAULTS)
def test_after_the_fix_the_rule_is_silent(fault: str, data: Path) -> None:
    FAULTS[fault](data)
    before = contents(data)
    report = check(data)
    fixable = {finding.rule for finding in report.findings if finding.fixable}
    out = data.with_name("mended")
    done = fix(report, data, out)
    assert contents(data) == before
    assert [path.name for path in data.parent.iterdir() if path.name.startswith(".")] == []
    assert bool(done) == bool(fixable) == (fault not in LEFT_TO_PEOPLE)
    if fixable:
        after = check(out)
        assert not fixable & {finding.rule for finding in after.findings}
        assert after.ok
    else:
        assert contents(out) == before


def test_every_fixable_rule_has_a_mend() -> None:
    assert {RULE_OF[fault] for fault in FAULTS if fault not in LEFT_TO_PEOPLE} == set(FIXES)


@pytest.mark.parametrize("fault", ["jpeg-ringing", "ringing-in-png", "soft-edges", "colour-ringing"])
def test_ringing_is_taken_out_nearly_without_loss(fault: str, data: Path) -> None:
    FAULTS[fault](data)
    dataset = open_dataset(mended(data))
    for number in range(healthy.COUNT):
        truth = healthy.scene(number, 3 if fault == "colour-ringing" else 2)[1]
        labels = dataset.read_labels(dataset.sample(healthy.name(number))).labels
        background_agrees = (labels == 0) == (truth == 0)
        assert background_agrees.mean() > 0.97


@pytest.mark.parametrize(
    ("fault", "classes"), [("some-from-one", 3), ("all-from-one", 3), ("flipped-polarity", 2), ("one-and-255", 2)]
)
def test_the_copy_holds_the_true_labels(fault: str, classes: int, data: Path) -> None:
    FAULTS[fault](data)
    dataset = open_dataset(mended(data))
    for number in range(healthy.COUNT):
        labels = dataset.read_labels(dataset.sample(healthy.name(number))).labels
        np.testing.assert_array_equal(labels, healthy.scene(number, classes)[1])


@pytest.mark.parametrize(("fault", "number", "pixels"), [("stray-values", 2, 2), ("stray-in-binary", 6, 1)])
def test_stray_pixels_are_ignored_and_the_rest_kept(fault: str, number: int, pixels: int, data: Path) -> None:
    FAULTS[fault](data)
    dataset = open_dataset(mended(data))
    labels = dataset.read_labels(dataset.sample(healthy.name(number))).labels
    truth = healthy.scene(number, 3 if fault == "stray-values" else 2)[1]
    assert int((labels == 255).sum()) == pixels
    np.testing.assert_array_equal(labels[labels != 255], truth[labels != 255])


def test_stray_values_take_the_ignored_value_that_is_stated(data: Path) -> None:
    broken_masks.stray_values(data)
    (data / "classes.yaml").write_text("ignore_values: [9]\nnames: [ground, small, large]\n", encoding="utf-8")
    out = mended(data)
    assert read_stated(out / "classes.yaml") == {"ignore_values": (9,), "names": ("ground", "small", "large")}
    assert set(np.unique(read_mask(healthy.mask_file(out, 2)).values).tolist()) == {0, 1, 2, 9}


def test_infinite_pixels_take_the_nearest_finite_value(data: Path) -> None:
    broken_files.infinite_pixels(data)
    path = Path("images") / f"{healthy.name(2)}.tif"
    bad = ~np.isfinite(read_image(data / path).pixels)
    pixels = read_image(mended(data) / path).pixels
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[~bad], read_image(data / path).pixels[~bad])
    assert pixels[bad].max() <= pixels[~bad].max()


def test_of_copies_the_labelled_one_in_test_stays(data: Path) -> None:
    broken_files.same_image_in_train_and_test(data)
    out = mended(data)
    assert not healthy.image_file(out, 0).exists()
    assert not healthy.mask_file(out, 0).exists()
    assert (out / "images" / "tile_again.png").exists()
    split = read_json(out / "splits.json")
    assert healthy.name(0) not in split["train"]
    assert "tile_again" in split["test"]


def test_a_copy_without_mask_is_left_out_first(data: Path) -> None:
    broken_files.same_image_twice(data)
    (data / "masks" / "tile_again.png").unlink()
    out = mended(data)
    assert healthy.image_file(out, 0).exists()
    assert not (out / "images" / "tile_again.png").exists()


def test_several_faults_are_mended_at_once(data: Path) -> None:
    broken_masks.flipped_polarity(data)
    healthy.image_file(data, 5).rename(data / "images" / f"{healthy.name(5)}.jpg")
    healthy.image_file(data, 6).write_bytes(b"")
    healthy.split(data, train=[0, 1, 2, 3], val=[4], test=[5, 6, "tile_gone"])
    assert check(mended(data)).findings == ()


def test_a_full_folder_is_refused(data: Path) -> None:
    broken_files.wrong_suffix(data)
    out = data.with_name("mended")
    out.mkdir()
    (out / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        fix(check(data), data, out)
    assert contents(out).keys() == {"mine.txt"}
    with pytest.raises(UsageError, match="inside"):
        fix(check(data), data, data / "mended")
    with pytest.raises(UsageError, match="another folder"):
        fix(check(data), out, data.with_name("third"))


def test_an_empty_folder_is_taken(data: Path) -> None:
    broken_files.wrong_suffix(data)
    data.with_name("mended").mkdir()
    assert check(mended(data)).findings == ()


def test_it_is_whole_or_not_there(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_masks.flipped_polarity(data)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fix_module, "write_mask", full)
    with pytest.raises(FileError, match="No space left"):
        fix(check(data), data, data.with_name("mended"))
    assert [path.name for path in data.parent.iterdir()] == ["data"]


def test_real_ringing_is_thresholded_as_its_curators_did(real_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "images").symlink_to(real_data / "magtile_defects" / "images")
    (data / "masks").symlink_to(real_data / "magtile_defects" / "masks_as_published")
    out = mended(data)
    assert check(out).findings == ()
    for truth in (real_data / "magtile_defects" / "masks").iterdir():
        np.testing.assert_array_equal(read_mask(out / "masks" / truth.name).values, read_mask(truth).values)
