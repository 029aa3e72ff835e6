"""The journal keeps what is finished, whatever moment a kill chooses."""

from __future__ import annotations

from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from unetkit.errors import FileError
from unetkit.prediction import Journal, tiles

FACTS = {"image": ["a.tif", 7], "weights": "0f"}
LABELS = np.random.default_rng(0).integers(0, 5, (50, 70)).astype(np.uint8)
PROBABILITIES = np.random.default_rng(1).random((3, 50, 70)).astype(np.float32)


OPEN: list[Journal] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def begun(path: Path, facts: dict[str, object] = FACTS, choice: int = 16) -> Journal:
    OPEN.append(Journal(path, facts, lambda: choice))
    return OPEN[-1]


def filled(path: Path, count: int = 100) -> Journal:
    journal = begun(path)
    for tile in list(tiles(LABELS.shape, 16, 0, 1))[:count]:
        journal.append(tile.write, LABELS[tile.write], PROBABILITIES[(slice(None), *tile.write)])
    return journal


def test_any_window_can_be_had(tmp_path: Path) -> None:
    journal = filled(tmp_path / "j")
    for window in [(slice(0, 50), slice(0, 70)), (slice(15, 17), slice(31, 65)), (slice(49, 50), slice(69, 70))]:
        assert np.array_equal(journal.labels(window), LABELS[window])
        for channel in range(3):
            assert np.array_equal(journal.probabilities(channel, window), PROBABILITIES[(channel, *window)])


def test_cut_off_anywhere_it_keeps_whole_parts_alone_and_goes_on(tmp_path: Path) -> None:
    filled(tmp_path / "whole").close()
    whole = (tmp_path / "whole").read_bytes()
    places = list(tiles(LABELS.shape, 16, 0, 1))
    for length in np.random.default_rng(2).integers(1, len(whole), 40):
        (tmp_path / "cut").write_bytes(whole[:length])
        journal = begun(tmp_path / "cut", choice=99)
        kept = journal.done
        assert len(kept) < len(places)
        assert journal.choice == (16 if kept else journal.choice)
        for tile in places:
            if tuple((part.start, part.stop) for part in tile.write) not in kept:
                journal.append(tile.write, LABELS[tile.write], PROBABILITIES[(slice(None), *tile.write)])
        assert np.array_equal(journal.labels((slice(0, 50), slice(0, 70))), LABELS)
        journal.remove()
        assert not (tmp_path / "cut").exists()


def test_a_flipped_bit_ends_what_is_believed(tmp_path: Path) -> None:
    filled(tmp_path / "j").close()
    data = bytearray((tmp_path / "j").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "j").write_bytes(data)
    kept = len(begun(tmp_path / "j").done)
    assert 0 < kept < 20


def test_another_image_or_model_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path / "j").close()
    same = begun(tmp_path / "j", choice=32)
    assert len(same.done) == 20
    assert same.choice == 16
    assert not same.begun_anew
    same.close()
    other = begun(tmp_path / "j", {**FACTS, "weights": "aa"}, choice=32)
    assert other.begun_anew
    assert other.choice == 32
    assert not other.done


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        begun(tmp_path / "file" / "j")


class Full:
    """A file on a disk with room for some more bytes."""

    def __init__(self, file: FileIO, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 1, 40, 200])
def test_a_full_disk_is_said_and_what_was_there_is_kept(tmp_path: Path, room: int) -> None:
    journal = filled(tmp_path / "j", 7)
    journal._file = Full(journal._file, room)  # type: ignore[assignment]
    with pytest.raises(FileError, match=r"No space left.*goes on from the finished tiles"):
        journal.append((slice(32, 48), slice(0, 16)), LABELS[32:48, :16])
    journal.close()
    again = begun(tmp_path / "j")
    assert len(again.done) == 7
    again.append((slice(32, 48), slice(0, 16)), LABELS[32:48, :16])
    assert np.array_equal(again.labels((slice(40, 44), slice(3, 9))), LABELS[40:44, 3:9])


def test_one_process_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    first = begun(tmp_path / "j")
    for facts in (FACTS, {"other": 1}):
        with pytest.raises(FileError, match="in use by another process"):
            begun(tmp_path / "j", facts)
    first.append((slice(0, 50), slice(0, 70)), LABELS)
    first.close()
    assert len(begun(tmp_path / "j").done) == 1


@pytest.mark.parametrize(("old", "new"), [(b"[0, 16]", b"[16, 0]"), (b'"labels": ', b'"babels": '), (b"[[0", b"[[9")])
def test_an_altered_line_is_not_believed(tmp_path: Path, old: bytes, new: bytes) -> None:
    filled(tmp_path / "j").close()
    (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes().replace(old, new, 1))
    assert len(begun(tmp_path / "j").done) < 20


def test_a_choice_that_was_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Journal(tmp_path / "j", FACTS, interrupted)
    assert not (tmp_path / "j").exists()
