"""The U: the encoder's stages down the left, the decoder's joins up the right, the skips across."""

from __future__ import annotations

from itertools import pairwise

from diagrams.anatomy import Anatomy, Branch, Join, Stage
from diagrams.board import FOOT, TALLEST, Board, bar_width
from diagrams.canvas import Box

GAP, TIGHT_GAP = 22, 16  # from bar to bar, in a small network and in a large one
BETWEEN = 66  # from the bars of a level to those of the next
SKIP, GATED_SKIP = 44, 96  # the shortest arrow of a skip


def draw_u(anatomy: Anatomy) -> Board:
    """A U-Net as its paper draws it: a level a row, a bar a feature, as high as its size, wider with its channels."""
    board = Board(anatomy.image.size, gap=GAP if len(anatomy.stages) < 5 else TIGHT_GAP)
    middles = _middles(anatomy, board)
    image = board.bar(anatomy.image, 0, middles[0], "image", sized=True)
    board.canvas.text(image.x - 8, image.cy + 4, "image", anchor="end")
    for level, stage in enumerate(anatomy.stages):
        look = "pretrained" if stage.output in anatomy.pretrained else "encoder"
        gap = _stretched(board, anatomy) if level == len(middles) - 1 else board.gap
        _stage(board, stage, middles[level], look, gap)
    if anatomy.pretrained:
        board.explain("pretrained", "pretrained encoder")
    for join in anatomy.joins:
        _join(board, join, middles[join.place[0]])
    logits = board.head(*anatomy.heads)
    top = -TALLEST / 2 - 34
    board.canvas.text(0, top, "Encoder: what is there?", anchor="start", look="skip", bold=True)
    board.canvas.text(logits.right, top, "Decoder: and where exactly?", anchor="end", look="head", bold=True)
    return board


def _middles(anatomy: Anatomy, board: Board) -> list[float]:
    """The middle of each level's bars, from the largest size that each has."""
    heights = [board.height(max(unit.output.size for unit in stage.units)) for stage in anatomy.stages]
    heights[0] = board.height(anatomy.image.size)
    middles = [0.0]
    for upper, lower in pairwise(heights):
        middles.append(middles[-1] + upper / 2 + BETWEEN + lower / 2)
    return middles


def _stage(board: Board, stage: Stage, middle: float, look: str, gap: float) -> None:
    """A stage of the encoder: down from its source, and on to the right."""
    first, *rest = stage.units
    source = board.boxes[stage.source]
    if source.cy == middle:
        board.row(stage.units, look, gap=gap)
        return
    width = bar_width(first.output.channels)
    box = board.bar(first.output, source.cx - width / 2, middle, look, sized=True, dropout=first.dropout)
    start = (source.cx, source.bottom + board.below[stage.source])
    board.canvas.arrow([start, (box.cx, box.y - FOOT - 2)], board.colour(first))
    if rest:
        board.row(rest, look, gap=gap)


def _stretched(board: Board, anatomy: Anatomy) -> float:
    """The gap between the coarsest stage's bars with which the skip above it is long enough."""
    stage, join = anatomy.stages[-1], anatomy.joins[0]
    widths = [bar_width(unit.output.channels) for unit in stage.units]
    # What comes up stands above the stage's last bar, and what is skipped to the left of it.
    *skipped, up = (bar_width(branch.output.channels) for branch in join.branches)
    skip = max(_shortest(branch) for branch in join.branches)
    source = board.boxes[join.branches[0].source]
    least = source.right + skip + sum(skipped) + up / 2 - board.boxes[stage.source].cx
    free = least - sum(widths) + (widths[0] + widths[-1]) / 2
    return max(board.gap, free / max(len(widths) - 1, 1))


def _shortest(branch: Branch) -> float:
    return GATED_SKIP if branch.others else SKIP


def _join(board: Board, join: Join, middle: float) -> None:
    """A join above what comes up, the skips to it, and the convolutions after it."""
    *_, up = join.branches
    below = board.boxes[up.source]
    widths = [bar_width(branch.output.channels) for branch in join.branches]
    left = below.cx - widths[-1] / 2 - sum(widths[:-1]) - len(widths) + 1
    joined = board.joined(join.branches, join.units[0].source, left, middle)
    seam = joined.right - widths[-1] - 3
    board.canvas.text(seam, joined.bottom + FOOT - 2, f"{up.output.size}²", anchor="end", look="quiet")
    board.canvas.arrow([(below.cx, below.y - FOOT - 2), (below.cx, joined.bottom + 3)], "up")
    board.explain("up", ", ".join(unit.words for unit in up.units))
    for branch in join.branches[:-1]:
        _skip(board, branch, joined)
    board.row(join.units, "decoder")


def _skip(board: Board, branch: Branch, joined: Box) -> None:
    """The arrow from the encoder's bar to the join: cropped, gated or as it is."""
    source, canvas = board.boxes[branch.source], board.canvas
    start, end = (source.right + 3, joined.cy), (joined.x - 3, joined.cy)
    if not branch.others:
        canvas.arrow([start, end], "skip")
        words = "skip: the encoder's feature, joined"
        if branch.output.size < branch.source.size:
            words = "skip: what the dashed line encloses, joined"
            height = board.height(branch.output.size)
            canvas.outline(Box(source.x, source.cy - height / 2, source.width, height), "on")
        board.explain("skip", words)
        if joined.cy == 0:
            canvas.text((start[0] + end[0]) / 2, joined.cy - 7, "skip", look="skip")
        return
    x = joined.x - 46
    canvas.arrow([start, (x - 13, joined.cy)], "skip")
    canvas.arrow([(x + 11, joined.cy), end], "skip")
    canvas.circle(x, joined.cy, 11, "gate", "α")
    board.explain("skip", "skip: the encoder's feature, joined")
    for other in branch.others:
        below = board.boxes[other]
        turn = below.y - FOOT - 14
        canvas.arrow(
            [(below.cx - 7, below.y - FOOT - 2), (below.cx - 7, turn), (x, turn), (x, joined.cy + 13)],
            "gate",
            dashed=True,
        )
    board.explain("gate", "attention gate α and its gating signal g", dashed=True)
