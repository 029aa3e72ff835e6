"""Bars in rows, the arrows between them, and the legend that explains each arrow once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from diagrams.anatomy import Branch, Unit
from diagrams.canvas import Box, Canvas, text_width
from diagrams.trace import Step

TALLEST, LOWEST = 150, 7
FOOT = 17  # from a bar to the foot of the line under it
SAMPLE = 168  # the width of the legend's bar and its words


class Board:
    """A canvas with the bars placed on it.

    Args:
        full: the size that has the tallest bar.
        gap: from bar to bar.

    Attributes:
        boxes: where the bar of a step stands.
        looks: its colour's name.
        below: how far below a bar something is written.
        legend: for each arrow's colour what it stands for, in the order in which they were met.
    """

    def __init__(self, full: int, *, gap: float = 22) -> None:
        self.canvas, self.full, self.gap = Canvas(), full, gap
        self.boxes: dict[Step, Box] = {}
        self.looks: dict[Step, str] = {}
        self.below: dict[Step, float] = {}
        self.legend: dict[tuple[str, bool], list[str]] = {}

    def height(self, size: int) -> float:
        """Of a bar, for a feature's size."""
        return max(LOWEST, TALLEST * size / self.full)

    def bar(self, step: Step, x: float, cy: float, look: str, *, sized: bool, dropout: str | None = None) -> Box:
        """A feature's bar: its channels above, its size below where `sized`.

        Args:
            step: whose output it is.
            x: its left edge.
            cy: the middle of its height.
            look: the colour's name.
            sized: write the size.
            dropout: in words, where it has some: the bar gets a dashed outline.
        """
        box = Box(x, cy - self.height(step.size) / 2, bar_width(step.channels), self.height(step.size))
        self.canvas.bar(box, look, outline="gate" if dropout else None, dashed=True)
        self.canvas.text(box.cx, box.y - 5, str(step.channels))
        if sized:
            self.canvas.text(box.cx, box.bottom + FOOT - 2, f"{step.size}²", look="quiet")
        if dropout:
            self.explain("dropout", dropout)
        self.boxes[step], self.looks[step], self.below[step] = box, look, FOOT + 2 if sized else 3
        return box

    def row(self, units: Sequence[Unit], look: str, *, gap: float | None = None) -> Box:
        """The bars of units that follow one another to the right, from the bar of the first one's source on."""
        box = self.boxes[units[0].source]
        for unit in units:
            sized = unit.source.size != unit.output.size
            last, box = (
                box,
                self.bar(unit.output, box.right + (gap or self.gap), box.cy, look, sized=sized, dropout=unit.dropout),
            )
            self.canvas.arrow([(last.right + 3, box.cy), (box.x - 3, box.cy)], self.colour(unit))
        return box

    def joined(self, branches: Sequence[Branch], step: Step, x: float, cy: float) -> Box:
        """The bar of a joined tensor, a part for each branch: what was skipped, and what came up."""
        left, height = x, self.height(step.size)
        for branch in branches:
            box = Box(x, cy - height / 2, bar_width(branch.output.channels), height)
            self.canvas.bar(box, "decoder" if branch.up else self.looks.get(branch.source, "decoder"), corner=0)
            self.canvas.text(box.cx, box.y - 5, str(branch.output.channels))
            x = box.right + 1
        whole = Box(left, cy - height / 2, x - 1 - left, height)
        self.boxes[step], self.below[step] = whole, 3
        return whole

    def colour(self, unit: Unit) -> str:
        """The colour of a unit's arrow, which is noted for the legend."""
        kind = unit.steps[0].kind
        if unit.output.size * 2 <= unit.source.size:
            look = "down"
        elif unit.output.size > unit.source.size or kind == "interpolation":
            look = "up"
        else:
            look = "ink" if unit.block is None else "block"
        self.explain(look, unit.words)
        return look

    def explain(self, look: str, words: str, *, dashed: bool = False) -> None:
        """Note for the legend what a colour stands for."""
        entries = self.legend.setdefault((look, dashed), [])
        if words not in entries:
            entries.append(words)

    def head(self, head: Unit) -> Box:
        """The logits to the right of what the head takes."""
        last = self.boxes[head.source]
        box = self.bar(head.output, last.right + 30, last.cy, "logits", sized=True)
        self.canvas.arrow([(last.right + 3, last.cy), (box.x - 3, last.cy)], "head")
        self.canvas.text(box.right + 8, box.cy + 4, "logits", anchor="start")
        self.explain("head", f"{head.words}, the head")
        return box

    def write_legend(self, footer: str) -> None:
        """The legend in two columns, and a line under it, below all that is drawn."""
        entries = [(look, dashed, words) for (look, dashed), all_ in self.legend.items() for words in all_]
        half = -(-len(entries) // 2)
        columns = entries[:half], entries[half:]
        widths = [50 + max(text_width(words) for *_, words in column) for column in columns]
        extent, top = self.canvas.extent, self.canvas.extent.bottom + 52
        left = extent.cx - (SAMPLE + sum(widths)) / 2
        self._sample(left, top + 10)
        x = left + SAMPLE
        for column, width in zip(columns, widths, strict=True):
            for row, (look, dashed, words) in enumerate(column):
                self._key(x, top + 24 * row, look, dashed)
                self.canvas.text(x + 34, top + 24 * row, words, anchor="start")
            x += width
        self.canvas.text(extent.cx, max(top + 24 * half, top + 56) + 18, footer, look="quiet")

    def _key(self, x: float, y: float, look: str, dashed: bool) -> None:
        if look == "dropout":
            self.canvas.outline(Box(x + 7, y - 12, 12, 15), "gate")
        elif look == "pretrained":
            self.canvas.bar(Box(x + 7, y - 12, 12, 15), look)
        else:
            self.canvas.arrow([(x, y - 4), (x + 26, y - 4)], look, dashed=dashed)

    def _sample(self, x: float, y: float) -> None:
        box = Box(x + 6, y - 10, bar_width(16), 28)
        self.canvas.bar(box, "image")
        self.canvas.text(box.cx, box.y - 5, "16")
        self.canvas.text(box.cx, box.bottom + FOOT - 2, "64²", look="quiet")
        self.canvas.text(box.right + 14, box.y - 5, "channels", anchor="start", look="quiet")
        self.canvas.text(box.right + 14, box.bottom + FOOT - 2, "64 × 64 pixels", anchor="start", look="quiet")


def bar_width(channels: int) -> float:
    """Of a bar: grows with the logarithm of its channels."""
    return 8 + 2.6 * math.log2(channels)


def shape(step: Step) -> str:
    """Channels and size, as in 16 × 64²."""
    return f"{step.channels} × {step.size}²"
