"""The parts of a U-Net, found in the trace of a forward pass: its stages, its joins, and what leads to each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from diagrams.trace import Step, Trace
from torch import nn

from unetkit.models import Segmenter
from unetkit.models.attention_unet import AttentionGate
from unetkit.models.lite0 import InvertedResidual
from unetkit.models.mobile_unet import SeparableConvolution
from unetkit.models.resunet import ResidualBlock

BLOCKS: Mapping[type[nn.Module], str] = {
    ResidualBlock: "residual block",
    InvertedResidual: "inverted residual block",
    SeparableConvolution: "separable convolution",
    AttentionGate: "attention gate α",
}
"""Modules that are one arrow in the U, and have a picture of their own beside it."""

STARTS = ("convolution", "depthwise", "up-convolution", "pool", "interpolation")


@dataclass(frozen=True)
class Unit:
    """What stands between one bar and the next: a convolution with what follows it, a pooling, or a whole block."""

    steps: tuple[Step, ...]
    block: nn.Module | None

    @property
    def source(self) -> Step:
        """What it takes first."""
        return self.steps[0].inputs[0]

    @property
    def output(self) -> Step:
        """Its last step."""
        return self.steps[-1]

    @property
    def dropout(self) -> str | None:
        """Its dropout, in words."""
        return next((step.words for step in self.steps if step.kind == "dropout"), None)

    @property
    def words(self) -> str:
        """What it is; dropout, which only some of its kind have, left out."""
        if self.block is None:
            return ", ".join(step.words for step in self.steps if step.kind != "dropout")
        return BLOCKS[type(self.block)] + (", stride 2" if self.source.size > self.output.size else "")


@dataclass(frozen=True)
class Stage:
    """A feature of the encoder and the units that make it, from `source` on."""

    units: tuple[Unit, ...]

    @property
    def source(self) -> Step:
        """The image, or the feature that it starts from."""
        return self.units[0].source

    @property
    def output(self) -> Step:
        """The feature."""
        return self.units[-1].output


@dataclass(frozen=True)
class Branch:
    """One of the tensors that are joined.

    Attributes:
        output: the tensor, as it is joined.
        source: the feature it comes from.
        others: features that have a say in it, as a gate's signal has.
        units: what happens on the way.
        up: whether it comes from a coarser level.
    """

    output: Step
    source: Step
    others: tuple[Step, ...]
    units: tuple[Unit, ...]
    up: bool


@dataclass(frozen=True)
class Join:
    """A node of the decoder.

    Attributes:
        place: its level, 0 being the finest; in a nested decoder also its column, 1 being the first.
        branches: what is joined, in that order.
        units: what makes the decoded feature of them.
    """

    place: tuple[int, ...]
    branches: tuple[Branch, ...]
    units: tuple[Unit, ...]

    @property
    def output(self) -> Step:
        """The decoded feature."""
        return self.units[-1].output


@dataclass(frozen=True)
class Anatomy:
    """A network's parts.

    Attributes:
        image: what goes in.
        stages: of the encoder, finest first.
        joins: the decoder's nodes in the order in which they run.
        heads: the 1×1 convolutions to logits, that of `forward` first.
        pretrained: the steps of the part that pretrained weights fill.
    """

    image: Step
    stages: tuple[Stage, ...]
    joins: tuple[Join, ...]
    heads: tuple[Unit, ...]
    pretrained: frozenset[Step]


def dissect(network: Segmenter, trace: Trace) -> Anatomy:
    """The parts of a network that has run under `trace`."""
    features = trace.outputs[network.encoder]
    joins = {place: trace.outputs[module][0] for place, module in nodes(network.decoder.get_submodule("joins"))}
    known = {trace.steps[0], *features, *joins.values()}
    stages = [Stage(units(between(feature, known))) for feature in features]
    found = [_join(place, output, known) for place, output in joins.items()]
    heads = [units([trace.outputs[head][0]])[0] for head in network.heads]
    found.sort(key=lambda join: join.output.index)
    part = network.encoder.pretrained_part
    within = set() if part is None else set(part.modules())
    pretrained = frozenset(step for step in trace.steps if not within.isdisjoint(step.modules))
    return Anatomy(trace.steps[0], tuple(stages), tuple(found), tuple(heads), pretrained)


def nodes(joins: nn.Module, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], nn.Module]]:
    """The modules in a list, or in a list of lists, and where each stands; columns count from 1."""
    for index, module in enumerate(joins.children()):
        here = (*place, index + 1 if place else index)
        if isinstance(module, nn.ModuleList):
            yield from nodes(module, here)
        else:
            yield here, module


def between(output: Step, known: Collection[Step]) -> list[Step]:
    """The steps that make `output` from known ones, in the order in which they ran; itself is one of them."""
    found: set[Step] = set()
    open_ends = [output]
    while open_ends:
        step = open_ends.pop()
        if step not in found:
            found.add(step)
            open_ends += [before for before in step.inputs if before not in known]
    return sorted(found, key=lambda step: step.index)


def units(steps: Iterable[Step]) -> tuple[Unit, ...]:
    """Steps grouped: those of a block together; else a unit starts with a convolution, a pooling or an enlargement."""
    groups: list[tuple[nn.Module | None, list[Step]]] = []
    for step in steps:
        block = next((module for module in step.modules if type(module) in BLOCKS), None)
        same = bool(groups) and groups[-1][0] is block
        if same and (block is not None or step.kind not in STARTS):
            groups[-1][1].append(step)
        else:
            groups.append((block, [step]))
    return tuple(Unit(tuple(group), block) for block, group in groups)


def _join(place: tuple[int, ...], output: Step, known: Collection[Step]) -> Join:
    steps = between(output, known)
    (joined,) = (step for step in steps if step.kind == "joined")
    after = [step for step in steps if step.index > joined.index]
    return Join(place, tuple(_branch(tensor, joined.size, known) for tensor in joined.inputs), units(after))


def _branch(output: Step, size: int, known: Collection[Step]) -> Branch:
    if output in known:
        return Branch(output, output, (), (), up=False)
    steps = between(output, known)
    sources = {before: None for step in steps for before in step.inputs if before in known}
    # The one as fine as the join is the skip; a coarser one beside it is a gate's signal.
    source, *others = sorted(sources, key=lambda step: -step.size)
    return Branch(output, source, tuple(others), units(steps), up=source.size < size)
