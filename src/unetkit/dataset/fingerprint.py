"""What a plan has to know of a dataset: sizes, intensities, class shares, object sizes, widths, orientation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from unetkit.classes import IGNORE
from unetkit.dataset.census import Integers, evenly, tally
from unetkit.dataset.encoding import label_map
from unetkit.dataset.label_shapes import (
    RowMoments,
    diameters,
    orientation,
    row_moments,
    touching,
    typical_width,
    widths,
)
from unetkit.dataset.looks import unlike_names
from unetkit.dataset.numbered import numbered_objects
from unetkit.errors import DatasetError
from unetkit.formats import read_header
from unetkit.labels import SeedsPlan, is_partial

if TYPE_CHECKING:
    from unetkit.dataset.folder import Dataset, Sample

MAX_IMAGES = 32
"""Images whose intensities are sampled."""

PIXELS_AN_IMAGE = 16384
"""Pixels taken at random from each of them."""

MAX_MASKS = 64
"""Masks whose objects and orientation are measured; their classes too, unless a survey counted those of all masks."""

MAX_WIDTHS = 16
"""Masks whose local widths are measured, which takes longest."""

VARIES = 1.0
"""Modality spread above which images count as brighter and darker kinds."""


class ChannelStats(BaseModel):
    """Intensities of one channel over the sampled pixels of all sampled images, in the files' own numbers.

    Args:
        mean: mean.
        std: standard deviation.
        p0_5: the 0.5th percentile.
        p99_5: the 99.5th percentile.
        low: lowest value.
        high: highest value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    std: float
    p0_5: float
    p99_5: float
    low: float
    high: float


class ObjectSizes(BaseModel):
    """Equivalent diameters, in pixels, of the objects of one foreground class.

    An object is an instance where the masks number them, else a connected component (corners connect).

    Args:
        name: the class.
        objects: how many were measured.
        median: median diameter; 0 where there is no object.
        min: smallest.
        max: largest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    objects: int
    median: float
    min: float
    max: float


class Fingerprint(BaseModel):
    """What a plan has to know of a dataset.

    Args:
        images: images looked at.
        labelled: how many of them have a mask or marks.
        unlabelled: further images, without a label, that may train.
        unlike: those of them that look unlike every image measured, as `unetkit.dataset.looks` has it.
        partial: how many of the labelled show no whole objects: most pixels are unlabelled, or the inside of boxes is.
        marked: in how many images there are points, scribbles, boxes or regions.
        spatial_dims: 2 or 3.
        channels: channels of every image.
        shapes_min: smallest size along each spatial axis.
        shapes_median: median size along each.
        shapes_max: largest size along each.
        dtype: NumPy type most images have.
        spacing: median pixel spacing along each spatial axis; None unless all images state it in the same unit.
        unit: unit of the spacing, "px" without one.
        intensity: statistics of each channel.
        colour: 0 (grey) … 1: mean difference between the strongest and the weakest channel, relative to the range.
        modality_spread: standard deviation of the images' mean intensities over the typical deviation inside of an
            image: above 1 where images are of different kinds (dark field and bright field).
        brightness_varies: whether the modality spread is above 1.
        class_shares: share of the labelled pixels that each class has, as the next two over all masks where a survey
            counted them, else over the measured ones.
        class_images: in how many of the masks each class is present.
        ignored_share: share of all pixels of the masks that nobody labelled.
        object_sizes: for each foreground class.
        thickness: local width of each class in pixels, background too: median over the images of the width that
            half of the class's area is thinner than; 0 where a class is absent, fills whole images, or is nowhere
            painted whole.
        numbered: whether the masks number the objects.
        touching_share: share of the objects' edge pixels that touch another object; 0 unless masks hold instances.
        orientation: 0 … 1, how well the class predicts the row in images that were not looked at for it.
        empty_images: how many of the masks show no foreground.
        sampled: what was looked at, in plain words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    labelled: int
    unlabelled: int = 0
    unlike: tuple[str, ...] = ()
    partial: int
    marked: dict[str, int]
    spatial_dims: int
    channels: int
    shapes_min: tuple[int, ...]
    shapes_median: tuple[int, ...]
    shapes_max: tuple[int, ...]
    dtype: str
    spacing: tuple[float, ...] | None
    unit: str
    intensity: tuple[ChannelStats, ...]
    colour: float
    modality_spread: float
    brightness_varies: bool
    class_shares: tuple[float, ...]
    class_images: tuple[int, ...]
    ignored_share: float
    object_sizes: tuple[ObjectSizes, ...]
    thickness: tuple[float, ...]
    numbered: bool
    touching_share: float
    orientation: float
    empty_images: int
    sampled: str


@dataclass(frozen=True, slots=True)
class _MaskFacts:
    """What one mask tells: pixels of each class (256, the last ignored), objects, widths and rows of each class."""

    pixels: Integers
    diameters: list[npt.NDArray[np.float64]]
    widths: list[float]
    edge: int
    touching: int
    rows: RowMoments
    partial: bool


def fingerprint(dataset: Dataset, names: Sequence[str], *, unlabelled: Sequence[str] = ()) -> Fingerprint:
    """Measure a dataset, from a sample that takes seconds: at most 32 images and 64 masks are decoded.

    Args:
        dataset: what to measure; the pixels of each class come from its survey, of all masks, where it has one.
        names: the images to measure: those that train, so that nothing is learnt from test images.
        unlabelled: further images, without a label, that may train; only whether they look alike is measured.

    Returns:
        The fingerprint; the same names give the same one.

    Raises:
        DatasetError: no names, or none of them labelled.
        FileError: an image or mask is faulty.
    """
    samples = [dataset.sample(name) for name in names]
    labelled = [sample for sample in samples if sample.labelled]
    if not labelled:
        raise DatasetError("no labelled image to measure", file=dataset.root, found=f"{len(samples)} images")
    looked, measured = evenly(samples, MAX_IMAGES), evenly(labelled, MAX_MASKS)
    pixels = _sample_pixels(dataset, looked)
    wide = set(evenly(measured, MAX_WIDTHS))
    facts = [_measure_mask(dataset, sample, with_widths=sample in wide) for sample in measured]
    counts = [fact.pixels for fact in facts]
    if dataset.survey is not None:
        counts = [dataset.count_labels(sample) for sample in labelled]
    sampled = (
        f"up to {PIXELS_AN_IMAGE} random pixels of {len(looked)} of {len(samples)} images, "
        f"{len(measured)} of {len(labelled)} masks, widths in {len(wide)} of them"
    )
    if len(counts) > len(facts):
        sampled += f", class pixels in all {len(counts)}"
    return Fingerprint(
        images=len(samples),
        labelled=len(labelled),
        unlabelled=len(unlabelled),
        unlike=unlike_names(dataset, names, unlabelled),
        partial=round(sum(fact.partial for fact in facts) / len(facts) * len(labelled)),
        marked=dict(Counter(kind for sample in labelled if sample.marks for kind in sample.marks.kinds)),
        spatial_dims=dataset.spatial_dims,
        channels=dataset.channels,
        **_form(samples),
        **_intensities(pixels),
        **_shares(np.stack(counts), len(dataset.classes)),
        **_label_facts(dataset, facts),
        sampled=sampled,
    )


def _form(samples: Sequence[Sample]) -> dict[str, Any]:
    """Sizes, type and spacing, from the headers of all images."""
    headers = [read_header(sample.image) for sample in samples]
    shapes = np.array([header.shape[1:] for header in headers])
    geometries = [header.geometry for header in headers]
    units = {geometry.unit for geometry in geometries}
    spacings = [geometry.spacing for geometry in geometries if geometry.spacing is not None]
    spaced = len(spacings) == len(headers) and len(units) == 1
    return {
        "shapes_min": tuple(shapes.min(0).tolist()),
        "shapes_median": tuple(np.median(shapes, axis=0).astype(int).tolist()),
        "shapes_max": tuple(shapes.max(0).tolist()),
        "dtype": Counter(str(header.dtype) for header in headers).most_common(1)[0][0],
        "spacing": tuple(np.median(np.array(spacings), axis=0).tolist()) if spaced else None,
        "unit": units.pop() if spaced else "px",
    }


def _sample_pixels(dataset: Dataset, samples: Sequence[Sample]) -> list[npt.NDArray[np.float64]]:
    """For each image, up to 16384 of its pixels at random as (C, n); NaN and infinite ones are left out."""
    generator = np.random.default_rng(0)
    taken = []
    for sample in samples:
        flat = dataset.read_image(sample).pixels.reshape(dataset.channels, -1)
        at = generator.integers(flat.shape[1], size=min(PIXELS_AN_IMAGE, flat.shape[1]))
        chosen = flat[:, at].astype(np.float64)
        chosen = chosen[:, np.isfinite(chosen).all(axis=0)]
        if chosen.size:
            taken.append(chosen)
    if not taken:
        raise DatasetError("the images hold no finite pixel", file=dataset.root)
    return taken


def _intensities(pixels: Sequence[npt.NDArray[np.float64]]) -> dict[str, Any]:
    """Statistics of each channel, strength of colour and spread of brightness."""
    together = np.concatenate(pixels, axis=1)
    stats = []
    for channel in together:
        p0_5, p99_5 = np.percentile(channel, (0.5, 99.5))
        mean, std, low, high = channel.mean(), channel.std(), channel.min(), channel.max()
        stats.append(ChannelStats(mean=mean, std=std, p0_5=p0_5, p99_5=p99_5, low=low, high=high))
    bottom, top = np.percentile(together, (0.5, 99.5))
    clipped = np.clip(together, bottom, top)
    colour = float((clipped.max(0) - clipped.min(0)).mean() / (top - bottom)) if top > bottom else 0.0
    inside = float(np.median([image.mean(0).std() for image in pixels]))
    between = float(np.std([image.mean() for image in pixels]))
    spread = between / inside if inside > 0 else 0.0
    return {
        "intensity": tuple(stats),
        "colour": colour,
        "modality_spread": spread,
        "brightness_varies": spread > VARIES,
    }


def _measure_mask(dataset: Dataset, sample: Sample, *, with_widths: bool) -> _MaskFacts:
    """What the labels of one image tell; sizes, widths and touching only where they show whole objects."""
    count = len(dataset.classes)
    if sample.marks is None:
        raw = dataset.read_mask(sample)
        labels = label_map(raw, dataset.classes).labels
    else:
        raw, labels = None, dataset.read_labels(sample, seeds=SeedsPlan()).labels
    pixels, rows = tally(labels, 256), row_moments(labels, count)
    if is_partial(labels, sample.marks):
        nothing = [np.zeros(0)] * (count - 1)
        return _MaskFacts(pixels, nothing, [0.0] * count, 0, 0, rows, True)
    edge, touched, ids = 0, 0, None
    if dataset.classes.encoding == "instances" and raw is not None:
        ids = numbered_objects(raw, dataset.classes)[0].ids
        edge, touched = touching(ids)
    sizes = [diameters(labels == c if ids is None else np.where(labels == c, ids, 0)) for c in range(1, count)]
    width = [typical_width(widths(labels == c)) if with_widths and pixels[c] else 0.0 for c in range(count)]
    return _MaskFacts(pixels, sizes, width, edge, touched, rows, False)


def _shares(pixels: Integers, count: int) -> dict[str, Any]:
    """Shares of the classes and of what nobody labelled, from the pixels of each class of each mask (masks 256)."""
    ignored, pixels = int(pixels[:, IGNORE].sum()), pixels[:, :count]
    total = int(pixels.sum())
    return {
        "class_shares": tuple((pixels.sum(0) / max(total, 1)).tolist()),
        "class_images": tuple((pixels > 0).sum(0).tolist()),
        "ignored_share": ignored / max(ignored + total, 1),
        "empty_images": int((pixels[:, 1:].sum(1) == 0).sum()),
    }


def _label_facts(dataset: Dataset, facts: Sequence[_MaskFacts]) -> dict[str, Any]:
    """Objects, widths and orientation, over all measured masks."""
    sizes = []
    for c, name in enumerate(dataset.classes.names[1:]):
        found = np.concatenate([fact.diameters[c] for fact in facts])
        median, low, high = (np.median(found), found.min(), found.max()) if len(found) else (0.0, 0.0, 0.0)
        sizes.append(ObjectSizes(name=name, objects=len(found), median=median, min=low, max=high))
    widths_of = [[fact.widths[c] for fact in facts if fact.widths[c] > 0] for c in range(len(dataset.classes))]
    edge = sum(fact.edge for fact in facts)
    return {
        "object_sizes": tuple(sizes),
        "thickness": tuple(float(np.median(w)) if w else 0.0 for w in widths_of),
        "numbered": dataset.classes.encoding == "instances",
        "touching_share": sum(fact.touching for fact in facts) / edge if edge else 0.0,
        "orientation": orientation([fact.rows for fact in facts]),
    }
