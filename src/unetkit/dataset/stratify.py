"""Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): parts that each show every label in its share.

The rarest label is dealt out first, always to the part that still lacks most of it, so that two images of a rare
class do not end in the same part by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np


def stratify(
    units: Sequence[Mapping[str, int]], sizes: Sequence[int], targets: Sequence[int], generator: np.random.Generator
) -> list[int]:
    """Deal units out to parts.

    Args:
        units: for each unit (an image, or a group of images) how many of its images show each label.
        sizes: images in each unit.
        targets: images wanted in each part, in sum those of all units.
        generator: decides between equals.

    Returns:
        The part of each unit. With units of one image the targets are met exactly, with larger ones as nearly as the
        units allow; as long as there are enough units, no part with a target is left empty.

    Example:
        >>> stratify([{"a": 1}, {"a": 1}, {}, {}], [1, 1, 1, 1], [2, 2], np.random.default_rng(0)).count(1)
        2
    """
    total = sum(sizes)
    room = [float(target) for target in targets]
    amounts = Counter[str]()
    for unit in units:
        amounts.update(unit)
    wanted = [{label: amount * target / total for label, amount in amounts.items()} for target in targets]
    order = sorted(generator.permutation(len(units)).tolist(), key=lambda u: -sizes[u])
    parts = [-1] * len(units)
    while order:
        left = Counter(label for u in order for label in units[u])
        label = min(left, key=lambda name: (left[name], name)) if left else None
        for u in [u for u in order if label is None or label in units[u]]:
            part = _neediest(room, [want.get(label, 0.0) if label else 0.0 for want in wanted], sizes[u])
            parts[u] = part
            room[part] -= sizes[u]
            for name, amount in units[u].items():
                wanted[part][name] -= amount
            order.remove(u)
    _fill_empty(parts, sizes, targets)
    return parts


def _neediest(room: Sequence[float], wanted: Sequence[float], size: int) -> int:
    """The part with room that lacks most of the label; of equals, the one with most room."""
    open_parts = [p for p in range(len(room)) if room[p] >= size] or [max(range(len(room)), key=lambda p: room[p])]
    return max(open_parts, key=lambda p: (round(wanted[p], 9), room[p], -p))


def _fill_empty(parts: list[int], sizes: Sequence[int], targets: Sequence[int]) -> None:
    """Give each part that got nothing the smallest unit of the part with most units."""
    for part, target in enumerate(targets):
        if target and part not in parts:
            largest, number = Counter(parts).most_common(1)[0]
            if number > 1:
                parts[min((u for u, p in enumerate(parts) if p == largest), key=lambda u: sizes[u])] = part
