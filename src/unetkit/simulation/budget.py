"""How much is labelled before each training: numbers of places, or a person's time by the cost model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unetkit.errors import UsageError
from unetkit.labels.simulated import Effort


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be labelled in all, up to a round.

    Args:
        text: as it is typed.
        places: images or regions; None for all where `seconds` is None too.
        seconds: of the person's time.
    """

    text: str
    places: int | None = None
    seconds: float | None = None

    def spent(self, places: int, effort: Effort) -> bool:
        """Whether nothing more may be labelled after so many places and so much effort."""
        if self.places is not None:
            return places >= self.places
        return self.seconds is not None and effort.seconds >= self.seconds

    @property
    def size(self) -> float:
        """To order budgets by."""
        if self.places is not None:
            return self.places
        return float("inf") if self.seconds is None else self.seconds


def parse_budgets(text: str, seconds: Callable[[str], float | None]) -> tuple[Budget, ...]:
    """Budgets with commas, such as "2,5,10,all" or "10m,1h".

    Args:
        text: what somebody typed.
        seconds: reads a time.

    Returns:
        The budgets, the smallest first.

    Raises:
        UsageError: not understood, named twice, or places and times mixed.

    Example:
        >>> [budget.places for budget in parse_budgets("5,2,all", lambda text: None)]
        [2, 5, None]
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = []
    for word in words:
        if word == "all":
            found.append(Budget(word))
        elif word.isdecimal():
            found.append(Budget(word, places=int(word)))
        else:
            found.append(Budget(word, seconds=seconds(word)))
    budgets = tuple(sorted(found, key=lambda budget: budget.size))
    mixed = any(one.places is not None for one in budgets) and any(one.seconds is not None for one in budgets)
    if not budgets or mixed or len({one.size for one in budgets}) < len(budgets) or budgets[0].places == 0:
        raise UsageError(
            "--budget is not understood",
            found=repr(text),
            expected="numbers of places, as in 2,5,10,all, or times, as in 10m,1h, each once",
        )
    return budgets
