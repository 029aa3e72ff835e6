"""Whether the numbers of masks count objects or name classes: decided where both cannot be meant, else asked.

An object lies in one piece, and the objects of an image are numbered from 1 to a count that varies from image to image.
A class lies in many pieces and has the same number everywhere. Three cells in every image and three organs in every
image look alike: no rule can know, so the user is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unetkit.classes import MAX_CLASSES
from unetkit.dataset.census import Integers, MaskCount
from unetkit.errors import UnclearMasks

WHOLE = 0.85
"""Least share of the numbers that lie in one piece where numbers may count objects."""

MANY = 16
"""More numbers than this in one mask are rarely classes."""

DIVISORS = (1000, 256)
"""What class numbers are multiplied by where one number holds class and object: Cityscapes' 1000, KITTI's 256."""

OBJECTS = "'encoding: instances' if every number is one object"
CLASSES = "'encoding: values' if every number is a class"


@dataclass(frozen=True)
class Numbers:
    """What is seen of the numbers besides 0 and those that nobody labelled.

    Args:
        masks: of each mask that shows any, the numbers, rising.
        pieces: of each number in each mask where pieces were counted, in how many it lies.
        narrow: whether all masks have 8 bits, where classes are the rule.
    """

    masks: tuple[Integers, ...]
    pieces: Integers
    narrow: bool

    @cached_property
    def most(self) -> int:
        """Numbers in the mask that has most."""
        return max((len(ids) for ids in self.masks), default=0)

    @cached_property
    def different(self) -> int:
        """Different numbers in all masks together."""
        return len(np.unique(np.concatenate(self.masks))) if self.masks else 0

    @cached_property
    def whole(self) -> float:
        """Share of the numbers that lie in one piece."""
        return float(np.mean(self.pieces == 1)) if len(self.pieces) else 0.0

    @cached_property
    def numbered(self) -> float:
        """Share of the masks that hold the lowest n of all numbers, as counting on gives; of one mask, 1 … n."""
        every = np.unique(np.concatenate(self.masks)) if len(self.masks) > 1 else np.arange(1, self.most + 1)
        return float(np.mean([ids[-1] == every[len(ids) - 1] for ids in self.masks]))

    @cached_property
    def counts_vary(self) -> bool:
        """Whether one mask shows more numbers than another."""
        return len({len(ids) for ids in self.masks}) > 1

    @cached_property
    def same(self) -> bool:
        """Whether several masks show the very same numbers."""
        return len(self.masks) > 1 and all(np.array_equal(ids, self.masks[0]) for ids in self.masks)

    @cached_property
    def recur(self) -> bool:
        """Whether a number occurs in more than one mask."""
        return sum(map(len, self.masks)) > self.different

    def __str__(self) -> str:
        fewest = min(len(ids) for ids in self.masks)
        count = f"{self.most}" if fewest == self.most else f"{fewest} to {self.most}"
        return (
            f"{count} numbers a mask, {self.whole:.0%} of them in one piece, counted on from the lowest in"
            f" {self.numbered:.0%} of {len(self.masks)} mask{'s' * (len(self.masks) > 1)}"
        )


def why_objects(counts: Sequence[MaskCount], ignored: Collection[int]) -> str | None:
    """The evidence that numbers count objects.

    Args:
        counts: the values of each mask.
        ignored: numbers of pixels that nobody labelled.

    Returns:
        The evidence in words; None where numbers are rather classes.

    Raises:
        UnclearMasks: they may be either; the message asks, and says what to write.
    """
    other = [~np.isin(count.values, [0, *ignored]) for count in counts]
    shown = [count.values[kept] for count, kept in zip(counts, other, strict=True)]
    pieces = [count.pieces[kept] for count, kept in zip(counts, other, strict=True) if len(count.pieces)]
    seen = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
    numbers = Numbers(
        tuple(ids for ids in shown if len(ids)),
        seen[seen > 0],
        all(count.dtype.itemsize == 1 for count in counts),
    )
    if numbers.most < 2 or any(ids[0] < 0 for ids in numbers.masks) or numbers.whole < WHOLE:
        return None
    _ask_about_pairs(numbers)
    if _surely_objects(numbers):
        return f"{numbers} (if they are classes, state 'encoding: values' in classes.yaml)"
    if not _surely_classes(numbers):
        raise UnclearMasks(
            "do the numbers in the masks count objects or name classes? They can be either",
            found=str(numbers),
            mend=f"write one line into classes.yaml beside masks/: {OBJECTS}, {CLASSES}",
        )
    return None


def _surely_objects(numbers: Numbers) -> bool:
    if numbers.different > MAX_CLASSES:
        return True
    if numbers.most >= 4 and len(numbers.masks) >= 3 and not numbers.recur:
        return True  # a class that only one image shows would be of no use
    if numbers.narrow:
        many = numbers.most >= 8 and len(numbers.masks) >= 3
        return many and numbers.whole >= 0.95 and numbers.numbered >= 0.95 and numbers.counts_vary
    if numbers.most > MANY and len(numbers.masks) == 1:
        return True
    return numbers.most >= 4 and numbers.numbered >= 0.5 and numbers.counts_vary


def _surely_classes(numbers: Numbers) -> bool:
    """Two classes in one piece each, the same few numbers in every mask, or few with gaps, as where one is absent."""
    few = numbers.most <= MANY if numbers.same else numbers.most <= MANY // 2 and numbers.numbered < 0.5
    return numbers.most < 3 or few


def _ask_about_pairs(numbers: Numbers) -> None:
    """Ask where a number seems to be made of a class and an object.

    Counted on from one object to the next, numbers never leave a gap before every multiple of a divisor and begin
    again there.
    """
    for divisor in DIVISORS:
        blocks: set[int] = set()
        for ids in numbers.masks:
            large = ids[ids >= divisor]
            begins = large[(large % divisor <= 1) & ~np.isin(large - large % divisor - 1, ids)]
            if set((large // divisor).tolist()) != set((begins // divisor).tolist()):
                break
            blocks |= set((large // divisor).tolist())
        else:
            alone = any(ids[0] < divisor for ids in numbers.masks)
            if len(blocks) + alone > 1 and numbers.different > len(blocks):
                raise UnclearMasks(
                    f"do the numbers in the masks hold class · {divisor} + object? They look so",
                    found=f"numbers such as {', '.join(map(str, numbers.masks[0][-3:]))}",
                    mend="write into classes.yaml beside masks/: 'encoding: instances' and, on a line of its own, "
                    f"'label_divisor: {divisor}' if so; {OBJECTS} of one and the same class; {CLASSES}",
                )
