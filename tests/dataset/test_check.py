"""The mask doctor: every fault is named by its rule, and nothing healthy is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.dataset import broken_files, broken_masks, healthy
from tests.dataset.broken import FAULTS, RULE_OF
from unetkit.dataset import survey as survey_module
from unetkit.dataset.check import RULES, check
from unetkit.dataset.findings import SEVERITIES

ERRORS = {
    "no-images", "no-pairs", "empty-file", "text-pointer", "truncated", "unreadable", "duplicated-stems",
    "size-mismatch", "ringing", "mixed-encodings", "stray-values", "flipped-polarity", "all-empty", "classes-file",
    "undeclared-values", "mask-not-whole", "not-finite", "channel-mismatch", "mixed-dimensions", "conflicting-masks",
    "ids-or-classes", "splits-file", "unknown-in-split", "twice-in-split", "groups-file", "straddling-groups",
    "refused",
}  # fmt: skip
NOTES = {
    "unlabelled-images", "partly-labelled", "wrong-suffix", "other-files", "alpha", "grey-and-colour", "huge",
    "holed-objects",
}  # fmt: skip

ALSO = {
    "mirrored-copy-in-test": {"near-duplicates"},
    "boxes-everywhere": {"partly-labelled"},
    "points-on-objects-alone": {"partly-labelled", "no-whole-image"},
}
"""Further rules that rightly speak of a fault."""


def rules_of(root: Path) -> set[str]:
    """The rules that find something."""
    return {finding.rule for finding in check(root).findings}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named_by_its_rule_alone(fault: str, tmp_path: Path) -> None:
    FAULTS[fault](tmp_path)
    report = check(tmp_path)
    rule = RULE_OF[fault]
    assert {finding.rule for finding in report.findings} == {rule} | ALSO.get(fault, set())
    found = next(finding for finding in report.findings if finding.rule == rule)
    if rule in ERRORS:
        assert found.severity == "error"
        assert not report.ok
    if rule in NOTES:
        assert found.severity == "note"
        assert report.ok
    assert all((tmp_path / file).exists() for file in found.files)
    assert found.what
    assert found.why
    assert found.mend
    assert json.loads(json.dumps(report.to_json()))["findings"][0]["rule"]


def test_every_rule_has_a_fault() -> None:
    assert set(RULE_OF.values()) | {"huge"} == set(RULES) | {"refused"}


HEALTHY = {
    "binary": {},
    "indices": {"classes": 4, "values": (0, 1, 2, 3)},
    "far values": {"classes": 3, "values": (0, 100, 200)},
    "tiff images": {"suffix": ".tif"},
    "bright ground": {"values": (255, 0)},
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_healthy_sets_have_no_finding(kind: str, tmp_path: Path) -> None:
    healthy.clean(tmp_path, **HEALTHY[kind])  # type: ignore[arg-type]
    report = check(tmp_path)
    assert report.findings == ()
    assert report.ok
    assert report.dataset is not None
    assert report.counts == {"error": 0, "warning": 0, "note": 0}


def test_instances_void_and_names_in_any_script_are_healthy(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        image, labels = healthy.scene(number)
        ids = np.zeros(labels.shape, np.uint16)
        spots = random.permutation(36)[: 12 + number]
        for one, spot in enumerate(spots, start=1):
            ids[8 * (spot // 6) : 8 * (spot // 6) + 6, 8 * (spot % 6) : 8 * (spot % 6) + 6] = one
        healthy.save(tmp_path / "images" / "plaque α" / f"cellule_é{number}細胞.png", image)
        healthy.save(tmp_path / "masks" / "plaque α" / f"cellule_é{number}細胞.png", ids)
    assert check(tmp_path).findings == ()


def test_a_black_mask_among_colour_masks_is_healthy(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)
    for number in range(6):
        image, labels = healthy.scene(number)
        healthy.save(tmp_path / "images" / f"{number}.png", image)
        healthy.save(tmp_path / "masks" / f"{number}.png", colours[labels * (number != 2)])
    assert check(tmp_path).findings == ()


def test_a_rare_class_in_one_piece_is_rare_and_not_stray(tmp_path: Path) -> None:
    healthy.clean(tmp_path, classes=3, values=(0, 1, 2))

    def paint(mask: healthy.Array) -> healthy.Array:
        mask[10:12, 10:12] = 3
        return mask

    healthy.change(healthy.mask_file(tmp_path, 1), paint)
    assert rules_of(tmp_path) == {"rare-classes"}


def test_classes_yaml_settles_what_looks_strange(tmp_path: Path) -> None:
    broken_masks.all_from_one(tmp_path)
    (tmp_path / "classes.yaml").write_text("names: [a, b, c]\nvalues: [1, 2, 3]\n", encoding="utf-8")
    assert check(tmp_path).findings == ()


@pytest.mark.parametrize("share", [0.45, 0.55])
def test_large_objects_are_not_taken_for_swapped_masks(share: float, tmp_path: Path) -> None:
    healthy.clean(tmp_path)
    rows, columns = np.mgrid[:48, :48]
    big = (rows - 24) ** 2 + (columns - 24) ** 2 < share * 48**2 / np.pi
    image = np.where(big, 30, 140) + np.random.default_rng(0).integers(0, 20, (48, 48))  # and darker than its ground
    healthy.save(healthy.image_file(tmp_path, 0), image.astype(np.uint8))
    healthy.save(healthy.mask_file(tmp_path, 0), big.astype(np.uint8) * 255)
    assert check(tmp_path).findings == ()


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    healthy.clean(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).symlink_to(tmp_path / "elsewhere" / folder)
    assert check(tmp_path / "data").findings == ()


def test_large_images_are_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy.clean(tmp_path, suffix=".tif")
    monkeypatch.setattr(survey_module, "LARGE", 1000)
    (finding,) = check(tmp_path).findings
    assert finding.rule == "huge"
    assert "only the middle was looked at" in finding.what
    assert "read it whole" in finding.why
    assert "cut images and masks" in finding.mend


def test_it_reports_progress_facts_and_order(tmp_path: Path) -> None:
    broken_files.groups_torn(tmp_path)
    healthy.image_file(tmp_path, 6).rename(tmp_path / "images" / f"{healthy.name(6)}.bmp")
    seen: list[tuple[int, int]] = []
    report = check(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (14, 14)
    assert seen == sorted(seen)
    severities = [SEVERITIES.index(finding.severity) for finding in report.findings]
    assert severities == sorted(severities)
    facts = dict(report.facts)
    assert facts["images"] == "7, 7 of them with a mask"
    assert facts["size"] == "48 x 48"
    assert facts["given split"] == "train 4, val 1, test 2"
    assert facts["groups"] == "4 from groups.csv"
    assert facts["class foreground"].endswith("in 7 of 7 masks")


@pytest.mark.parametrize(
    "text", ["values: 3\n", "ignore_values: [[1]]\n", "colours: 7\n", "- a\n", "", "names: 5\nvalues: 5\n", "\x00"]
)
def test_a_nonsensical_classes_file_is_one_finding(text: str, tmp_path: Path) -> None:
    healthy.clean(tmp_path)
    (tmp_path / "classes.yaml").write_text(text, encoding="utf-8")
    assert rules_of(tmp_path) == {"classes-file"}


def test_what_no_rule_knows_is_reported_all_the_same(tmp_path: Path) -> None:
    healthy.clean(tmp_path)
    (tmp_path / "splits.json").write_text(
        json.dumps({"train": [healthy.name(n) for n in range(6)], "holdout": [healthy.name(6)]}), encoding="utf-8"
    )
    assert "refused" in rules_of(tmp_path)


def test_a_folder_that_does_not_exist_gives_a_report(tmp_path: Path) -> None:
    assert [finding.rule for finding in check(tmp_path / "nowhere").findings] == ["no-images"]


@pytest.mark.parametrize("name", ["em_isbi2012", "camvid", "cropweed_cwfid", "magtile_defects", "retina_drive"])
def test_real_sets_have_no_finding(real_data: Path, name: str) -> None:
    assert check(real_data / name).findings == ()


def test_real_nuclei_have_kinds_on_both_sides_of_the_split(real_data: Path) -> None:
    report = check(real_data / "nuclei_dsb2018")
    assert [(f.rule, f.severity) for f in report.findings] == [
        ("straddling-groups", "error"),
        ("grey-and-colour", "note"),
    ]
    assert "--allow-leakage" in report.findings[0].mend
    assert "delete groups.json" in report.findings[0].mend


def test_real_masks_with_ringing_are_recognised(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(real_data / "magtile_defects" / "images")
    (tmp_path / "masks").symlink_to(real_data / "magtile_defects" / "masks_as_published")
    report = check(tmp_path)
    assert [f.rule for f in report.findings] == ["ringing"]
    assert len(report.findings[0].files) == 40
