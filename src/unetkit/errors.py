"""Every error unetkit raises on purpose.

UnetkitError            what went wrong, where, what was found, what was expected, what to do
├── InputError          a file or value that cannot be used            (exit code 1)
│   ├── FileError       one image, mask or weights file
│   ├── DatasetError    a folder of images and masks
│   │   └── UnclearMasks  numbers that may count objects or name classes
│   ├── LeakageError    training and test data share images or groups
│   └── RunError        a run folder
├── UsageError          a wrong name, option or combination            (exit code 2)
│   └── UnknownName     a name no registry holds; lists the nearest
└── MissingExtra        an optional package that is not installed      (exit code 1)
"""

from __future__ import annotations

from os import PathLike


class UnetkitError(Exception):
    """One clear sentence for the user, built from its parts.

    Args:
        what: the fault in plain words, without a full stop.
        file: the file or folder it was found in.
        found: what arrived.
        expected: what would have been right.
        mend: what to type or edit.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        file: str | PathLike[str] | None = None,
        found: object = None,
        expected: object = None,
        mend: str | None = None,
    ) -> None:
        self.what, self.file, self.found, self.expected, self.mend = what, file, found, expected, mend
        text = f"{file}: {what}" if file is not None else what
        if found is not None:
            text += f"; found {found}"
        if expected is not None:
            text += f"; expected {expected}"
        if mend is not None:
            text += f". To mend it: {mend}"
        super().__init__(text)


class InputError(UnetkitError):
    """A file or value the user gave cannot be used."""


class FileError(InputError):
    """One file cannot be read, or does not hold what it should."""


class DatasetError(InputError):
    """A folder of images and masks cannot be trained on."""


class UnclearMasks(DatasetError):
    """The numbers of masks may count objects or name classes: the user has to say which."""


class LeakageError(InputError):
    """Training and test data share images or groups."""


class RunError(InputError):
    """A run folder is incomplete, damaged or made by something else."""


class UsageError(UnetkitError):
    """A wrong option, value or combination of them."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that no registry holds."""


class MissingExtra(UnetkitError):
    """An optional package that is not installed, or does not load.

    Args:
        package: its name.
        extra: the extra of unetkit that brings it.
        error: what importing it raised, where that was tried.
    """

    def __init__(self, package: str, extra: str, error: Exception | None = None) -> None:
        absent = error is None or isinstance(error, ModuleNotFoundError)
        super().__init__(
            f"the optional package {package} {'is not installed' if absent else 'does not load'}",
            found=None if absent else error,
            mend=f"pip install 'unetkit[{extra}]'" + ("" if absent else ", in an environment of its own"),
        )
