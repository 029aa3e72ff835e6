"""Rules about what must not be on both sides of a split: the same picture, the same patient; and about splits.json."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from unetkit.dataset.findings import FIX, Case, Finding, listed, several
from unetkit.dataset.given import resolve
from unetkit.dataset.groups import find_groups, split_of_folders
from unetkit.dataset.records import ImageFacts
from unetkit.dataset.splits import PARTS
from unetkit.errors import UnetkitError
from unetkit.files import read_json

_LEAK = "what trains must not score: the test result would be too good, and new images would disappoint"
_ALLOW = "say --allow-leakage to train all the same"


def splits_file(case: Case) -> list[Finding]:
    """A splits.json that is no split."""
    path = case.survey.root / "splits.json"
    if not path.exists():
        return []
    what = ""
    try:
        data = read_json(path)
    except UnetkitError as error:
        what = str(error)
    else:
        if not isinstance(data, Mapping) or "train" not in data:
            what = "splits.json does not state a split"
        else:
            wrong = [p for p in PARTS if p in data and not _is_names(data[p])]
            what = f"splits.json: {' and '.join(wrong)} is no list of names" if wrong else ""
            what = what or ("" if any(given_parts(case).values()) else "splits.json names no image")
    if not what:
        return []
    why = "a given split decides which images train and which are kept for the score"
    mend = 'write {"train": ["a", "b"], "val": ["c"], "test": ["d"]}, or delete splits.json: a split is then made'
    return [Finding("splits-file", "error", (path.name,), what, why, mend)]


def unknown_in_split(case: Case) -> list[Finding]:
    """Names in splits.json that no image has."""
    known = {image.name for image in case.survey.images}
    strange = [name for part in given_parts(case).values() for name in part if name not in known]
    if not strange:
        return []
    what = f"splits.json names {several(len(strange), 'image')} that are not there: {listed(strange)}"
    why = "the split was made for other files; images that are missing here may be the ones that count"
    mend = f"correct the names (paths below images/ without suffix); '{FIX}' takes them out"
    return [Finding("unknown-in-split", "error", ("splits.json",), what, why, mend, fixable=True)]


def twice_in_split(case: Case) -> list[Finding]:
    """One image in two parts of the split."""
    places: dict[str, list[str]] = defaultdict(list)
    for part, names in given_parts(case).items():
        for name in names:
            places[name].append(part)
    twice = {name: parts for name, parts in places.items() if len(parts) > 1}
    if not twice:
        return []
    shown = listed(f"{name} ({' and '.join(parts)})" for name, parts in twice.items())
    what = f"{several(len(twice), 'image')} more than once in splits.json: {shown}"
    return [Finding("twice-in-split", "error", ("splits.json",), what, _LEAK, "keep each name in one part only")]


def missing_in_split(case: Case) -> list[Finding]:
    """Labelled images that the given split leaves out."""
    parts = given_parts(case)
    named = {name for part in parts.values() for name in part}
    labelled = [image.name for image in case.survey.readable_images if image.name in case.labelled]
    left = [name for name in labelled if name not in named]
    if not named or not left:
        return []
    what = f"splits.json leaves out {several(len(left), 'labelled image')}: {listed(left)}"
    why = "they are neither trained on nor scored"
    return [Finding("missing-in-split", "warning", ("splits.json",), what, why, "add them to a part of splits.json")]


def straddling_groups(case: Case) -> list[Finding]:
    """Groups with images on both sides of the given split."""
    survey = case.survey
    where = part_of(case)
    if not where:
        return []
    names = [image.name for image in survey.images]
    try:
        groups, origin, _ = find_groups(survey.root, names, [name for name in names if name in case.labelled])
    except UnetkitError:
        return []  # groups_file reports it
    parts: dict[str, set[str]] = defaultdict(set)
    for name, group in groups.items():
        if name in where:
            parts[group].add(where[name])
    torn = sorted(group for group, found in parts.items() if len(found) > 1)
    if not torn:
        return []
    what = f"{several(len(torn), 'group')} of {origin} on both sides of the given split: {listed(torn)}"
    why = f"images of one group (patient, plate, scene) resemble each other; {_LEAK}"
    mend = f"if the groups are kinds and not patients, {_ALLOW}, or delete {origin}; else keep each group in one part, "
    mend += "or delete splits.json: the split that is then made keeps groups together"
    files = tuple(image.file for image in survey.images if groups.get(image.name) in torn and image.name in where)
    return [Finding("straddling-groups", "error", files, what, why, mend)]


def groups_file(case: Case) -> list[Finding]:
    """A groups file that cannot be used."""
    names = [image.name for image in case.survey.images]
    try:
        find_groups(case.survey.root, names, [name for name in names if name in case.labelled])
    except UnetkitError as error:
        name = error.file and Path(error.file).name
        why = "groups say which images belong together, so that no split tears them apart"
        what = error.what if error.found is None else f"{error.what}: {error.found}"
        mend = error.mend or (f"write it as {error.expected}" if error.expected else "correct or delete the file")
        return [Finding("groups-file", "error", (str(name),), f"{name} {what}", why, mend)]
    return []


def exact_duplicates(case: Case) -> list[Finding]:
    """Images with exactly the same pixels."""
    where = part_of(case)
    same = [group for group in equal_images(case) if not _masks_differ(case, group)]
    leaking = [group for group in same if len({where[i.name] for i in group if i.name in where}) > 1]
    within = [group for group in same if group not in leaking]
    found = []
    mend = f"'{FIX}' leaves out all but one"
    if leaking:
        what = f"{several(len(leaking), 'picture')} on both sides of the given split: {_groups(leaking)}"
        found.append(Finding("exact-duplicates", "error", _files(leaking), what, _LEAK, mend, fixable=True))
    if within:
        what = f"{several(len(within), 'picture')} more than once, with equal pixels: {_groups(within)}"
        why = "it counts double in training, and a split that is made later may put the copies on both sides"
        found.append(Finding("exact-duplicates", "warning", _files(within), what, why, mend, fixable=True))
    return found


def conflicting_masks(case: Case) -> list[Finding]:
    """The same picture with two different masks."""
    groups = [group for group in equal_images(case) if _masks_differ(case, group)]
    if not groups:
        return []
    what = f"{several(len(groups), 'picture')} with two different masks: {_groups(groups)}"
    why = "the same pixels are taught two different truths; one of the masks is wrong, or belongs to another image"
    mend = "compare the masks, keep the right one and delete the other image and its mask"
    return [Finding("conflicting-masks", "error", _files(groups), what, why, mend)]


def near_copies(case: Case) -> list[Finding]:
    """Re-compressed, resized, brightened, mirrored or turned copies."""
    seen = {image.path: image for image in case.survey.readable_images if image.descriptor.size}
    if len(seen) < 2:
        return []
    where, images = part_of(case), list(seen.values())
    near = case.survey.copies.among(list(seen), lambda file: seen[file].descriptor)
    pairs = [(images[i], images[j]) for i, j, _ in near]
    pairs = [(a, b) for a, b in pairs if not a.digest or a.digest != b.digest]
    leaking = [p for p in pairs if len({where[i.name] for i in p if i.name in where}) > 1]
    within = [p for p in pairs if p not in leaking]
    found = []
    if leaking:
        what = f"{several(len(leaking), 'pair')} of near copies on both sides of the given split: {_groups(leaking)}"
        mend = f"move both into one part of splits.json, or leave one out; if they only look alike, {_ALLOW}"
        found.append(Finding("near-duplicates", "error", _files(leaking), what, _LEAK, mend))
    if within:
        what = f"{several(len(within), 'pair')} of near copies (re-saved, brightened, mirrored or turned): "
        what += _groups(within)
        why = "a split that is made later may put the copies on both sides"
        mend = "leave one of them out, or give both the same group in groups.csv"
        found.append(Finding("near-duplicates", "warning", _files(within), what, why, mend))
    return found


def given_parts(case: Case) -> dict[str, list[str]]:
    """Names by part, as splits.json or the sub-folders state them; empty where they state nothing that can be read."""
    known = {image.name for image in case.survey.images}
    path = case.survey.root / "splits.json"
    if not path.exists():
        return split_of_folders(sorted(known))
    try:
        data = read_json(path)
    except UnetkitError:
        return {}  # splits_file reports it
    if not isinstance(data, Mapping):
        return {}
    return {part: [resolve(n, known) for n in data[part]] for part in PARTS if part in data and _is_names(data[part])}


def part_of(case: Case) -> dict[str, str]:
    """The part of each labelled image that the given split names."""
    return {name: part for part, names in given_parts(case).items() for name in names if name in case.labelled}


def equal_images(case: Case) -> list[list[ImageFacts]]:
    """Images with the same pixels, two or more at a time; images of one single value are no copies of each other."""
    same: dict[str, list[ImageFacts]] = defaultdict(list)
    for image in case.survey.readable_images:
        if image.digest and image.low < image.high:
            same[image.digest].append(image)
    return [group for group in same.values() if len(group) > 1]


def _masks_differ(case: Case, group: Sequence[ImageFacts]) -> bool:
    names = {image.name for image in group}
    return len({mask.digest for mask in case.survey.readable_masks if mask.name in names}) > 1


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _groups(groups: Sequence[Sequence[ImageFacts]]) -> str:
    return listed((" = ".join(image.name for image in group) for group in groups), 3)


def _files(groups: Sequence[Sequence[ImageFacts]]) -> tuple[str, ...]:
    return tuple(Counter(image.file for group in groups for image in group))
