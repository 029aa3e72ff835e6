"""When it is said that labelling pays, that it does not, and that nobody knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetkit.active.stopping import Trained, advise


def run(path: Path, scores: list[float], *, names: str = "abcdefghijkl") -> Path:
    """A run that was scored."""
    (path / "test").mkdir(parents=True)
    lines = [f"{name},,{score},100,100" for name, score in zip(names, scores, strict=False)]
    head = "image,group,dice,truth_pixels,predicted_pixels"
    (path / "test" / "per_image.csv").write_text("\n".join([head, *lines]))
    return path


def history(path: Path, means: dict[int, float], *, trainings: int, spread: float = 0.0005) -> list[Trained]:
    generator = np.random.default_rng(0)
    own = generator.normal(0, 0.02, 12)
    return [
        Trained(run(path / f"{n}_{k}", list(mean + own + generator.normal(0, spread))), n)
        for n, mean in means.items()
        for k in range(trainings)
    ]


LEVEL = {4: 0.900, 8: 0.9005, 16: 0.901, 32: 0.901}
STEEP = {4: 0.5, 8: 0.6, 16: 0.68, 32: 0.744}


def test_a_level_curve_says_stop(tmp_path: Path) -> None:
    advice = advise(history(tmp_path, LEVEL, trainings=3), more=10, worth=0.02)
    assert advice.verdict == "stop"
    assert advice.curve is not None
    assert advice.curve.high is not None
    assert advice.curve.high < 0.02
    assert "10 more labels" in advice.words
    assert sorted(advice.scores) == sorted(LEVEL)


def test_a_steep_curve_says_go_on(tmp_path: Path) -> None:
    assert advise(history(tmp_path, STEEP, trainings=3), more=10, worth=0.005).verdict == "go on"


def test_what_may_be_either_stays_open(tmp_path: Path) -> None:
    advice = advise(history(tmp_path, LEVEL, trainings=3, spread=0.03), more=10, worth=0.005)
    assert advice.verdict == "open"
    assert "may be more or less" in advice.words


def test_one_training_each_gives_a_forecast_and_no_advice(tmp_path: Path) -> None:
    advice = advise(history(tmp_path, LEVEL, trainings=1), more=10, worth=0.02)
    assert advice.verdict == "open"
    assert "train 4, 8, 16, 32 labels again with another --seed" in advice.words


@pytest.mark.parametrize("numbers", [0, 1, 2])
def test_a_forecast_takes_three_numbers_of_labels(tmp_path: Path, numbers: int) -> None:
    means = dict(list(STEEP.items())[:numbers])
    advice = advise(history(tmp_path, means, trainings=2), more=10, worth=0.005)
    assert advice.verdict == "open"
    assert f"({numbers} so far)" in advice.words


def test_runs_that_share_no_test_image_are_not_compared(tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", [0.5, 0.5], names="ab"), run(tmp_path / "b", [0.9, 0.9], names="cd")
    advice = advise([Trained(one, 2), Trained(other, 4)], more=10, worth=0.005)
    assert advice.verdict == "open"
    assert "splits.json" in advice.words


def test_only_shared_test_images_count_and_runs_that_are_gone_do_not(tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", [0.5, 0.5, 0.1], names="abc"), run(tmp_path / "b", [0.9, 0.9, 0.1], names="abd")
    advice = advise([Trained(one, 2), Trained(other, 4), Trained(tmp_path / "gone", 8)], more=10, worth=0.005)
    assert {count: score[0] for count, score in advice.scores.items()} == {2: 0.5, 4: 0.9}
