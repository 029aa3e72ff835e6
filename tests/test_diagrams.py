"""The pictures of the networks show the networks: drawn anew they are the same, and nothing in them overlaps."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from unetkit.models import MODELS

DOCS = Path(__file__).resolve().parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
LETTER = 0.56  # the mean width of a letter, in font sizes


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    """The script that draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        import make_diagrams

        yield make_diagrams
    for name in [name for name in sys.modules if name.split(".")[0] in ("make_diagrams", "diagrams")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def drawn(script: Any) -> Mapping[str, str]:
    """Every picture as it would be drawn now, by the name of its network."""
    return {name: script.picture(name) for name in MODELS if name not in script.NOT_DRAWN}


def test_the_pictures_are_those_of_the_networks(script: Any, drawn: Mapping[str, str]) -> None:
    old = [name for name, svg in drawn.items() if script.path_of(name).read_text("utf-8") != svg]
    assert not old, "run python docs/make_diagrams.py"


def test_every_picture_stands_on_a_page(script: Any, drawn: Mapping[str, str]) -> None:
    pages = (DOCS / "explanation").rglob("*.md")
    shown = {
        (p.parent / file).resolve() for p in pages for file in re.findall(r"]\((\S+\.svg)\)", p.read_text("utf-8"))
    }
    assert shown == {script.path_of(name) for name in drawn}


def test_the_sizes_of_2015_are_those_of_the_paper(drawn: Mapping[str, str]) -> None:
    paper = [572, 570, 568, 284, 282, 280, 140, 138, 136, 68, 66, 64, 32, 30, 28]
    paper += [56, 54, 52, 104, 102, 100, 200, 198, 196, 392, 390, 388, 388]
    assert [int(size) for size in re.findall(r">(\d+)²<", drawn["unet-2015"])][: len(paper)] == paper


def test_the_gate_stands_on_the_coarser_skips_alone(drawn: Mapping[str, str]) -> None:
    assert drawn["attention-unet"].count(">α<") == 2
    assert ">α<" not in drawn["unet"]


def test_an_operation_without_words_is_refused(script: Any) -> None:
    trace = script.Trace()
    with pytest.raises(ValueError, match="softmax"):
        trace.run(nn.Softmax(dim=1), nn.Softmax(dim=1), torch.empty(1, 2, 8, 8, device="meta"))


Area = tuple[float, float, float, float]


def areas(root: ElementTree.Element) -> tuple[list[tuple[str, Area]], list[Area]]:
    """The areas that words take, and those of bars; left, top, right, bottom."""
    words, bars = [], []
    for part in root.iter():
        if part.tag == f"{SVG}text":
            text, size = "".join(part.itertext()).replace("\u200b", ""), float(part.get("font-size", 13))
            width = LETTER * size * len(text)
            left = float(part.attrib["x"]) - width * {"start": 0, "middle": 0.5, "end": 1}[part.attrib["text-anchor"]]
            foot = float(part.attrib["y"])
            words.append((text, (left, foot - 0.75 * size, left + width, foot)))
        if part.tag == f"{SVG}rect":
            x, y, width, height = (float(part.attrib[key]) for key in ("x", "y", "width", "height"))
            bars.append((x, y, x + width, y + height))
    return words, bars


def overlap(one: Area, other: Area) -> bool:
    """Whether two areas share more than an edge."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def within(one: Area, other: Area) -> bool:
    """Whether the first area lies in the second."""
    return other[0] <= one[0] and other[1] <= one[1] and one[2] <= other[2] and one[3] <= other[3]


def test_words_lie_on_no_others_and_on_no_edge(drawn: Mapping[str, str]) -> None:
    for name, svg in drawn.items():
        words, (card, *bars) = areas(ElementTree.fromstring(svg))
        assert all(within(area, card) for _, area in words), name
        assert not [f"{name}: {a} {b}" for (a, one), (b, other) in combinations(words, 2) if overlap(one, other)]
        edges = [(text, bar) for text, area in words for bar in bars if overlap(area, bar) and not within(area, bar)]
        assert not edges, name
