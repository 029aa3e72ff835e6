"""What is wrong with objects is said in words: how many, of which kind, how large."""

from __future__ import annotations

import numpy as np
import pytest

from tests.report.test_object_errors import scene
from unetkit.metrics.instances import find_overlaps, object_kinds
from unetkit.report.object_words import Window, error_words

WHOLE = (slice(0, 20), slice(0, 120))


def words(prediction: np.ndarray, truth: np.ndarray, window: Window, **options: object) -> list[str]:
    overlaps = find_overlaps(prediction, truth)
    return error_words(prediction, truth, window, overlaps, object_kinds(overlaps), **options)  # type: ignore[arg-type]


def test_each_kind_of_error_has_its_sentence() -> None:
    prediction, truth, _ = scene()
    assert words(prediction, truth, WHOLE) == [
        "2 objects merged into one", "1 object split into 2", "1 object missed, 100 px", "1 object invented, 100 px",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ((0, 20), []),
        ((20, 50), ["2 objects merged into one"]),
        ((50, 70), ["1 object split into 2"]),
        ((70, 90), ["1 object missed, 100 px"]),
        ((80, 120), ["1 object missed, 100 px", "1 object invented, 100 px"]),  # exactly half of the missed one
        ((81, 120), ["1 object invented, 100 px"]),
        ((82, 86), ["1 object missed, 100 px"]),  # nothing lies mostly inside: what reaches in counts
    ],
)
def test_a_window_tells_what_lies_in_it(columns: tuple[int, int], said: list[str]) -> None:
    prediction, truth, _ = scene()
    assert words(prediction, truth, (slice(0, 20), slice(*columns))) == said


def test_many_errors_are_counted_together() -> None:
    truth, prediction = np.zeros((30, 60), int), np.zeros((30, 60), int)
    for index in range(5):  # a prediction over two objects, and one over three
        truth[2:8, 2 + 6 * index : 7 + 6 * index] = 1 + index
    prediction[2:8, 2:13], prediction[2:8, 14:31] = 1, 2
    truth[20:22, 2:4], truth[20:24, 10:16] = 11, 12
    prediction[20:22, 30:32] = 9
    whole = (slice(0, 30), slice(0, 60))
    assert words(prediction, truth, whole, pixel=0.5, unit="µm²") == [
        "in 2 places 2 to 3 objects merged into one", "2 objects missed, 2 to 12 µm²", "1 object invented, 2 µm²",
    ]  # fmt: skip


def test_a_merge_that_found_one_of_its_objects_counts_that_too() -> None:
    truth, prediction = np.zeros((10, 30), int), np.zeros((10, 30), int)
    truth[:, 2:20], truth[:, 20:25], prediction[:, 2:25] = 1, 2, 1
    assert words(prediction, truth, (slice(0, 10), slice(0, 30))) == ["2 objects merged into one"]


def test_where_there_is_no_object_nothing_is_said() -> None:
    nothing = np.zeros((5, 5), int)
    assert words(nothing, nothing, (slice(0, 5), slice(0, 5))) == []
