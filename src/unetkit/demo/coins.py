"""A real photograph: 24 Greek coins from Pompeii, as scikit-image ships it, with unetkit's own annotation.

The photograph (`skimage.data.coins`, 303 × 384 pixels, grey; Brooklyn Museum, no known copyright restrictions) lies in
scikit-image's package, so nothing is fetched. The outlines lie in data/coins.json. The photograph is cut into twelve
crops that overlap nowhere, two whole coins in each. All of them come from one photograph with one light and one
camera: a score on the test crops tells about this photograph, not about coins.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import data
from skimage.draw import polygon

from unetkit.classes import Classes, write_classes
from unetkit.files import write_json, write_text
from unetkit.formats import write_image, write_mask

ROWS = (0, 83, 150, 225, 303)
"""Where the photograph is cut between the rows of coins; each strip is one row of six coins."""

COLUMNS = ((0, 126, 247, 384), (0, 128, 235, 384), (0, 129, 243, 384), (0, 139, 272, 384))
"""Where each strip is cut between its coins."""

SPLIT = {
    "train": (
        "coins_1a", "coins_1b", "coins_2b", "coins_2c", "coins_3a", "coins_3c", "coins_4b",
    ),
    "val": ("coins_3b", "coins_4a"),
    "test": ("coins_1c", "coins_2a", "coins_4c"),
}  # fmt: skip
"""Strip 1 to 4 and place a to c; val and test are spread over the photograph, whose light falls from the top left."""

README = """\
# Coins

Twelve crops of one photograph: 24 Greek coins from Pompeii (Brooklyn Museum, no known copyright restrictions), the
image `skimage.data.coins()` of scikit-image. The outlines were drawn for unetkit. Masks hold 0 and 255 (coin).

**All crops come from one photograph.** The crops do not overlap, but light, camera and background are the same in
training and test. The score tells how well the rest of this photograph is segmented, not how well another one would be.
"""


def coin_outlines() -> list[npt.NDArray[np.float64]]:
    """The annotated outlines, row by row from the top left.

    Returns:
        24 closed polygons, each an array of points (row, column) in pixels; whole numbers are pixel centres.

    Example:
        >>> len(coin_outlines())
        24
    """
    text = files("unetkit.demo").joinpath("data/coins.json").read_text(encoding="utf-8")
    return [np.array(outline, np.float64) for outline in json.loads(text)["outlines"]]


def draw_coins() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The photograph and its annotation.

    Returns:
        Pixels 1 H W and instances H W (0 is background, 1 to 24 the coins).

    Example:
        >>> pixels, instances = draw_coins()
        >>> pixels.shape, int(instances.max())
        ((1, 303, 384), 24)
    """
    photograph = np.asarray(data.coins(), np.uint8)  # type: ignore[no-untyped-call]
    instances = np.zeros(photograph.shape, np.uint8)
    for number, outline in enumerate(coin_outlines(), 1):
        inside = polygon(outline[:, 0], outline[:, 1], photograph.shape)  # type: ignore[no-untyped-call]
        instances[inside] = number
    return photograph[None], instances


def coin_crops() -> dict[str, tuple[slice, slice]]:
    """Rows and columns of each crop, by its name."""
    crops = {}
    for strip, columns in enumerate(COLUMNS):
        for place, letter in enumerate("abc"):
            row, column = slice(*ROWS[strip : strip + 2]), slice(*columns[place : place + 2])
            crops[f"coins_{strip + 1}{letter}"] = (row, column)
    return crops


def coin_names() -> dict[str, list[str]]:
    """Names of the crops by part of the split."""
    return {part: list(names) for part, names in SPLIT.items()}


def write_coins(root: Path) -> None:
    """Write the crops as a dataset: images/, masks/ of 0 and 255, splits.json, classes.yaml, README.md.

    Args:
        root: folder; files of the same names are replaced.
    """
    pixels, instances = draw_coins()
    for name, crop in coin_crops().items():
        write_image(root / "images" / f"{name}.png", pixels[:, *crop])
        write_mask(root / "masks" / f"{name}.png", np.where(instances[crop] > 0, 255, 0).astype(np.uint8))
    write_json(root / "splits.json", coin_names())
    classes: dict[str, Any] = {"names": ("background", "coin"), "values": (0, 255)}
    write_classes(root / "classes.yaml", Classes(**classes, evidence="stated in classes.yaml"))
    write_text(root / "README.md", README)
