"""What a comparison's folder holds on to, and what is refused before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw_discs
from unetkit.compare.agreement import DESCRIPTION, agree
from unetkit.compare.variants import make_variants
from unetkit.dataset.folder import open_dataset
from unetkit.errors import FileError, UsageError
from unetkit.labels import write_marks
from unetkit.labels.simulated import simulate_scribbles
from unetkit.pipeline import Options, Prepared

LOSSES = ["training.loss=dice,ce"]
OPTIONS = Options(steps=20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "discs", size=32)


def begin(
    data: Path,
    out: Path,
    *,
    models: tuple[str, ...] = ("unet",),
    vary: list[str] = LOSSES,
    labels: tuple[int | None, ...] = (),
    **options: Any,
) -> Prepared:
    return agree(out, data, make_variants(models, vary, labels), replace(OPTIONS, **options))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": None, "time": 1.0}, "too short to train in; found 1 s; expected 5 s or more"),
        ({"steps": None, "time": 0.0}, "too short to train in; found 0 s"),
        ({"time": 60.0}, "state a time or a number of steps, one of the two"),
        ({"settings": ("training.seed=3",)}, "to tell luck from gain; found training.seed=3.*--seeds 3"),
        ({"vary": ["training.seed=1,2"]}, "training.seed cannot be set in a comparison"),
        ({"vary": ["training.steps=1,2"]}, "--steps instead of --vary training.steps"),
        ({"vary": ["training.los=dice,ce"]}, "did you mean 'loss'"),
        ({"vary": ["trainingloss=dice,ce"]}, "^--vary is not understood; found trainingloss=dice"),
        ({"vary": ["training.batch=2,-1"]}, "^--vary: training.batch does not fit; found -1"),
        ({"settings": ("training.batch=-1",), "vary": [], "models": ("unet", "unet++")}, "^--set: training.batch"),
        ({"settings": ("training.batch=-1",)}, "^--set or --vary: training.batch"),
        ({"vary": ["model.depth=1,12"]}, "depth"),
        (
            {"labels": (2, 400)},
            "so many annotated images are not there to train on; found --labels 400; expected 1 to 5",
        ),
        ({"labels": (5, None)}, "--labels names all images twice; found 5 and all"),
        ({"plan": Path("plan.yaml"), "steps": None}, "leave --plan out"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    data: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        begin(data, tmp_path / "out", **changed)
    assert not (tmp_path / "out").exists()


def test_all_images_may_be_named_by_their_number(data: Path, tmp_path: Path) -> None:
    assert len(begin(data, tmp_path / "out", labels=(2, 5)).split.train) == 5


METHODS = ["training.method=supervised,mean-teacher"]


def test_images_whose_masks_are_not_used_count_as_unlabelled(data: Path, tmp_path: Path) -> None:
    assert len(begin(data, tmp_path / "out", vary=METHODS, labels=(2,)).split.train) == 5
    with pytest.raises(UsageError, match="there are none"):
        begin(data, tmp_path / "all", vary=METHODS)


def test_what_cannot_be_learnt_from_marks_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = draw_discs(tmp_path / "discs", size=32)
    dataset = open_dataset(data)
    sample = dataset.sample(begin(data, tmp_path / "first").split.train[0])
    marks = simulate_scribbles(dataset.read_labels(sample).labels, dataset.classes.names)
    write_marks(data / "marks" / f"{sample.name}.json", marks)
    sample.mask.unlink()
    with pytest.raises(UsageError, match="marks do not outline them"):
        begin(data, tmp_path / "out", vary=["objects.separate=components,border"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 21}, "another steps; found 21; expected 20"),
        ({"settings": ("training.batch=4",)}, "another settings; found training.batch=4; expected no settings"),
        ({"steps": None, "time": 30.0}, "another time; found 30 s; expected no time"),
        ({"steps": None}, "another time; found 600 s; expected no time"),
        ({"allow_leakage": True}, "another allow leakage; found yes; expected no"),
    ],
)
def test_another_budget_in_the_same_folder_is_refused(
    data: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    begin(data, tmp_path)
    with pytest.raises(UsageError, match=said):
        begin(data, tmp_path, **changed)


def test_another_kind_of_device_is_refused(data: Path, tmp_path: Path) -> None:
    begin(data, tmp_path, device="cpu")
    told = json.loads((tmp_path / DESCRIPTION).read_text())
    told["of"]["device"] = "cuda"
    (tmp_path / DESCRIPTION).write_text(json.dumps(told))
    with pytest.raises(UsageError, match="another device; found cpu; expected cuda"):
        begin(data, tmp_path, device="cpu")


def test_data_that_changed_since_are_refused(tmp_path: Path) -> None:
    data, out = draw_discs(tmp_path / "discs", size=32), tmp_path / "out"
    begin(data, out)
    (data / "images" / "notes.txt").write_text("no image")
    (data / "other").mkdir()
    begin(data, out)
    (data / "masks" / "disc_3.png").unlink()
    with pytest.raises(UsageError, match="files of the data were added, removed or changed"):
        begin(data, out)


def test_another_seed_and_other_variants_keep_the_split(data: Path, tmp_path: Path) -> None:
    split = begin(data, tmp_path).split
    assert begin(data, tmp_path, seed=7, vary=["training.batch=2,4"]).split == split


@pytest.mark.parametrize("content", ['{"rows": []}', '{"of": {"data": "x"}, "split": {}}', "[1, 2]", '"text"'])
def test_a_description_of_something_else_is_no_comparison(data: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / DESCRIPTION).write_text(content)
    with pytest.raises(UsageError, match="is no comparison"):
        begin(data, tmp_path)
    assert (tmp_path / DESCRIPTION).read_text() == content


def test_a_damaged_description_says_so(data: Path, tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_text('{"of": ')
    with pytest.raises(FileError, match="not valid JSON"):
        begin(data, tmp_path)


def test_a_folder_with_something_else_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        begin(data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
