"""The safe mends of the mask doctor, applied to a copy.

The source is never touched, and the copy appears whole or not at all. A mend is safe where the right value is beyond
doubt, or where the doubtful pixels or files are left out; everything else stays for a person to decide.
"""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from scipy.ndimage import distance_transform_edt

from unetkit.dataset.census import colour_keys, colour_of, is_coloured
from unetkit.dataset.check import CheckReport
from unetkit.dataset.findings import Case, Finding, listed
from unetkit.dataset.given import resolve
from unetkit.dataset.records import ImageFacts, MaskFacts
from unetkit.dataset.rules_masks import clean_values, nearest_value, stray_table
from unetkit.dataset.rules_splits import equal_images, part_of
from unetkit.dataset.splits import PARTS
from unetkit.errors import FileError, UsageError
from unetkit.files import read_json, write_json, write_text
from unetkit.formats import FORMATS, files_below, read_image, read_mask, write_image, write_mask

Array = npt.NDArray[Any]

_IGNORE_COLOURS = ((255, 255, 255), (255, 0, 255), (128, 128, 128), (1, 1, 1))


@dataclass
class Plan:
    """What shall be different in the copy. Paths are from the dataset's root, as findings name them.

    Args:
        left_out: files that are not copied, and why.
        renamed: files that get another suffix.
        masks: for each mask to rewrite, the new value of each value that changes.
        images: images whose NaN and infinite pixels are replaced.
        ignore: the value or colour key that is stated as ignored in classes.yaml.
        tidy_split: whether names without an image are taken out of splits.json.
        done: what was decided, one line a file.
    """

    left_out: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    masks: dict[str, dict[int, int]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    ignore: tuple[str, int] | None = None
    tidy_split: bool = False
    done: list[str] = field(default_factory=list)


def fix(report: CheckReport, root: str | PathLike[str], out: str | PathLike[str]) -> list[str]:
    """Copy a dataset with the fixable findings mended.

    Args:
        report: what `check(root)` gave.
        root: the dataset; it is only read.
        out: folder for the copy; must be absent or empty, and not inside of `root`.

    Returns:
        What was done, one line a file. Empty where nothing was fixable; the copy is made all the same.

    Raises:
        UsageError: `out` holds something, or lies inside of `root`, or the report is about another folder.
        FileError: the disk is full, or a file changed since it was checked.

    Example:
        >>> import tempfile
        >>> from unetkit.dataset.check import check
        >>> root = Path(tempfile.mkdtemp())
        >>> fix(check(root), root, root.with_name(root.name + "-fixed"))
        []
    """
    root, out = Path(root), Path(out)
    _check_folders(report, root, out)
    plan = Plan()
    for rule, mend in FIXES.items():
        for finding in report.findings:
            if finding.rule == rule and finding.fixable:
                mend(finding, report.case, plan)
    temporary = out.absolute().with_name(f".{out.absolute().name}.{secrets.token_hex(4)}")
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        _copy(report.case, plan, root, temporary)
        if out.is_dir():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        raise FileError("cannot be written", file=out, found=error.strerror or error) from error
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
    return plan.done


def leave_out_broken(finding: Finding, case: Case, plan: Plan) -> None:
    """Leave out files that cannot be read; a mask goes with its image, but not the other way round."""
    names = {image.file: image.name for image in case.survey.images}
    for file in finding.files:
        _leave_out(plan, file, f"left out: {finding.rule.replace('-', ' ')}")
        if file in names:
            _leave_out_mask(case, plan, names[file], "left out with its image")


def leave_out_copies(finding: Finding, case: Case, plan: Plan) -> None:
    """Keep one image of those with equal pixels: one that is labelled, and rather in test than in train."""
    where = part_of(case)
    masked = {mask.name for mask in case.survey.readable_masks}
    order = {"test": 0, "val": 1, "train": 2}
    for group in equal_images(case):
        if not all(image.file in finding.files for image in group):
            continue
        ranked = sorted(group, key=lambda i: (i.name not in masked, order.get(where.get(i.name, ""), 3), i.name))
        for copy in ranked[1:]:
            _leave_out(plan, copy.file, f"left out: the same picture as {ranked[0].file}")
            _leave_out_mask(case, plan, copy.name, "left out with its image")


def clean_ringing(finding: Finding, case: Case, plan: Plan) -> None:
    """Set each pixel to the nearest of the values that were meant."""
    clean = clean_values(case)
    for mask in _masks(finding, case):
        table = {value: nearest_value(value, clean, mask.colours) for value in mask.values.tolist()}
        changed = sum(mask.count(value) for value, new in table.items() if new != value)
        _map(plan, mask, table, f"{changed} pixels set to the nearest of {_shown(clean, mask.colours)}")


def keep_as_png(finding: Finding, case: Case, plan: Plan) -> None:
    """Store a clean JPEG mask in a format that keeps its numbers."""
    for mask in _masks(finding, case):
        _map(plan, mask, {}, "stored as PNG")


def unite_encodings(finding: Finding, case: Case, plan: Plan) -> None:
    """Write the foreground of all binary masks as 255."""
    for mask in case.survey.readable_masks:
        if mask.count(1) and not mask.colours:
            _map(plan, mask, {1: 255}, "foreground 1 written as 255")


def ignore_strays(finding: Finding, case: Case, plan: Plan) -> None:
    """Mark pixels of stray values as ignored: which class they were is unknown."""
    strays = stray_table(case)
    masks = _masks(finding, case)
    plan.ignore = _ignore_value(case, masks[0], strays)
    for mask in masks:
        pixels = sum(mask.count(value) for value in strays)
        _map(plan, mask, dict.fromkeys(strays, plan.ignore[1]), f"{pixels} pixels of stray values marked as ignored")


def count_from_zero(finding: Finding, case: Case, plan: Plan) -> None:
    """Subtract 1 from class numbers that start at 1."""
    strays = stray_table(case)
    ignored = case.dataset.classes.ignore_values if case.dataset is not None else ()
    for mask in _masks(finding, case):
        table = {value: value - 1 for value in mask.values.tolist() if value not in strays and value not in ignored}
        _map(plan, mask, table, "1 subtracted from the class numbers")


def swap_polarity(finding: Finding, case: Case, plan: Plan) -> None:
    """Exchange the two values of swapped masks."""
    for mask in _masks(finding, case):
        low, high = mask.values.tolist()
        _map(plan, mask, {low: high, high: low}, f"{low} and {high} exchanged")


def fill_not_finite(finding: Finding, case: Case, plan: Plan) -> None:
    """Replace NaN and infinite pixels by the nearest finite one."""
    count = {image.file: image.not_finite for image in case.survey.images}
    for file in finding.files:
        plan.images.add(file)
        plan.done.append(f"{file}: {count[file]} NaN or infinite pixels set to the nearest finite one")


def right_suffix(finding: Finding, case: Case, plan: Plan) -> None:
    """Name files after their content, where no other file has that name."""
    facts: list[ImageFacts | MaskFacts] = [*case.survey.images, *case.survey.masks]
    taken = {one.file for one in facts}
    for one in facts:
        if one.file in finding.files and one.file not in plan.masks:
            new = PurePosixPath(one.file).with_suffix(FORMATS[one.format].suffixes[0]).as_posix()
            if new in taken:
                plan.done.append(f"{one.file}: not renamed, because {new} exists")
                continue
            plan.renamed[one.file] = new
            plan.done.append(f"{one.file}: renamed to {PurePosixPath(new).name}")


def tidy_split(finding: Finding, case: Case, plan: Plan) -> None:
    """Take names without an image out of splits.json."""
    plan.tidy_split = True
    plan.done.append("splits.json: names without an image taken out")


FIXES: dict[str, Callable[[Finding, Case, Plan], None]] = {
    "empty-file": leave_out_broken,
    "text-pointer": leave_out_broken,
    "truncated": leave_out_broken,
    "unreadable": leave_out_broken,
    "exact-duplicates": leave_out_copies,
    "ringing": clean_ringing,
    "jpeg-masks": keep_as_png,
    "mixed-encodings": unite_encodings,
    "stray-values": ignore_strays,
    "off-by-one": count_from_zero,
    "flipped-polarity": swap_polarity,
    "not-finite": fill_not_finite,
    "wrong-suffix": right_suffix,
    "unknown-in-split": tidy_split,
}
"""The mend of each fixable rule, in the order in which they are applied."""


def _check_folders(report: CheckReport, root: Path, out: Path) -> None:
    if report.case.survey.root.resolve() != root.resolve():
        raise UsageError("the report is about another folder", found=report.case.survey.root, expected=root)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("the folder for the copy is not empty", found=out, mend="name a folder that does not exist")
    if out.resolve().is_relative_to(root.resolve()):
        raise UsageError("the copy would lie inside of the dataset", found=out, mend="name a folder outside of it")


def _copy(case: Case, plan: Plan, root: Path, target: Path) -> None:
    masks = {mask.file: mask for mask in case.survey.masks}
    target.mkdir()
    for source in files_below(root):
        file = source.relative_to(root).as_posix()
        if file in plan.left_out:
            continue
        destination = target / plan.renamed.get(file, file)
        destination.parent.mkdir(parents=True, exist_ok=True)
        if file in plan.masks:
            _write_mask(source, _lossless(destination, masks[file]), plan.masks[file])
        elif file in plan.images:
            image = read_image(source)
            write_image(destination, _filled(image.pixels), geometry=image.geometry, channels=image.channels)
        elif source.is_dir():
            shutil.copytree(source, destination)
        else:
            shutil.copy2(source, destination)
    _state_ignored(case, plan, target)
    _tidy_split(case, plan, target)


def _write_mask(source: Path, destination: Path, table: Mapping[int, int]) -> None:
    raw = read_mask(source)
    coloured = is_coloured(raw.values)
    numbers = colour_keys(raw.values) if coloured else raw.values
    values, index = np.unique(numbers, return_inverse=True)
    new = np.array([table.get(value, value) for value in values.tolist()])
    mapped: Array = new[index].reshape(numbers.shape)
    if coloured:
        mapped = np.stack([mapped >> 16, mapped >> 8 & 255, mapped & 255], axis=-1)
    palette = raw.palette if raw.palette is not None and new.max() < len(raw.palette) else None
    write_mask(destination, mapped.astype(raw.values.dtype), palette=palette, geometry=raw.geometry.with_nodata(None))


def _lossless(path: Path, mask: MaskFacts) -> Path:
    """The path, with the suffix of a format that keeps numbers."""
    format = FORMATS[mask.format]
    if format.write is None or mask.format == "jpeg":
        return path.with_suffix(".png")
    return path if path.suffix.lower() in format.suffixes else path.with_suffix(format.suffixes[0])


def _filled(pixels: Array) -> Array:
    """Each NaN or infinite pixel with the value of the nearest finite one of its channel; 0 where there is none."""
    out = pixels.copy()
    for channel in out:
        finite = np.isfinite(channel)
        if not finite.any():
            channel[...] = 0
        elif not finite.all():
            nearest = distance_transform_edt(~finite, return_distances=False, return_indices=True)
            channel[...] = channel[tuple(nearest)]
    return out


def _state_ignored(case: Case, plan: Plan, target: Path) -> None:
    if plan.ignore is None:
        return
    field_name, value = plan.ignore
    entry = colour_of(value) if field_name == "ignore_colours" else value
    known = case.stated.get(field_name, ())
    if entry not in known:
        stated = {**case.stated, field_name: [*known, entry]}
        write_text(target / "classes.yaml", yaml.safe_dump(stated, sort_keys=False, default_flow_style=None))
        plan.done.append(f"classes.yaml: states '{field_name}: {stated[field_name]}'")


def _tidy_split(case: Case, plan: Plan, target: Path) -> None:
    path = target / "splits.json"
    gone = {image.name for image in case.survey.images if image.file in plan.left_out}
    if not path.exists() or not (gone or plan.tidy_split):
        return
    data = read_json(path)
    known = {image.name for image in case.survey.images}
    kept = dict(data)
    for part in PARTS:
        if isinstance(data.get(part), list):
            names = {entry: resolve(entry, known) for entry in data[part]}
            kept[part] = [e for e, name in names.items() if name not in gone and (name in known or not plan.tidy_split)]
    if kept != data:
        write_json(path, kept)


def _leave_out(plan: Plan, file: str, why: str) -> None:
    if file not in plan.left_out:
        plan.left_out[file] = why
        plan.done.append(f"{file}: {why}")


def _leave_out_mask(case: Case, plan: Plan, name: str, why: str) -> None:
    for mask in case.survey.masks:
        if mask.name == name:
            _leave_out(plan, mask.file, why)


def _map(plan: Plan, mask: MaskFacts, table: Mapping[int, int], what: str) -> None:
    if mask.file not in plan.left_out:
        plan.masks.setdefault(mask.file, {}).update(table)
        plan.done.append(f"{mask.file}: {what}")


def _masks(finding: Finding, case: Case) -> list[MaskFacts]:
    return [mask for mask in case.survey.readable_masks if mask.file in finding.files]


def _ignore_value(case: Case, mask: MaskFacts, strays: Mapping[int, int]) -> tuple[str, int]:
    """The value that ignored pixels have in these masks, or a free one; and the field that states it."""
    used = Counter(v for other in case.survey.readable_masks for v in other.values.tolist() if v not in strays)
    field_name = "ignore_colours" if mask.colours else "ignore_values"
    found = getattr(case.dataset.classes, field_name) if case.dataset is not None else ()
    known = case.stated.get(field_name) or found
    if mask.colours:
        keys = [red << 16 | green << 8 | blue for red, green, blue in known or _IGNORE_COLOURS]
        return field_name, next(key for key in keys if known or key not in used)
    if known:
        return field_name, known[0]
    rest = sorted(value for value in used if value != 255)
    if 255 not in used or (len(rest) >= 2 and rest[-1] < 64):
        return field_name, 255
    return field_name, next(value for value in range(254, -1, -1) if value not in used)


def _shown(values: Iterable[int], colours: bool) -> str:
    return listed((colour_of(value) if colours else value for value in values), 8)
