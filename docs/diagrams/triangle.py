"""The triangle of a nested U-Net: node X^{i,j} at level i, and how one of them looks inside."""

from __future__ import annotations

import math

from diagrams.anatomy import Anatomy, Join
from diagrams.board import Board, shape
from diagrams.canvas import Box
from diagrams.trace import Step

APART, BETWEEN = 142, 62  # from column to column, and from level to level
Place = tuple[int, ...]


def draw_triangle(anatomy: Anatomy) -> Board:
    """The nodes of a nested U-Net, the encoder's on the left edge, and every tensor that is joined to another."""
    board = Board(anatomy.image.size)
    places: dict[Step, Place] = {stage.output: (level, 0) for level, stage in enumerate(anatomy.stages)}
    places |= {join.output: join.place for join in anatomy.joins}
    _boxes(board, places)
    _encoder(board, anatomy)
    for join in anatomy.joins:
        _arrows(board, join)
    _heads(board, anatomy)
    _inside(board, [join for join in anatomy.joins if len(join.branches) == 3][-1], places)
    return board


def name(place: Place) -> str:
    """A node's name, as in the paper."""
    return f"X^{{{place[0]},{place[1]}}}"


def _boxes(board: Board, places: dict[Step, Place]) -> None:
    top = 0.0
    for level in range(max(place[0] for place in places.values()) + 1):
        for step, (row, column) in places.items():
            if row != level:
                continue
            width, height = 46 + 3 * math.log2(step.channels), max(24.0, board.height(step.size))
            box = Box(APART * (2 * column + row) / 2 - width / 2, top, width, height)
            board.boxes[step], board.looks[step] = box, "decoder" if column else "encoder"
            board.canvas.bar(box, board.looks[step], corner=4)
            board.canvas.text(box.cx, box.cy + 5, name((row, column)), look="on", bold=True)
            board.canvas.text(box.cx, box.bottom + 15, shape(step), look="quiet")
        top += height + BETWEEN


def _encoder(board: Board, anatomy: Anatomy) -> None:
    """The image, and the way down the left edge."""
    first = board.boxes[anatomy.stages[0].output]
    image = board.bar(anatomy.image, first.x - 60, first.cy, "image", sized=True)
    board.canvas.text(image.x - 8, image.cy + 4, "image", anchor="end")
    board.canvas.arrow([(image.right + 3, first.cy), (first.x - 3, first.cy)], board.colour(anatomy.stages[0].units[0]))
    for stage in anatomy.stages[1:]:
        above, box = board.boxes[stage.source], board.boxes[stage.output]
        board.canvas.arrow([(above.cx + 4, above.bottom + 21), (box.cx - 12, box.y - 3)], board.colour(stage.units[0]))


def _arrows(board: Board, join: Join) -> None:
    """What is joined at a node: from below, from its neighbour, and over the heads of those between."""
    box = board.boxes[join.output]
    for branch in join.branches:
        source = board.boxes[branch.source]
        if branch.up:
            board.canvas.arrow([(source.cx + 26, source.y - 3), (box.x - 4, box.bottom - 8)], "up")
            board.explain("up", ", ".join(unit.words for unit in branch.units))
            continue
        distance = round((box.cx - source.cx) / APART)
        if distance == 1:
            board.canvas.arrow([(source.right + 3, source.cy), (box.x - 3, box.cy)], "skip")
        else:
            rise = source.y - 22 * distance
            # Arcs from one node, and to one, lie within each other.
            start, end = (source.cx + 36 - 12 * distance, source.y - 2), (box.cx - 32 + 12 * distance, box.y - 3)
            board.canvas.arrow([start, (start[0] + 30, rise), (end[0] - 30, rise), end], "skip", curved=True)
        board.explain("skip", "skip: joined to what comes up")


def _heads(board: Board, anatomy: Anatomy) -> None:
    """The head that predicts, on the right; those for training and pruning beside their nodes."""
    first, *others = anatomy.heads
    board.head(first)
    for head in others:
        box = board.boxes[head.source]
        board.canvas.arrow([(box.right + 3, box.y + 24), (box.right + 32, box.y + 24)], "head", dashed=True)
        board.explain("head", "head for deep supervision, pruning", dashed=True)


def _inside(board: Board, join: Join, places: dict[Step, Place]) -> None:
    """One node as bars: what is joined, and its convolutions."""
    canvas, outside, joined = board.canvas, dict(board.boxes), join.units[0].source
    left, top = canvas.extent.cx - 230, canvas.extent.bottom + 44
    *level, up = (name(places[branch.source]) for branch in join.branches)
    canvas.text(left, top, f"Inside {name(join.place)}", anchor="start", bold=True)
    board.joined(join.branches, joined, left, top + 30 + board.height(joined.size) / 2)
    last = board.row(join.units, "decoder")
    lines = (
        f"{', '.join(level)} and what comes up from {up}",
        f"are joined to {joined.channels} channels; {len(join.units)} convolutions follow.",
        "A node X^{i,0} has the convolutions alone.",
    )
    for index, line in enumerate(lines):
        canvas.text(last.right + 30, last.cy - 18 + 22 * index, line, anchor="start")
    board.boxes = outside
