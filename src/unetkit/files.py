"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from io import FileIO
from pathlib import Path
from typing import IO, Any

from unetkit.errors import FileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well.

    The temporary file keeps the suffix, so that writers which look at it still work. It is flushed to the disk
    before the rename, so that a crash leaves the old file or the new one, never half of either.

    Args:
        path: where the file shall stand in the end; missing parent folders are made.

    Yields:
        The temporary path to write to.

    Raises:
        FileError: the folder cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> with replacing(Path(tempfile.mkdtemp()) / "a.txt") as temporary:
        ...     _ = temporary.write_text("whole")
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")  # as `is_temporary` knows it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise FileError(
            "cannot be written",
            file=path,
            found=error.strerror or error,
            mend="check the folder's rights and free space",
        ) from error
    finally:
        if temporary.exists():  # asks without complaint where the parent is no folder
            temporary.unlink()


def is_temporary(path: Path) -> bool:
    """Whether a file was begun by `replacing`, which a kill kept from taking it away."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}(\.[^.]*)?", path.name) is not None


def sweep(folder: Path) -> None:
    """Take away what killed writers left half-written in a folder and below; nobody else may be writing there."""
    for path in folder.rglob(".*"):
        if is_temporary(path) and path.is_file():
            path.unlink()


def sweep_beside(path: Path) -> None:
    """Take away what killed writers left half-written of one file; nobody else may be writing it."""
    for one in path.parent.glob(f".{escape(path.stem)}.*{escape(path.suffix)}"):
        if is_temporary(one) and one.is_file():
            one.unlink()


def lock(file: IO[bytes] | FileIO, path: Path) -> None:
    """Keep other processes from an open file until it is closed; where the system has no such locks, nothing.

    Args:
        file: open for writing.
        path: named in the error.

    Raises:
        FileError: another process has it.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileError("is in use by another process", file=path, mend="wait for it, or name another --out") from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError("cannot be read", file=path, found=error.strerror) from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all. NaN and infinity are refused: write None instead."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file.

    Raises:
        FileError: missing, not UTF-8, or not JSON; the message names the line.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError("cannot be read", file=path, found=error.strerror) from error
    except ValueError as error:
        raise FileError("is not valid JSON", file=path, found=error, mend="correct or delete the file") from error
