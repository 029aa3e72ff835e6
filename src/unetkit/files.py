"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
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
    temporary = _beside(path)
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        finally:
            if temporary.exists():  # asks without complaint where the parent is no folder
                temporary.unlink()


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """As `replacing`, for a format whose images are folders: yields an empty folder.

    A folder that stood there is moved aside before the new one takes its name, for no system replaces a full folder in
    one step: a kill between the two leaves none, and the old one hidden beside it.

    Args:
        path: where the folder shall stand in the end; missing parent folders are made.

    Yields:
        The temporary folder to write into.

    Raises:
        FileError: the folder cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> with replacing_folder(Path(tempfile.mkdtemp()) / "a.zarr") as temporary:
        ...     _ = (temporary / "zarr.json").write_text("{}")
    """
    path = Path(path)
    with writing(path), scratch(path) as temporary:
        yield temporary
        for below, _, names in os.walk(temporary):
            for name in names:
                _flush(Path(below, name))
        if path.is_dir() and not path.is_symlink():
            with scratch(path) as aside:
                path.replace(aside)
                temporary.replace(path)
        else:
            temporary.replace(path)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """An empty hidden folder beside a path, that is taken away with all that is in it when the block ends."""
    folder = _beside(path)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _beside(path: Path) -> Path:
    """A hidden name beside a path, as `is_temporary` knows it."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Faults of the disk, told of the file that was to be written.

    Raises:
        FileError: the block ended with an OSError.
    """
    try:
        yield
    except OSError as error:
        raise FileError(
            "cannot be written",
            file=path,
            found=error.strerror or error,
            mend="check the folder's rights and free space",
        ) from error


def _flush(path: Path) -> None:
    """Onto the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether a file or folder was begun by one of the above, which a kill kept from taking it away."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}(\.[^.]*)?", path.name) is not None


def sweep(folder: Path) -> None:
    """Take away what killed writers left half-written in a folder and below; nobody else may be writing there."""
    for path in list(folder.rglob(".*")):
        if is_temporary(path):
            _remove(path)


def sweep_beside(path: Path) -> None:
    """Take away what killed writers left half-written of one file; nobody else may be writing it."""
    for one in path.parent.glob(f".{escape(path.stem)}.*{escape(path.suffix)}"):
        if is_temporary(one):
            _remove(one)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def stamp(path: Path) -> list[str | int]:
    """What changes where a file, or anything below a folder, is written anew: path, bytes, newest time in ns, files."""
    files = [Path(below, name) for below, _, names in os.walk(path) for name in names] if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    newest = max((stat.st_mtime_ns for stat in stats), default=0)
    return [str(path.resolve()), sum(stat.st_size for stat in stats), newest, len(stats)]


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
