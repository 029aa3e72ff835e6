"""Objects: connected regions of a class, which of them a prediction found, their outlines, and what can be measured."""

from __future__ import annotations

from unetkit.objects.bands import BandedClasses, BandedObjects
from unetkit.objects.components import fewest_bits, instance_mask, label_components, remove_small
from unetkit.objects.confidence import Confidence
from unetkit.objects.measuring import Accumulator, Table, apply_rule, keep_objects, measure, read_table, write_table
from unetkit.objects.object_map import ObjectMap, with_classes
from unetkit.objects.outline import Outline, outlines
from unetkit.objects.sizes import FoundObject, equivalent_diameters, found_objects

__all__ = [
    "Accumulator",
    "BandedClasses",
    "BandedObjects",
    "Confidence",
    "FoundObject",
    "ObjectMap",
    "Outline",
    "Table",
    "apply_rule",
    "equivalent_diameters",
    "fewest_bits",
    "found_objects",
    "instance_mask",
    "keep_objects",
    "label_components",
    "measure",
    "outlines",
    "read_table",
    "remove_small",
    "with_classes",
    "write_table",
]
