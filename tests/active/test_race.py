"""The ledger remembers, and the race judges what was labelled since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from unetkit.active.ledger import Ledger, Round, Suggested, read_ledger, write_ledger
from unetkit.active.race import standings
from unetkit.active.strategies import BASELINE
from unetkit.errors import FileError

WINDOW = ((0, 8), (0, 8))


def suggested(
    image: str, strategy: str, surprise: float | None, window: tuple[tuple[int, int], ...] = WINDOW
) -> Suggested:
    return Suggested(image=image, file=Path(image), digest=image, window=window, strategy=strategy, surprise=surprise)


def ledger_of(*found: Suggested) -> Ledger:
    return Ledger(rounds=(Round(run=Path("a"), images=3, pixels=10, suggested=found),))


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = ledger_of(suggested("x", "entropy", None), suggested("y", BASELINE, 0.25))
    write_ledger(tmp_path / "suggestions.json", ledger)
    assert read_ledger(tmp_path / "suggestions.json") == ledger
    assert read_ledger(tmp_path / "none.json") == Ledger()


@pytest.mark.parametrize(
    ("content", "words"),
    [("[", "not valid JSON"), ('{"rounds": 3}', "no ledger"), ('{"version": 9}', "another version")],
)
def test_a_damaged_ledger_says_so(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "suggestions.json").write_text(content)
    with pytest.raises(FileError, match=words):
        read_ledger(tmp_path / "suggestions.json")


def test_the_same_run_replaces_what_nobody_labelled(tmp_path: Path) -> None:
    ledger = ledger_of(suggested("x", "entropy", 0.5), suggested("y", BASELINE, None))
    after = ledger.with_round(Round(run=Path("a"), images=3, pixels=10, suggested=(suggested("z", "entropy", None),)))
    assert [one.image for _, one in after.credited()] == ["x", "z"]
    assert len(after.rounds) == 1


def test_a_place_is_credited_to_the_last_round_that_suggested_it() -> None:
    ledger = ledger_of(suggested("x", "entropy", 0.5)).with_round(
        Round(run=Path("b"), images=3, pixels=10, suggested=(suggested("x", BASELINE, 0.5),))
    )
    (standing,) = standings(ledger)
    assert (standing.strategy, standing.labelled) == (BASELINE, 1)


def of_strategy(name: str, values: Sequence[float]) -> list[Suggested]:
    return [suggested(f"{name}{n}", name, value) for n, value in enumerate(values)]


def test_a_clear_difference_is_told() -> None:
    generator = np.random.default_rng(0)
    base, more = generator.normal(0.2, 0.02, 8), generator.normal(0.5, 0.02, 8)
    found = standings(ledger_of(*of_strategy("coverage", more), *of_strategy(BASELINE, base)))
    assert [one.strategy for one in found] == [BASELINE, "coverage"]
    assert found[1].versus is not None
    assert found[1].versus.verdict == "better"
    assert all(one.low is not None and one.surprise is not None and one.low < one.surprise for one in found)


def test_luck_is_told_for_a_difference_as_seldom_as_promised() -> None:
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        base, alike = generator.normal(0.3, 0.1, (2, 6))
        found = standings(ledger_of(*of_strategy("entropy", alike), *of_strategy(BASELINE, base)))
        wrong += found[1].versus is not None and found[1].versus.verdict != "not shown"
    assert wrong / 300 < 0.09


def test_regions_of_one_image_are_one_observation() -> None:
    windows = [((8 * n, 8 * n + 8), (0, 8)) for n in range(10)]
    many = [suggested("one image", "entropy", 0.9, window) for window in windows]
    base = [suggested(f"b{n}", BASELINE, 0.1) for n in range(10)]
    of = {one.strategy: one for one in standings(ledger_of(*many, *base))}
    assert of["entropy"].labelled == 10
    assert of["entropy"].low is None, "a single image has no interval"
    assert of["entropy"].versus is None, "and is not judged"


def test_what_waits_is_counted_and_not_judged() -> None:
    (one,) = standings(ledger_of(suggested("x", "entropy", None)))
    assert (one.labelled, one.waiting, one.surprise) == (0, 1, None)
