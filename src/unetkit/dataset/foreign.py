"""How masks that any tool wrote are to be read beside true masks whose encoding is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes, Colour, class_numbers
from unetkit.dataset.census import colour_of, count_mask
from unetkit.dataset.encoding import read_label_map
from unetkit.errors import InputError
from unetkit.formats import read_mask

Reading = Literal["truth", "indices", "binary", "colours"]
"""Written as the true masks are; as class indices 0 … K−1; of two classes, as 0 and 255; or as the classes' colours."""

Entry = tuple[int | None, Colour | None]
"""What a mask file holds at a pixel: a number, a colour, or (from a palette) both."""


def _entries(path: Path, classes: Classes) -> set[Entry]:
    """Every different number or colour of a mask file; of the large numbers of objects, one of each class."""
    count = count_mask(path)
    if count.coloured:
        return {(None, colour_of(int(key))) for key in count.values}
    values = count.values
    if classes.encoding == "instances":  # there may be millions, and all objects of a class are read alike
        of_object = values[values > 255]
        kinds = class_numbers(of_object, classes.label_divisor) if classes.label_divisor else of_object != 0
        values = np.append(values[values <= 255], of_object[np.unique(kinds, return_index=True)[1]])
        values = np.union1d(values, np.intersect1d(count.values, classes.ignore_values)).astype(np.int64)
    shades = count.palette or tuple((shade, shade, shade) for shade in range(256))
    return {(int(value), shades[value] if 0 <= value < len(shades) else None) for value in values}


def _as_truth(value: int | None, colour: Colour | None, classes: Classes) -> int | None:
    """The class that the true masks write so, or None."""
    if classes.encoding == "colours":
        if colour in classes.ignore_colours:
            return IGNORE
        return classes.colours.index(colour) if colour in classes.colours else None
    if value is None or value in classes.ignore_values:
        return None if value is None else IGNORE
    if classes.label_divisor:
        value = int(class_numbers(np.array(value), classes.label_divisor))
    elif classes.encoding == "instances":
        return int(value != 0)
    return classes.values.index(value) if value in classes.values else None


def _as_index(value: int | None, colour: Colour | None, classes: Classes) -> int | None:
    return value if value is not None and 0 <= value < len(classes) else None


def _as_binary(value: int | None, colour: Colour | None, classes: Classes) -> int | None:
    fits = len(classes) == 2 and 255 not in classes.values and value in (0, 255)
    return int(value == 255) if fits else None


def _as_colour(value: int | None, colour: Colour | None, classes: Classes) -> int | None:
    named = classes.encoding == "values" and len(set(classes.colours)) == len(classes)
    return classes.colours.index(colour) if named and colour in classes.colours else None


_READINGS: Mapping[Reading, Callable[[int | None, Colour | None, Classes], int | None]] = {
    "truth": _as_truth,
    "indices": _as_index,
    "binary": _as_binary,
    "colours": _as_colour,
}


def find_reading(paths: Sequence[Path], classes: Classes, *, ordered: bool = True) -> Reading:
    """How predictions are written: the reading that fits all their values together.

    Args:
        paths: all predictions; a single one may hold too few values to tell.
        classes: of the true masks, with their encoding.
        ordered: whether somebody stated which of the true masks' colours is which class index.

    Returns:
        The reading; "truth" where several fit and agree on every value.

    Raises:
        InputError: no reading fits, two fit and disagree, or indices stand against colours whose order nobody stated;
            the message says what to type.
        FileError: a mask is unreadable, or holds fractions.
    """
    entries = sorted(set[Entry]().union(*(_entries(path, classes) for path in paths)), key=str)
    read = {name: [label(*entry, classes) for entry in entries] for name, label in _READINGS.items()}
    fitting = [name for name, labels in read.items() if None not in labels]
    if not fitting:
        raise InputError(
            "the predictions hold values that stand for no class",
            file=paths[0].parent,
            found=_shown(entries),
            expected=f"values as in the true masks ({classes.evidence or classes.encoding}), or class indices"
            f" 0 … {len(classes) - 1}",
            mend="write class indices, not probabilities or scaled grey values"
            if all(value is not None for value, _ in entries)
            else "write class indices, or state 'colours: [[r, g, b], …]', one a class, in classes.yaml",
        )
    if any(read[name] != read[fitting[0]] for name in fitting):
        raise InputError(
            f"the predictions can be read in {len(fitting)} ways that disagree",
            file=paths[0].parent,
            found=f"the values {_shown(entries)}",
            mend="say which with " + " or ".join(f"--encoding {name}" for name in fitting) + " (in Python: encoding=…)",
        )
    guessed = classes.encoding == "colours" and not ordered and (len(classes) > 2 or classes.colours[0] != (0, 0, 0))
    if fitting[0] == "indices" and guessed:
        raise InputError(
            "the predictions hold class indices, and nobody stated which colour of the true masks has which",
            file=paths[0].parent,
            found=f"the values {_shown(entries)}",
            mend=f"state 'colours: {[list(colour) for colour in classes.colours]}' in classes.yaml, in their order; or "
            "say --encoding indices if this order is right",
        )
    return fitting[0]


def read_foreign(path: Path, classes: Classes, reading: Reading) -> npt.NDArray[np.uint8]:
    """A prediction as class indices.

    Args:
        path: the mask file.
        classes: of the true masks, with their encoding.
        reading: how the file is written.

    Returns:
        *S uint8, values 0 … K-1; for reading "truth" also 255, where the file says that nobody labelled the pixel.

    Raises:
        InputError: the file holds values that the reading does not know.
        FileError: the mask is unreadable.
    """
    if reading == "truth":
        return read_label_map(path, classes).labels
    if reading == "colours":
        coloured = {"encoding": "colours", "ignore_values": (), "ignore_colours": ()}
        return read_label_map(path, classes.model_copy(update=coloured)).labels
    label = _READINGS[reading]
    strange = [entry for entry in _entries(path, classes) if label(*entry, classes) is None]
    if strange:
        raise InputError(f"prediction is not written as {reading}", file=path, found=f"the values {_shown(strange)}")
    values = read_mask(path).values
    labels: npt.NDArray[np.uint8] = (values if reading == "indices" else values != 0).astype(np.uint8)
    return labels


def _shown(entries: Iterable[Entry]) -> str:
    values = sorted((value if value is not None else colour for value, colour in entries), key=str)
    return ", ".join(map(str, values[:8])) + (", …" if len(values) > 8 else "")
