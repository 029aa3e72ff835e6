"""An SVG that knows how far it reaches: bars, arrows, words, and the colours of both themes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

PALETTE: Mapping[str, tuple[str, str]] = {  # on a light card, on a dark one
    "card": ("#fbfbf9", "#1d2127"),
    "ink": ("#2b2f36", "#e3e6ea"),
    "quiet": ("#5d646e", "#a9b0ba"),
    "on": ("#ffffff", "#ffffff"),
    "image": ("#8d95a1", "#8d95a1"),
    "encoder": ("#2f77b3", "#3f87c4"),
    "pretrained": ("#7a4fb0", "#8f63c9"),
    "decoder": ("#23805f", "#2c8f6c"),
    "down": ("#c8501e", "#f0884f"),
    "up": ("#8a6d00", "#dcbc3c"),
    "skip": ("#2f77b3", "#6fb1e6"),
    "block": ("#7440ad", "#bd97ea"),
    "gate": ("#b3266b", "#f07ab5"),
    "head": ("#23805f", "#4fc79b"),
    "logits": ("#5d646e", "#a9b0ba"),
}
FONT = 13
LETTER = 0.56  # the mean width of a letter, in font sizes


class Box(NamedTuple):
    """A rectangle by its upper left corner and its extent."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def cx(self) -> float:
        """The middle of its width."""
        return self.x + self.width / 2

    @property
    def cy(self) -> float:
        """The middle of its height."""
        return self.y + self.height / 2


class Canvas:
    """What has been drawn, and the box around it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.extent = Box(0, 0, 0, 0)

    def bar(self, box: Box, look: str, *, corner: float = 2, outline: str | None = None, dashed: bool = False) -> None:
        """A filled rectangle; with an outline when told its colour, dashed or not."""
        stroke = f' class="f-{look} s-{outline}" stroke-width="1.6"' if outline else f' class="f-{look}"'
        self._add(f'<rect {_box(box)} rx="{corner:g}"{stroke}{_dashes(dashed)}/>', box)

    def outline(self, box: Box, look: str) -> None:
        """A dashed rectangle without filling."""
        self._add(f'<rect {_box(box)} fill="none" class="s-{look}" stroke-width="1.3"{_dashes(True)}/>', box)

    def circle(self, x: float, y: float, radius: float, look: str, sign: str) -> None:
        """A filled circle with a sign in it."""
        box = Box(x - radius, y - radius, 2 * radius, 2 * radius)
        self._add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="f-{look}"/>', box)
        self.text(x, y + 4.5, sign, look="card", bold=True)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "middle",
        look: str = "ink",
        size: float = FONT,
        bold: bool = False,
    ) -> None:
        """Words on a line whose foot is y; `X^{0,1}` raises what stands in braces."""
        width = text_width(words, size)
        left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        raised = re.sub(
            r"\^\{(.+?)\}",
            rf'<tspan dy="-{size * 0.35:.1f}" font-size="{size * 0.72:.1f}">\1</tspan>'
            rf'<tspan dy="{size * 0.35:.1f}">&#8203;</tspan>',
            escape(words),
        )
        style = (f' font-size="{size:g}"' if size != FONT else "") + (' font-weight="bold"' if bold else "")
        head = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="f-{look}"{style}>'
        self._add(f"{head}{raised}</text>", Box(left, y - 0.8 * size, width, size))

    def arrow(
        self, points: Sequence[tuple[float, float]], look: str, *, dashed: bool = False, curved: bool = False
    ) -> None:
        """A line through the points with a tip at the last; curved, the points are those of a cubic Bézier."""
        (fromx, fromy), (x, y) = points[-2], points[-1]
        length = math.hypot(x - fromx, y - fromy)
        along = ((x - fromx) / length, (y - fromy) / length)
        neck = (x - 6 * along[0], y - 6 * along[1])
        tip = [(x, y)] + [(neck[0] - side * along[1], neck[1] + side * along[0]) for side in (3.5, -3.5)]
        path = [*points[:-1], neck]
        drawn = "M{} C{} {} {}" if curved else "M" + " L".join(["{}"] * len(path))
        line = drawn.format(*(f"{px:.1f} {py:.1f}" for px, py in path))
        self._add(
            f'<path d="{line}" fill="none" class="s-{look}" stroke-width="1.6"{_dashes(dashed)}/>', _around(points)
        )
        corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in tip)
        self._add(f'<polygon points="{corners}" class="f-{look}"/>', _around(tip))

    def svg(self, title: str, description: str) -> str:
        """The document, with a margin around what was drawn."""
        margin = 16
        x, y, width, height = self.extent
        view = Box(x - margin, y - margin, width + 2 * margin, height + 2 * margin)
        light, dark = (
            "".join(f".f-{name}{{fill:{both[i]}}}.s-{name}{{stroke:{both[i]}}}" for name, both in PALETTE.items())
            for i in (0, 1)
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{" ".join(f"{value:.0f}" for value in view)}" '
                f'width="{view.width:.0f}" height="{view.height:.0f}" role="img" '
                f'font-family="Helvetica, Arial, sans-serif" font-size="{FONT}">',
                f"<title>{escape(title)}</title>",
                f"<desc>{escape(description)}</desc>",
                f"<style>{light}@media (prefers-color-scheme:dark){{{dark}}}</style>",
                f'<rect {_box(view)} rx="8" class="f-card"/>',
                *self.parts,
                "</svg>\n",
            ]
        )

    def _add(self, part: str, box: Box) -> None:
        old = self.extent if self.parts else box
        x, y = min(old.x, box.x), min(old.y, box.y)
        self.extent = Box(x, y, max(old.right, box.right) - x, max(old.bottom, box.bottom) - y)
        self.parts.append(part)


def text_width(words: str, size: float = FONT) -> float:
    """About how wide words are."""
    raised = sum(len(part) for part in re.findall(r"\^\{(.+?)\}", words))
    return size * LETTER * (len(re.sub(r"\^\{.+?\}", "", words)) + 0.72 * raised)


def _box(box: Box) -> str:
    return f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'


def _dashes(dashed: bool) -> str:
    return ' stroke-dasharray="4 3"' if dashed else ""


def _around(points: Sequence[tuple[float, float]]) -> Box:
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
