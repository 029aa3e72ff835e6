"""Measuring the objects in label files: a file or a folder in, one table out."""

from unetkit.measuring.files import Measured, measure_files
from unetkit.measuring.labels import Settings

__all__ = ["Measured", "Settings", "measure_files"]
