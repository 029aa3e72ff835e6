"""The parts of the reference that repeat the code, made from the code, so that they cannot drift.

A page holds a mark such as `{{ losses }}` alone on a line; the function of that name in PARTS writes what stands there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import ModuleType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command
from typer.testing import CliRunner

from unetkit import errors, metrics
from unetkit.augment import AUGMENTATIONS, TRANSFORMS, AugmentationSettings
from unetkit.classes import Classes
from unetkit.cli import app
from unetkit.dataset.check import RULES
from unetkit.dataset.fix import FIXES
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.evaluation import COLUMNS, OBJECT_COLUMNS
from unetkit.export import EXPORTS
from unetkit.formats import FORMATS
from unetkit.labels import SeedsPlan
from unetkit.losses import LOSSES, REGULARISERS
from unetkit.methods import METHODS, options_of
from unetkit.metrics import METRICS, instances
from unetkit.metrics.instances import OBJECT_METRICS, kinds
from unetkit.models import MODELS
from unetkit.objects.measuring import DEFINITIONS
from unetkit.plan import DataPlan, ObjectsPlan, PredictionPlan, TrainingPlan
from unetkit.separation import SEPARATORS
from unetkit.suspicion import KINDS
from unetkit.vector import OBJECT_FORMATS

MARK = re.compile(r"^\{\{ ([a-z_]+) \}\}$", re.MULTILINE)

SECTIONS: Mapping[str, type[BaseModel]] = {
    "data": DataPlan,
    "normalization": NormalizationPlan,
    "training": TrainingPlan,
    "seeds": SeedsPlan,
    "augmentation": AugmentationSettings,
    "objects": ObjectsPlan,
    "prediction": PredictionPlan,
}
"""The plan's sections with fixed fields; `model` has those of the model it names."""


def fill_in(text: str) -> str:
    """A page with its marks replaced by what they stand for."""
    return MARK.sub(lambda mark: PARTS[mark[1]](), text)


def without_emphasis(line: str) -> str:
    """A docstring's line with the stars of shapes (`N C *S`) escaped for reST; code and `**options` stay."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else re.sub(r"(?<![\w*\\])\*(?=[\w(⌈])", r"\\*", p) for p in pieces)


def commands() -> str:
    """Every command's own help, as the terminal shows it."""
    names = get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join(f"## unetkit {name}\n\n```text\n{_help(name)}\n```\n" for name in names)


def _help(name: str) -> str:
    shown = CliRunner().invoke(app, [name, "--help"], terminal_width=100, prog_name="unetkit")
    return shown.output.strip()


def plan_fields() -> str:
    """The fields of each section of a plan, as tables."""
    parts = [f"## {name}\n\n{_summary(section)}\n\n{_fields(section)}" for name, section in SECTIONS.items()]
    options = "\n\n".join(
        f"`model.name: {name}`\n\n{_options(_arguments(entry.build), entry.options)}" for name, entry in MODELS.items()
    )
    parts.insert(2, f"## model\n\nThe registered `name`, and the options of that model:\n\n{options}")
    return "\n\n".join(parts)


def classes_fields() -> str:
    """The fields of classes.yaml."""
    return _fields(Classes)


def models() -> str:
    """The registry of models."""
    rows = [(f"`{name}`", e.summary, _dims(e.spatial_dims), _named(e.options)) for name, e in MODELS.items()]
    return _table(("name", "what it is", "dimensions", "options"), rows)


def losses() -> str:
    """The registry of losses, with their options."""
    rows = [(f"`{name}`", _summary(make), _named(_defaults(make))) for name, make in LOSSES.items()]
    return _table(("name", "what it is", "options"), rows)


def regularisers() -> str:
    """The registry of regularisers, with their options."""
    rows = [(f"`{name}`", _summary(make), _named(_defaults(make))) for name, make in REGULARISERS.items()]
    return _table(("name", "what it is", "options"), rows)


def methods() -> str:
    """The registry of methods of training, with their options."""
    rows = [(f"`{name}`", _summary(method.loss), _named(options_of(method))) for name, method in METHODS.items()]
    told = {key: text for method in METHODS.values() for key, text in _arguments(method.loss).items()}
    options = _table(("option", "meaning"), [(f"`{key}`", text) for key, text in told.items()])
    return "\n\n".join((_table(("name", "what it is", "options"), rows), options))


def augmentations() -> str:
    """The transforms, in the order of their use, and the ready-made settings."""
    rows = [(f"`{name}`", _summary(transform.apply)) for name, transform in TRANSFORMS.items()]
    plain = AugmentationSettings().model_dump()
    presets = []
    for name, settings in AUGMENTATIONS.items():
        changed = {key: value for key, value in settings.model_dump().items() if value != plain[key]}
        presets.append((f"`{name}`", _named(changed)))
    return "\n\n".join((_table(("transform", "what it does"), rows), _table(("ready-made", "settings"), presets)))


def scores() -> str:
    """The registry of metrics."""
    return _table(("name", "what it is"), [(f"`{name}`", _summary(metric)) for name, metric in METRICS.items()])


def object_scores() -> str:
    """The registry of scores of objects."""
    return _table(("name", "what it is"), [(f"`{name}`", _summary(score)) for name, score in OBJECT_METRICS.items()])


def empty_cases() -> str:
    """The table of empty cases that stands in the metrics' own docstring."""
    return _table_in(metrics)


def object_empty_cases() -> str:
    """The table of empty cases that stands in the docstring of the scores of objects."""
    return _table_in(instances)


def object_kinds() -> str:
    """The table of what may become of an object, from the docstring of its module."""
    return _table_in(kinds)


def _table_in(module: ModuleType) -> str:
    text = inspect.getdoc(module) or ""
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def formats() -> str:
    """The registry of formats."""
    rows = [
        (f"`{f.name}`", ", ".join(f"`{s}`" for s in f.suffixes) or "`--as`", _yes(f.read_window), _yes(f.write))
        for f in FORMATS.values()
    ]
    return _table(("name", "suffixes", "reads a window alone", "is written"), rows)


def exports() -> str:
    """The registry of export formats."""
    rows = [
        (
            f"`{name}`",
            e.summary,
            ", ".join(f"`{s}`" for s in reversed(e.suffixes)),
            f"`{e.extra}`" if e.extra else "none",
        )
        for name, e in EXPORTS.items()
    ]
    return _table(("name", "what it is", "files", "extra"), rows)


def object_formats() -> str:
    """The registry of formats of objects."""
    rows = [
        (f"`{name}`", f.summary, ", ".join(f"`{file.format(name='NAME')}`" for file in (f.file, *(f.beside or ())[:1])))
        for name, f in OBJECT_FORMATS.items()
    ]
    return _table(("name", "what it is", "files"), rows)


def rules() -> str:
    """What `unetkit check` looks for."""
    rows = [(f"`{name}`", _summary(rule), "yes" if name in FIXES else "") for name, rule in RULES.items()]
    return _table(("rule", "finds", "mended by `--fix`"), rows)


def columns() -> str:
    """The columns of per_image.csv."""
    return ", ".join(f"`{name}`" for name in COLUMNS)


def object_columns() -> str:
    """The columns of per_image_objects.csv."""
    return ", ".join(f"`{name}`" for name in OBJECT_COLUMNS)


def measured_columns() -> str:
    """The columns of a table of objects."""
    return _table(("column", "what it is"), [(f"`{name}`", text) for name, text in DEFINITIONS.items()])


def separators() -> str:
    """The registry of ways to separate objects."""
    return _table(("name", "what the network learns"), [(f"`{name}`", e.summary) for name, e in SEPARATORS.items()])


def suspicion_kinds() -> str:
    """What may be wrong with a mask."""
    return _table(("kind", "what it is"), [(f"`{name}`", text) for name, text in KINDS.items()])


def error_tree() -> str:
    """The errors as they are drawn in their module."""
    tree = (inspect.getdoc(errors) or "").partition("\n\n")[2]
    return f"```text\n{tree}\n```"


PARTS: Mapping[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        commands, plan_fields, classes_fields, models, losses, regularisers, methods, augmentations, scores,
        object_scores, object_kinds, empty_cases, object_empty_cases, formats, exports, object_formats, rules, columns,
        object_columns, measured_columns, separators, suspicion_kinds, error_tree,
    )
}  # fmt: skip


def _summary(thing: Any) -> str:
    """The first paragraph of a docstring on one line."""
    thing = thing.func if isinstance(thing, partial) else thing
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _arguments(thing: Any) -> dict[str, str]:
    """Name to text of a docstring's section Args."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", inspect.getdoc(thing) or "", re.MULTILINE)
    found: dict[str, str] = {}
    for line in section[1].splitlines() if section else ():
        if start := re.match(r" {4}(\w+): (.*)", line):
            name, found[start[1]] = start[1], start[2]
        elif line.strip():
            found[name] += f" {line.strip()}"
    return found


def _fields(model: type[BaseModel]) -> str:
    told = _arguments(model)
    rows = [
        (f"`{name}`", f"`{_type(field.annotation)}`", _value(field.get_default(call_default_factory=True)),
         " ".join((field.description or told[name]).split()))
        for name, field in model.model_fields.items()
    ]  # fmt: skip
    return _table(("field", "type", "default", "meaning"), rows)


def _options(told: Mapping[str, str], defaults: Mapping[str, Any]) -> str:
    rows = [(f"`{name}`", _value(default), told[name]) for name, default in defaults.items()]
    return _table(("option", "default", "meaning"), rows)


def _type(annotation: Any) -> str:
    """A type as one would write it, without the bounds that `Annotated` adds."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (UnionType, Union):
        return " or ".join(map(_type, inner))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_type, inner))}]"
    return {Ellipsis: "...", type(None): "none"}.get(annotation) or str(annotation.__name__)


def _value(value: Any) -> str:
    """A default as YAML writes it."""
    if value is PydanticUndefined:
        return "must be stated"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _defaults(make: Callable[..., Any]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(make).parameters.items()}


def _named(defaults: Mapping[str, Any]) -> str:
    empty = inspect.Parameter.empty
    return ", ".join(f"`{name}`" if v is empty else f"`{name}={v}`" for name, v in defaults.items()) or "none"


def _dims(dims: Iterable[int]) -> str:
    return " and ".join(f"{d}D" for d in dims)


def _yes(value: object) -> str:
    return "" if value is None else "yes"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
