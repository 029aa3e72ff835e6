"""The mask doctor: what is in a dataset, what is wrong with it, why it matters, and how to mend it.

`check` looks once at every file, then asks every rule. It raises nothing for what is wrong with a dataset: each fault
becomes a finding. A new rule is one function and one line in RULES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from unetkit.classes import read_stated
from unetkit.dataset import (
    rules_classes,
    rules_files,
    rules_images,
    rules_labels,
    rules_masks,
    rules_objects,
    rules_splits,
)
from unetkit.dataset.facts import Row, fact_rows
from unetkit.dataset.findings import SEVERITIES, Case, Finding, Severity
from unetkit.dataset.folder import Dataset, open_dataset
from unetkit.dataset.records import Survey
from unetkit.dataset.survey import survey
from unetkit.errors import UnetkitError

Rule = Callable[[Case], list[Finding]]

RULES: dict[str, Rule] = {
    "no-images": rules_files.no_images,
    "no-pairs": rules_files.no_pairs,
    "empty-file": partial(rules_files.unreadable, "empty-file"),
    "text-pointer": partial(rules_files.unreadable, "text-pointer"),
    "truncated": partial(rules_files.unreadable, "truncated"),
    "unreadable": partial(rules_files.unreadable, "unreadable"),
    "duplicated-stems": rules_files.duplicated_stems,
    "size-mismatch": rules_files.size_mismatch,
    "unpaired-masks": rules_files.unpaired_masks,
    "unlabelled-images": rules_files.unlabelled_images,
    "few-labels": rules_files.few_labels,
    "wrong-suffix": rules_files.wrong_suffix,
    "case-collisions": rules_files.case_collisions,
    "other-files": rules_files.other_files,
    "ringing": rules_masks.ringing,
    "mask-not-whole": rules_masks.not_whole,
    "jpeg-masks": rules_masks.jpeg_masks,
    "mixed-encodings": rules_masks.mixed_encodings,
    "stray-values": rules_masks.stray_values,
    "off-by-one": rules_masks.off_by_one,
    "flipped-polarity": rules_classes.flipped_polarity,
    "all-empty": rules_classes.all_empty,
    "rare-classes": rules_classes.rare_classes,
    "classes-file": rules_classes.classes_file,
    "undeclared-values": rules_classes.undeclared_values,
    "unlabelled-classes": rules_labels.unlabelled_classes,
    "partly-labelled": rules_labels.partly_labelled,
    "no-whole-image": rules_labels.no_whole_image,
    "ids-or-classes": rules_objects.ids_or_classes,
    "torn-objects": rules_objects.torn_objects,
    "holed-objects": rules_objects.holed_objects,
    "not-finite": rules_images.not_finite,
    "channel-mismatch": rules_images.channel_mismatch,
    "mixed-dimensions": rules_images.mixed_dimensions,
    "mixed-types": rules_images.mixed_types,
    "mixed-spacing": rules_images.mixed_spacing,
    "saturated": rules_images.saturated,
    "constant": rules_images.constant,
    "tiny": rules_images.tiny,
    "huge": rules_images.huge,
    "alpha": rules_images.alpha,
    "grey-and-colour": rules_images.grey_and_colour,
    "conflicting-masks": rules_splits.conflicting_masks,
    "exact-duplicates": rules_splits.exact_duplicates,
    "near-duplicates": rules_splits.near_copies,
    "splits-file": rules_splits.splits_file,
    "unknown-in-split": rules_splits.unknown_in_split,
    "twice-in-split": rules_splits.twice_in_split,
    "missing-in-split": rules_splits.missing_in_split,
    "groups-file": rules_splits.groups_file,
    "straddling-groups": rules_splits.straddling_groups,
}
"""Every rule by the name that its findings carry."""


@dataclass(frozen=True)
class CheckReport:
    """What `check` found.

    Args:
        findings: errors first, then warnings, then notes.
        dataset: the opened dataset, or None where it cannot be opened.
        facts: rows of label and value that describe the dataset, for display.
        case: what the rules looked at; `fix` needs it.
    """

    findings: tuple[Finding, ...]
    dataset: Dataset | None
    facts: tuple[Row, ...]
    case: Case = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether training on the dataset would be right: no errors."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def counts(self) -> Mapping[Severity, int]:
        """Number of findings of each severity."""
        return {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}

    def to_json(self) -> dict[str, Any]:
        """The report as plain values that `json.dumps` takes."""
        return {
            "ok": self.ok,
            "counts": dict(self.counts),
            "facts": [{"label": label, "value": value} for label, value in self.facts],
            "findings": [{**asdict(finding), "files": list(finding.files)} for finding in self.findings],
        }


def check(root: str | PathLike[str], *, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Examine a dataset.

    Args:
        root: the folder that holds images/ and masks/ or marks/.
        progress: called as progress(files looked at, files in all).

    Returns:
        The report. A dataset that cannot be opened gives a report too.

    Raises:
        Nothing for what is wrong with the dataset: that is in the findings.

    Example:
        >>> import tempfile
        >>> check(tempfile.mkdtemp()).findings[0].rule
        'no-images'
    """
    root = Path(root)
    facts = survey(root, progress)
    dataset, refusal = None, None
    stated: Mapping[str, Any] = {}
    try:
        if (root / "classes.yaml").exists():
            stated = read_stated(root / "classes.yaml")
        dataset = open_dataset(root, survey=facts)
    except UnetkitError as error:
        refusal = error
    case = Case(facts, dataset, refusal, stated)
    findings = [finding for rule in RULES.values() for finding in rule(case)]
    if refusal is not None and not any(finding.severity == "error" for finding in findings):
        findings.append(_refused(refusal, facts))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return CheckReport(tuple(findings), dataset, fact_rows(case), case)


def _refused(refusal: UnetkitError, facts: Survey) -> Finding:
    """The finding for what stops the dataset from being opened where no rule has a name for it."""
    what = refusal.what if refusal.found is None else f"{refusal.what}; found {refusal.found}"
    files: tuple[str, ...] = ()
    if refusal.file is not None:
        path = Path(refusal.file)
        files = (path.relative_to(facts.root).as_posix() if path.is_relative_to(facts.root) else path.name,)
        what = f"{files[0]}: {what}"
    why = "the dataset cannot be opened, so nothing can be trained"
    mend = refusal.mend or (f"expected {refusal.expected}" if refusal.expected is not None else "correct what is named")
    return Finding("refused", "error", files, what, why, mend)
