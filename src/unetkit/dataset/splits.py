"""Which images train, which choose the best weights, which are kept for the score."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from unetkit.classes import IGNORE
from unetkit.dataset.marked import is_whole
from unetkit.dataset.series import series_order
from unetkit.dataset.stratify import stratify
from unetkit.errors import DatasetError, FileError, UsageError
from unetkit.files import read_json
from unetkit.formats import read_header

if TYPE_CHECKING:
    from unetkit.dataset.folder import Dataset

PARTS = ("train", "val", "test")

SAME = "the same picture"

MAX_STRATIFIED = 2000
"""Of more labelled images than this the masks are not read for the split: chance alone mixes them well."""


class Split(BaseModel):
    """Names of the images of each part, and how they came there.

    Args:
        train: names of the images that train.
        val: names of the images that choose the best weights.
        test: names of the images that only the final score sees; may be empty.
        seed: what the random choices started from.
        unlabelled: names of the images that may train without their labels; `unetkit.dataset.unlabelled` finds them.
        source: "given" (splits.json or sub-folders), "made", or "fold 1 of 5".
        reasons: what was decided and why, in plain words, for the user.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    unlabelled: tuple[str, ...] = ()
    seed: int = 0
    source: str = "made"
    reasons: tuple[str, ...] = ()


def stored_split(path: str | PathLike[str]) -> Split:
    """The split that a run wrote.

    Raises:
        FileError: missing, damaged, or no such split.
    """
    try:
        return Split.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise FileError("is no split of a run", file=path, found=f"{first['loc']}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class _Units:
    """What a split deals out: images or groups of images; `ordered` where only whole stretches may be taken."""

    members: tuple[tuple[str, ...], ...]
    ordered: bool
    reason: str
    strata: Mapping[str, frozenset[str]]

    def only(self, names: Iterable[str]) -> _Units:
        kept = set(names)
        members = [tuple(name for name in unit if name in kept) for unit in self.members]
        return _Units(tuple(unit for unit in members if unit), self.ordered, self.reason, self.strata)


def make_split(dataset: Dataset, *, seed: int = 0, val: float = 0.15, test: float = 0.2) -> Split:
    """Deal the labelled images out to train, val and test; a given split is used as it stands.

    Groups are never torn apart, neighbours of a series stay in one stretch, and otherwise every class (and images of
    every size, and images without any object) is spread over the parts in its share. Where some images are labelled in
    part only, those train, and whole masks are what scores are taken on, as far as there are any.

    Args:
        dataset: what to split.
        seed: the same seed gives the same split.
        val: share of the images for val, above 0.
        test: share of the images for test; 0 for none.

    Returns:
        The split, with its reasons.

    Raises:
        DatasetError: fewer than two labelled images.
        UsageError: shares that leave nothing to train on.
    """
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise UsageError(
            "shares of val and test leave no split",
            found=f"val {val}, test {test}",
            expected="val above 0, in sum below 1",
        )
    if dataset.given_split is not None:
        return _complete(dataset, dataset.given_split, seed, val)
    names = _require_two(dataset)
    units = _units(dataset, names)
    number, reasons = len(units.members), [units.reason]
    shares = {"train": 1 - val - test, "val": val, "test": test}
    if number == 2 and test > 0:
        shares = {"train": 1 - val, "val": val, "test": 0.0}
        reasons.append("only two can be told apart: one trains, one chooses the weights, none is left for a test")
    elif test == 0:
        reasons.append("no test images were asked for: the score on val is the only one, and is too good")
    parts, about_whole = _deal_whole_first(dataset, units, shares, np.random.default_rng(seed))
    reasons += about_whole
    reasons += _missing_classes(dataset, units, parts["train"])
    return Split(**parts, seed=seed, source="made", reasons=tuple(reasons))


def make_folds(dataset: Dataset, *, folds: int, seed: int = 0, spread: bool = False) -> tuple[Split, ...]:
    """Cross-validation: every labelled image is tested exactly once.

    Args:
        dataset: what to split; a given split is not used.
        folds: number of splits, at least 2 and at most the number of images (or groups).
        seed: the same seed gives the same folds.
        spread: groups, neighbours and near copies are spread over the folds instead of kept together. So an image is
            predicted by a model that knows its like, which tells wrong masks better, and says nothing of new images.

    Returns:
        One split a fold; val is carved out of what the fold does not test.

    Raises:
        DatasetError: fewer than three labelled images or groups.
        UsageError: more folds than images (or groups), or fewer than two.
    """
    names = _require_two(dataset)
    units = _spread(dataset, names, folds) if spread else _units(dataset, names)
    number = len(units.members)
    if number < 3:
        raise DatasetError(
            "is too small for cross-validation",
            file=dataset.root,
            found=units.reason,
            expected="three images or groups",
        )
    if not 2 <= folds <= number:
        raise UsageError("that many folds cannot be made", found=folds, expected=f"2 to {number} ({units.reason})")
    generator = np.random.default_rng(seed)
    tested = _deal(units, {str(k): 1 / folds for k in range(folds)}, generator)
    splits = []
    for k in range(folds):
        rest = units.only(name for key, part in tested.items() if key != str(k) for name in part)
        inner = _deal(rest, {"train": 0.85, "val": 0.15}, generator)
        reasons = [units.reason, *_missing_classes(dataset, units, inner["train"])]
        if dataset.given_split is not None:
            reasons.append("the given split is not used: cross-validation tests every image once")
        source = f"fold {k + 1} of {folds}"
        splits.append(Split(**inner, test=tested[str(k)], seed=seed, source=source, reasons=tuple(reasons)))
    return tuple(splits)


def find_leaks(dataset: Dataset, split: Split) -> list[str]:
    """What lets a model see in training what it is tested on.

    Args:
        dataset: the images.
        split: their parts.

    Returns:
        One sentence for each leak: a group in two parts, the same picture in two parts, a near copy in two parts.
        Empty where there is none.

    Raises:
        FileError: an image is unreadable.
    """
    part_of = {name: part for part in PARTS for name in getattr(split, part)}
    return [*_torn_groups(dataset, part_of), *_copies(dataset, part_of)]


def _torn_groups(dataset: Dataset, part_of: Mapping[str, str]) -> list[str]:
    by_group: dict[str, dict[str, str]] = defaultdict(dict)
    for name, part in part_of.items():
        group = dataset.sample(name).group
        if group is not None:
            by_group[group].setdefault(part, name)
    if len(by_group) < 2:  # one group in all cannot be kept apart from itself; make_split says so
        return []
    return [
        f"group '{group}' ({dataset.grouped_by}) is in {' and '.join(where)}: {', '.join(where.values())}"
        for group, where in sorted(by_group.items())
        if len(where) > 1
    ]


def _copies(dataset: Dataset, part_of: Mapping[str, str]) -> list[str]:
    return [
        f"{a} ({part_of[a]}) and {b} ({part_of[b]}) are {what}"
        for a, b, what in copy_pairs(dataset, list(part_of))
        if part_of[a] != part_of[b]
    ]


def copy_pairs(dataset: Dataset, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Pairs of images that are the same picture, or nearly, and which of the two."""
    samples = [dataset.sample(name) for name in names]
    seen = {sample.image: dataset.look_at(sample) for sample in samples}
    hashes = [facts.digest or facts.file for facts in seen.values()]  # of a window there is no hash
    first: dict[str, str] = {}
    pairs = [
        (first[digest], name, SAME)
        for name, digest in zip(names, hashes, strict=True)
        if first.setdefault(digest, name) != name
    ]
    near = dataset.copies.among(list(seen), lambda file: seen[file].descriptor)
    return pairs + [
        (names[i], names[j], f"near copies (correlation {likeness:.2f})")
        for i, j, likeness in near
        if hashes[i] != hashes[j]
    ]


def _complete(dataset: Dataset, given: Split, seed: int, val: float) -> Split:
    """A given split, with val carved out of train where it states none."""
    reasons = list(given.reasons)
    if not given.test:
        reasons.append("no test images are given: the score on val is the only one, and is too good")
    if given.val:
        return given.model_copy(update={"reasons": tuple(reasons)})
    if len(given.train) < 2:
        raise DatasetError(
            "one training image cannot also choose the weights", file=dataset.root, mend="label a second one"
        )
    units = _units(dataset, given.train)
    parts = _deal(units, {"train": 1 - val, "val": val}, np.random.default_rng(seed))
    reasons.append(f"no val images are given: {len(parts['val'])} are taken out of train ({units.reason})")
    return Split(**parts, test=given.test, seed=seed, source="given", reasons=tuple(reasons))


def _require_two(dataset: Dataset) -> tuple[str, ...]:
    names = tuple(sample.name for sample in dataset.labelled)
    if len(names) < 2:
        raise DatasetError(
            "one labelled image can train or judge the training, not both",
            file=dataset.root,
            found=f"{len(names)} labelled images",
            expected="at least two",
            mend="label a second image, or cut the image and its mask into two files",
        )
    return names


def _units(dataset: Dataset, names: Sequence[str]) -> _Units:
    """What may be dealt out of these images, and why so."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[dataset.sample(name).group or f"\0{name}"].append(name)
    shapes = {name: tuple(read_header(dataset.sample(name).image).shape) for name in names}
    strata = _strata(dataset, names, shapes)
    copies = copy_pairs(dataset, names)
    groups = _joined(groups, copies)
    together = f"; {len(copies)} pairs of copies kept together" if copies else ""
    if dataset.grouped_by != "nothing" and len(groups) > 1:
        reason = f"{len(groups)} groups ({dataset.grouped_by}), none of them torn apart; stratified by class{together}"
        return _Units(tuple(map(tuple, groups.values())), False, reason, strata)
    series = series_order(shapes, lambda name: dataset.look_at(dataset.sample(name)).small)
    if series is not None:
        reason = f"{series[1]}: split in stretches, so that neighbours are not in train and test"
        return _Units(tuple((name,) for name in series[0]), True, reason, strata)
    reason = f"{len(names)} images, stratified by class and image size{together}"
    if dataset.grouped_by != "nothing":
        reason += "; all belong to one group, so the score says nothing about new groups"
        return _Units(tuple((name,) for name in names), False, reason, strata)
    return _Units(tuple(map(tuple, groups.values())), False, reason, strata)


def _spread(dataset: Dataset, names: Sequence[str], folds: int) -> _Units:
    """The images one by one, the same picture together, and those of large groups dealt out evenly."""
    shapes = {name: tuple(read_header(dataset.sample(name).image).shape) for name in names}
    strata = _strata(dataset, names, shapes)
    group_of = {name: dataset.sample(name).group for name in names}
    sizes = Counter(group for group in group_of.values() if group is not None)
    for name, group in group_of.items():
        if group is not None and sizes[group] >= folds:
            strata[name] |= {f"group {group}"}
    same = [pair for pair in copy_pairs(dataset, names) if pair[2] == SAME]
    units = _joined({name: [name] for name in names}, same)
    reason = f"{len(names)} images, groups and neighbours spread over the folds: no score for new groups"
    return _Units(tuple(map(tuple, units.values())), False, reason, strata)


def _joined(groups: Mapping[str, list[str]], copies: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """The groups, with those that share a copy made one."""
    joined = {key: list(members) for key, members in groups.items()}
    home = {name: key for key, members in joined.items() for name in members}
    for a, b, _ in copies:
        kept, gone = home[a], home[b]
        if kept != gone:
            joined[kept] += joined[gone]
            home.update(dict.fromkeys(joined.pop(gone), kept))
    return joined


def _strata(dataset: Dataset, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, frozenset[str]]:
    """What shall be spread over the parts: classes, images without any, and sizes that several images share."""
    common = {shape for shape, count in Counter(shapes.values()).items() if 3 <= count < len(names)}
    strata = {}
    for name in names:
        labels = {f"size {shapes[name]}"} if shapes[name] in common else set()
        if len(names) <= MAX_STRATIFIED:
            present = np.flatnonzero(dataset.count_labels(dataset.sample(name)))
            foreground = [int(c) for c in present if c not in (0, IGNORE)]
            labels |= {f"class {c}" for c in foreground} or {"empty"}
        strata[name] = frozenset(labels)
    return strata


def _deal(units: _Units, shares: Mapping[str, float], generator: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """Names by part: stretches where the units are ordered, else stratified."""
    sizes = [len(unit) for unit in units.members]
    targets = _targets(sum(sizes), list(shares.values()))
    if units.ordered:
        parts = np.repeat(np.arange(len(targets)), targets).tolist()
    else:
        counts = [Counter(label for name in unit for label in units.strata[name]) for unit in units.members]
        parts = stratify(counts, sizes, targets, generator)
    dealt = zip(units.members, parts, strict=True)
    by_part: dict[int, list[str]] = defaultdict(list)
    for unit, part in dealt:
        by_part[part] += unit
    return {key: tuple(sorted(by_part[i])) for i, key in enumerate(shares)}


def _deal_whole_first(
    dataset: Dataset, units: _Units, shares: Mapping[str, float], generator: np.random.Generator
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """`_deal`, but val and test get units with whole labels where there are enough; and what was done."""
    every = [name for unit in units.members for name in unit]
    partial = {name for name in every if len(every) <= MAX_STRATIFIED and not is_whole(dataset, dataset.sample(name))}
    whole = units.only(name for unit in units.members if not partial.intersection(unit) for name in unit)
    scored = sum(share > 0 for part, share in shares.items() if part != "train")
    if not partial or units.ordered or len(whole.members) < scored:
        return _deal(units, shares, generator), []
    count = sum(map(len, whole.members))
    wanted = {part: shares[part] * len(every) / count for part in shares if part != "train"}
    most = min(1.0, 1 / sum(wanted.values()))
    dealt = _deal(
        whole, {"train": 1 - sum(wanted.values()) * most, **{p: s * most for p, s in wanted.items()}}, generator
    )
    held = {name for part, names in dealt.items() if part != "train" for name in names}
    dealt["train"] = tuple(sorted(name for name in every if name not in held))
    return dealt, [f"{len(partial)} images labelled in part train; val and test have whole labels"]


def _targets(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers near the shares, in sum `total`, and at least 1 wherever a share is above 0."""
    exact = [share * total for share in shares]
    targets = [max(1, int(x)) if x > 0 else 0 for x in exact]
    while sum(targets) < total:
        targets[max(range(len(shares)), key=lambda i: (exact[i] - targets[i], -i))] += 1
    while sum(targets) > total:
        targets[max(range(len(shares)), key=lambda i: (targets[i] > 1, targets[i] - exact[i]))] -= 1
    return targets


def _missing_classes(dataset: Dataset, units: _Units, train: Sequence[str]) -> list[str]:
    seen = {label for name in train for label in units.strata[name]}
    every = {label for labels in units.strata.values() for label in labels}
    missing = sorted(int(label.removeprefix("class ")) for label in every - seen if label.startswith("class "))
    return [f"no training image shows {', '.join(dataset.classes.names[c] for c in missing)}"] if missing else []
