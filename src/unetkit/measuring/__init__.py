"""Measuring the objects in label files: a file or a folder in, one table out."""

from unetkit.measuring.files import Measured, groups_near, measure_files
from unetkit.measuring.labels import Settings, extent_of, spacing_of
from unetkit.measuring.streamed import Frame, Pixels, measure_bands

__all__ = [
    "Frame",
    "Measured",
    "Pixels",
    "Settings",
    "extent_of",
    "groups_near",
    "measure_bands",
    "measure_files",
    "spacing_of",
]
