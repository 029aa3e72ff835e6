"""Child processes that are there at once, to be killed: forked from one that has imported the package already."""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["unetkit.pipeline", "unetkit.cli.main", "unetkit.cli.live", "tests.forks"])


def fork(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a function of this module's kind, at the top of a file, in a process of its own."""
    process = FORKS.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def wait_for(what: Callable[[], bool], process: BaseProcess, seconds: float = 100) -> None:
    """Wait until something is so, while the process lives."""
    deadline = time.monotonic() + seconds
    while not what():
        assert process.is_alive(), f"ended with exit code {process.exitcode}"
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.01)


def replace_call(target: str, call: int, act: Callable[..., None]) -> None:
    """Let the call of this number, counted from 1, of a function do something before."""
    original, calls = pkgutil.resolve_name(target), [0]

    def replacement(*args: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            act(original, *args, **named)
        return original(*args, **named)

    pytest.MonkeyPatch().setattr(target, replacement)


def kill_at(target: str, call: int, *, half: bool = False) -> None:
    """Kill this process at a call of a function: before it, or, with `half`, when it has written half of its file."""

    def die(original: Callable[..., Any], *args: Any, **named: Any) -> None:
        if half:
            original(*args, **named)
            path = next(arg for arg in args if isinstance(arg, Path))
            os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    replace_call(target, call, die)


def command_line(words: list[str], errors: Path, target: str = "", call: int = 1, seconds: float = 60) -> None:
    """The command line in this process, its output in a file; at a call it writes the file's .here and waits."""
    with errors.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def wait(*args: Any, **named: Any) -> None:
        errors.with_suffix(".here").touch()
        time.sleep(seconds)

    if target:
        replace_call(target, call, wait)
    sys.argv = ["unetkit", *words]
    from unetkit.cli import main

    main()
