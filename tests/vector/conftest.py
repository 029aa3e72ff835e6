"""Objects as awkward as they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unetkit.classes import Classes
from unetkit.image import Geometry
from unetkit.objects import ObjectMap
from unetkit.vector import ImageObjects

CLASSES = Classes(names=("background", "cell", "débris & <more>"))
PLACE = {
    "ModelPixelScale": (10.0, 10.0, 0.0),
    "ModelTiepoint": (0.0, 0.0, 0.0, 500000.0, 5000000.0, 0.0),
    "GeoKeyDirectory": (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632),
}
"""UTM zone 32 north, ten metres a pixel, north up."""


@pytest.fixture(scope="module")
def awkward() -> ImageObjects:
    """An object in the hole of another, one in two pieces, one of a pixel, some along the borders, noise."""
    ids = np.zeros((40, 60), np.uint32)
    ids[2:20, 2:20] = 1
    ids[6:16, 6:16] = 0
    ids[8:14, 8:14] = 2
    ids[5:9, 25:30] = ids[9:12, 30:34] = 3  # the pieces meet at a corner
    ids[0, 59] = 4
    ids[30:, :15] = 5
    ids[25:40, 50:60] = 6
    noise = np.random.default_rng(1).random((18, 30)) < 0.6
    ids[22:40, 18:48][noise] = 7
    classes = np.array([1, 2, 1, 1, 2, 1, 1], np.uint8)
    confidence = np.array([0.5, 0.75, 1, 0, 0.25, np.nan, 0.125], np.float32)
    return ImageObjects(
        "plate/a", ObjectMap(ids, classes, confidence), CLASSES, Geometry(extra={"geotiff": PLACE}), "a.tif"
    )


@pytest.fixture(scope="module")
def second(awkward: ImageObjects) -> ImageObjects:
    """Another image, whose objects have the same numbers."""
    ids = np.zeros((7, 5), np.uint32)
    ids[1:3, 1:3], ids[4:, :] = 1, 2
    return replace(awkward, name="b", file="b.tif", objects=ObjectMap(ids, np.array([2, 1], np.uint8)))
