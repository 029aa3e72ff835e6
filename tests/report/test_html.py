"""The report holds every section, harms nobody and asks no one for anything."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from unetkit.classes import Classes
from unetkit.errors import FileError, InputError
from unetkit.report import AttentionSheet, AugmentationSheet, Case, ReportData, Suspect, write_report
from unetkit.report.html import render

SECTIONS = (
    "data",
    "plan",
    "training",
    "scores",
    "confusion",
    "objects",
    "images",
    "suspects",
    "missed",
    "augmentation",
    "next",
    "made",
)
VOID = {"meta", "link", "img", "input", "br"}


class Reader(HTMLParser):
    """Collects the tags and attributes of a page, and refuses tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.section = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs)["id"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text[self.section] = self.text.get(self.section, "") + data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page(full_report: ReportData) -> str:
    return render(full_report)


def empty_report() -> ReportData:
    return ReportData(title="U-Net", subtitle="", classes=Classes(names=("background", "cell")))


def test_every_section_is_there_and_in_the_contents(page: str) -> None:
    tags = read(page).tags
    assert tuple(a["id"] for tag, a in tags if tag == "section") == SECTIONS
    links = [a["href"] for tag, a in tags if tag == "a"]
    assert [f"#{name}" for name in SECTIONS] == links[1:]


def test_a_report_of_nothing_says_what_is_missing_and_why() -> None:
    reader = read(render(empty_report()))
    for section in SECTIONS:
        assert re.search(r"No |not |Nothing|Nobody|no ", reader.text[section]), section
    assert "remains unknown" in reader.text[""]


@pytest.mark.parametrize(
    "nothing",
    [
        {"findings": []}, {"suspects": []}, {"missed": []}, {"objects": None}, {"cases": []}, {"history": []},
        {"best_step": None}, {"augmentation": AugmentationSheet([], [], [])}, {"summary": {}}, {"split": {}},
        {"history": [{"step": None}]},
        {"summary": {"mean": {}, "classes": {}, "confusion": [], "class_names": []}},
        {"summary": {"images": 1, "mean": {"dice": {"mean": None}}, "classes": {"a": {"dice": {"mean": None}}}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_report_without_one_part_still_stands(full_report: ReportData, nothing: dict[str, object]) -> None:
    assert len(read(render(dataclasses.replace(full_report, **nothing))).text) > len(SECTIONS)


def test_nothing_points_outside(page: str) -> None:
    assert not re.findall(
        r"(?i)(?:https?:)?//[a-z0-9]", re.sub(r"base64,[A-Za-z0-9+/=]+|^\s*// .*$", "", page, flags=re.M)
    )
    for tag, attributes in read(page).tags:
        for key in ("src", "href", "action", "poster", "data", "srcset"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:")), (tag, key, value)


def test_the_policy_allows_this_style_and_script_and_nothing_else(page: str) -> None:
    policy = next(a["content"] for _, a in read(page).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for name in ("style", "script"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", page, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert not [a for _, a in read(page).tags if "style" in a or any(key.startswith("on") for key in a)]


def test_hostile_names_are_shown_and_harmless(page: str, hostile: str) -> None:
    tags = read(page).tags
    assert len([tag for tag, _ in tags if tag == "script"]) == 1
    assert "<script>alert" not in page
    assert any(a.get("title") == hostile for _, a in tags)


def test_pictures_have_words_for_those_who_do_not_see_them(page: str) -> None:
    for tag, attributes in read(page).tags:
        if tag == "img":
            assert "alt" in attributes
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_long_names_are_elided_and_kept_as_title() -> None:
    name = "plate/" + "x" * 200 + "_field_7"
    picture, labels = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    page = render(dataclasses.replace(empty_report(), cases=[Case(name, picture, labels, labels, 0.5)]))
    shown = next(a for _, a in read(page).tags if a.get("class") == "card-name")
    assert shown["title"] == name
    assert re.search(r">plate/x+…x+_field_7</span>", page)


def test_a_case_without_truth_has_no_truth_and_error_layer(page: str) -> None:
    layers = re.findall(r"<template.*?</template>", page, flags=re.S)
    assert [re.findall(r'data-layer="(\w+)"', layer) for layer in layers[-2:]] == [
        ["image", "prediction", "truth", "error"],
        ["image", "prediction"],
    ]


def test_large_pictures_are_reduced_and_it_is_said() -> None:
    picture, labels = np.zeros((40, 1500, 3), np.uint8), np.zeros((40, 1500), np.uint8)
    page = render(dataclasses.replace(empty_report(), cases=[Case("wide", picture, labels, labels, 0.5)]))
    assert 'data-width="1024" data-height="27"' in page
    assert "shown reduced" in page


def test_twelve_cases_fit_into_a_few_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.indices((512, 512))
    labels = (((rows // 64) + (columns // 64)) % 2).astype(np.uint8)
    image = np.repeat(
        (60 + 90 * labels + rng.normal(size=labels.shape) * 8).clip(0, 255).astype(np.uint8)[..., None], 3, 2
    )
    cases = [Case(str(i), image, labels, np.roll(labels, i, 1), 0.5) for i in range(12)]
    write_report(tmp_path / "report.html", dataclasses.replace(empty_report(), cases=cases))
    assert (tmp_path / "report.html").stat().st_size < 4_000_000


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", empty_report())


def test_attention_maps_are_shown_where_there_are_some(full_report: ReportData) -> None:
    shares = np.full((17, 9), 0.25)
    shares[3:, 2] = 0.75
    sheet = AttentionSheet("plate 7", np.zeros((33, 17, 3), np.uint8), {1: shares, 3: np.full((5, 3), 0.5)})
    page = render(dataclasses.replace(full_report, attention=sheet))
    assert re.findall(r"<figcaption>(Level .*?)</figcaption>", page) == [
        "Level 1: 0.25 to 0.75",
        "Level 3: 0.50 to 0.50",
    ]
    assert "plate 7" in read(page).text["images"]
    assert "Where the network looks" not in render(dataclasses.replace(full_report, attention=None))


def test_arrays_that_do_not_lie_on_each_other_are_refused() -> None:
    picture, labels = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    with pytest.raises(InputError, match=r"truth of case 'a'.*\(4, 5\).*\(4, 4\)"):
        Case("a", picture, np.zeros((4, 5), np.uint8), labels)
    with pytest.raises(InputError, match="cannot be shown"):
        Case("a", picture[..., 0], labels, labels)
    with pytest.raises(InputError, match="crop"):
        Suspect("a", 0.5, "", picture.astype(np.float32), labels, labels)
    with pytest.raises(InputError, match=r"level 1 does not lie on 'a'.*\(4, 4\).*\(2, 2\)"):
        AttentionSheet("a", picture, {1: np.zeros((4, 4))})
    with pytest.raises(InputError, match="differ in number"):
        AugmentationSheet([picture], [labels], [])
    with pytest.raises(InputError, match="grid"):
        AugmentationSheet([], [], [], np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"1 shares.*2: a, b"):
        ReportData(title="", subtitle="", classes=Classes(names=("a", "b")), class_shares=[1.0])


def test_scores_of_partitions_are_shown_where_objects_fill_the_image(full_report: ReportData) -> None:
    sheet = full_report.objects
    assert sheet is not None
    assert "V-Rand" in read(render(full_report)).text["objects"]
    thin = dataclasses.replace(sheet, rows=[{**row, "covered": 0.4} for row in sheet.rows])
    told = read(render(dataclasses.replace(full_report, objects=thin))).text["objects"]
    assert "V-Rand" not in told
    assert "AJI" in told


def test_objects_are_told_of_each_class(full_report: ReportData) -> None:
    told = read(render(full_report)).text["objects"]
    assert "all objects" in told
    assert "merges" in told
    assert "median area" not in told  # nowhere known
    assert "per µm²" in told
    assert "per megapixel" not in told
