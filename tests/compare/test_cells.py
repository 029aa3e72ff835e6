"""A cell's process: what it is told, how it answers, fails and is stopped, and what it measures."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from tests.conftest import draw_discs
from tests.forks import command_line, fork, wait_for
from unetkit.cli.live import comparison_display
from unetkit.compare import cells, work
from unetkit.compare.cells import MEASURED, Cell, CellFailed, Job, options_of, read_cells, run_cell
from unetkit.compare.variants import Variant
from unetkit.errors import RunError, UsageError
from unetkit.pipeline import Options, experiment, prepare
from unetkit.plan import write_plan
from unetkit.training import Interrupts, Outcome, RunFolder, Stopped, memory

SMALL = ("model.width=4", "model.depth=1", "training.patch=[32, 32]")


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("data") / "discs", size=32)


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Job:
    """A cell of two steps."""
    cell = Cell.of(tmp_path, Variant("unet", "unet"), 0)
    prepared = prepare(data, Options(steps=2))
    return Job(
        cell, data, options_of(cell, Options(steps=2, settings=SMALL, device="cpu"), prepared.split), prepared.report
    )


def answer(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let a cell's process run this code instead."""
    monkeypatch.setattr(cells, "COMMAND", (sys.executable, "-c", "import json, os, pickle, sys, time\n" + code))


class TestItsPlace:
    def test_a_folder_of_another_variant_is_not_taken_for_its_own(self, tmp_path: Path) -> None:
        cell = Cell.of(tmp_path, Variant("a", "unet", ("training.loss=dice",)), 0)
        cell.claim()
        cell.claim()
        for other in ({"labels": 3}, {"model": "unet++"}, {"seed": 1}):
            cell.stated.write_text(json.dumps({**cell.variant.to_json(), "seed": 0, **other}))
            with pytest.raises(RunError, match="is not the cell it should be"):
                cell.claim()

    def test_a_run_that_nobody_named_is_not_taken_for_its_own(self, tmp_path: Path) -> None:
        cell = Cell.of(tmp_path, Variant("a", "unet"), 0)
        cell.path.mkdir(parents=True)
        (cell.path / MEASURED).write_text("{}")
        with pytest.raises(RunError, match="is not the cell it should be; found nothing"):
            cell.claim()
        assert read_cells(tmp_path) == []

    def test_finished_and_failed_cells_are_found_by_what_they_say(self, tmp_path: Path) -> None:
        one, two, three = (Cell.of(tmp_path, Variant("a", "unet", labels=n), n) for n in (1, 2, 3))
        for cell in (one, two, three):
            cell.claim()
        one.path.mkdir()
        (one.path / MEASURED).write_text("{}")
        two.fail("too large")
        assert read_cells(tmp_path) == [one, two]
        assert [cell.fault for cell in read_cells(tmp_path)] == [None, "too large"]
        two.claim()  # to be tried again
        assert read_cells(tmp_path) == [one]


class TestItsOptions:
    def plan_of(self, cell: Cell, data: Path, **changes: Any) -> None:
        plan = prepare(data, Options(steps=2, settings=("model.width=24", "model.depth=2"))).plan
        training = plan.training.model_copy(update=changes)
        write_plan(cell.path / "plan.yaml", plan.model_copy(update={"training": training}))

    def test_under_a_time_later_seeds_take_the_network_of_the_first(self, data: Path, tmp_path: Path) -> None:
        variant, split = Variant("a", settings=("training.batch=2",)), prepare(data, Options(steps=2)).split
        self.plan_of(Cell.of(tmp_path, variant, 4), data, time=60.0, precision="bfloat16")
        self.plan_of(Cell.of(tmp_path, variant, 11), data, time=60.0)
        options = options_of(Cell.of(tmp_path, variant, 12), Options(time=60), split)
        plan = prepare(data, Options(steps=2, model=options.model, settings=options.settings)).plan
        assert (options.model, options.seed, options.split) == ("unet", 12, split)
        assert (plan.model.options["width"], plan.model.options["depth"]) == (24, 2)
        assert (plan.training.batch, plan.training.precision) == (2, "bfloat16")
        other = options_of(Cell.of(tmp_path, Variant("b"), 12), Options(time=60), split)
        assert other.settings == ()

    def test_stated_steps_leave_every_seed_its_plan_which_is_the_same(self, data: Path, tmp_path: Path) -> None:
        variant, split = Variant("a"), prepare(data, Options(steps=2)).split
        self.plan_of(Cell.of(tmp_path, variant, 0), data)
        assert options_of(Cell.of(tmp_path, variant, 1), Options(steps=2), split).settings == ()

    def test_seeds_that_draw_their_images_take_the_network_of_the_first(self, data: Path, tmp_path: Path) -> None:
        variant, split = Variant("a", labels=2), prepare(data, Options(steps=2)).split
        self.plan_of(Cell.of(tmp_path, variant, 0), data)
        assert "model.width=24" in options_of(Cell.of(tmp_path, variant, 1), Options(steps=2), split).settings


class TestItsAnswers:
    def test_what_it_says_is_heard(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        answer(
            monkeypatch,
            """job = pickle.load(sys.stdin.buffer)
for word in ({"progress": 0.5}, {"progress": job.cell.seed + 0.75}, {"done": True}):
    print(json.dumps(word), flush=True)""",
        )
        heard: list[float] = []
        run_cell(job, progress=heard.append, stop=never)
        assert heard == [0.0, 0.5, 0.75]

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("os.kill(os.getpid(), 9)", r"ended without a word \(exit code -9\); out of memory is likely"),
            ("sys.exit(3)", r"ended without a word \(exit code 3\)"),
            (
                "pickle.load(sys.stdin.buffer); print(json.dumps({'failed': 'ValueError: too odd'}))",
                "^ValueError: too odd$",
            ),
        ],
    )
    def test_a_process_that_fails_fails_its_cell(
        self, job: Job, monkeypatch: pytest.MonkeyPatch, code: str, said: str
    ) -> None:
        answer(monkeypatch, code)
        with pytest.raises(CellFailed, match=said):
            run_cell(job, progress=lambda share: None, stop=never)

    def test_a_process_that_cannot_begin_fails_its_cell(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cells, "COMMAND", ("/no/such/python",))
        with pytest.raises(CellFailed, match="cannot be started"):
            run_cell(job, progress=lambda share: None, stop=never)

    def test_asked_to_stop_its_input_ends_and_its_own_end_is_awaited(
        self, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer(
            monkeypatch,
            f"""pickle.load(sys.stdin.buffer)
print('{{"progress": 0.5}}', flush=True)
sys.stdin.buffer.read()
time.sleep(0.5)
open({str(tmp_path / "kept")!r}, "w")
print('{{"stopped": true}}')""",
        )
        heard: list[float] = []
        with pytest.raises(Stopped) as stopped:
            run_cell(job, progress=heard.append, stop=lambda: 0.5 in heard)
        assert str(stopped.value) == str(job.cell.path)
        assert (tmp_path / "kept").exists()

    def test_from_python_ctrl_c_asks_and_a_second_one_ends_it_at_once(
        self, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer(
            monkeypatch,
            f"""pickle.load(sys.stdin.buffer)
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
print('{{"progress": 0.25}}', flush=True)
sys.stdin.buffer.read()
print('{{"progress": 0.5}}', flush=True)
time.sleep(100)""",
        )

        def interrupt(share: float) -> None:
            if share:  # as soon as the main thread waits again
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

        began = time.monotonic()
        with pytest.raises(Stopped):
            run_cell(job, progress=interrupt, stop=never)
        assert time.monotonic() - began < 50
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


class TestItsWork:
    def told(self, job: Job) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        work.work(job, said.append, Interrupts())
        return said

    def test_the_data_are_not_checked_again_in_its_time(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object) -> None:
            raise AssertionError("checked again")

        monkeypatch.setattr("unetkit.pipeline.preparation.check", refuse)
        assert self.told(job)[-1] == {"done": True}

    def test_speed_is_taken_on_the_stated_device(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        devices: list[str] = []
        original = work.load_predictor

        def load(run: Path, *, device: str) -> Any:
            devices.append(device)
            return original(run, device=device)

        monkeypatch.setattr(work, "load_predictor", load)
        self.told(job)
        assert devices == ["cpu"]

    def test_what_it_costs_is_that_of_training_alone(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        """Memory held before and after does not count, nor do seconds of validation; both outlive an interruption."""
        original, slept = experiment.Validator.__call__, 0.4

        def slow(self: Any, model: Any) -> tuple[float, float]:
            time.sleep(slept)
            return original(self, model)

        monkeypatch.setattr(experiment.Validator, "__call__", slow)
        options = replace(job.options, settings=(*SMALL, "training.validate_every=1"))
        job = replace(job, options=options)
        before = bytearray(1 << 29)
        del before
        self.told(job)
        after = bytearray(1 << 29)
        del after
        run = RunFolder(job.cell.path)
        cost = json.loads((run.path / MEASURED).read_text())
        held = memory.peak_memory(torch.device("cpu"))
        if Path("/proc/self/clear_refs").exists():
            assert 1e8 < cost["peak_memory_bytes"] < held - (1 << 28)
        outcome = Outcome(**(run.load_state() or {})["outcome"])
        assert outcome.stepping + slept < outcome.seconds
        assert cost["trained_mpx_per_s"] == pytest.approx(2 * 2 * 32 * 32 / outcome.stepping / 1e6)
        assert (cost["model"], cost["depth"], cost["width"], cost["steps"]) == ("unet", 1, 4, 2)
        (run.path / MEASURED).unlink()  # as if it had been stopped before it was measured
        self.told(job)
        again = json.loads((run.path / MEASURED).read_text())
        assert again["peak_memory_bytes"] == cost["peak_memory_bytes"]
        assert again["trained_mpx_per_s"] == cost["trained_mpx_per_s"]

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (RuntimeError("CUDA error: launch failed\nmore"), "RuntimeError: CUDA error: launch failed"),
            (ValueError("too odd"), "ValueError: too odd"),
            (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
            (MemoryError(), "MemoryError: out of memory"),
            (ZeroDivisionError(), "ZeroDivisionError"),
            (UsageError("does not fit", found=3), "does not fit; found 3"),
        ],
    )
    def test_whatever_is_raised_is_said_with_its_type_and_logged(
        self, job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
    ) -> None:
        def refuse(*args: object, **named: object) -> None:
            raise error

        monkeypatch.setattr(work, "train", refuse)
        assert self.told(job) == [{"failed": said}]
        assert "Traceback" in (job.cell.path / "log.txt").read_text()


def test_a_real_process_does_its_job_without_a_word_on_standard_error(
    job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_cell(job, progress=lambda share: None, stop=never)
    assert job.cell.finished
    assert capfd.readouterr().err == ""


def test_a_process_whose_comparison_is_gone_keeps_what_it_has(job: Job, tmp_path: Path) -> None:
    process = subprocess.Popen(cells.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    assert process.stdin is not None
    with process.stdin:
        pickle.dump(job, process.stdin)  # and then it is closed, as by a kill
    assert process.wait(100) == 0
    assert not job.cell.finished


SCRIPT = """
from unetkit.compare import compare
from unetkit.pipeline import Options
rows = compare({data!r}, ["unet", "lean-unet"], options=Options(steps=1, settings={small!r}), out={out!r}).rows
print([row.variant.name for row in rows if len(row.scores) == 1])
"""


def test_a_script_needs_no_guard(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(data=str(data), small=SMALL[2:], out=str(tmp_path / "out")))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "['unet', 'lean-unet']\n"


def command_line_in(folder: Path, words: list[str], errors: Path) -> None:
    os.chdir(folder)
    command_line(words, errors)


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


class TestCtrlC:
    """On the command line: a line to go on with, no traceback, and no process left."""

    def words(self, data: Path, out: Path, steps: int) -> list[str]:
        settings = ["--set=model.width=16", "--set=model.depth=2", "--set=training.patch=[32, 32]"]
        own = ["compare", str(data), "--vary", "training.loss=dice,ce", "--steps", str(steps), *settings]
        return [*own, "--set=training.validate_every=5", "--out", str(out)]

    def begun(self, words: list[str], errors: Path, ready: Callable[[], bool]) -> tuple[Any, list[int]]:
        process = fork(command_line_in, errors.parent, words, errors)
        wait_for(lambda: ready() and bool(children(process.pid)), process)
        return process, children(process.pid)

    def ended(self, process: Any, below: list[int], errors: Path) -> str:
        process.join(60)
        said = errors.read_text()
        assert process.exitcode == 130, said
        assert "Traceback" not in said
        for child in below:
            wait_until_gone(child)
        return said

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_ends_after_the_step_and_goes_on_by_what_is_said(
        self, data: Path, tmp_path: Path, number: signal.Signals
    ) -> None:
        out, errors = tmp_path / "out", tmp_path / "errors.txt"
        words = self.words(data, out, 200)
        process, below = self.begun(words, errors, lambda: bool(list(out.rglob("last.pt"))))
        os.kill(process.pid, number)
        said = self.ended(process, below, errors)
        assert "stopping after this step; once more stops at once" in said
        assert said.splitlines()[-1].endswith(f"To go on: {shlex.join(['unetkit', *words])}")
        (run,) = (RunFolder(path.parent) for path in out.rglob("plan.yaml"))
        state = run.load_state()
        assert state is not None
        assert 0 < state["step"] < 200
        assert run.read_json("STATUS.json")["state"] == "stopped"
        if number == signal.SIGINT:
            again = fork(command_line, words, tmp_path / "again.txt")
            again.join(400)
            assert again.exitcode == 0, (tmp_path / "again.txt").read_text()
            assert len([cell for cell in read_cells(out) if cell.finished]) == 2
            log = (run.path / "log.txt").read_text()
            assert log.count("training unet on") == 2  # it went on, in the same folder

    def test_it_ends_at_once_where_the_process_is_not_ready_and_the_folder_was_not_named(
        self, data: Path, tmp_path: Path
    ) -> None:
        errors = tmp_path / "errors.txt"
        words = self.words(data, tmp_path, 50000)[:-2]
        process, below = self.begun(words, errors, lambda: errors.exists() and "1 of 2" in errors.read_text())
        os.kill(process.pid, signal.SIGINT)
        wait_for(lambda: "stopping after" in errors.read_text(), process)
        os.kill(process.pid, signal.SIGINT)
        said = self.ended(process, below, errors)
        (out,) = (tmp_path / "runs").iterdir()
        assert said.splitlines()[-1].endswith(shlex.join(["unetkit", *words, "--out", f"runs/{out.name}"]))

    def test_while_the_page_is_written_it_names_the_folder_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["unetkit", "compare", "DATA"])

        def interrupted() -> None:
            with comparison_display(quiet=True) as watch:
                watch.progress(Cell.of(tmp_path, Variant("a"), 0), 1, 1, 1.0)
                raise KeyboardInterrupt

        with pytest.raises(typer.Exit) as end:
            interrupted()
        assert end.value.exit_code == 130
        assert capsys.readouterr().err.endswith(f"To go on: unetkit compare DATA --out {tmp_path}\n")

    def test_before_anything_was_begun_there_is_nothing_to_go_on_with(self) -> None:
        with pytest.raises(KeyboardInterrupt), comparison_display(quiet=True):
            raise KeyboardInterrupt


def wait_until_gone(process: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{process}").exists() and "(zombie)" not in Path(f"/proc/{process}/status").read_text():
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)
