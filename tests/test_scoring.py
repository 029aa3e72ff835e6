"""Masks of other programs against the truth: how they are paired, and how both are read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.test_evaluation import CELL, THREE, drawn, worse
from unetkit.classes import Classes
from unetkit.errors import FileError, InputError
from unetkit.evaluation import Evaluation, Pair, evaluate_pairs
from unetkit.formats import write_image, write_mask
from unetkit.scoring import score_folders

COLOURS = np.array([(0, 0, 0), (200, 30, 30), (30, 200, 30)], np.uint8)


def save(folder: Path, masks: dict[str, np.ndarray], suffix: str = ".png") -> Path:
    for name, values in masks.items():
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mask(path, values)
    return folder


def binary_truth(names: tuple[str, ...] = ("a", "deep/b")) -> dict[str, np.ndarray]:
    return {name: drawn(i + 1, (24, 24), 2) for i, name in enumerate(names)}


def scores(evaluation: Evaluation) -> list[float]:
    return [row["dice"] for row in evaluation.rows]


@pytest.mark.parametrize("truth_scale", [1, 255, 7])
@pytest.mark.parametrize("prediction_scale", [1, 255])
def test_binary_masks_in_any_writing(tmp_path: Path, truth_scale: int, prediction_scale: int) -> None:
    truth = binary_truth()
    expected = [
        row["dice"]
        for row in evaluate_pairs([Pair(n, None, worse(m, 2), m) for n, m in sorted(truth.items())], CELL).rows
    ]
    done = score_folders(
        save(tmp_path / "p", {name: worse(mask, 2) * np.uint8(prediction_scale) for name, mask in truth.items()}),
        save(tmp_path / "t", {name: mask * np.uint8(truth_scale) for name, mask in truth.items()}),
    )
    assert scores(done) == expected
    assert [row["image"] for row in done.rows] == ["a", "deep/b"]


def test_suffixes_may_differ(tmp_path: Path) -> None:
    truth = binary_truth()
    done = score_folders(save(tmp_path / "p", truth, ".tif"), save(tmp_path / "t", truth))
    assert done.summary["mean"]["dice"]["mean"] == 1.0


def test_instance_truth_and_any_objects(tmp_path: Path) -> None:
    truth = np.zeros((40, 40), np.uint16)
    for i in range(20):
        truth[2 * (i // 5) * 5 : 2 * (i // 5) * 5 + 5, 8 * (i % 5) : 8 * (i % 5) + 5] = 100 + i
    found = (truth > 0).astype(np.uint8) * 255
    classes = Classes(names=("background", "foreground"), encoding="instances", dtype="uint16")
    for name, prediction in (("binary", found), ("indices", found // 255), ("truth", truth + (truth > 0))):
        done = score_folders(
            save(tmp_path / f"p{name}", {"a": prediction.astype(truth.dtype if name == "truth" else np.uint8)}),
            save(tmp_path / f"t{name}", {"a": truth}),
            classes=classes,
        )
        assert done.summary["mean"]["dice"]["mean"] == 1.0


def test_coloured_truth(tmp_path: Path) -> None:
    classes = Classes(names=THREE.names, encoding="colours", colours=tuple(map(tuple, COLOURS.tolist())))
    labels = drawn(3)
    truth = save(tmp_path / "t", {"a": COLOURS[labels]})
    for name, prediction in (("colours", COLOURS[labels]), ("indices", labels)):
        done = score_folders(save(tmp_path / name, {"a": prediction}), truth, classes=classes)
        assert done.summary["mean"]["dice"]["mean"] == 1.0
    write_mask(tmp_path / "palette" / "a.png", labels[..., ::-1], palette=tuple(map(tuple, COLOURS.tolist())))
    flipped = score_folders(tmp_path / "palette", truth, classes=classes)
    assert flipped.summary["mean"]["dice"]["mean"] < 1


def state(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("place", ["classes.yaml", "masks/classes.yaml", "elsewhere.yaml"])
def test_stated_names_values_and_ignored_values_count(tmp_path: Path, place: str) -> None:
    labels = drawn(3)
    written = np.array([0, 10, 20], np.uint8)[labels]
    written[:6] = 99
    truth = save(tmp_path / "masks", {"a": written})
    text = "names: [sky, road, car, tree]\nvalues: [0, 10, 20, 30]\nignore_values: [99]\n"
    path = state(tmp_path / place, text)
    labels[:6] = 3  # nobody labelled these pixels, so any class is right there
    predictions = save(tmp_path / "p", {"a": labels})
    done = score_folders(predictions, truth, classes=path if place.startswith("else") else None)
    assert list(done.summary["classes"]) == ["road", "car", "tree"]
    assert done.summary["mean_iou"] == 1.0
    assert done.rows[0]["truth_pixels"] == (labels[6:] == 1).sum()
    assert (done.summary["truth"], done.summary["predictions"]) == (f"stated in {path.name} ({path})", "indices")


def test_a_single_stated_line_completes_what_is_inferred(tmp_path: Path) -> None:
    truth = save(tmp_path / "t" / "masks", {"a": drawn(3)})
    state(tmp_path / "t" / "classes.yaml", "names: [sky, road, car]")
    done = score_folders(save(tmp_path / "p", {"a": drawn(3)}), truth)
    assert list(done.summary["classes"]) == ["road", "car"]
    assert "stated: names" in done.summary["truth"]
    state(truth / "classes.yaml", "names: [sky, lane, bus]")  # the nearer one wins
    assert list(score_folders(tmp_path / "p", truth).summary["classes"]) == ["lane", "bus"]


def test_a_classes_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth())
    with pytest.raises(FileError, match=r"clases\.yaml: cannot be read"):
        score_folders(truth, truth, classes=tmp_path / "clases.yaml")


def test_indices_need_the_order_of_the_true_colours(tmp_path: Path) -> None:
    """Inferred colours come in no order that a person meant: index 1 may be any of them."""
    labels = drawn(3)
    truth = save(tmp_path / "t" / "masks", {"a": COLOURS[labels]})
    predictions = save(tmp_path / "p", {"a": labels})
    with pytest.raises(InputError, match="nobody stated which colour") as caught:
        score_folders(predictions, truth)
    assert "[[0, 0, 0], [30, 200, 30], [200, 30, 30]]" in str(caught.value)
    assert score_folders(predictions, truth, encoding="indices").summary["mean_iou"] < 1  # in numerical order
    names = "names: [sky, road, car]\nencoding: colours\n"
    state(tmp_path / "t" / "classes.yaml", f"{names}colours: {COLOURS.tolist()}")
    assert score_folders(predictions, truth).summary["mean_iou"] == 1.0


def test_black_is_background_without_a_word(tmp_path: Path) -> None:
    labels = drawn(3, classes=2)
    truth = save(tmp_path / "t", {"a": COLOURS[labels]})
    for scale in (1, 255):
        predictions = save(tmp_path / str(scale), {"a": labels * np.uint8(scale)})
        assert score_folders(predictions, truth).summary["mean_iou"] == 1.0


def test_coloured_predictions_beside_numbers(tmp_path: Path) -> None:
    labels = drawn(3)
    truth = save(tmp_path / "t" / "masks", {"a": labels, "b": np.zeros_like(labels)})
    coloured = save(tmp_path / "p", {"a": COLOURS[labels], "b": COLOURS[np.zeros_like(labels)]})
    with pytest.raises(InputError, match=r"state 'colours: .*in classes\.yaml"):
        score_folders(coloured, truth)
    state(tmp_path / "t" / "classes.yaml", f"names: [sky, road, car]\ncolours: {COLOURS.tolist()}")
    done = score_folders(coloured, truth)
    assert (done.summary["mean_iou"], done.summary["predictions"]) == (1.0, "colours")


def test_palettes_that_disagree_are_not_guessed(tmp_path: Path) -> None:
    """The same colours under other numbers: the numbers say one thing and the colours another."""
    palette = [tuple(colour) for colour in COLOURS.tolist()]
    labels = drawn(3)
    write_mask(tmp_path / "t" / "a.png", labels, palette=tuple(palette))
    write_mask(tmp_path / "same" / "a.png", labels, palette=tuple(palette))
    assert score_folders(tmp_path / "same", tmp_path / "t").summary["predictions"] == "truth"
    write_mask(tmp_path / "p" / "a.png", np.array([0, 2, 1], np.uint8)[labels], palette=(palette[0], *palette[:0:-1]))
    with pytest.raises(InputError, match="--encoding truth or --encoding indices or --encoding colours"):
        score_folders(tmp_path / "p", tmp_path / "t")
    assert score_folders(tmp_path / "p", tmp_path / "t", encoding="colours").summary["mean_iou"] == 1.0


def test_ignored_truth_and_predictions_that_copy_it(tmp_path: Path) -> None:
    labels = drawn(3)
    with_void = labels.copy()
    with_void[:4] = 255
    classes = Classes(names=THREE.names, ignore_values=(255,))
    truth = save(tmp_path / "t", {"a": with_void})
    done = score_folders(save(tmp_path / "p", {"a": with_void}), truth, classes=classes)
    assert done.summary["mean"]["dice"]["mean"] == 1.0
    elsewhere = labels.copy()
    elsewhere[-4:] = 255
    with pytest.raises(InputError, match="prediction holds labels that are no class"):
        score_folders(save(tmp_path / "q", {"a": elsewhere}), truth, classes=classes)


def test_two_readings_that_disagree_must_be_settled(tmp_path: Path) -> None:
    """Truth written 1 and 2, predictions hold only 1: background as the truth writes it, or class 1 as an index?"""
    classes = Classes(names=("background", "cell"), values=(1, 2))
    truth = save(tmp_path / "t", {"a": drawn(1, classes=2) + np.uint8(1)})
    ones = save(tmp_path / "p", {"a": np.ones((24, 30), np.uint8)})
    with pytest.raises(InputError, match="--encoding truth or --encoding indices"):
        score_folders(ones, truth, classes=classes)
    as_truth = score_folders(ones, truth, classes=classes, encoding="truth")
    as_indices = score_folders(ones, truth, classes=classes, encoding="indices")
    assert as_truth.summary["mean"]["recall"]["mean"] == 0.0
    assert as_indices.summary["mean"]["recall"]["mean"] == 1.0


def test_void_of_the_truth_is_not_taken_for_foreground(tmp_path: Path) -> None:
    """Truth 0, 1 and 255 for void; predictions 0 and 255 may mean either, so nobody guesses."""
    classes = Classes(names=("background", "cell"), ignore_values=(255,))
    labels = drawn(1, classes=2)
    truth = save(tmp_path / "t", {"a": labels})
    prediction = save(tmp_path / "p", {"a": labels * np.uint8(255)})
    with pytest.raises(InputError, match="--encoding truth or --encoding binary"):
        score_folders(prediction, truth, classes=classes)
    assert score_folders(prediction, truth, classes=classes, encoding="binary").summary["mean"]["iou"]["mean"] == 1.0


def test_values_that_fit_no_reading(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth())
    strange = save(tmp_path / "p", {name: mask * np.uint8(90) for name, mask in binary_truth().items()})
    with pytest.raises(InputError, match="the predictions hold values that stand for no class; found 0, 90"):
        score_folders(strange, truth)
    with pytest.raises(InputError, match="not written as indices; found the values 90"):
        score_folders(strange, truth, encoding="indices")


def test_probabilities_are_refused(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth(("a",)))
    write_image(tmp_path / "p" / "a.npy", np.random.default_rng(0).random((1, 24, 24)).astype(np.float32))
    with pytest.raises((FileError, InputError)):
        score_folders(tmp_path / "p", truth)


def test_masks_without_partner_are_listed(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth(("a", "b", "c")))
    prediction = save(tmp_path / "p", binary_truth(("b", "c", "x")))
    with pytest.raises(InputError) as caught:
        score_folders(prediction, truth)
    assert "1 of 3 true masks have no prediction" in str(caught.value)
    assert "none for a" in str(caught.value)


def test_predictions_nobody_labelled_are_left_out(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth(("b", "c")))
    prediction = save(tmp_path / "p", binary_truth(("b", "c", "x")))
    assert {row["image"] for row in score_folders(prediction, truth).rows} == {"b", "c"}


def test_folders_that_cannot_be_paired(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no masks"):
        score_folders(tmp_path / "empty", truth)
    with pytest.raises(InputError, match="is not a folder"):
        score_folders(tmp_path / "absent", truth)
    twice = save(save(tmp_path / "p", binary_truth()), binary_truth(), ".tif")
    with pytest.raises(InputError, match=r"two files share the stem 'a'; found a\.png and a\.tif"):
        score_folders(twice, truth)


@pytest.mark.parametrize(
    ("truths", "predictions"),
    [
        (("a", "deep/b"), ("a_mask", "deep/b_seg")),
        (("a_mask", "deep/b_labels"), ("a", "deep/b")),
        (("a_mask", "deep/b"), ("a_seg", "deep/b")),
        (("a", "a_mask"), ("a_seg", "a_mask")),  # its own name goes first
    ],
)
def test_usual_endings_are_seen_through(tmp_path: Path, truths: tuple[str, ...], predictions: tuple[str, ...]) -> None:
    masks = [drawn(n, classes=2) for n in range(2)]
    truth, prediction = (
        save(tmp_path / folder, dict(zip(names, masks, strict=True)))
        for folder, names in (("t", truths), ("p", predictions))
    )
    done = score_folders(prediction, truth)
    assert done.summary["mean_iou"] == 1.0
    assert {row["image"] for row in done.rows} == set(truths)
    assert done.summary["paired"].endswith(f"by an ending, such as {predictions[0]} with {truths[0]}")
    assert score_folders(truth, truth).summary["paired"] == "by name"


@pytest.mark.parametrize(
    ("truths", "predictions", "found"),
    [
        (("a", "b"), ("a_mask", "a_seg", "b"), "a (a_mask or a_seg)"),
        (("a_mask", "b"), ("a", "a_label", "b"), "a_mask (a or a_label)"),
        (("a_mask", "a_label", "b"), ("a", "b"), "a_label (a), a_mask (a)"),
    ],
)
def test_several_partners_are_one_clear_error(
    tmp_path: Path, truths: tuple[str, ...], predictions: tuple[str, ...], found: str
) -> None:
    mask = drawn(0, classes=2)
    truth, prediction = (
        save(tmp_path / name, dict.fromkeys(names, mask)) for name, names in (("t", truths), ("p", predictions))
    )
    with pytest.raises(InputError, match=rf"which prediction belongs to [12] of [23] .*{re.escape(found)}; expected"):
        score_folders(prediction, truth)


def test_sizes_that_differ_are_refused(tmp_path: Path) -> None:
    truth = save(tmp_path / "t", binary_truth(("a",)))
    small = save(tmp_path / "p", {"a": binary_truth(("a",))["a"][:12]})
    with pytest.raises(InputError, match=r"a: prediction and truth differ in size; found 12 × 24; expected 24 × 24"):
        score_folders(small, truth)
