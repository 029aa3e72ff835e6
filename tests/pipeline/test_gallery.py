"""Planted label errors are found, and the jitter of borders is not taken for one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from unetkit.classes import Classes
from unetkit.image import Image
from unetkit.pipeline.gallery import suspicious_places
from unetkit.pipeline.story import next_steps
from unetkit.pipeline.validation import mean_dice

CLASSES = Classes(names=("background", "cell"))


def sure_of(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Log-probabilities of a model that is sure of `labels`."""
    return np.log(np.where(np.arange(2)[:, None, None] == labels, 0.999, 0.001)).astype(np.float32)


def discs(*centres: tuple[int, int]) -> npt.NDArray[np.uint8]:
    rows, columns = np.indices((96, 96))
    return np.any([(rows - r) ** 2 + (columns - c) ** 2 < 100 for r, c in centres], axis=0).astype(np.uint8)


def test_an_object_nobody_painted_is_suspected_first() -> None:
    seen = discs((20, 20), (70, 60))
    painted = discs((20, 20))
    painted[:, 90:] = 255  # ignored pixels are never suspect
    places = suspicious_places("a", Image(np.zeros((1, 96, 96), np.uint8)), painted, seen, sure_of(seen), CLASSES)
    assert len(places) == 1
    assert "painted background, the model is sure of cell" in places[0].reason
    assert places[0].image.shape[:2] == places[0].truth.shape == places[0].prediction.shape
    assert 0 < places[0].score <= 1


def test_borders_that_differ_by_a_pixel_are_not_suspect() -> None:
    painted = discs((40, 40))
    seen = np.roll(painted, 1, axis=0)
    assert suspicious_places("a", Image(np.zeros((1, 96, 96), np.uint8)), painted, seen, sure_of(seen), CLASSES) == []


def test_mean_dice_knows_absent_classes() -> None:
    assert np.isnan(mean_dice(np.array([[9, 0], [0, 0]])))
    assert mean_dice(np.array([[5, 4], [0, 0]])) == 0
    assert mean_dice(np.array([[9, 0, 0], [0, 3, 1], [0, 0, 0]])) == pytest.approx((6 / 7 + 0) / 2)


def test_advice_follows_the_curve() -> None:
    class Nothing:
        suspects = ()
        objects = ()

    class Plan:
        class training:  # noqa: N801
            time, steps = 600.0, 10

    summary = {"images": 20, "classes": {"cell": {"dice": {"mean": 0.8}}}}
    rising = [{"val_score": 0.1 * n} for n in range(9)]
    flat = [{"val_score": 0.8} for _ in range(9)]
    assert "--time 20m" in next_steps(summary, rising, Plan(), Nothing())[0]  # type: ignore[arg-type]
    assert "More labels may" in next_steps(summary, flat, Plan(), Nothing())[0]  # type: ignore[arg-type]
