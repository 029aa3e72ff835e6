"""The guard: weights that unlabelled images helped to find must beat those found without, by more than chance.

Both branches of a guarded run begin with the same weights and get the same share of the run. Their best weights meet on
the validation images, image by image. Of d_i, the gains on n images, the mean must exceed its standard error

    s / √n   with   s² = (ν₀·s₀² + Σ (d_i − mean)²) / (ν₀ + n − 1)

s is shrunk towards s₀, what scores of one image differ by between two equally good trainings, as if ν₀ differences had
been seen before: so one or two validation images do not decide by luck, and of one image the gain must exceed s₀.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from unetkit.plan import TrainingPlan
from unetkit.training.state import Look, Outcome

USUAL_SPREAD = 0.03
"""s₀: standard deviation of one image's difference in score between two equally good trainings."""

SEEN_BEFORE = 2
"""ν₀: so many differences it counts for."""


def compare(found: Sequence[float], alone: Sequence[float], *, usual: float = USUAL_SPREAD) -> tuple[float, float, int]:
    """The mean gain in score, what it must exceed, and on how many images.

    An image on which one of the two has no score, because it is empty and was rightly left so, counts 1 there; one
    where neither has a score does not count.

    Args:
        found: scores of the validation images, NaN where there is none.
        alone: the others' scores, of the same images.
        usual: s₀.

    Returns:
        (gain, needed, images); NaN, infinity and 0 where no image can be compared.

    Example:
        >>> gain, needed, images = compare([0.9, 0.8], [0.8, 0.7])
        >>> round(gain, 3), round(needed, 3), images
        (0.1, 0.017, 2)
    """
    pairs = [(a, b) for a, b in zip(found, alone, strict=True) if math.isfinite(a) or math.isfinite(b)]
    gains = [(a if math.isfinite(a) else 1.0) - (b if math.isfinite(b) else 1.0) for a, b in pairs]
    count = len(gains)
    if not count:
        return math.nan, math.inf, 0
    mean = sum(gains) / count
    spread = SEEN_BEFORE * usual**2 + sum((gain - mean) ** 2 for gain in gains)
    return mean, math.sqrt(spread / (SEEN_BEFORE + count - 1) / count), count


def challenge(outcome: Outcome, look: Look) -> bool:
    """Whether weights of the method's branch shall be kept; what was found stands in `outcome.contest`.

    Args:
        outcome: of a guarded run on its method's branch.
        look: at the validation images with these weights.

    Returns:
        True where they beat the best weights found without, and by more than all before them.
    """
    before = outcome.contest.get("found")
    gain, needed, images = compare(look.scores, outcome.scores)
    passed = gain > needed
    if before is None:
        outcome.contest = {"supervised": {"step": outcome.best_step, "score": outcome.best_score}, "kept": False}
    else:
        better = gain > outcome.contest["gain"] if images else look.rank > before["score"]
        if not better or (outcome.contest["kept"] and not passed):
            return False
    found = {"step": outcome.step, "score": look.rank}
    outcome.contest |= {"found": found, "gain": gain, "needed": needed, "images": images, "kept": passed}
    return passed


def verdict(outcome: Outcome, plan: TrainingPlan) -> str:
    """Which weights were kept, and by how much, in one sentence; "" where there was nothing to choose from."""
    if plan.method == "supervised" or not plan.guard:
        return ""
    contest = outcome.contest
    if not contest:
        return f"kept what labelled images alone gave: the run ended before {plan.method} had a turn"
    if not contest["images"]:
        return "kept what labelled images alone gave: no validation image can tell the two apart"
    seen = f"{contest['images']} validation image{'' if contest['images'] == 1 else 's'}"
    gain = f"{plan.method} gained {contest['gain']:+.3f} on {seen}"
    if contest["kept"]:
        return f"kept what {plan.method} gave: {gain}, more than {contest['needed']:.3f}, which may be chance"
    return f"kept what labelled images alone gave: {gain}, which does not exceed the {contest['needed']:.3f} of chance"


def report(outcome: Outcome, plan: TrainingPlan, unlabelled: int) -> dict[str, Any]:
    """What guard.json holds: which weights were kept and why, and of each branch its first step and its seconds."""
    turns = {event["branch"]: event["step"] for event in outcome.events if event["event"] == "branch"}
    clock = {row["step"]: row["seconds"] for row in outcome.history}
    ends = [*turns.values(), outcome.step][1:]
    return {
        "method": plan.method,
        "unlabelled": unlabelled,
        "kept": plan.method if outcome.contest.get("kept") else "supervised",
        "verdict": verdict(outcome, plan),
        "branches": turns,
        "seconds": {name: clock[end] - clock.get(turns[name], 0.0) for name, end in zip(turns, ends, strict=True)},
        **{key: value for key, value in outcome.contest.items() if key != "kept"},
    }
