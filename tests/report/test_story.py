"""Words follow the numbers."""

from __future__ import annotations

import pytest

from unetkit.report.story import missed_sentence, plan_groups, verdict


def summary(
    mean: float | None, *, low: float = 0.0, high: float = 0.0, images: int = 20, **classes: float
) -> dict[str, object]:
    scores = {name: {"dice": {"mean": value}} for name, value in classes.items()}
    return {"images": images, "mean": {"dice": {"mean": mean, "low": low, "high": high}}, "classes": scores}


@pytest.mark.parametrize(
    ("mean", "words"),
    [(0.95, "closely"), (0.9, "closely"), (0.85, "well"), (0.61, "first draft"), (0.2, "cannot"), (0.0, "cannot")],
)
def test_the_verdict_follows_the_score(mean: float, words: str) -> None:
    assert words in verdict(summary(mean, low=mean, high=mean))


def test_the_verdict_says_what_it_does_not_know() -> None:
    assert "unknown" in verdict(summary(None))
    assert "unknown" in verdict({})
    assert "so few images" in verdict(summary(0.9, images=3))
    assert "interval is wide" in verdict(summary(0.9, low=0.7, high=0.95))
    assert "weakest class is b, at 0.30" in verdict(summary(0.6, a=0.9, b=0.3))
    assert "weakest" not in verdict(summary(0.6, a=0.6))


def test_plan_groups_come_in_a_fixed_order() -> None:
    rows = [("seed", "0", ""), ("odd.key", "1", ""), ("training.steps", "9", ""), ("model.depth.low", "4", "")]
    groups = plan_groups(rows)
    assert [name for name, _ in groups] == ["model", "training", "general", "odd"]
    assert groups[0][1] == [("depth.low", "4", "")]


def test_missed_objects_in_words() -> None:
    assert missed_sentence([1.0, 2.0], [True, True], "px") == "2 of 2 true objects were found; none was missed."
    words = missed_sentence([4.0, 2.0, 3.0, 9.0], [False, False, False, True], "µm")
    assert words == "1 of 4 true objects were found; 3 missed, half of them no wider than 3 µm."
