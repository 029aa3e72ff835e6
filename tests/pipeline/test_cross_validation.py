"""Cross-validation: what is refused before anything begins, what resuming keeps to, and what is done only once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetkit.dataset.check import CheckReport
from unetkit.dataset.splits import stored_split
from unetkit.errors import LeakageError, RunError, UnetkitError, UsageError
from unetkit.formats import read_image
from unetkit.pipeline import Options, cross_validate, load_predictor
from unetkit.plan import Plan, read_plan, write_plan
from unetkit.training import Hooks, RunFolder, Stopped

TINY = Options(
    steps=2,
    model="unet",
    settings=(
        "model.width=2", "model.depth=1", "training.patch=[16, 16]", "training.batch=1", "training.seed=5",
        "normalization.kind=dataset",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cross_validate(discs, 2, TINY, out=tmp_path_factory.mktemp("runs") / "finished").path


@pytest.fixture
def half(finished: Path, tmp_path: Path) -> Path:
    """A cross-validation whose second fold has not begun."""
    run = shutil.copytree(finished, tmp_path / "half")
    shutil.rmtree(run / "fold_2")
    return run


Told = list[tuple[Options, CheckReport | None]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What `train` was told for each fold; it trains nothing, and every fold but the first is stopped."""
    calls: Told = []

    def stopping(data: Path, options: Options, *, report: CheckReport | None, **rest: Any) -> RunFolder:
        calls.append((options, report))
        if len(calls) > 1:
            raise Stopped
        return RunFolder(rest["out"])

    monkeypatch.setattr("unetkit.pipeline.folds.train", stopping)
    return calls


def counting(function: Callable[..., Any], calls: list[object]) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0])
        return function(*arguments, **options)

    return counted


def test_resuming_takes_the_options_of_the_beginning(discs: Path, half: Path) -> None:
    RunFolder(half / "fold_1").set_status("stopped")
    run = cross_validate(discs, 2, out=half, resume=True)
    first, second = (read_plan(half / f"fold_{n}" / "plan.yaml") for n in (1, 2))
    assert (second.model, second.training.steps, second.training.seed) == (first.model, 2, 5)
    assert second.normalization.kind == "dataset"
    assert json.loads((run.path / "STATUS.json").read_text())["state"] == "done"
    cross_validate(discs, 2, TINY, out=half, resume=True)  # saying them again is no contradiction


@pytest.mark.parametrize(
    ("other", "flag"),
    [
        ({"steps": 3}, "--steps"),
        ({"time": 60.0}, "--time"),
        ({"model": "unet++"}, "--model"),
        ({"seed": 1}, "--seed"),
        ({"settings": ("model.width=4",)}, "--set"),
        ({"allow_leakage": True}, "--allow-leakage"),
        ({"labels": 3}, "--labels"),
    ],
)
def test_resuming_with_other_options_is_refused(other: dict[str, Any], flag: str, discs: Path, half: Path) -> None:
    with pytest.raises(UsageError, match=f"{flag} differs from the run that is to be resumed"):
        cross_validate(discs, 2, Options(**other), out=half, resume=True)
    assert not (half / "fold_2").exists()


def test_resuming_with_another_plan_other_data_or_folds_is_refused(discs: Path, half: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--plan differs"):
        cross_validate(discs, 2, Options(plan=half / "fold_1" / "plan.yaml"), out=half, resume=True)
    with pytest.raises(UsageError, match="another number of folds; found 3; expected 2"):
        cross_validate(discs, 3, out=half, resume=True)
    other = shutil.copytree(discs, tmp_path / "other")
    with pytest.raises(UsageError, match="begun on other data"):
        cross_validate(other, 2, out=half, resume=True)
    (half / "folds.json").write_text('{"folds": ["fold_1", "fold_2"]}')
    with pytest.raises(RunError, match=r"folds\.json: does not say how the cross-validation was begun"):
        cross_validate(discs, 2, out=half, resume=True)


def test_a_stated_plan_is_kept_though_its_file_changes(discs: Path, finished: Path, tmp_path: Path, told: Told) -> None:
    file, out = tmp_path / "plan.yaml", tmp_path / "run"
    plan = read_plan(finished / "fold_1" / "plan.yaml")
    write_plan(file, plan)
    with pytest.raises(Stopped):
        cross_validate(discs, 3, Options(plan=file), out=out)
    with pytest.raises(Stopped):
        cross_validate(discs, 3, Options(plan=file), out=out, resume=True)
    write_plan(file, plan.with_settings(["training.steps=9"]))
    with pytest.raises(UsageError, match="--plan differs"):
        cross_validate(discs, 3, Options(plan=file), out=out, resume=True)
    file.unlink()
    with pytest.raises(Stopped):
        cross_validate(discs, 3, out=out, resume=True)
    assert len(told) == 4
    assert all(options.plan == plan for options, _ in told)
    assert all(options.time is options.steps is options.seed is None for options, _ in told)


def test_a_time_is_shared_out_once_the_data_are_checked(discs: Path, tmp_path: Path, told: Told) -> None:
    with pytest.raises(Stopped):
        cross_validate(discs, 3, Options(time=300), out=tmp_path / "stated")
    with pytest.raises(Stopped):
        cross_validate(discs, 3, Options(time=300), out=tmp_path / "stated", resume=True)
    with pytest.raises(Stopped):
        cross_validate(discs, 3, out=tmp_path / "stated", resume=True)
    (share,) = {options.time for options, _ in told}
    assert share is not None
    assert 90 < share < 100
    with pytest.raises(Stopped):
        cross_validate(discs, 4, out=tmp_path / "nothing")
    share = told[-1][0].time
    assert share is not None
    assert 140 < share < 150
    with pytest.raises(Stopped):
        cross_validate(discs, 4, Options(time=600), out=tmp_path / "nothing", resume=True)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"plan": Path("plan.yaml"), "time": 60.0}, "a stated plan already says time"),
        ({"plan": Path("plan.yaml"), "seed": 3}, "a stated plan already says seed"),
        ({"plan": Path("absent.yaml")}, "absent.yaml"),
        ({"time": 12.0}, "too short for 3 folds; found 12 s; expected 15 s or more"),
        ({"time": 60.0, "steps": 5}, "one of the two"),
        ({"steps": 2, "model": "unte"}, "did you mean 'unet'"),
        ({"steps": 2, "settings": ("training.bath=1",)}, "did you mean 'batch'"),
        ({"steps": 2, "labels": 50}, "so many annotated images are not there"),
    ],
)
def test_what_is_refused_leaves_the_folder_free(
    wrong: dict[str, Any], complaint: str, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnetkitError, match=complaint):
        cross_validate(discs, 3, Options(**wrong), out=tmp_path / "run")
    assert not list(tmp_path.glob("run/*"))


def test_a_leak_in_any_split_is_refused_before_the_first_fold(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(dataset: object, split: Any) -> list[str]:
        return ["a and b are the same picture"] if split.source == "fold 2 of 2" else []

    monkeypatch.setattr("unetkit.pipeline.preparation.find_leaks", leaking)
    with pytest.raises(LeakageError, match="a and b are the same picture"):
        cross_validate(discs, 2, TINY, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run = cross_validate(discs, 2, replace(TINY, allow_leakage=True), out=tmp_path / "run")
    leaks = [json.loads((run.path / f"fold_{n}" / "data.json").read_text())["leaks"] for n in (1, 2)]
    assert leaks == [[], ["a and b are the same picture"]]


def test_folds_to_judge_masks_by_tear_groups_apart_and_are_resumed_so(discs: Path, tmp_path: Path) -> None:
    data = shutil.copytree(discs, tmp_path / "data")
    names = sorted(path.stem for path in (data / "images").iterdir())
    (data / "groups.json").write_text(json.dumps({name: f"kind {i % 2}" for i, name in enumerate(names)}))
    with pytest.raises(Stopped):
        cross_validate(data, 2, TINY, out=tmp_path / "run", spread=True, hooks=Hooks(stop=lambda: True))
    with pytest.raises(UsageError, match="spreads groups over its folds"):
        cross_validate(data, 2, out=tmp_path / "run", resume=True)
    run = cross_validate(data, 2, out=tmp_path / "run", spread=True, resume=True)
    for n in (1, 2):
        split = stored_split(run.path / f"fold_{n}" / "split.json")
        assert {names.index(name) % 2 for name in split.test} == {0, 1}
        assert json.loads((run.path / f"fold_{n}" / "data.json").read_text())["leaks"]


def test_data_are_surveyed_and_compared_once(
    discs: Path, tmp_path: Path, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unetkit.dataset.check import survey
    from unetkit.dataset.duplicates import near_duplicates
    from unetkit.dataset.splits import find_leaks

    surveys: list[object] = []
    compared: list[object] = []
    leaks: list[object] = []
    monkeypatch.setattr("unetkit.dataset.check.survey", counting(survey, surveys))
    monkeypatch.setattr("unetkit.dataset.duplicates.near_duplicates", counting(near_duplicates, compared))
    monkeypatch.setattr("unetkit.pipeline.preparation.find_leaks", counting(find_leaks, leaks))
    run = cross_validate(discs, 3, TINY, out=tmp_path / "run")
    assert (len(surveys), len(compared)) == (1, 1)
    assert len(leaks) == 3 + 3  # all before the first, and each again as it begins
    facts = [json.loads((run.path / f"fold_{n}" / "data.json").read_text())["findings"] for n in (1, 2, 3)]
    assert facts[0] == facts[1] == facts[2]
    cross_validate(discs, 3, out=run.path, resume=True)
    assert len(surveys) == 1  # every fold is done
    cross_validate(discs, 2, out=half, resume=True)
    assert len(surveys) == 2


def test_the_models_of_all_folds_predict_as_each_does_alone(discs: Path, finished: Path) -> None:
    image = read_image(discs / "images" / "disc_0.png")
    alone = [load_predictor(finished / f"fold_{n}") for n in (1, 2)]
    assert alone[0].plan.normalization != alone[1].plan.normalization  # means of other training images
    each = [predictor.probabilities(image) for predictor in alone]
    assert np.abs(each[0] - each[1]).max() > 1e-4
    for tile in (None, 16):
        together = load_predictor(finished, tile=tile).probabilities(image)
        np.testing.assert_allclose(together, (each[0] + each[1]) / 2, atol=1e-6)


def test_folds_of_data_that_were_changed_do_not_predict_together(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "changed")
    plan = read_plan(run / "fold_2" / "plan.yaml")
    other: Plan = plan.model_copy(update={"data": plan.data.model_copy(update={"num_classes": 3})})
    write_plan(run / "fold_2" / "plan.yaml", other)
    with pytest.raises(RunError, match=r"found 1 channels, 2 dimensions, 3 classes; expected 1 channels, 2 dim"):
        load_predictor(run)
