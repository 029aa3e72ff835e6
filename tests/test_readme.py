"""What README tells people to type works, as it stands there but for the time it takes."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unetkit.cli import app
from unetkit.files import read_json

ROOT = Path(__file__).resolve().parents[1]
SHORTER: Mapping[str, str] = {
    "--time 10m": "--time 5s",
    "--time 5m --seeds 3": "--steps 5",
    "Options(time=600)": "Options(steps=10)",
}
"""The only difference between what README says and what is run."""


def blocks(language: str) -> list[str]:
    """README's code blocks in a language, shortened."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for long, short in SHORTER.items():
        assert long in text, f"README no longer says {long}"
        text = text.replace(long, short)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds what README supposes: DATA, new images in NEW, and the truth of those in TRUTH."""
    shutil.copytree(discs, tmp_path / "DATA")
    for folder, part in (("NEW", "images"), ("TRUTH", "masks")):
        (tmp_path / folder).mkdir()
        for name, disc in (("a", "disc_0"), ("b", "disc_1")):
            shutil.copy(discs / part / f"{disc}.png", tmp_path / folder / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_and_the_python_code_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    assert [shlex.split(command)[1] for command in commands] == [
        "check", "plan", "train", "predict", "evaluate", "score", "compare", "export",
    ]  # fmt: skip
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "unetkit"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}\n{result.output}"
    assert (workplace / "runs/first/report.html").is_file()
    assert sorted(path.name for path in (workplace / "predicted").iterdir()) == ["a.png", "b.png", "quality.csv"]
    assert len(list((workplace / "runs").glob("*-DATA-compared/comparison.html"))) == 1
    assert (workplace / "runs/first/export/first.pt2").is_file()
    (code,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert getattr(names["labels"], "shape", None) == (64, 64)
    assert "'mean'" in capsys.readouterr().out
    assert read_json(workplace / "runs/second/STATUS.json")["state"] == "done"


def test_links_and_pictures_are_there() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text(encoding="utf-8")):
            assert target.startswith("https://") or (ROOT / target).is_file(), f"{page} links to {target}"
