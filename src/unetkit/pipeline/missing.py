"""Where an image has no data, the result has none either."""

from __future__ import annotations

from itertools import chain

import numpy as np

from unetkit.classes import Classes


def classes_with_missing(classes: Classes, nodata: float | None) -> tuple[Classes, float | None]:
    """Classes that write a number of its own where the image has no data.

    Args:
        classes: how label files are written.
        nodata: the number that stands for missing data in the image; None where it states none.

    Returns:
        The classes to write with, and that number: the value that masks ignore, else 255, else the largest free one.
        Colours, numbered objects and one-bit masks have no such number (None): the colour of what masks ignore (or
        black), and background, stand there.

    Example:
        >>> classes_with_missing(Classes(names=("background", "cell"), values=(0, 255)), -9999.0)[1]
        254.0
    """
    if nodata is None or classes.encoding != "values" or classes.dtype == "bool":
        return classes, None
    if classes.ignore_values:
        return classes, float(classes.ignore_values[0])
    most = 2**24 if classes.dtype == "float32" else int(np.iinfo(classes.dtype).max)  # floats are whole up to there
    value = next(v for v in chain([min(255, most)], range(most, 0, -1)) if v not in classes.values)
    return classes.model_copy(update={"ignore_values": (value,)}), float(value)
