"""Objects: connected regions of a class, their sizes and outlines, and which of them a prediction found."""

from __future__ import annotations

from unetkit.objects.bands import BandedObjects
from unetkit.objects.components import instance_mask, label_components, remove_small
from unetkit.objects.object_map import ObjectMap
from unetkit.objects.outline import Outline, outlines
from unetkit.objects.sizes import FoundObject, equivalent_diameters, found_objects

__all__ = [
    "BandedObjects",
    "FoundObject",
    "ObjectMap",
    "Outline",
    "equivalent_diameters",
    "found_objects",
    "instance_mask",
    "label_components",
    "outlines",
    "remove_small",
]
