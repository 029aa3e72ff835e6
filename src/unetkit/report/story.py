"""What the numbers say, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unetkit.report.svg import finite, number

METRICS: dict[str, tuple[str, str]] = {
    "dice": ("Dice", "overlap of prediction and truth: 1 is perfect, 0 is none"),
    "iou": ("IoU", "shared area over joint area; stricter than Dice"),
    "precision": ("Precision", "how much of what was marked is right"),
    "recall": ("Recall", "how much of what is there was marked"),
    "hd95": ("HD95", "95th percentile of the distances between the two outlines; lower is better"),
    "nsd": ("NSD", "share of the outline that lies within the tolerance"),
    "boundary_iou": ("Boundary IoU", "IoU of narrow bands along the outlines; tells how sharp the edges are"),
}
"""Short name and meaning of each metric, in the order they are shown."""

LENGTHS = ("hd95",)

UNITS = {"um": "µm", "micron": "µm"}
"""How units are written for people, where that differs from how files write them."""

_POWERS = {"2": "²", "3": "³"}

PLAN_GROUPS = ("model", "training", "loss", "augmentation", "data", "prediction", "evaluation", "general")

VERDICTS = (
    (0.9, "the masks agree closely with the truth"),
    (0.8, "the masks agree well with the truth, with errors that one can see"),
    (0.6, "the masks are a first draft, and each needs a look"),
    (0.0, "the masks cannot be relied on yet"),
)


def verdict(summary: Mapping[str, Any] | None) -> str:
    """One sentence on how good the model is and how sure that is.

    Args:
        summary: the evaluation's summary, or None.

    Returns:
        The sentence.

    Example:
        >>> verdict(None)
        'No image with a truth was held out, so how good the model is remains unknown.'
    """
    mean = headline_score(summary)
    if summary is None or mean is None:
        return "No image with a truth was held out, so how good the model is remains unknown."
    value, low, high, count = mean["mean"], mean.get("low"), mean.get("high"), summary.get("images")
    taken_on = counted(int(count), "held-out image") if count else "held-out images"
    judged = next((words for least, words in VERDICTS if round(value, 3) >= least), VERDICTS[-1][1])
    sentence = f"On {taken_on}, {judged}"
    weak = weakest_class(summary)
    if weak is not None:
        sentence += f"; the weakest class is {weak[0]}, at {weak[1]:.2f}"
    if count and count < 5:
        sentence += "; so few images cannot settle it"
    elif low is not None and high is not None and high - low > 0.1:
        sentence += "; the interval is wide, and more test images would narrow it"
    return sentence + "."


def headline_score(summary: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The mean Dice with its interval; None where it is undefined or nothing was evaluated."""
    if summary is None:
        return None
    mean: Mapping[str, Any] | None = summary.get("mean", {}).get("dice")
    return mean if mean is not None and finite([mean.get("mean")]) else None


def weakest_class(summary: Mapping[str, Any]) -> tuple[str, float] | None:
    """The class with the lowest Dice and that Dice; None where there are fewer than two."""
    scores = {name: s.get("dice", {}).get("mean") for name, s in summary.get("classes", {}).items()}
    known = {name: float(value) for name, value in scores.items() if finite([value])}
    if len(known) < 2:
        return None
    name = min(known, key=lambda n: known[n])
    return name, known[name]


def plan_groups(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The plan's rows by the first word of their key, the known groups first; a key without a dot is in "general".

    Example:
        >>> plan_groups([("training.steps", "800", "fits")])
        [('training', [('steps', '800', 'fits')])]
    """
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for key, value, reason in rows:
        head, dot, rest = key.partition(".")
        groups.setdefault(head if dot else "general", []).append((rest if dot else key, value, reason))
    order = {name: index for index, name in enumerate(PLAN_GROUPS)}
    return sorted(groups.items(), key=lambda item: order.get(item[0], len(order)))


def missed_sentence(diameters: Sequence[float], found: Sequence[bool], unit: str) -> str:
    """How many objects were found, and how large the missed ones are."""
    total, hits = len(found), sum(found)
    words = f"{hits} of {counted(total, 'true object')} were found"
    missed = sorted(d for d, hit in zip(diameters, found, strict=True) if not hit)
    if not missed:
        return words + "; none was missed."
    middle = missed[len(missed) // 2]
    return f"{words}; {number(len(missed), 4)} missed, half of them no wider than {number(middle)} {unit}."


def unit_words(unit: str) -> str:
    """A unit of a column as people write it.

    Example:
        >>> unit_words("um2"), unit_words("px")
        ('µm²', 'px')
    """
    power = _POWERS.get(unit[-1:], "")
    name = unit[:-1] if power else unit
    return UNITS.get(name, name) + power


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(2, "image")
        '2 images'
    """
    return f"{number(count, 4)} {noun}" if count == 1 else f"{number(count, 4)} {noun}s"
