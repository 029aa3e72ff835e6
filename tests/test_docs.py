"""The documentation says what is true: its code runs, its commands exist, its tables are complete."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.main import get_command

from unetkit.augment import AUGMENTATIONS, TRANSFORMS
from unetkit.cli import app
from unetkit.dataset.check import RULES
from unetkit.export import EXPORTS
from unetkit.formats import FORMATS
from unetkit.losses import LOSSES, REGULARISERS
from unetkit.methods import METHODS
from unetkit.metrics import METRICS
from unetkit.metrics.instances import OBJECT_METRICS
from unetkit.models import MODELS
from unetkit.objects.measuring import DEFINITIONS
from unetkit.plan import Plan
from unetkit.separation import SEPARATORS
from unetkit.suspicion import KINDS
from unetkit.vector import OBJECT_FORMATS

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)

SHORTER: Mapping[str, str] = {"steps=300": "steps=8", "training.validate_every=30": "training.validate_every=4"}
"""The only difference between what the tutorial says and what is run."""


def blocks(page: Path, language: str) -> list[str]:
    """A page's code blocks in a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every command line in the documentation, with its page."""
    found = []
    for page in PAGES:
        for line in "".join(blocks(page, "console")).splitlines():
            assert line.startswith("$ "), f"{page}: {line}"
            found.append((str(page.relative_to(DOCS)), line.removeprefix("$ ")))
    return found


def run_page(page: Path, shorter: Mapping[str, str]) -> dict[str, Any]:
    """Run a page's Python blocks from top to bottom; what they leave behind."""
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page, "python"):
        for long, short in shorter.items():
            block = block.replace(long, short)
        exec(compile(block, str(page), "exec", dont_inherit=True), names)
    return names


def test_the_tutorial_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / "tutorial" / "first-model.md"
    text = page.read_text(encoding="utf-8")
    assert all(long in text for long in SHORTER)
    monkeypatch.chdir(tmp_path)
    names = run_page(page, SHORTER)
    assert names["labels"].shape == (200, 330)
    assert names["summary"]["images"] == 3
    assert (tmp_path / "runs/cells/report.html").is_file()
    assert (tmp_path / "masks/cells_14.png").is_file()
    layout = (DOCS / "reference" / "files.md").read_text(encoding="utf-8")
    left = [path for path in (tmp_path / "runs/cells").rglob("*") if path.is_file() and path.suffix != ".png"]
    assert not [path.name for path in left if path.name not in layout]


def test_each_networks_page_is_found_from_that_of_the_plain_one() -> None:
    text = (DOCS / "explanation" / "unet.md").read_text(encoding="utf-8")
    pages = sorted(page.name for page in (DOCS / "explanation" / "models").glob("*.md"))
    assert len(pages) == len(MODELS) - 1
    assert sorted(set(re.findall(r"\]\(models/([\w-]+\.md)\)", text))) == pages


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent.name != "tutorial" and blocks(page, "python")],
    ids=lambda page: page.stem,
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(LOSSES), mock.patch.dict(MODELS):
        run_page(page, {})


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_and_settings_exist(page: str, command: str, a_plan: Plan) -> None:
    words = shlex.split(command)
    arguments = words[words.index("unetkit") + 1 :]
    group: Any = get_command(app)
    context = group.commands[arguments[0]].make_context(arguments[0], arguments[1:])
    model = [f"model.name={name}"] if (name := context.params.get("model")) else []
    a_plan.with_settings([*model, *(context.params.get("settings") or ())])


@pytest.fixture(scope="module")
def a_plan() -> Plan:
    """A plan to try settings on."""
    return Plan.model_validate(
        {
            "data": {"channels": 1, "num_classes": 2},
            "model": {"name": "unet"},
            "training": {"steps": 10, "patch": [64, 64], "validate_every": 5, "ema": 0.99},
            "augmentation": {},
        }
    )


@pytest.fixture(scope="module")
def parts() -> Mapping[str, Callable[[], str]]:
    """What writes the generated parts of the reference."""
    written: Mapping[str, Callable[[], str]] = runpy.run_path(str(DOCS / "generated.py"))["PARTS"]
    return written


@pytest.mark.parametrize(
    ("part", "registry"),
    [
        ("models", MODELS),
        ("losses", LOSSES),
        ("regularisers", REGULARISERS),
        ("methods", METHODS),
        ("augmentations", [*AUGMENTATIONS, *TRANSFORMS]),
        ("scores", METRICS),
        ("object_scores", OBJECT_METRICS),
        ("formats", FORMATS),
        ("exports", EXPORTS),
        ("object_formats", OBJECT_FORMATS),
        ("rules", RULES),
        ("measured_columns", DEFINITIONS),
        ("separators", SEPARATORS),
        ("suspicion_kinds", KINDS),
    ],
)
def test_every_registered_name_has_its_row(
    part: str, registry: Mapping[str, object], parts: Mapping[str, Callable[[], str]]
) -> None:
    table = parts[part]()
    for name in registry:
        (row,) = (line for line in table.splitlines() if line.startswith(f"| `{name}` |"))
        assert len(row.split(" | ")[1].strip(" |")) > 4 or part == "augmentations", f"{name} is not described"


def test_plan_and_classes_tables_describe_every_field(parts: Mapping[str, Callable[[], str]]) -> None:
    for part in ("plan_fields", "classes_fields"):
        rows = [line for line in parts[part]().splitlines() if line.startswith("| `")]
        assert rows
        assert all(len(re.split(r" (?<!\\)\| ", row)[-1].strip(" |")) > 4 for row in rows)


def test_the_command_reference_shows_every_command(parts: Mapping[str, Callable[[], str]]) -> None:
    text = parts["commands"]()
    assert text.count("Usage: unetkit ") == text.count("\n## ") + 1
    for name in ("check", "plan", "train", "predict", "evaluate", "score", "objects", "suspect", "export", "demo"):
        assert f"## unetkit {name}\n" in text
    assert "--allow-leakage" in text


def test_every_mark_has_its_part_and_every_part_its_place(parts: Mapping[str, Callable[[], str]]) -> None:
    marks = {mark for page in PAGES for mark in re.findall(r"^\{\{ (\w+) \}\}$", page.read_text("utf-8"), re.MULTILINE)}
    assert marks == set(parts)
