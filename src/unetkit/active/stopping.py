"""Does labelling still pay? The scores of earlier runs on the same test images, a power law through them, and advice.

The learning curve is that of `unetkit.compare.curve`. "Stop" is said only when the upper end of the interval of the
next labels' gain lies below what the user calls worth it; that takes three numbers of labels or more, each trained
twice or more, since one training cannot tell luck from gain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from unetkit.compare.comparison import image_scores
from unetkit.compare.curve import LearningCurve, learning_curve
from unetkit.compare.differences import Scores, on_same_images, score_interval

NUMBERS, TRAININGS = 3, 2
"""Numbers of labels, and trainings of each, that advice takes."""

Verdict = Literal["stop", "go on", "open"]


@dataclass(frozen=True, slots=True)
class Trained:
    """A run that was trained on some labels.

    Args:
        run: its folder.
        labels: how many, in images or in regions.
    """

    run: Path
    labels: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Whether to go on labelling.

    Args:
        verdict: "stop", "go on", or "open" where the evidence does not say.
        words: why, in a sentence.
        scores: number of labels → (mean Dice, low, high) on the test images that all runs share.
        curve: through them, or None.
    """

    verdict: Verdict
    words: str
    scores: Mapping[int, tuple[float, float | None, float | None]]
    curve: LearningCurve | None = None


def advise(runs: Sequence[Trained], *, more: int, worth: float) -> Advice:
    """Whether so many more labels are worth it.

    Args:
        runs: the trained ones; those whose folders are gone or not scored are passed over.
        more: how many labels come next.
        worth: the least gain in Dice that is worth labelling them.

    Example:
        >>> advise([], more=10, worth=0.01).verdict
        'open'
    """
    groups: dict[str, str] = {}
    found: dict[int, list[dict[str, float]]] = defaultdict(list)
    for one in runs:
        part = next((part for part in ("test", "val") if (one.run / part / "per_image.csv").is_file()), None)
        if part is not None:
            found[one.labels].append(image_scores(one.run, part, groups))
    every = [scores for own in found.values() for scores in own]
    names = sorted(set.intersection(*map(set, every))) if every else []
    if len(found) < 2 or not names:
        return Advice("open", _too_few(len(found), bool(names)), {})
    tables, kept = on_same_images([np.array([[s[n] for n in names] for s in found[count]]) for count in sorted(found)])
    own_groups = [groups.get(name) or name for name, keep in zip(names, kept, strict=True) if keep]
    by_count = dict(zip(sorted(found), tables, strict=True))
    scores = {count: shown for count, table in by_count.items() if (shown := score_interval(table, own_groups))}
    curve = learning_curve(by_count, own_groups, more=more, generator=np.random.default_rng(0))
    return _judge(by_count, scores, curve, more, worth)


def _too_few(numbers: int, shared: bool) -> str:
    if numbers >= 2 and not shared:
        return "the runs share no test image: fix the test images with splits.json, so that scores can be compared"
    return (
        f"whether labelling pays is known from {NUMBERS} numbers of labels on: train on the grown data and ask again "
        f"({numbers} so far)"
    )


def _judge(
    tables: Mapping[int, Scores],
    scores: Mapping[int, tuple[float, float | None, float | None]],
    curve: LearningCurve | None,
    more: int,
    worth: float,
) -> Advice:
    if curve is None or curve.gain is None:
        return Advice("open", _too_few(len(tables), True), scores, curve)
    expected = f"{more} more labels: {curve.gain:+.3f} Dice expected"
    if curve.low is None or curve.high is None:
        once = [str(count) for count, table in tables.items() if len(table) < TRAININGS]
        lacking = (
            f"train {', '.join(once)} labels again with another --seed" if once else "there are too few test images"
        )
        return Advice("open", f"{expected}; no advice, since luck is not ruled out: {lacking}", scores, curve)
    expected += f" [{curve.low:+.3f}, {curve.high:+.3f}]"
    if curve.high < worth:
        return Advice("stop", f"{expected}: less than {worth:g} even at best. Stop labelling", scores, curve)
    if curve.low >= worth:
        return Advice("go on", f"{expected}: at least {worth:g}. Go on labelling", scores, curve)
    return Advice("open", f"{expected}: may be more or less than {worth:g}. Go on, and ask again", scores, curve)
