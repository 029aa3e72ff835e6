"""The split that a user states, in splits.json or by sub-folders: read and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from unetkit.dataset.splits import PARTS, Split
from unetkit.errors import DatasetError
from unetkit.files import read_json


def read_split(path: Path, names: Sequence[str], labelled: Sequence[str]) -> Split:
    """The split that a splits.json states.

    Args:
        path: a file such as {"train": ["a", "b"], "val": ["c"], "test": ["d"]}; more keys (seed, note) do no harm.
        names: all images.
        labelled: those with a mask; others are left out and the reasons say so.

    Returns:
        The split, with source "given". Val and test may be empty.

    Raises:
        FileError: no JSON.
        DatasetError: unknown names, a name twice, no training image; the message names them.
    """
    data = read_json(path)
    if not isinstance(data, Mapping) or "train" not in data:
        raise DatasetError("does not state a split", file=path, expected='{"train": […], "val": […], "test": […]}')
    known = set(names)
    parts: dict[str, list[str]] = {}
    for key, value in data.items():
        listed = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        if key in PARTS and not listed:
            raise DatasetError(f"'{key}' is no list of stems", file=path, found=type(value).__name__)
        if key in PARTS:
            parts[key] = [resolve(entry, known) for entry in value]
        elif listed and value and all(resolve(entry, known) in known for entry in value):
            raise DatasetError(
                f"'{key}' lists images but is no part of a split",
                file=path,
                expected="train, val and test",
                mend=f"rename '{key}' (to 'val' or 'test'), or take it out",
            )
    strange = [name for part in parts.values() for name in part if name not in known]
    if strange:
        raise DatasetError(
            f"names {len(strange)} images that are not in images/",
            file=path,
            found=_some(strange),
            expected=f"stems such as {_some(names, 3)}",
            mend="correct the names, or take them out",
        )
    seed = data.get("seed", 0)
    return given_split(parts, labelled, path, seed=seed if isinstance(seed, int) else 0)


def given_split(parts: Mapping[str, Sequence[str]], labelled: Sequence[str], file: Path, *, seed: int = 0) -> Split:
    """A split somebody stated, checked.

    Args:
        parts: names of known images by part.
        labelled: the images with a mask; others are left out and the reasons say so.
        file: where it is stated, for errors.
        seed: what it was made with, where known.

    Raises:
        DatasetError: a name twice, or no labelled training image.
    """
    twice = [name for name, count in Counter(n for part in parts.values() for n in part).items() if count > 1]
    if twice:
        where = {name: " and ".join(key for key, part in parts.items() if name in part) for name in twice[:4]}
        raise DatasetError(
            f"{len(twice)} images stand in the split more than once",
            file=file,
            found=", ".join(f"{name} (in {place})" for name, place in where.items()),
            mend="keep each in one part: an image that trains must not score",
        )
    masked = set(labelled)
    kept = {key: tuple(name for name in parts.get(key, ()) if name in masked) for key in PARTS}
    reasons = [f"as stated in {file.name}"]
    for key in PARTS:
        unlabelled = [name for name in parts.get(key, ()) if name not in masked]
        if unlabelled:
            reasons.append(f"{len(unlabelled)} images of {key} have no label and are left out: {_some(unlabelled)}")
    if not kept["train"]:
        raise DatasetError("has no labelled image to train on", file=file, mend="list labelled images under 'train'")
    unused = masked.difference(*kept.values())
    if unused:
        reasons.append(f"{len(unused)} labelled images are in no part and stay unused: {_some(sorted(unused))}")
    return Split(**kept, seed=seed, source="given", reasons=tuple(reasons))


def resolve(entry: str, known: set[str]) -> str:
    """The name an entry of splits.json means: itself, or itself without a suffix."""
    path = PurePosixPath(entry)
    bare = (path.parent / path.stem).as_posix()
    return bare if entry not in known and bare in known else entry


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")
