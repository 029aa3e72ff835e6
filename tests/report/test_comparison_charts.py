"""Charts of a comparison: valid SVG, and one colour a variant in all of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from unetkit.report.comparison_charts import (
    COLOURS,
    Mark,
    colour_of,
    differences,
    image_by_image,
    learning_curve,
    score_against_cost,
)

# as if the variant in between had failed
MARKS = [Mark("unet", 0.8, 0.7, 0.9, colour_of(0)), Mark("unet++", 0.85, 0.8, 0.9, colour_of(2))]
TABLES = [np.array([0.7, 0.9, np.nan]), np.array([0.8, 0.9, np.nan])]


def painted(picture: str) -> list[str]:
    """The variants' colours in a chart, in the order they are first used."""
    elements = ElementTree.fromstring(picture).iter()
    used = [value for element in elements for key in ("fill", "stroke") if (value := element.get(key)) in COLOURS]
    return list(dict.fromkeys(value for value in used if value))


@pytest.mark.parametrize("width", [356, 848])
def test_a_variant_has_its_colour_in_every_chart(width: int) -> None:
    both = [COLOURS[0], COLOURS[2]]
    assert painted(score_against_cost(MARKS, [1.0, 3.0], label="seconds", width=width)) == both
    assert painted(image_by_image(MARKS, TABLES, width=width)) == both
    assert painted(differences(MARKS[1:], ["no difference shown"], "unet", width=width)) == both[1:]
    marks = {2: MARKS[0], 8: MARKS[1]}
    assert painted(learning_curve(marks, [(2.0, 0.8), (18.0, 0.9)], Mark("18", 0.9), width=width)) == both


def test_colours_begin_again_where_they_run_out() -> None:
    assert colour_of(len(COLOURS)) == colour_of(0)
    assert len(set(COLOURS)) == len(COLOURS)


def test_a_bar_stands_at_the_mean_of_its_mark() -> None:
    bars = [
        element
        for element in ElementTree.fromstring(image_by_image(MARKS, TABLES)).iter("line")
        if element.get("stroke-width") == "3"
    ]
    heights = [float(bar.get("y1", "nan")) for bar in bars]
    assert len(heights) == 2
    assert heights[1] < heights[0]  # the second is better, so higher up


def test_costs_that_hardly_differ_have_an_axis_to_be_read_from() -> None:
    picture = ElementTree.fromstring(score_against_cost(MARKS, [0.46, 0.6], label="GB"))
    numbers = [float(mark.text or "") for mark in picture.iter("text") if mark.get("y") == "224" and mark.text]
    assert len(numbers) >= 3
    assert min(numbers) < 0.6
    assert max(numbers) > 0.46


@pytest.mark.parametrize(
    "picture",
    [
        score_against_cost([], [], label="seconds"),
        score_against_cost([Mark("a", 1.0)], [5.0], label="seconds"),
        differences([Mark("a", float("nan"))], ["trained once"], "b"),
        differences([Mark("a", 0.0)], ["no difference shown"], "b"),
        image_by_image([Mark("a", float("nan"))], [np.array([np.nan])]),
        image_by_image([], []),
        learning_curve({}, [], None),
        learning_curve({4: Mark("4", 0.5), 9: Mark("9", 0.6)}, [], None),
    ],
)
def test_little_to_show_is_shown_as_it_is(picture: str) -> None:
    for element in ElementTree.fromstring(picture).iter():
        assert "nan" not in " ".join(element.get(key, "") for key in ("x", "y", "cx", "cy", "d", "width"))
