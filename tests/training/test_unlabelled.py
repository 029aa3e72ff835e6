"""Runs that learn from unlabelled images: two branches, a guard, exact resuming, several processes, time budgets."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import draw_discs
from tests.training.test_resume import assert_same, status
from unetkit.errors import UsageError
from unetkit.formats import read_image, read_mask, write_image
from unetkit.methods import METHODS
from unetkit.models import Segmenter
from unetkit.pipeline import Options, experiment, load_predictor, prepare, train
from unetkit.pipeline.validation import Validator
from unetkit.plan import probe, read_plan, write_plan
from unetkit.training import Hooks, Look, Outcome, RunFolder, Stopped, loop, schedule, state
from unetkit.training.schedule import Clock, course
from unetkit.training.state import State

LEARNING = [name for name, method in METHODS.items() if method.needs_unlabelled]
SETTINGS = (
    "model.width=4",
    "model.depth=2",
    "model.dropout=0.1",
    "training.patch=[32, 32]",
    "training.validate_every=5",
    "training.ema=0.9",
    "training.precision=float32",
)


def options(method: str, *more: str, steps: int = 20) -> Options:
    return Options(steps=steps, device="cpu", settings=(*SETTINGS, f"training.method={method}", *more))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of discs, five of them without a mask."""
    root = draw_discs(tmp_path_factory.mktemp("data") / "few", images=12, size=32)
    for n in range(7, 12):
        (root / "masks" / f"disc_{n}.png").unlink()
    return root


@pytest.fixture(scope="module")
def runs(few: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: train(few, options(name), out=folder / name) for name in LEARNING}


@pytest.mark.parametrize("name", LEARNING)
def test_a_run_takes_both_ways_and_says_which_it_kept(name: str, runs: dict[str, RunFolder]) -> None:
    run = runs[name]
    found = run.read_json("guard.json")
    assert found["branches"] == {"supervised": 8, "method": 14}
    assert found["unlabelled"] == 5
    assert found["kept"] in (name, "supervised")
    assert [row["step"] for row in run.read_history()] == [5, 8, 10, 14, 15, 20]
    assert run.load_weights()[1]["step"] in ((15, 20) if found["kept"] == name else (5, 8, 10, 14))
    assert run.read_json("STATUS.json")["kept"] == found["verdict"]
    assert found["verdict"] in (run.path / "log.txt").read_text(encoding="utf-8")
    assert found["verdict"] in run.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "step"), [*((name, 17) for name in LEARNING), *(("unimatch", step) for step in (8, 11, 14))]
)
def test_stopping_and_resuming_changes_nothing(
    name: str, step: int, few: Path, runs: dict[str, RunFolder], tmp_path: Path
) -> None:
    seen: list[int] = []

    def progress(outcome: Outcome) -> None:
        seen.append(outcome.step)

    with pytest.raises(Stopped):
        train(
            few, options(name), out=tmp_path / "run", hooks=Hooks(progress=progress, stop=lambda: len(seen) >= step - 1)
        )
    assert seen[-1] == step
    run = train(few, options(name), out=tmp_path / "run", resume=True)
    assert_same(runs[name], run)
    averages = [(one.load_state() or {})["average"] for one in (runs[name], run)]
    assert all(torch.equal(averages[0][key], averages[1][key]) for key in averages[0])
    verdicts = [{**one.read_json("guard.json"), "seconds": None} for one in (runs[name], run)]
    assert verdicts[0] == verdicts[1]
    assert status(run) == ("done", None)


def test_the_supervised_way_is_what_a_supervised_run_would_have_been(few: Path, tmp_path: Path) -> None:
    """To its end, with the schedule falling to zero there: the guard's rival is no straw man."""
    guarded = train(few, options("fixmatch"), out=tmp_path / "guarded")
    alone = train(few, options("supervised", steps=14), out=tmp_path / "alone")
    first, second = (
        {int(row["step"]): row for row in run.read_history() if row["step"] in (5, 10, 14)} for run in (guarded, alone)
    )
    for step in (5, 10, 14):
        assert first[step]["learning_rate"] == pytest.approx(second[step]["learning_rate"])
        assert first[step]["val_loss"] == pytest.approx(second[step]["val_loss"], rel=1e-4)


def test_the_second_way_begins_where_they_parted(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, dict[str, Any]] = {}
    enter = State.enter

    def watching(self: State, branch: str) -> None:
        enter(self, branch)  # type: ignore[arg-type]
        tensors = {**self.model.state_dict(), **{f"mean.{k}": v for k, v in self.average.state_dict().items()}}
        seen[branch] = {key: tensor.clone() for key, tensor in tensors.items()}

    monkeypatch.setattr(State, "enter", watching)
    train(few, options("mean-teacher"), out=tmp_path / "run")
    assert all(torch.equal(seen["supervised"][key], seen["method"][key]) for key in seen["supervised"])
    kept = (RunFolder(tmp_path / "run").load_state() or {})["fork"]
    assert kept is None


def test_the_teacher_is_the_moving_average(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, expected = loop._step, dict[str, torch.Tensor]()

    def watching(state: State, *rest: Any) -> None:
        before = {key: value.clone() for key, value in state.average.state_dict().items()}
        step(state, *rest)
        decay = min(0.9, state.outcome.step / (state.outcome.step + 10))
        for key, value in state.model.state_dict().items():
            expected[key] = before[key] + (1 - decay) * (value - before[key]) if value.is_floating_point() else value
            assert torch.allclose(state.average.state_dict()[key], expected[key], rtol=1e-5, atol=1e-6), key

    monkeypatch.setattr(loop, "_step", watching)
    train(few, options("mean-teacher"), out=tmp_path / "run")
    assert expected


def scored(scores: dict[str, float]) -> Any:
    """A validation that gives each branch a score; the branch is read from the loop's own state."""
    states: list[State] = []
    enter = State.enter

    def watching(self: State, branch: str) -> None:
        enter(self, branch)  # type: ignore[arg-type]
        states.append(self)

    def validate(self: Validator, model: Segmenter) -> Look:
        branch = states[-1].outcome.branch if states else "shared"
        return Look(1.0, scores[branch], (scores[branch],) * 3)

    return watching, validate


@pytest.mark.parametrize(("method", "kept"), [(0.9, "unimatch"), (0.71, "supervised"), (0.3, "supervised")])
def test_the_guard_keeps_the_better(
    method: float, kept: str, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter, validate = scored({"shared": 0.5, "supervised": 0.7, "method": method})
    monkeypatch.setattr(State, "enter", enter)
    monkeypatch.setattr(Validator, "__call__", validate)
    said: list[str] = []
    run = train(few, options("unimatch"), out=tmp_path / "run", hooks=Hooks(say=said.append))
    found = run.read_json("guard.json")
    assert found["kept"] == kept
    assert run.load_weights()[1]["step"] == (15 if kept == "unimatch" else 10)
    assert found["gain"] == pytest.approx(method - 0.7)
    assert f"{method - 0.7:+.3f} on 3 validation images" in found["verdict"]
    assert found["verdict"] in said
    steps = [row["step"] for row in run.read_kept_history()]
    assert steps == ([5, 8, 15, 20] if kept == "unimatch" else [5, 8, 10, 14])


def test_without_a_guard_there_is_one_way(few: Path, tmp_path: Path) -> None:
    run = train(few, options("fixmatch", "training.guard=false"), out=tmp_path / "run")
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert [(event["branch"], event["step"]) for event in events] == [("method", 8)]
    assert not run.guard.exists()
    assert len(run.read_kept_history()) == len(run.read_history())


def test_a_run_too_short_for_its_method_says_so(few: Path, tmp_path: Path) -> None:
    run = train(few, options("fixmatch", steps=2), out=tmp_path / "run")
    assert "ended before fixmatch had a turn" in run.verdict


def test_both_ways_get_the_same_time_though_not_the_same_steps(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's clock, on a machine where a step with unlabelled images takes three times as long."""
    now = 0.0
    monkeypatch.setattr(schedule, "monotonic", lambda: now)
    plan = prepare(few, options("unimatch", "training.validate_every=10000", steps=1000)).plan
    outcome, clock, began = Outcome(total=1000), Clock(600.0), dict[str, float]()
    clock.start(0)
    while outcome.step < outcome.total:
        branch = course(outcome.step, plan.training, outcome.replans).branch
        if branch not in began:
            began[branch] = now
            clock.start(outcome.step)
        now += 1.5 if branch == "method" else 0.5
        outcome.step += 1
        loop._replan(outcome, clock.corrected(outcome.step, outcome.total, 10000), Hooks())
    assert now == pytest.approx(600, abs=6)
    assert began["supervised"] == pytest.approx(0.4 * now, abs=12)
    assert now - began["method"] == pytest.approx(began["method"] - began["supervised"], rel=0.1)


def test_a_timed_run_is_repeated_by_its_plan(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count()
    for module in (experiment, loop, probe, schedule, state):  # a clock that other work on the machine does not push
        monkeypatch.setattr(module, "monotonic", lambda: 0.02 * next(looks))
    run = train(few, Options(time=8, device="cpu", settings=options("unimatch").settings), out=tmp_path / "run")
    found = run.read_json("guard.json")
    assert max(row["seconds"] for row in run.read_history()) < 10
    assert set(found["seconds"]) == set(found["branches"]) == {"supervised", "method"}
    assert read_plan(run.plan).training.replans
    again = train(few, Options(plan=run.plan, device="cpu"), out=tmp_path / "again")
    assert_same(run, again)
    assert again.read_json("guard.json")["branches"] == found["branches"]


def test_two_processes_train_as_one(few: Path, tmp_path: Path) -> None:
    settings = ("model.norm=group", "training.batch=4", "training.method=fixmatch", "model.dropout=0")
    said = Options(steps=10, device="cpu", settings=(*SETTINGS, *settings, "training.validate_every=2"))
    out, script = tmp_path / "two", tmp_path / "script.py"
    script.write_text(
        "from unetkit.pipeline import Options, train\n"
        f"train({str(few)!r}, Options(steps=10, device='cpu', settings={said.settings!r}), out={str(out)!r})\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    one, two = train(few, said, out=tmp_path / "one"), RunFolder(out)
    for column in ("train_loss", "val_loss"):
        curves = [[row[column] for row in run.read_history()] for run in (one, two)]
        assert len(curves[0]) == 6
        assert curves[1] == pytest.approx(curves[0], rel=1e-3)


@pytest.mark.parametrize("fork", [0.0, 0.4])
@pytest.mark.parametrize("guard", [True, False])
def test_the_course_falls_to_zero_on_both_ways(fork: float, guard: bool, few: Path) -> None:
    plan = prepare(few, options("unimatch", f"training.fork={fork}", f"training.guard={guard}", steps=1000)).plan
    courses = [course(step, plan.training) for step in range(1001)]
    ends: dict[str, float] = {}
    for before, after in pairwise(courses):
        if before.branch == after.branch:
            assert after.annealed > before.annealed
            assert after.share > before.share
        ends[before.branch] = before.annealed
    assert ends["method"] == pytest.approx(1, abs=0.01)
    counts = [sum(c.branch == branch for c in courses) for branch in ("shared", "supervised", "method")]
    assert counts[0] == round(1000 * fork)
    if guard:
        assert ends["supervised"] == pytest.approx(1, abs=0.01)
        assert abs(counts[1] - counts[2]) <= 1
        first = {c.branch: c.annealed for c in reversed(courses)}
        assert first["supervised"] == pytest.approx(first["method"], abs=0.002)


@pytest.mark.parametrize(
    ("setting", "mend"), [("training.ema=0", r"training\.ema=0\.99"), ("training.patience=3", r"training\.patience=0")]
)
def test_what_a_method_cannot_go_with_is_refused(setting: str, mend: str, few: Path) -> None:
    with pytest.raises(UsageError, match=mend):
        prepare(few, options("unimatch", setting))


def test_a_method_without_unlabelled_images_is_refused(discs: Path) -> None:
    with pytest.raises(UsageError, match="learns from unlabelled images, and there are none"):
        prepare(discs, options("unimatch"))


def test_images_that_labels_leave_out_train_without_their_masks(discs: Path, tmp_path: Path) -> None:
    said = options("fixmatch", "training.validate_every=10")
    run = train(discs, Options(steps=20, labels=2, device="cpu", settings=said.settings), out=tmp_path / "run")
    split = run.read_json("split.json")
    assert (len(split["train"]), len(split["unlabelled"])) == (2, 3)
    again = prepare(discs, Options(plan=run.plan))
    assert list(again.split.unlabelled) == split["unlabelled"]


def test_a_plan_made_before_methods_existed_is_read(few: Path, tmp_path: Path) -> None:
    plan = prepare(few, options("supervised")).plan
    write_plan(tmp_path / "plan.yaml", plan)
    lines = (tmp_path / "plan.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.strip().startswith(("method", "fork", "guard", "training.method"))]
    (tmp_path / "old.yaml").write_text("\n".join(kept))
    assert read_plan(tmp_path / "old.yaml").training == plan.training


def test_images_unlike_all_labelled_ones_are_learnt_from_unasked(tmp_path: Path) -> None:
    """Discs that are dark on bright, where all labelled ones are bright on dark: without a label they stay unknown."""
    data = draw_discs(tmp_path / "data", images=12)
    masks = {n: read_mask(data / "masks" / f"disc_{n}.png").values > 0 for n in range(7, 12)}
    for n in masks:
        file = data / "images" / f"disc_{n}.png"
        write_image(file, 255 - read_image(file).pixels)
        (data / "masks" / f"disc_{n}.png").unlink()
    said: list[str] = []
    more = ("training.learning_rate=0.01", "training.validate_every=50", "model.width=8", "model.dropout=0")
    chosen = Options(steps=300, device="cpu", settings=(*SETTINGS, *more))
    run = train(data, chosen, out=tmp_path / "run", hooks=Hooks(say=said.append))
    plan = read_plan(run.plan)
    assert (plan.training.method, plan.model.options["norm"]) == ("histogram-matching", "instance")
    assert any(line.startswith("5 of 5 unlabelled images look unlike all that train") for line in said)
    guard = run.read_json("guard.json")
    assert guard["kept"] == "histogram-matching"
    predictor = load_predictor(run.path)
    for n, disc in masks.items():
        found = predictor.probabilities(read_image(data / "images" / f"disc_{n}.png"))[1] > 0.5
        assert 2 * (found & disc).sum() / (found.sum() + disc.sum()) > 0.7
