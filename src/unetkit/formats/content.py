"""Which format a file really is, and a clear error for everything that is not an image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from unetkit.errors import FileError, UnetkitError
from unetkit.formats.format import Format, Layout

HEAD_BYTES = 4096

FOLDER = b"\0folder\n"
"""What stands before the names in a folder, where these are looked at in place of a file's first bytes."""

MAX_PIXELS = 2**31
"""Formats that can only be decoded whole are refused beyond this many pixels."""

# Starts of files people put where an image should be, so that the error can say what was found.
KNOWN_STARTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF image"),
    (0, b"RIFF", "a WebP image or another RIFF file"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive (or NPZ)"),
    (0, b"\x1f\x8b", "a gzip file (perhaps NIfTI)"),
    (0, b"\x89HDF", "an HDF5 file"),
    (128, b"DICM", "a DICOM file"),
    (344, b"n+1\0", "a NIfTI volume"),
    (0, b"\x80", "a Python pickle or another binary file"),
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises over a bad file into one clear FileError.

    Decoders raise many kinds of exception over damaged bytes, and none of them means anything to the user; the
    original stays attached as the cause.

    Raises:
        FileError: the file cannot be opened or decoded, or does not fit into memory.
    """
    try:
        yield
    except UnetkitError:
        raise
    except MemoryError as error:
        raise FileError("does not fit into memory", file=path, found=error, mend="cut it into smaller files") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise FileError(
                "cannot be read", file=path, found=error.strerror, mend="check the file's rights and the disk"
            ) from error
        raise damaged(path, f"{type(error).__name__}: {error}") from error


def damaged(path: Path, found: object) -> FileError:
    """The error for a file whose content ends early or makes no sense."""
    return FileError(
        "is truncated, damaged or of a variant that cannot be decoded",
        file=path,
        found=found,
        expected="a whole file",
        mend="copy or download it again, or save it anew from the program that made it",
    )


def recognise(path: Path, formats: Mapping[str, Format]) -> tuple[Format, tuple[str, ...]]:
    """The format of a file by its content, and a note where its name says something else.

    Args:
        path: the file.
        formats: the table of formats.

    Returns:
        The format and the notes for the user.

    Raises:
        FileError: missing, a folder, empty, not an image, or of a suffix no format has.
    """
    suffixes = {suffix: format for format in formats.values() for suffix in format.suffixes}
    head = _head(path)
    named = suffixes.get(path.suffix.lower())
    if head.startswith(FOLDER) and not (named and named.folder):
        raise FileError("is a folder", file=path, expected="an image file", mend="name a file inside it")
    actual = next((format for format in formats.values() if format.matches(head)), None)
    if named is None:
        raise FileError(
            "has a suffix that no image format here has",
            file=path,
            found=f"'{path.suffix}'" + (f" on a {actual.name.upper()} file" if actual else ""),
            expected=", ".join(suffixes),
            mend=f"rename it to {path.stem}{actual.suffixes[0]}" if actual else "convert it to PNG or TIFF",
        )
    if actual is None:
        raise FileError(
            f"is not a {named.name.upper()} image",
            file=path,
            found=_describe(head),
            expected=f"the content of a {named.name.upper()} {'folder' if named.folder else 'file'}",
            mend=_mend(head),
        )
    if actual is not named:
        return actual, (f"is called {path.suffix} but holds {actual.name.upper()}; read as {actual.name.upper()}",)
    return actual, ()


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse images that a format can only decode whole and that are too large or empty.

    Raises:
        FileError: no pixel, or more than 2**31.
    """
    if height < 1 or width < 1:
        raise FileError("holds no pixels", file=path, found=f"{height} × {width}", expected="at least one pixel")
    if height * width > MAX_PIXELS:
        raise FileError(
            "claims more pixels than can be decoded at once (a decompression bomb?)",
            file=path,
            found=f"{height} × {width} pixels",
            expected=f"at most {MAX_PIXELS}",
            mend="cut it into smaller files; or save it as TIFF or NPY, if memory holds that many pixels at once",
        )


def check_layout(path: Path, layout: Layout) -> Layout:
    """Refuse numbers that are no pixels: complex, records, texts, or nothing at all.

    Raises:
        FileError: the type or the shape is none an image can have.
    """
    if layout.dtype.kind not in "buif" or layout.dtype.itemsize > 8:
        raise FileError(
            "holds numbers that cannot be used as pixels",
            file=path,
            found=f"type {layout.dtype}",
            expected="whole numbers or floats of at most 64 bits, or booleans",
            mend="save real numbers, such as float32",
        )
    if 0 in layout.shape:
        raise FileError("holds no pixels", file=path, found=f"shape {layout.shape}", expected="no empty axis")
    return layout


def check_channels_first(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse an array without axis names that looks as if its channels came last.

    Args:
        path: named in the error.
        shape: (C, *S), as it is meant.

    Raises:
        FileError: three or four columns, and everything else larger: nobody has images four pixels wide.
    """
    if shape[-1] in (3, 4) and min(shape[:-1]) >= 32:
        raise FileError(
            "looks as if the channels came last",
            file=path,
            found=f"shape {shape}",
            expected="channels first: C H W or C D H W",
            mend="save np.moveaxis(array, -1, 0)",
        )


def _head(path: Path) -> bytes:
    if path.is_dir():
        return FOLDER + b"\n".join(os.fsencode(name) for name in sorted(_neighbours(path)))[:HEAD_BYTES]
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        near = get_close_matches(path.name, _neighbours(path.parent), n=3, cutoff=0.6)
        raise FileError(
            "does not exist", file=path, mend=f"did you mean {' or '.join(near)}?" if near else "check the path"
        ) from error
    except OSError as error:
        raise FileError("cannot be read", file=path, found=error.strerror, mend="check the file's rights") from error
    if not head:
        raise FileError(
            "is empty", file=path, found="0 bytes", expected="an image", mend="copy or download the file again"
        )
    return head


def _neighbours(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - names are wanted, not paths


def _describe(head: bytes) -> str:
    if head.startswith(FOLDER):
        names = os.fsdecode(head.removeprefix(FOLDER)).splitlines()
        return f"a folder with {', '.join(names[:4])}" if names else "an empty folder"
    if _is_lfs(head):
        return "a git-lfs pointer (a few lines of text that stand for the image)"
    if _is_html(head):
        return "an HTML page, as servers send in place of a missing file or before a login"
    if _is_text(head):
        line = head.decode("utf-8", "replace").strip().splitlines()
        return f"text: {line[0][:60]!r}" if line else "blank text"
    for offset, start, what in KNOWN_STARTS:
        if head[offset : offset + len(start)] == start:
            return what
    if not head.strip(b"\0"):
        return "zeros, as an interrupted copy leaves them"
    return f"unknown bytes starting with {head[:8].hex(' ')}"


def _mend(head: bytes) -> str:
    if _is_lfs(head):
        return "run 'git lfs pull' in the folder it came from"
    if _is_html(head):
        return "download it again, signed in if the site asks for it"
    return "copy or download it again, or convert it to PNG or TIFF"


def _is_lfs(head: bytes) -> bool:
    return head.startswith(b"version https://git-lfs")


def _is_html(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # only the last character may be cut by the end of what was read
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)
