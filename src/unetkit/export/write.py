"""Write a model in several formats: all of them, each held against the model, or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

from unetkit.errors import UsageError
from unetkit.export import EXPORTS, Export, Subject
from unetkit.export.parity import expected, require_parity
from unetkit.files import replacing
from unetkit.registry import lookup
from unetkit.runtimes.packages import load


@dataclass(frozen=True, slots=True)
class Exported:
    """One format that was written.

    Args:
        format: its name.
        files: where they stand; the last one is that to be opened.
        difference: the largest one of a probability from what the model itself gives.
    """

    format: str
    files: tuple[Path, ...]
    difference: float


def require_formats(formats: Sequence[str]) -> dict[str, Export]:
    """The formats of those names, once it is known that they can be written here.

    Raises:
        UsageError: none was named.
        UnknownName: no such format; the nearest names are in the message.
        MissingExtra: a package that a format needs is not installed.
        UnetkitError: something else is missing that a format needs.
    """
    chosen = {name: lookup(EXPORTS, name, "export format") for name in formats}
    if not chosen:
        raise UsageError("no format was named", expected=f"some of {', '.join(EXPORTS)}")
    for export in chosen.values():
        for package in export.packages:
            assert export.extra is not None
            load(package, export.extra)
        export.require()
    return chosen


def require_dims(spatial_dims: int, chosen: dict[str, Export]) -> None:
    """Refuse formats that are not for models of so many dimensions.

    Raises:
        UsageError: one is not.
    """
    for name, export in chosen.items():
        if spatial_dims not in export.dims:
            others = ", ".join(other for other, one in EXPORTS.items() if spatial_dims in one.dims)
            dims = " and ".join(f"{number}D" for number in export.dims)
            raise UsageError(
                f"the {name} format is for {dims} models",
                found=f"a model of {spatial_dims}D images",
                mend=f"name other formats: {others}",
            )


def require_free(name: str, chosen: dict[str, Export], out: Path, *, overwrite: bool) -> None:
    """Refuse what would replace a file.

    Raises:
        UsageError: a file exists, and `overwrite` is not said.
    """
    for export in chosen.values():
        for suffix in export.suffixes:
            if (target := out / (name + suffix)).exists() and not overwrite:
                raise UsageError("an export exists already", found=target, mend="--overwrite, or name another --out")


def write_exports(
    subject: Subject,
    formats: Sequence[str],
    out: str | PathLike[str],
    *,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Exported, ...]:
    """Write a model as OUT/NAME.SUFFIX, once every copy predicts as the model does.

    Args:
        subject: the model.
        formats: names of `EXPORTS`.
        out: folder.
        overwrite: whether files that exist may be replaced.
        say: told each format that is begun.

    Raises:
        UnetkitError: a copy fails or differs from the model; then nothing is written.
        UnknownName, MissingExtra, UsageError: as `require_formats`, `require_dims` and `require_free`.
        FileError: the folder cannot be written.

    Example:
        >>> write_exports(subject, ["onnx"], "exported")  # doctest: +SKIP
        (Exported(format='onnx', files=(PosixPath('exported/cells.onnx'),), difference=4.2e-07),)
    """
    out, chosen = Path(out), require_formats(formats)
    require_dims(subject.spatial_dims, chosen)
    require_free(subject.name, chosen, out, overwrite=overwrite)
    pairs, differences = expected(subject), {}
    with TemporaryDirectory() as folder:
        stem = Path(folder) / subject.name
        for name, export in chosen.items():
            say(f"{name}: {export.summary}")
            export.write(subject, stem)
            run = export.open(stem.with_name(stem.name + export.suffixes[-1]))
            differences[name] = require_parity(run, pairs, name)
            del run  # some systems keep a file that is open
        for export in chosen.values():
            for suffix in export.suffixes:
                with replacing(out / (subject.name + suffix)) as temporary:
                    shutil.copyfile(stem.with_name(stem.name + suffix), temporary)
    return tuple(
        Exported(name, tuple(out / (subject.name + suffix) for suffix in export.suffixes), differences[name])
        for name, export in chosen.items()
    )
