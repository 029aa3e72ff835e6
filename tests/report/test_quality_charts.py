"""The charts of expected quality: a point an image, undefined ones left out, flagged ones told, nothing unescaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.report.conftest import make_quality
from unetkit.report import ReportData
from unetkit.report.html import render
from unetkit.report.quality_charts import expected_scatter, reliability_diagram


@pytest.mark.parametrize("width", [848, 356])
def test_a_point_an_image_with_its_interval(width: int, hostile: str) -> None:
    chart = expected_scatter(make_quality().images, width=width)
    root = ElementTree.fromstring(chart)
    circles = list(root.iter("circle"))
    assert [one.get("class") for one in circles] == ["dot score", "dot val"]  # the flagged one in orange
    whiskers = [one for one in root.iter("line") if one.get("class") == "whisker"]
    assert len(whiskers) == 2
    for circle, whisker in zip(circles, whiskers, strict=True):
        assert float(whisker.get("y2")) <= float(circle.get("cy")) <= float(whisker.get("y1"))
        assert 0 <= float(circle.get("cx")) <= width
    assert hostile not in chart


def test_where_expected_is_true_the_point_lies_on_the_diagonal() -> None:
    same = {**make_quality().images[0], "dice": 0.8}
    root = ElementTree.fromstring(expected_scatter([same]))
    circle = next(iter(root.iter("circle")))
    (line,) = (one for one in root.iter("line") if one.get("class") == "best")
    x1, x2, y1, y2 = (float(line.get(key)) for key in ("x1", "x2", "y1", "y2"))
    along = (float(circle.get("cx")) - x1) / (x2 - x1)
    assert float(circle.get("cy")) == pytest.approx(y1 + along * (y2 - y1), abs=0.5)


def test_charts_without_numbers_say_so() -> None:
    assert "No image has both" in expected_scatter([make_quality().images[2]])
    assert "No pixel is labelled" in reliability_diagram([], [])


def test_reliability_has_a_line_for_each_kind_of_probabilities() -> None:
    sheet = make_quality()
    root = ElementTree.fromstring(reliability_diagram(sheet.own, sheet.scaled, width=356))
    assert [one.get("class") for one in root.iter("path")] == ["line val", "line score"]
    assert len(list(root.iter("circle"))) == 4
    rare = [{"share": 1e-4, "confidence": 0.5, "accuracy": 0.0}, *sheet.own]
    assert reliability_diagram(rare, sheet.scaled) == reliability_diagram(sheet.own, sheet.scaled)


def test_the_report_tells_what_was_judged_and_what_was_not(full_report: ReportData, hostile: str) -> None:
    html = render(full_report)
    chapter = html[html.index('id="trust"') : html.index('id="confusion"')]
    assert "Rank correlation 0.80" in chapter
    assert "divided by 1.30" in chapter
    assert len(re.findall("<li ", chapter)) == 1
    assert hostile not in chapter
