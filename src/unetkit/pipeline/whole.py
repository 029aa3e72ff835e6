"""Images that are held in memory: predicted at once, and written."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from unetkit.classes import IGNORE, Classes
from unetkit.dataset.numbered import numbers_in_file
from unetkit.formats import write_image, write_mask
from unetkit.image import Image, without_data
from unetkit.objects import ObjectMap, fewest_bits, label_components, with_classes
from unetkit.pipeline.approximation import Approximation
from unetkit.pipeline.missing import classes_with_missing
from unetkit.pipeline.numbering import InMemory, find_objects
from unetkit.pipeline.results import Results, painted
from unetkit.prediction import OwnGrid, Predictor, Source

Whole = TypeVar("Whole", bound=np.integer[Any])


def predict_whole(
    results: Results,
    seen: Source,
    predictor: Predictor,
    approximation: Approximation,
    tell: Callable[[float], None],
) -> tuple[str, ...]:
    """Predict an image and write what was asked for.

    Args:
        results: what is to be written, and of which image.
        seen: that image as the networks are to see it: itself, or resampled.
        predictor: the trained networks.
        approximation: says what is to be said of parts that are not exact.
        tell: told the share, 0 to 1, that is predicted.

    Returns:
        What the user should know.

    Raises:
        InputError: an image that does not fit the networks, or a result that cannot be written.
    """
    predictor.require_match(seen)
    source, targets, classes = results.source, results.targets, results.classes
    image, matched = seen.image(), seen is not source
    notes = image.notes
    if predictor.approximates(image.shape):
        notes += approximation.notes(seen, predictor.measure(image))
    missing = without_data(image.pixels, image.nodata)
    outputs, count = None, predictor.plan.data.num_classes
    if matched or results.needs_probabilities:
        labels, outputs = predictor.labels_and_outputs(image, progress=tell)
        if missing is not None:
            outputs[:, missing] = np.nan
    else:
        labels = predictor.labels(image, progress=tell)
    if missing is not None:
        labels[missing] = IGNORE
    if outputs is not None and matched:
        image, (labels, outputs) = source.image(), _on_own_grid(outputs, source, count)
    objects = None
    if outputs is not None and results.needs_objects:
        parts = InMemory(labels, outputs)
        objects = find_objects(results.numbering.of(parts), parts, source.shape)
    if outputs is not None and "probabilities" in targets:
        geometry = image.geometry.with_nodata(None if image.nodata is None else math.nan)
        path, names = targets["probabilities"], classes.names
        write_image(path, outputs[:count], geometry=geometry, channels=names, format=results.format)
    if "labels" in targets:
        write_labels(targets["labels"], labels, classes, image, format=results.format, objects=objects)
    if "objects" in targets:
        assert objects is not None
        notes += results.write_objects(objects)
    if "overlay" in targets:
        shown = None
        if objects is not None and results.outlines_objects:
            shown = ObjectMap(middle_plane(objects.ids), objects.classes)
        picture = painted(image, middle_plane(labels), shown, classes)
        write_image(targets["overlay"], np.moveaxis(picture, -1, 0))
    return notes


def _on_own_grid(
    outputs: npt.NDArray[np.float32], source: Source, num_classes: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Labels *S and outputs (K + E) *S of an image, of the outputs (K + E) *S of the resampled one."""
    read = lambda channel, window: outputs[(channel, *window)]  # noqa: E731
    own = OwnGrid(read, source, outputs.shape[1:], num_classes)
    whole = tuple(slice(0, extent) for extent in source.shape)
    return own.labels(whole), np.stack([own.probabilities(channel, whole) for channel in range(len(outputs))])


def middle_plane(labels: npt.NDArray[Whole]) -> npt.NDArray[Whole]:
    """The labels or ids themselves, or of a volume those of the plane that `to_rgb` shows."""
    return labels if labels.ndim == 2 else labels[labels.shape[0] // 2]


def write_labels(
    path: Path,
    labels: npt.NDArray[np.uint8],
    classes: Classes,
    image: Image,
    *,
    format: str | None = None,
    objects: ObjectMap | None = None,
) -> None:
    """Write a label map as the training masks were written: values, colours, palette, or numbered objects.

    Args:
        path: where to.
        labels: *S, class indices.
        classes: how the masks were written.
        image: where the pixels lie.
        format: where the suffix does not say it.
        objects: they, where they are known already; None: connected regions, which is what they are without learning.

    Raises:
        InputError: a class has more objects than its numbers have room for.
        FileError: the file cannot be written.
    """
    stated, nodata = classes_with_missing(classes, image.nodata)
    geometry = image.geometry.with_nodata(nodata)
    if classes.encoding == "instances":
        if objects is None:
            objects = with_classes(label_components(labels), labels)
        numbers = fewest_bits(numbers_in_file(classes, objects.classes))
        write_mask(path, numbers[objects.ids], geometry=geometry, format=format)
    else:
        palette = _palette(stated) if classes.palette and path.suffix == ".png" else None
        coloured = classes.encoding == "colours"
        write_mask(path, stated.encode(labels), palette=palette, geometry=geometry, colours=coloured, format=format)


def _palette(classes: Classes) -> tuple[tuple[int, int, int], ...]:
    """The colours by the values that stand in the file; values of no class are black."""
    by_value = dict(zip(classes.values, classes.colours, strict=True))
    last = max((*classes.values, *classes.ignore_values))
    return tuple(by_value.get(value, (0, 0, 0)) for value in range(last + 1))
