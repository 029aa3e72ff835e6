"""Planted errors are found, named and mended; outlines that are off by a little, and what no mask shows, are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from unetkit.classes import IGNORE, Classes
from unetkit.objects import label_components
from unetkit.suspicion import KINDS, FirstLook, Verdict, examine, mended
from unetkit.suspicion.doubt import SelfConfidence, beyond_jitter, doubted, label_quality
from unetkit.suspicion.moves import exchanged, find_exchange, find_shift, shifted

CLASSES = Classes(names=("background", "cell", "nucleus"))

Labels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def discs(seed: int, side: int = 96) -> Labels:
    """Eight discs of two classes."""
    generator = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    labels = np.zeros((side, side), np.uint8)
    for number in range(8):
        row, column, radius = *generator.integers(8, side - 8, 2), generator.integers(5, 9)
        labels[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 1 + number % 2
    return labels


def predicted(truth: Labels, seed: int = 0, classes: int = 3) -> Floats:
    """What a good model gives: blurred at the outlines, and a little noisy."""
    noise = np.random.default_rng(seed).normal(0, 0.5, (classes, *truth.shape))
    sharp = np.stack([ndimage.gaussian_filter((truth == index).astype(float), 1) for index in range(classes)])
    logits = 8 * sharp + noise
    odds = np.exp(logits - logits.max(0))
    return (odds / odds.sum(0)).astype(np.float32)


def judge(labels: Labels, seen: Floats, classes: Classes = CLASSES, ids: npt.NDArray[Any] | None = None) -> Verdict:
    """The verdict on a mask among nine others of the same image that the model agrees with."""
    first = FirstLook(classes)
    for number in range(9):
        first.add(f"right_{number}", seen.argmax(0).astype(np.uint8), seen)
    first.add("one", labels, seen)
    objects = label_components(labels) if ids is None else ids
    return examine("one", labels, objects, seen, first)


def without_an_object(labels: Labels) -> Labels:
    ids = label_components(labels)
    return np.where(ids == 1 + np.bincount(ids.ravel())[1:].argmax(), 0, labels).astype(np.uint8)


def with_an_object(labels: Labels) -> Labels:
    free = ndimage.distance_transform_edt(labels == 0)
    row, column = np.unravel_index(int(free.argmax()), free.shape)
    rows, columns = np.indices(labels.shape)
    return np.where((rows - row) ** 2 + (columns - column) ** 2 < 36, 1, labels).astype(np.uint8)


def with_another_class(labels: Labels) -> Labels:
    ids = label_components(labels)
    there = ids == 1 + np.bincount(ids.ravel())[1:].argmax()
    return np.where(there, 3 - labels, labels).astype(np.uint8)


DAMAGES = {
    "shifted": lambda labels: shifted(labels, (5, -4), 0),
    "exchanged": lambda labels: exchanged(labels, (1, 2)),
    "missing": without_an_object,
    "invented": with_an_object,
    "class": with_another_class,
}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_wrong_is_named_and_mended(kind: str, seed: int) -> None:
    truth = discs(seed)
    seen, damaged = predicted(truth, seed), DAMAGES[kind](truth)
    right, wrong = judge(truth, seen), judge(damaged, seen)
    assert not right.findings
    assert wrong.score > 0.6 > 0.1 > right.score
    assert wrong.findings[0].kind == kind in KINDS
    best = seen.argmax(0).astype(np.uint8)
    values = mended(damaged, damaged, best, wrong.findings, CLASSES)
    assert (values != truth).sum() < 0.15 * (damaged != truth).sum()
    if kind == "shifted":
        assert wrong.findings[0].mend.startswith(
            "shift it by (-5, +4) rows and columns: agreement with the model rises"
        )
    if kind in ("missing", "class", "invented"):
        there = damaged != truth
        inside = np.zeros(truth.shape, bool)
        inside[wrong.findings[0].window] = True
        assert there[inside].sum() > 0.9 * there.sum()


def test_an_image_of_which_the_model_is_unsure_needs_more_evidence() -> None:
    truth = discs(0)
    seen, damaged = predicted(truth, 0), without_an_object(truth)
    here = ndimage.binary_dilation(damaged != truth, iterations=4)
    sure, unsure = (np.where(here, seen, seen * (1 - far) + far / len(seen)) for far in (0.01, 0.4))
    scores = [judge(damaged, one.astype(np.float32)).score for one in (sure, unsure)]
    assert scores[0] > 2 * scores[1] > 0


def test_half_the_precision_changes_no_suspicion() -> None:
    truth = discs(0)
    seen = predicted(truth, 0) ** 3
    seen /= seen.sum(0)
    full, half = (judge(without_an_object(truth), one).score for one in (seen, seen.astype(np.float16)))
    assert half == pytest.approx(full, rel=0.02)


def test_a_part_that_an_outline_leaves_out_is_no_missing_object() -> None:
    truth = np.zeros((64, 64), np.uint8)
    truth[10:50, 10:50] = 1
    damaged = truth.copy()
    damaged[20:30, 20:30] = 0  # a hole: all around is labelled 1
    (finding,) = judge(damaged, predicted(truth)).findings
    assert finding.kind == "outline"
    assert "leaves out" in finding.what
    damaged = truth.copy()
    damaged[10:50, 50:58] = 1
    (finding,) = judge(damaged, predicted(truth)).findings
    assert finding.kind == "outline"
    assert "reaches too far" in finding.what


@pytest.mark.parametrize("by", [-2, -1, 1, 2])
def test_an_outline_that_is_off_by_two_pixels_is_not_told(by: int) -> None:
    truth = discs(1)
    foreground = truth > 0
    other = (
        ndimage.binary_dilation(foreground, iterations=by)
        if by > 0
        else ndimage.binary_erosion(foreground, iterations=-by)
    )
    seen = predicted(foreground.astype(np.uint8), classes=2)
    verdict = judge(other.astype(np.uint8), seen, Classes(names=("background", "cell")))
    assert not verdict.findings


def test_a_thin_line_that_is_missing_or_invented_counts_whole() -> None:
    line = np.zeros((40, 40), np.uint8)
    line[20] = 1
    nothing = np.zeros_like(line)
    for labels, seen in ((line, nothing), (nothing, line)):
        assert (beyond_jitter(labels, seen)[20] == 1).all()


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 5))
def test_any_shift_is_found_to_the_pixel(rows: int, columns: int, seed: int) -> None:
    truth = discs(seed)
    move = find_shift(shifted(truth, (rows, columns), 0), predicted(truth, seed), (1, 2))
    if max(abs(rows), abs(columns)) <= 2:
        assert move is None
    else:
        assert move is not None
        assert move.offset == (-rows, -columns)
        assert move.after > move.before + 0.1


@given(st.integers(-4, 4), st.integers(-4, 4))
def test_shifting_there_and_back_loses_the_edge_alone(rows: int, columns: int) -> None:
    array = np.arange(80).reshape(8, 10)
    there = shifted(array, (rows, columns), -1)
    back = shifted(there, (-rows, -columns), -1)
    assert np.array_equal(back[back >= 0], array[back >= 0])
    assert (back >= 0).sum() == (8 - abs(rows)) * (10 - abs(columns))


def test_shifts_are_not_believed_of_models_that_find_every_mask_shifted() -> None:
    truth = discs(0)
    seen, damaged = predicted(truth), shifted(truth, (6, 0), 0)
    first = FirstLook(CLASSES)
    for name in "abcd":
        first.add(name, damaged, seen)
    assert first.trust == 0
    assert "shifted" not in {finding.kind for finding in examine("a", damaged, damaged, seen, first).findings}


def test_confusable_classes_are_not_called_exchanged() -> None:
    truth = discs(2)
    seen = predicted(truth)
    assert find_exchange(truth, seen) is None
    muddled = seen.copy()
    muddled[1:] = seen[1:].mean(0)
    assert find_exchange(truth, muddled) is None


def test_thresholds_are_means_over_what_is_labelled_so() -> None:
    confidence = SelfConfidence(3)
    confidence.add(
        np.array([[0, 0, 1, IGNORE]], np.uint8), np.array([[[0.8, 0.6, 0.3, 0]], [[0.2, 0.4, 0.7, 1]], [[0, 0, 0, 0]]])
    )
    np.testing.assert_allclose(confidence.thresholds, [0.7, 0.7, np.inf])


def test_a_class_that_one_pixel_shows_raises_no_doubts_by_itself() -> None:
    """Its threshold may be next to nothing; it still has to be the most probable class."""
    seen = predicted(discs(0))
    labels = seen.argmax(0).astype(np.uint8)
    assert not doubted(labels, seen, np.array([0.9, 0.9, 1e-6])).any()


def test_the_soft_minimum_is_the_paper_s_where_all_pixels_count() -> None:
    seen = predicted(discs(0))
    labels = discs(1)
    labels[:9] = IGNORE
    own = np.take_along_axis(seen, np.where(labels == IGNORE, 0, labels)[None].astype(int), 0)[0][labels != IGNORE]
    softmax = np.exp((1 - own) / 0.1) / np.exp((1 - own) / 0.1).sum()
    found = label_quality(labels, seen, np.ones(labels.shape, np.float32))
    assert found == pytest.approx(float((own * softmax).sum()), rel=1e-3)


@pytest.mark.parametrize("value", [0, IGNORE])
def test_masks_that_show_nothing_have_one_outcome(value: int) -> None:
    empty = np.full((32, 32), value, np.uint8)
    blank = predicted(np.zeros((32, 32), np.uint8))
    first = FirstLook(CLASSES)
    first.add("one", empty, blank)
    verdict = examine("one", empty, np.zeros((32, 32), np.int32), blank, first)
    assert not verdict.findings
    assert np.isnan(verdict.quality) == (value == IGNORE)
    assert verdict.score < 0.5


def test_volumes_are_judged_alike() -> None:
    truth = np.zeros((12, 32, 32), np.uint8)
    truth[3:9, 6:16, 6:16] = 1
    truth[3:9, 20:28, 20:28] = 1
    damaged = truth.copy()
    damaged[:, 18:] = 0
    two = Classes(names=("background", "cell"))
    (finding,) = judge(damaged, predicted(truth, classes=2), two).findings
    assert finding.kind == "missing"
    assert finding.place == "planes 3–8, rows 20–27, columns 20–27"


def test_numbered_objects_keep_their_numbers_and_a_new_one_gets_its_own() -> None:
    truth = np.zeros((64, 64), np.uint8)
    truth[5:20, 5:20] = truth[30:45, 30:45] = truth[48:60, 5:17] = 1
    ids = np.array([0, 55, 155, 255], np.uint8)[label_components(truth)]
    two = Classes(names=("background", "cell"), encoding="instances")
    seen = predicted(truth, classes=2)
    best = seen.argmax(0).astype(np.uint8)
    hidden = np.where(ids == 155, 0, ids).astype(np.uint8)
    labels = (hidden > 0).astype(np.uint8)
    found = judge(labels, seen, two, hidden)
    values = mended(hidden, labels, best, found.findings, two)
    assert set(np.unique(values)) == {0, 1, 55, 255}
    assert np.array_equal(values[hidden > 0], hidden[hidden > 0])
    more = ids.copy()
    more[8:20, 40:52] = 7
    labels = (more > 0).astype(np.uint8)
    found = judge(labels, seen, two, more)
    assert [finding.kind for finding in found.findings] == ["invented"]
    values = mended(more, labels, best, found.findings, two)
    assert (values == 7).sum() < 20
    assert np.array_equal(values[ids > 0], ids[ids > 0])


def test_a_new_object_of_one_of_several_classes_gets_a_number_of_its_class() -> None:
    classes = Classes(
        names=("background", "cell", "nucleus"),
        encoding="instances",
        values=(0, 7, 9),
        label_divisor=100,
        dtype="uint16",
    )
    truth = np.zeros((64, 64), np.uint8)
    truth[5:20, 5:20], truth[30:45, 30:45] = 1, 2
    hidden = np.where(truth == 1, 701, 0).astype(np.uint16)
    seen = predicted(truth)
    found = judge(classes.decode(hidden), seen, classes, (hidden > 0).astype(np.int64))
    values = mended(hidden, classes.decode(hidden), seen.argmax(0).astype(np.uint8), found.findings, classes)
    assert set(np.unique(values)) == {0, 701, 901}


def test_colours_are_mended_in_colours() -> None:
    classes = Classes(
        names=("background", "cell", "nucleus"), encoding="colours", colours=((0, 0, 0), (255, 0, 0), (0, 0, 255))
    )
    truth = discs(0)
    damaged = without_an_object(truth)
    seen = predicted(truth)
    verdict = judge(damaged, seen, classes)
    values = mended(classes.encode(damaged), damaged, seen.argmax(0).astype(np.uint8), verdict.findings, classes)
    assert (classes.decode(values) != truth).sum() < 0.15 * (damaged != truth).sum()


def test_without_background_every_place_is_a_matter_of_class() -> None:
    classes = Classes(names=("sky", "road", "tree"))
    truth = discs(0)
    verdict = judge(without_an_object(truth), predicted(truth), classes)
    assert {finding.kind for finding in verdict.findings} == {"class"}
