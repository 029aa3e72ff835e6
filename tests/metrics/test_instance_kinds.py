"""What became of every object, drawn and counted out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.test_instances import iou, sets, small_maps
from unetkit.metrics.instances import FOUND, INVENTED, MERGED, MISSED, SPLIT, find_overlaps, object_kinds


def kinds_of(prediction: str, truth: str) -> tuple[dict[str, int], dict[str, int], int, int]:
    """Of rows of letters, where a dot is no object: kinds of the true and of the predicted objects, merges, splits."""
    ids = [np.array([[0 if letter == "." else ord(letter) for letter in text]]) for text in (prediction, truth)]
    kinds = object_kinds(find_overlaps(*ids))
    true, predicted = (
        {chr(i): int(kind) for i, kind in zip(numbers, codes, strict=True)}
        for numbers, codes in ((kinds.truth_ids, kinds.true), (kinds.predicted_ids, kinds.predicted))
    )
    return true, predicted, kinds.merges, kinds.splits


def test_found_missed_and_invented() -> None:
    assert kinds_of("aaa....cc", ".AAA.BB..") == (
        {"A": MISSED, "B": MISSED},
        {"a": INVENTED, "c": INVENTED},
        0,
        0,
    )  # an IoU of exactly a half is not more than a half
    assert kinds_of("aaa......", ".AA..BB..") == ({"A": FOUND, "B": MISSED}, {"a": FOUND}, 0, 0)


def test_merged() -> None:
    assert kinds_of("aaaaaa", "AAABBB") == ({"A": MERGED, "B": MERGED}, {"a": MERGED}, 1, 0)
    # the larger one is found, the smaller one swallowed
    assert kinds_of("aaaaaa", "AAAABB") == ({"A": FOUND, "B": MERGED}, {"a": FOUND}, 1, 0)


def test_split() -> None:
    assert kinds_of("aaabbb", "AAAAAA") == ({"A": SPLIT}, {"a": SPLIT, "b": SPLIT}, 0, 1)
    # one part is good enough to be found; the other is still a part
    assert kinds_of("aaaabb", "AAAAAA") == ({"A": FOUND}, {"a": FOUND, "b": SPLIT}, 0, 1)
    # a part reaches out less than it lies in
    assert kinds_of(".aaabbb", "AAAAAA.") == ({"A": SPLIT}, {"a": SPLIT, "b": SPLIT}, 0, 1)


def test_a_fragment_alone_is_no_split() -> None:
    assert kinds_of("aa....", "AAAAAA") == ({"A": MISSED}, {"a": INVENTED}, 0, 0)


@settings(max_examples=200, deadline=None)
@given(small_maps, st.booleans())
def test_kinds_counted_out(drawn: tuple[np.ndarray, np.ndarray, np.ndarray], swap: bool) -> None:
    prediction, truth, _ = drawn
    kinds = object_kinds(find_overlaps(prediction, truth))
    true, predicted = sets(truth), sets(prediction)
    held = {j: [i for i in true if len(true[i] & predicted[j]) > len(true[i]) / 2] for j in predicted}
    parts = {i: [j for j in predicted if len(true[i] & predicted[j]) > len(predicted[j]) / 2] for i in true}
    assert kinds.merges == sum(len(objects) > 1 for objects in held.values())
    assert kinds.splits == sum(len(objects) > 1 for objects in parts.values())
    for i, kind in zip(kinds.truth_ids, kinds.true, strict=True):
        if any(iou(true[int(i)], pixels) > 0.5 for pixels in predicted.values()):
            expected = FOUND
        elif any(i in objects and len(objects) > 1 for objects in held.values()):
            expected = MERGED
        else:
            expected = SPLIT if len(parts[int(i)]) > 1 else MISSED
        assert kind == expected
    for j, kind in zip(kinds.predicted_ids, kinds.predicted, strict=True):
        if any(iou(predicted[int(j)], pixels) > 0.5 for pixels in true.values()):
            expected = FOUND
        elif len(held[int(j)]) > 1:
            expected = MERGED
        else:
            expected = SPLIT if any(j in objects and len(objects) > 1 for objects in parts.values()) else INVENTED
        assert kind == expected
