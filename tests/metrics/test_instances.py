"""Scores of objects against StarDist's, MONAI's and torchmetrics' numbers, and against the definitions counted out."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics.panoptic_quality import compute_panoptic_quality
from scipy.optimize import linear_sum_assignment
from torchmetrics.functional.detection import panoptic_quality

from unetkit.errors import InputError
from unetkit.metrics.instances import (
    OBJECT_METRICS,
    THRESHOLDS,
    Overlaps,
    aji,
    aji_plus,
    find_overlaps,
    match,
    score_objects,
    seg,
)
from unetkit.metrics.instances.matching import best_pairs

FIXTURES = Path(__file__).parent / "fixtures"
RECORD = json.loads((FIXTURES / "stardist.json").read_text(encoding="utf-8"))
MAPS = np.load(FIXTURES / "stardist.npz")
IMAGES = range(len(RECORD["images"]))

small_maps = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.tuples(*(st.lists(st.integers(0, 3), min_size=width, max_size=width) for _ in range(3))),
        min_size=1,
        max_size=5,
    ).map(lambda rows: tuple(np.array([row[i] for row in rows]) for i in range(3)))
)
"""A prediction, a truth, and where a third map is 0, nobody labelled; up to 5 × 5 pixels and 3 objects."""


def maps(image: int) -> tuple[np.ndarray, np.ndarray]:
    return MAPS[f"prediction{image}"], MAPS[f"truth{image}"]


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("position", range(len(RECORD["thresholds"])))
def test_matching_agrees_with_stardist(image: int, position: int) -> None:
    expected = RECORD["images"][image][position]
    found = match(find_overlaps(*maps(image)), RECORD["thresholds"][position])
    ours = [found.tp, found.fp, found.fn, found.precision, found.recall, found.ap, found.f1]
    ours += [found.mean_true_score, found.sq, found.pq]
    ours = np.nan_to_num(ours)  # StarDist writes 0 where a ratio is undefined
    if RECORD["thresholds"][position] >= 0.5:
        np.testing.assert_allclose(ours, list(expected.values()), rtol=1e-6)
    else:  # of equally many partners StarDist takes those that leave more overlap to pairs that are no partners
        np.testing.assert_allclose(ours[:7], list(expected.values())[:7], rtol=1e-6)
        assert all(a >= b - 1e-6 for a, b in zip(ours[7:], list(expected.values())[7:], strict=True))


def test_the_record_holds_merges_splits_and_empty_maps() -> None:
    """What the comparison above is worth."""
    counts = [score_objects(*maps(image)).counts for image in IMAGES]
    for kind in ("found", "merged", "split", "missed", "invented", "merges", "splits"):
        assert sum(count[kind] for count in counts) > 3
    assert any(count["true_objects"] == 0 for count in counts)
    assert any(count["predicted_objects"] == 0 for count in counts)


@pytest.mark.parametrize("image", range(8))
def test_panoptic_quality_agrees_with_monai_and_torchmetrics(image: int) -> None:
    prediction, truth = (ids.astype(np.int64) for ids in maps(image))
    # both ask for more than 0.5, as the paper does; the maps hold pairs of exactly 0.5
    ours = match(find_overlaps(prediction, truth), np.nextafter(0.5, 1)).pq
    as_tensors = torch.from_numpy(prediction), torch.from_numpy(truth)
    monai = compute_panoptic_quality(*as_tensors, smooth_numerator=1e-12)
    assert ours == pytest.approx(float(monai), abs=1e-6)
    # category 1 is the objects, category 0 what is left
    pairs = [torch.stack([(ids > 0).long(), ids], dim=-1)[None] for ids in as_tensors]
    both = panoptic_quality(*pairs, things={1}, stuffs={0}, return_per_class=True)
    assert ours == pytest.approx(float(both[0, 0]), abs=1e-6)


def sets(ids: np.ndarray) -> dict[int, set[int]]:
    return {int(i): set(np.flatnonzero(ids == i)) for i in np.unique(ids) if i}


def iou(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b)


def kumar(true: dict[int, set[int]], predicted: dict[int, set[int]]) -> float:
    """Algorithm 1 of Kumar et al. 2017, where a true object that nothing overlaps counts with its own pixels."""
    shared, whole, used = 0, 0, set()
    for one in true.values():
        best = max(predicted, key=lambda i: (iou(one, predicted[i]), len(one & predicted[i])), default=None)
        if best is None or not one & predicted[best]:
            whole += len(one)
            continue
        shared, whole = shared + len(one & predicted[best]), whole + len(one | predicted[best])
        used.add(best)
    whole += sum(len(pixels) for i, pixels in predicted.items() if i not in used)
    return shared / whole if whole else float("nan")


def best_total(true: dict[int, set[int]], predicted: dict[int, set[int]]) -> float:
    table = np.array([[iou(a, b) for b in predicted.values()] for a in true.values()]).reshape(
        len(true), len(predicted)
    )
    return float(table[linear_sum_assignment(-table)].sum())


def challenge_seg(true: dict[int, set[int]], predicted: dict[int, set[int]]) -> float:
    scores = [next((iou(a, b) for b in predicted.values() if len(a & b) > 0.5 * len(a)), 0.0) for a in true.values()]
    return float(np.mean(scores)) if scores else float("nan")


@settings(max_examples=150, deadline=None)
@given(small_maps)
def test_overlaps_and_jaccard_counted_out(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    prediction, truth, _ = drawn
    overlaps = find_overlaps(prediction, truth)
    true, predicted = sets(truth), sets(prediction)
    pairs = {(i, j): len(true[i] & predicted[j]) for i, j in product(true, predicted) if true[i] & predicted[j]}
    keys = zip(overlaps.truth_ids[overlaps.true], overlaps.predicted_ids[overlaps.predicted], strict=True)
    assert dict(zip(((int(i), int(j)) for i, j in keys), overlaps.pixels.tolist(), strict=True)) == pairs
    assert overlaps.truth_sizes.tolist() == [len(true[int(i)]) for i in overlaps.truth_ids]
    assert overlaps.predicted_sizes.tolist() == [len(predicted[int(i)]) for i in overlaps.predicted_ids]
    assert seg(overlaps) == pytest.approx(challenge_seg(true, predicted), nan_ok=True)
    chosen = best_pairs(overlaps.true, overlaps.predicted, overlaps.ious)
    assert overlaps.ious[chosen].sum() == pytest.approx(best_total(true, predicted) if pairs else 0)
    assert not aji_plus(overlaps) > 1
    ties = len({round(value, 9) for value in overlaps.ious}) < len(overlaps.ious)
    if not ties:  # which of two equal predictions is taken is not said
        assert aji(overlaps) == pytest.approx(kumar(true, predicted), nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(small_maps, st.integers(0, 2**32))
def test_the_numbers_of_the_objects_do_not_matter(drawn: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int) -> None:
    prediction, truth, third = drawn
    generator = np.random.default_rng(seed)
    before = score_objects(prediction, truth, valid=third > 0)
    names = [np.append(np.uint64(0), generator.integers(1, 2**64 - 2, 3, np.uint64)) for _ in "pt"]
    names[0][1] = 2**64 - 1
    after = score_objects(names[0][prediction], names[1][truth], valid=third > 0)
    assert after.counts == before.counts
    # of two predictions that overlap a true object equally, AJI may take either
    same = [name for name in OBJECT_METRICS if name not in ("aji", "aji_plus")]
    np.testing.assert_allclose([after.values[n] for n in same], [before.values[n] for n in same])


@settings(max_examples=100, deadline=None)
@given(small_maps)
def test_identical_maps_are_perfect(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    _, truth, third = drawn
    scores = score_objects(truth + 5 * (truth > 0), truth, valid=third > 0)
    for name, value in scores.values.items():
        assert np.isnan(value) or value == pytest.approx(0 if name == "count_error" else 1), name
    counts = scores.counts
    assert counts["found"] == counts["true_objects"] == counts["predicted_objects"]
    assert counts["merges"] == counts["splits"] == 0
    assert np.isnan(scores.values["ap"]) == (counts["true_objects"] == 0)


@settings(max_examples=100, deadline=None)
@given(small_maps)
def test_what_changes_sides_when_the_maps_do(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    prediction, truth, _ = drawn
    there, back = score_objects(prediction, truth), score_objects(truth, prediction)
    a, b = there.values, back.values
    for name, other in (
        ("ap", "ap"), ("f1", "f1"), ("pq", "pq"), ("sq", "sq"), ("precision", "recall"), ("aji_plus", "aji_plus")
    ):  # fmt: skip
        if name != "aji_plus" or len(set(there.overlaps.ious.round(9))) == len(there.overlaps.ious):
            assert a[name] == pytest.approx(b[other], nan_ok=True), name
    assert a["count_error"] == -b["count_error"]
    assert (there.counts["merges"], there.counts["missed"]) == (back.counts["splits"], back.counts["invented"]) or (
        there.counts["merged"] + there.counts["split"] > 0
    )
    assert there.counts["merges"] == back.counts["splits"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_best_pairs_are_the_best(seed: int, tied: bool) -> None:
    generator = np.random.default_rng(seed)
    shape = tuple(generator.integers(1, 7, 2))
    weights = generator.choice([0.1, 0.3, 0.5, 0.9], shape) if tied else generator.random(shape)
    weights = np.where(generator.random(shape) < 0.6, weights, 0)
    rows, columns = np.nonzero(weights)
    chosen = best_pairs(rows, columns, weights[rows, columns])
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
    assert weights[rows, columns][chosen].sum() == pytest.approx(weights[linear_sum_assignment(-weights)].sum())


def test_thresholds_are_the_decimals_they_say() -> None:
    """np.arange gives 0.6000000000000001, which an IoU of 3/5 would not reach."""
    assert [str(threshold) for threshold in THRESHOLDS[2:5]] == ["0.6", "0.65", "0.7"]
    fifths = find_overlaps(np.array([[1, 1, 1, 1, 0]]), np.array([[0, 1, 1, 1, 1]]))
    assert fifths.ious[0] == 0.6
    assert [match(fifths, threshold).tp for threshold in THRESHOLDS[:4]] == [1, 1, 1, 0]


def test_exact_halves_have_one_partner() -> None:
    """At an IoU of exactly 0.5 an object has two candidates; one is taken, as StarDist does."""
    halves = find_overlaps(np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]]))
    assert (match(halves).tp, match(halves).fp, match(halves).fn) == (1, 1, 0)


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        ([0, 0], [0, 0], {}),
        ([1, 0], [0, 0], {"ap": 0, "f1": 0, "pq": 0, "aji": 0, "aji_plus": 0, "precision": 0}),
        ([0, 0], [1, 2], {"ap": 0, "f1": 0, "pq": 0, "aji": 0, "aji_plus": 0, "recall": 0, "mean_true_score": 0,
                          "seg": 0, "v_rand": 2 * 2 / (2 + 2), "v_info": 1}),
        ([1, 1], [1, 1], {"v_rand": 1, "ap": 1, "f1": 1, "pq": 1, "aji": 1, "aji_plus": 1, "precision": 1,
                          "recall": 1, "mean_true_score": 1, "seg": 1, "sq": 1}),
    ],
)  # fmt: skip
def test_empty_cases_as_the_table_says(prediction: list[int], truth: list[int], expected: dict[str, float]) -> None:
    values = score_objects(np.array([prediction]), np.array([truth])).values
    for threshold in ("ap50", "ap75"):
        assert values.pop(threshold) == pytest.approx(values["ap"], nan_ok=True)
    assert values.pop("count_error") == len({*prediction} - {0}) - len({*truth} - {0})
    assert {name: value for name, value in values.items() if not np.isnan(value)} == pytest.approx(expected)


def test_pixels_that_nobody_labelled_belong_to_no_object() -> None:
    truth = np.zeros((10, 20), np.uint16)
    truth[2:6, 2:6] = 1
    prediction = truth * np.uint16(9)
    prediction[1:9, 12:18] = 4  # lies where nobody labelled, but for its rim
    valid = np.ones(truth.shape, bool)
    valid[:, 13:] = False
    scores = score_objects(prediction, truth, valid=valid)
    assert (scores.values["ap"], scores.counts["predicted_objects"]) == (1, 1)
    valid[:, 15:] = True
    assert score_objects(prediction, truth, valid=valid).counts["invented"] == 1
    truth[1:9, 12:15] = 2  # what is left of a prediction lies on a true object
    valid[:, 14:] = False
    assert score_objects(prediction, truth, valid=valid).counts["found"] == 2


def test_each_class_is_scored_by_itself() -> None:
    truth = np.repeat(np.array([[1, 2, 3, 0]]), 4, axis=1)
    prediction = np.repeat(np.array([[2, 1, 4, 3]]), 4, axis=1)
    scores = score_objects(
        prediction, truth, prediction_classes=np.array([1, 1, 2, 2], np.uint8), truth_classes=np.array([1, 2, 2])
    )
    assert scores.values["recall"] == 1  # over all, classes are not looked at
    assert scores.classes[1].counts["found"] == 1
    assert (scores.classes[1].values["precision"], scores.classes[2].values["ap50"]) == (0.5, 1 / 3)
    alone = score_objects(np.where(prediction < 3, prediction, 0), np.where(truth == 1, truth, 0))
    assert scores.classes[1].values == pytest.approx(alone.values, nan_ok=True)


@pytest.mark.parametrize(
    ("prediction", "truth", "options", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), {}, "prediction and truth differ in size"),
        (np.zeros((2, 2)), np.zeros((2, 2), int), {}, r"prediction does not number its objects.*label_components"),
        (np.zeros((2, 2), int), np.zeros((2, 2), bool), {}, "truth does not number its objects"),
        (np.zeros((2, 2), int), np.full((2, 2), -1), {}, "truth holds numbers below 0; found -1"),
        (np.zeros((2, 2), int), np.ones((2, 2), int), {"valid": np.ones((2, 2))}, "valid does not fit the truth"),
        (np.ones((2, 2), int), np.ones((2, 2), int), {"truth_classes": np.ones(1, int)}, "only one of the two maps"),
        (np.full((2, 2), 3), np.ones((2, 2), int), {"truth_classes": np.ones(1, int),
         "prediction_classes": np.ones(2, int)}, "an object of the prediction has no class; found id 3"),
    ],
)  # fmt: skip
def test_what_are_no_maps_of_objects(
    prediction: np.ndarray, truth: np.ndarray, options: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        score_objects(prediction, truth, **options)


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan")])
def test_a_threshold_is_an_iou(threshold: float) -> None:
    with pytest.raises(InputError, match="the threshold is no IoU"):
        match(find_overlaps(np.ones((1, 1), int), np.ones((1, 1), int)), threshold)


def test_nothing_and_no_pixels() -> None:
    empty = find_overlaps(np.zeros((0, 4), int), np.zeros((0, 4), int))
    assert isinstance(empty, Overlaps)
    assert np.isnan(match(empty).ap)


def test_twenty_thousand_objects_need_no_square_table() -> None:
    """20 000 × 20 000 numbers would be 3 GB; every pixel is in an object, so that the pairs hang together."""
    rows, columns = np.indices((1000, 2000), sparse=True)
    truth = (rows // 10 * 200 + columns // 10 + 1).astype(np.uint64) << np.uint64(33)
    prediction = (rows + 3) // 10 * 200 + (columns + 4) // 10 + 1
    scores = score_objects(prediction, truth)
    assert scores.counts["true_objects"] == 20_000
    assert 0 < scores.values["aji_plus"] < 1
