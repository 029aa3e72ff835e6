"""The finished parts of a large prediction, on disk, so that a killed one goes on where it was.

One file that is only ever appended to: a line of JSON that says what is being predicted, then records. A record is a
line of JSON (window, sizes in bytes, checksum) and its bytes: labels, deflated, and perhaps probabilities as they are.
What a kill left unfinished at the end does not fit its checksum, and is cut off when the file is opened again. One
process at a time has it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unetkit.errors import FileError
from unetkit.files import lock
from unetkit.prediction.tiles import Edges, Window, edges_of

Labels = npt.NDArray[np.uint8]

HELD = 128 * 2**20
"""Bytes of decoded labels that are kept at hand."""


class Journal:
    """Parts of one image's prediction.

    Args:
        path: of the file.
        facts: what the parts depend on, as JSON has it; parts of a file that states others are thrown away.
        choose: what was chosen freely when the file was begun, as JSON has it.

    Attributes:
        choice: what `choose` gave then.
        begun_anew: whether a file stood there that was of no use.

    Raises:
        FileError: the folder cannot be written, or another process has the file.
    """

    def __init__(self, path: Path, facts: dict[str, Any], choose: Callable[[], Any]) -> None:
        self.path = path
        self.begun_anew = False
        self._records: dict[Edges, _Record] = {}
        self._decoded: OrderedDict[Edges, Labels] = OrderedDict()
        self._axes: tuple[list[int], ...] | None = None
        self._stops: dict[tuple[int, int], int] = {}
        wanted = json.loads(json.dumps(facts))
        head, self._end = _read_head(path), 0
        if head.get("facts") != wanted:
            self.begun_anew = bool(head)
            head = {"facts": wanted, "choice": choose()}
        self.choice = head["choice"]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if path.is_file() else "w+b", buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            lock(self._file, path)
            if _read_head(path) == head:
                self._scan()
                self._file.truncate(self._end)
            else:
                self._file.truncate(0)
                self._write(json.dumps(head).encode() + b"\n")
        except BaseException:
            self._file.close()
            raise

    @property
    def done(self) -> frozenset[Edges]:
        """The windows that are there."""
        return frozenset(self._records)

    def append(self, window: Window, labels: Labels, probabilities: npt.NDArray[np.float32] | None = None) -> None:
        """Add a part.

        Args:
            window: which part of the image.
            labels: *window.
            probabilities: K *window, or None.

        Raises:
            FileError: the disk is full; all parts before this one are kept.
        """
        edges = edges_of(window)
        packed = zlib.compress(labels.tobytes(), 1)
        plain = b"" if probabilities is None else probabilities.tobytes()
        about = {"window": edges, "labels": len(packed), "probabilities": len(plain)}
        line = json.dumps({**about, "check": _checksum(about, packed + plain)}).encode() + b"\n"
        offset = self._end + len(line)
        self._write(line + packed + plain)
        self._records[edges] = _Record(offset, len(packed), len(plain))
        self._axes = None

    def labels(self, window: Window) -> Labels:
        """The labels of any window whose parts are all there: *window."""
        out = np.empty([part.stop - part.start for part in window], np.uint8)
        for edges, here, there in self._touched(window):
            out[here] = self._decode(edges)[there]
        return out

    def probabilities(self, channel: int, window: Window) -> npt.NDArray[np.float32]:
        """The probabilities of one class in any window, NaN in parts that came without: float32 *window."""
        out = np.empty([part.stop - part.start for part in window], np.float32)
        for edges, here, there in self._touched(window):
            record, shape = self._records[edges], [stop - start for start, stop in edges]
            if not record.probabilities:
                out[here] = np.nan
                continue
            start = record.offset + record.labels
            # mapped, for a record may be as wide as the image and only a corner of it be asked for
            values = np.memmap(
                self.path, np.float32, "r", start, (record.probabilities // 4 // math.prod(shape), *shape)
            )
            out[here] = values[channel][there]
        return out

    def close(self) -> None:
        """Keep the file for another time."""
        self._file.close()

    def remove(self) -> None:
        """Take the file away: what it held stands elsewhere."""
        if os.name == "nt":  # an open file cannot be taken away there
            self._file.close()
        self.path.unlink(missing_ok=True)  # still locked: nobody else may go on with it meanwhile
        self._file.close()

    def _write(self, data: bytes) -> None:
        """Append; what was written of it is taken back where the disk is full."""
        try:
            self._file.seek(self._end)
            left = memoryview(data)
            while left:  # one call writes 2 GB at most
                written = self._file.write(left)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                left = left[written:]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise _unwritable(self.path, error) from error
        self._end += len(data)

    def _scan(self) -> None:
        """Find the records that are whole, and where they end."""
        with self.path.open("rb") as file:
            file.readline()
            self._end = file.tell()
            while record := _parsed(file.readline()):
                about: dict[str, Any] = {key: record.get(key) for key in ("window", "labels", "probabilities")}
                try:
                    offset, data = file.tell(), file.read(about["labels"] + about["probabilities"])
                except TypeError:  # another JSON object than a record's
                    break
                if len(data) < about["labels"] + about["probabilities"] or _checksum(about, data) != record.get(
                    "check"
                ):
                    break
                edges = tuple((start, stop) for start, stop in about["window"])
                self._records[edges] = _Record(offset, about["labels"], about["probabilities"])
                self._end = file.tell()

    def _touched(self, window: Window) -> list[tuple[Edges, Window, Window]]:
        """The parts that a window touches: (edges, where in the window, where in the part). They form a grid."""
        if self._axes is None:
            self._axes = tuple(sorted({edges[axis][0] for edges in self._records}) for axis in range(len(window)))
            self._stops = {
                (axis, edges[axis][0]): edges[axis][1] for edges in self._records for axis in range(len(window))
            }
        near = [
            starts[max(bisect_right(starts, part.start) - 1, 0) : bisect_right(starts, part.stop - 1)]
            for starts, part in zip(self._axes, window, strict=True)
        ]
        found = []
        for origin in product(*near):
            edges = tuple((start, self._stops[axis, start]) for axis, start in enumerate(origin))
            overlap = [
                slice(max(start, part.start), min(stop, part.stop))
                for (start, stop), part in zip(edges, window, strict=True)
            ]
            here = tuple(
                slice(o.start - part.start, o.stop - part.start) for o, part in zip(overlap, window, strict=True)
            )
            there = tuple(slice(o.start - start, o.stop - start) for o, (start, _) in zip(overlap, edges, strict=True))
            found.append((edges, here, there))
        return found

    def _decode(self, edges: Edges) -> Labels:
        if edges in self._decoded:
            self._decoded.move_to_end(edges)
            return self._decoded[edges]
        record = self._records[edges]
        packed = zlib.decompress(self._read(record.offset, record.labels))
        labels = np.frombuffer(packed, np.uint8).reshape([stop - start for start, stop in edges])
        self._decoded[edges] = labels
        while len(self._decoded) > 1 and sum(one.nbytes for one in self._decoded.values()) > HELD:
            self._decoded.popitem(last=False)
        return labels

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


class _Record(NamedTuple):
    """Where the bytes of a part stand in the file, and how many they are."""

    offset: int
    labels: int
    probabilities: int


def _read_head(path: Path) -> dict[str, Any]:
    """The first line of a journal; an empty object where there is none."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return _parsed(file.readline())


def _parsed(line: bytes) -> dict[str, Any]:
    """The JSON object in a whole line; an empty one where there is none."""
    try:
        value = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _checksum(about: dict[str, Any], data: bytes) -> int:
    """Of a record: what its line says, and its bytes."""
    return zlib.crc32(data, zlib.crc32(json.dumps(about).encode()))


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(
        "cannot be written",
        file=path,
        found=error.strerror or error,
        mend="check the folder's rights and free space; then the same command goes on from the finished tiles",
    )
