"""`suspect`: planted errors lead the list, masks at hand stay, and what cannot be judged is refused in one message."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import draw_discs
from unetkit.cli import app
from unetkit.errors import DatasetError, UnetkitError, UsageError
from unetkit.formats import read_mask, write_mask
from unetkit.pipeline import Options, cross_validate, suspect, train
from unetkit.pipeline.suspect import COLUMNS

SETTINGS = (
    "model.width=4", "model.depth=1", "training.patch=[32, 32]", "training.batch=4", "training.learning_rate=0.01",
    "objects.separate=components", "training.validate_every=20",
)  # fmt: skip
SMALL = Options(steps=40, model="unet", settings=SETTINGS)
TINY = Options(steps=2, model="unet", settings=SETTINGS)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of discs, one of whose masks lies 7 px too low, and one of whose is empty."""
    data = draw_discs(tmp_path_factory.mktemp("data") / "damaged", images=12)
    file = data / "masks" / "disc_3.png"
    mask = read_mask(file).values
    write_mask(file, np.roll(mask, 7, axis=0))
    write_mask(data / "masks" / "disc_5.png", np.zeros_like(mask))
    return data


@pytest.fixture(scope="module")
def run(damaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cross_validate(damaged, 2, SMALL, out=tmp_path_factory.mktemp("runs") / "two").path


def test_the_damaged_masks_lead_the_list_and_are_mended_beside_it(damaged: Path, run: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (damaged / "masks").iterdir()}
    told: list[tuple[int, int]] = []
    found = suspect(damaged, run, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert {verdict.name for verdict in found.verdicts[:2]} == {"disc_3", "disc_5"}
    assert len(found.verdicts) == 12
    assert told == [(number, 24) for number in range(1, 25)]
    assert {path.name: path.read_bytes() for path in (damaged / "masks").iterdir()} == before
    verdicts = {verdict.name: verdict for verdict in found.verdicts}
    assert verdicts["disc_3"].findings[0].kind == "shifted"
    assert {finding.kind for finding in verdicts["disc_5"].findings} == {"missing"}
    truth = draw_discs(tmp_path / "truth", images=12) / "masks"
    for name in ("disc_3", "disc_5"):
        right, wrong, proposed = (
            read_mask(folder / f"{name}.png").values for folder in (truth, damaged / "masks", tmp_path / "out/proposed")
        )
        assert (proposed != right).sum() < 0.5 * (wrong != right).sum()
    with found.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["rank"] == "1"
    assert (tmp_path / "out" / rows[0]["proposed"]).is_file()
    assert {row["image"] for row in rows} == set(verdicts)
    page = found.page.read_text()
    assert page.index("1. " + found.verdicts[0].name) < page.index("2. " + found.verdicts[1].name)
    assert "the mask lies 7 px off" in page.lower()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_looking_again_replaces_what_was_proposed(damaged: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "proposed").mkdir()
    (tmp_path / "proposed" / "old.png").write_bytes(b"")
    first = suspect(damaged, run, tmp_path)
    assert not (tmp_path / "proposed" / "old.png").exists()
    page, table = first.page.read_bytes(), first.table.read_bytes()
    again = suspect(damaged, run, tmp_path)
    assert (again.page.read_bytes(), again.table.read_bytes()) == (page, table)


def test_images_that_were_labelled_later_are_judged_and_those_trained_on_are_not(
    damaged: Path, run: Path, tmp_path: Path
) -> None:
    more = shutil.copytree(damaged, tmp_path / "more")
    for part in ("images", "masks"):
        shutil.copy(more / part / "disc_0.png", more / part / "new.png")
    assert "new" in {verdict.name for verdict in suspect(more, run, tmp_path / "out").verdicts}
    with pytest.raises(UsageError, match=r"learnt from; found 6 images .* expected a run of 'unetkit train --folds'"):
        suspect(damaged, run / "fold_1", tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_where_no_mask_shows_a_class_it_is_said(damaged: Path, run: Path, tmp_path: Path) -> None:
    blank = shutil.copytree(damaged, tmp_path / "blank")
    for file in (blank / "masks").iterdir():
        write_mask(file, np.zeros((64, 64), np.uint8))
    found = suspect(blank, run, tmp_path / "out")
    assert found.notes == ("no mask shows foreground: where it is missing cannot be said",)
    assert not any(verdict.findings for verdict in found.verdicts)
    assert "No label looks wrong" in found.page.read_text()


def test_data_without_masks_and_results_among_the_data_are_refused(damaged: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the results would lie among the data"):
        suspect(damaged, run, damaged / "masks")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="the folder for the results is a file"):
        suspect(damaged, run, tmp_path / "file")
    bare = shutil.copytree(damaged, tmp_path / "bare")
    shutil.rmtree(bare / "masks")
    with pytest.raises(DatasetError, match="mask"):
        suspect(bare, run, tmp_path / "out")
    with pytest.raises(UnetkitError, match="no such run"):
        suspect(damaged, tmp_path / "nothing", tmp_path / "out")


def command(*words: object) -> Any:
    return CliRunner().invoke(app, ["suspect", *map(str, words)])


def test_the_command_trains_looks_and_looks_again(tmp_path: Path) -> None:
    data = draw_discs(tmp_path / "data", images=4)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    first = command(data, "--out", tmp_path / "out", "--folds", 2, "--steps", 2, "--model", "unet", *settings)
    assert first.exit_code == 0, first.output
    assert "of 4 masks" in first.output
    assert (tmp_path / "out/suspicion.html").is_file()
    again = command(data, "--out", tmp_path / "out", "--json")
    assert again.exit_code == 0, again.output
    rows = json.loads(again.output[again.output.index("[{") :])
    assert {row["image"] for row in rows} == {f"disc_{number}" for number in range(4)}
    refused = command(data, "--out", tmp_path / "other", "--run", tmp_path / "out/run", "--steps", 5)
    assert refused.exit_code == 2
    assert "--run has its models already" in refused.output


@pytest.mark.parametrize(
    ("images", "folds", "complaint"),
    [
        (4, 5, "that many folds cannot be made; found 5; expected 2 to 4"),
        (2, 2, "too small for cross-validation"),
        (1, 2, "one labelled image"),
    ],
)
def test_too_few_masks_are_refused_before_any_training(images: int, folds: int, complaint: str, tmp_path: Path) -> None:
    data = draw_discs(tmp_path / "data", images=images)
    refused = command(data, "--out", tmp_path / "out", "--folds", folds, "--steps", 2)
    assert refused.exit_code in (1, 2)
    assert complaint in refused.output.replace("\n", " ")
    assert not list(tmp_path.glob("out/*"))


def test_results_among_the_data_are_refused_before_any_training(discs: Path) -> None:
    refused = command(discs, "--out", discs / "found", "--steps", 2)
    assert refused.exit_code == 2
    assert not (discs / "found").exists()


def test_a_single_run_judges_what_it_has_not_seen(damaged: Path, tmp_path: Path) -> None:
    run = train(damaged, TINY, out=tmp_path / "run").path
    unseen = shutil.copytree(damaged, tmp_path / "unseen")
    for part in ("images", "masks"):
        for file in (unseen / part).iterdir():
            file.rename(file.with_name(f"new_{file.name}"))
    assert len(suspect(unseen, run, tmp_path / "out").verdicts) == 12
