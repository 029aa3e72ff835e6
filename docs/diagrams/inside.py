"""What is inside a block: its operations from left to right, the way around them above or below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diagrams.anatomy import BLOCKS, Unit
from diagrams.board import Board, shape
from diagrams.canvas import Box, text_width
from diagrams.trace import Step

APART, LANE, PILL, SIGN = 26, 78, 40, 11  # between pills, between lanes, a pill's height, a sign's radius


@dataclass(eq=False)
class Pill:
    """Operations that are drawn as one: a convolution with what follows it, or a sign.

    Attributes:
        steps: the operations; of an entry, the step before the block.
        inputs: what it takes.
        name: of an entry, where there are several.
        column, lane: its place; lane 0 is the longest way, 1 is below it.
    """

    steps: list[Step]
    inputs: list[Pill]
    name: str = ""
    column: int = 0
    lane: int = 1

    @property
    def output(self) -> Step:
        """Its last step."""
        return self.steps[-1]

    @property
    def sign(self) -> bool:
        """Whether it is a sum or a product."""
        return self.steps[0].kind in ("+", "×")

    @property
    def lines(self) -> list[str]:
        """Its words, on one line or two; of an entry, what comes in."""
        if not self.inputs:
            return [f"{self.name} {shape(self.output)}".strip()]
        words = [word for step in self.steps for word in step.words.split(", ")]
        splits = [[", ".join(words[:n]), ", ".join(words[n:])] for n in range(1, len(words))] or [words]
        return min(splits, key=lambda lines: max(map(len, lines)))

    @property
    def width(self) -> float:
        """As wide as its words."""
        return 2 * SIGN if self.sign else max(text_width(line, 12) for line in self.lines) + 16


def draw_inside(board: Board, unit: Unit) -> None:
    """A block's operations below all that is drawn."""
    pills, canvas = pills_of(unit), board.canvas
    top = canvas.extent.bottom + 44
    assert unit.block is not None
    middle = top + 22 + PILL / 2 + (24 if any(_jumps(pill) for pill in pills) else 0)
    boxes = _placed(pills, canvas.extent.cx, middle)
    title = f"Inside the {BLOCKS[type(unit.block)]} from {shape(unit.source)} to {shape(unit.output)}"
    canvas.text(min(box.x for box in boxes.values()), top, title, anchor="start", bold=True)
    for pill in pills:
        box = boxes[pill]
        if not pill.inputs:
            canvas.text(box.right - 4, box.cy + 4, pill.lines[0], anchor="end", size=12)
            continue
        if pill.sign:
            canvas.circle(box.cx, box.cy, SIGN, "block", pill.steps[0].words)
        else:
            canvas.bar(box, "card", corner=8, outline="block")
            for index, line in enumerate(pill.lines):
                canvas.text(box.cx, box.cy + 4 + 15 * index - 7.5 * (len(pill.lines) - 1), line, size=12)
            canvas.text(box.cx, box.bottom + 14, shape(pill.output), look="quiet", size=11)
        for source in pill.inputs:
            canvas.arrow(_way(source, pill, boxes), "ink")
    last = boxes[pills[-1]]
    canvas.arrow([(last.right + 2, last.cy), (last.right + APART, last.cy)], "ink")


def pills_of(unit: Unit) -> list[Pill]:
    """A block's pills in the order in which they run, the entries first, each with its place."""
    entries = dict.fromkeys(before for step in unit.steps for before in step.inputs if before not in unit.steps)
    names = ("skip x,", "signal g,") if len(entries) > 1 else ("",)
    pills = [Pill([step], [], name) for step, name in zip(entries, names, strict=True)]
    makers = {pill.output: pill for pill in pills}
    readers = [before for step in unit.steps for before in step.inputs]
    for step in unit.steps:
        last = makers[step.inputs[0]]
        follows = step.kind in ("norm", "activation", "dropout") and readers.count(step.inputs[0]) == 1
        if follows and not last.sign:
            last.steps.append(step)
            makers[step] = last
            continue
        makers[step] = Pill([step], [makers[before] for before in step.inputs])
        makers[step].column = 1 + max(pill.column for pill in makers[step].inputs)
        pills.append(makers[step])
    pill = pills[-1]
    pill.lane = 0
    while pill.inputs:
        pill = max(pill.inputs, key=lambda before: before.column)
        pill.lane = 0
    return pills


def _jumps(pill: Pill) -> bool:
    """Whether an input comes around other pills, above them."""
    return any(source.lane == pill.lane == 0 and source.column < pill.column - 1 for source in pill.inputs)


def _placed(pills: Sequence[Pill], middle: float, y: float) -> dict[Pill, Box]:
    """The pills' boxes, in columns around a middle; lane 0 at height y."""
    columns = [[pill for pill in pills if pill.column == n] for n in range(max(pill.column for pill in pills) + 1)]
    widths = [max(pill.width for pill in column) for column in columns]
    x = middle - (sum(widths) + APART * len(widths)) / 2
    boxes: dict[Pill, Box] = {}
    for column, width in zip(columns, widths, strict=True):
        for pill in column:
            height = 2.0 * SIGN if pill.sign else PILL
            boxes[pill] = Box(x + (width - pill.width) / 2, y + LANE * pill.lane - height / 2, pill.width, height)
        x += width + APART
    return boxes


def _way(source: Pill, pill: Pill, boxes: Mapping[Pill, Box]) -> list[tuple[float, float]]:
    """From a pill to one that takes what it makes."""
    start, end = boxes[source], boxes[pill]
    fork = start.right + 9
    if source.lane == pill.lane:
        if source.lane == 0 and source.column < pill.column - 1:
            above = start.cy - PILL / 2 - 16
            return [(fork, start.cy), (fork, above), (end.cx, above), (end.cx, end.y - 3)]
        return [(start.right + 2, start.cy), (end.x - 3, end.cy)]
    if pill.lane == 1:
        return [(fork, start.cy), (fork, end.cy), (end.x - 3, end.cy)]
    return [(start.right + 2, start.cy), (end.cx, start.cy), (end.cx, end.bottom + 3)]
