"""Overlap metrics and confusion: hand-counted cases, formulas over labels, and an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest

from unetkit.errors import InputError
from unetkit.metrics import METRICS, confusion_matrix, dice, iou, pooled_iou, precision, recall


def mask(text: str) -> np.ndarray:
    """A mask drawn with # and ., rows separated by spaces."""
    return np.array([[character == "#" for character in row] for row in text.split()])


def test_hand_counted_case() -> None:
    prediction, truth = mask("##.. .#.. ...."), mask(".### .... ....")
    valid = np.ones((3, 4), bool)
    # 1 pixel in both, 2 only predicted, 2 only true
    assert dice(prediction, truth, valid) == pytest.approx(2 / 6)
    assert iou(prediction, truth, valid) == pytest.approx(1 / 5)
    assert precision(prediction, truth, valid) == pytest.approx(1 / 3)
    assert recall(prediction, truth, valid) == pytest.approx(1 / 3)


def test_ignored_pixels_do_not_count() -> None:
    prediction, truth, valid = mask("##..#"), mask("#...."), mask("####.")
    assert precision(prediction, truth, valid) == 0.5
    assert recall(prediction, truth, valid) == 1.0


@pytest.mark.parametrize("shape", [(20, 31), (5, 12, 9)])
def test_against_torchmetrics(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    generator = np.random.default_rng(3)
    prediction, truth = generator.random(shape) < 0.4, generator.random(shape) < 0.3
    valid = generator.random(shape) < 0.8
    labels = np.where(valid, truth, -1).astype(np.int64)
    given = torch.from_numpy(prediction.astype(np.int64)).flatten(), torch.from_numpy(labels).flatten()
    expected = {
        "dice": functional.binary_f1_score,
        "iou": functional.binary_jaccard_index,
        "precision": functional.binary_precision,
        "recall": functional.binary_recall,
    }
    for name, function in expected.items():
        score = METRICS[name](prediction, truth, valid)
        assert score == pytest.approx(float(function(*given, ignore_index=-1)), abs=1e-6), name


@pytest.mark.parametrize("name", METRICS)
def test_wrong_arguments_are_refused(name: str) -> None:
    metric, good = METRICS[name], np.ones((4, 4), bool)
    with pytest.raises(InputError, match="differ in size"):
        metric(np.ones((4, 5), bool), good, good)
    with pytest.raises(InputError, match="not a boolean mask"):
        metric(np.ones((4, 4), np.uint8), good, good)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["hd95", "nsd", "boundary_iou"])
@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, float("nan"))])
def test_wrong_spacing_is_refused(name: str, spacing: tuple[float, ...]) -> None:
    near, far = np.eye(4, dtype=bool), np.eye(4, k=1, dtype=bool)
    with pytest.raises(InputError, match="spacing does not fit"):
        METRICS[name](near, far, np.ones((4, 4), bool), spacing=spacing)


@pytest.mark.parametrize("name", METRICS)
def test_arguments_are_not_changed(name: str) -> None:
    generator = np.random.default_rng(0)
    arrays = [generator.random((9, 9)) < 0.5 for _ in range(3)]
    before = [array.copy() for array in arrays]
    METRICS[name](*arrays)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_confusion_by_hand() -> None:
    truth = np.array([[0, 0, 1], [2, 255, 1]], np.uint8)
    prediction = np.array([[0, 2, 1], [2, 0, 0]], np.uint8)
    matrix = confusion_matrix(prediction, truth, 4)
    assert matrix.tolist() == [[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(pooled_iou(matrix), [1 / 3, 1 / 2, 1 / 2, np.nan])


def test_confusion_against_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    generator = np.random.default_rng(1)
    truth, prediction = generator.integers(0, 5, (2, 40, 30)).astype(np.uint8)
    truth[:5] = 255
    given = torch.from_numpy(prediction.astype(np.int64)), torch.from_numpy(truth.astype(np.int64))
    expected = functional.multiclass_confusion_matrix(*given, num_classes=5, ignore_index=255)
    np.testing.assert_array_equal(confusion_matrix(prediction, truth, 5), expected.numpy())


def test_confusion_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    truth, prediction = generator.integers(0, 200, (2, 31, 29)).astype(np.uint8)
    truth[::7] = 255
    at_once = confusion_matrix(prediction, truth, 200)
    assert at_once.sum() == np.count_nonzero(truth != 255)
    monkeypatch.setattr("unetkit.metrics.confusion.BLOCK", 50)
    np.testing.assert_array_equal(confusion_matrix(prediction, truth, 200), at_once)


def test_confusion_refuses_labels_that_are_no_class() -> None:
    truth = np.array([[0, 1, 255]], np.uint8)
    with pytest.raises(InputError, match=r"prediction holds labels that are no class.*found 7 on 1 pixels"):
        confusion_matrix(np.array([[0, 7, 9]], np.uint8), truth, 2)
    with pytest.raises(InputError, match="truth holds labels"):
        confusion_matrix(np.array([[0, 0, 0]], np.uint8), np.array([[0, 3, 0]], np.uint8), 2)
    with pytest.raises(InputError, match="differ in size"):
        confusion_matrix(np.zeros((2, 2), np.uint8), truth, 2)


def test_confusion_of_nothing_labelled_is_zero() -> None:
    matrix = confusion_matrix(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8), 2)
    assert matrix.tolist() == [[0, 0], [0, 0]]
    assert np.isnan(pooled_iou(matrix)).all()
