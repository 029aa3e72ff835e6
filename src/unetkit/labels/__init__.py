"""Labels that cost little: points, scribbles, boxes and regions, from drawn marks to class maps.

marks/ ──folder──▶ Marks of each image ──paint──▶ class map, 255 where nothing is said
                                                  (with a SeedsPlan: and what training assumes)
"""

from unetkit.labels.folder import FoundMarks, find_marks
from unetkit.labels.marks import Kind, Mark, Marks, read_marks, write_marks
from unetkit.labels.paint import WHOLE, is_partial, paint
from unetkit.labels.seeds import SeedsPlan

__all__ = [
    "WHOLE", "FoundMarks", "Kind", "Mark", "Marks", "SeedsPlan", "find_marks", "is_partial", "paint", "read_marks",
    "write_marks",
]  # fmt: skip
