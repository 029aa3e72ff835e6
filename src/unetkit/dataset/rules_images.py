"""Rules about the pixels of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unetkit.dataset.findings import FIX, Case, Finding, Severity, several
from unetkit.dataset.records import ImageFacts

SATURATED = 0.5
"""An image with more than this share of its pixels at the type's highest value has lost what was there."""

TINY = 16
"""An image with a side shorter than this many pixels shows a network next to nothing."""


def not_finite(case: Case) -> list[Finding]:
    """NaN and infinite pixels."""
    found = []
    severity: Severity
    for severity, labelled in (("error", True), ("warning", False)):
        bad = [i for i in case.survey.readable_images if i.not_finite and (i.name in case.labelled) == labelled]
        if bad:
            what = f"{several(len(bad), 'image')} with NaN or infinite pixels: {bad[0].file} has {bad[0].not_finite}"
            why = "a single such pixel turns every weight of the network into NaN"
            mend = f"'{FIX}' gives each the value of the nearest finite pixel; if they mark the area without data, "
            mend += "also mark it as ignored in the mask"
            found.append(Finding("not-finite", severity, _files(bad), what, why, mend, fixable=True))
    return found


def channel_mismatch(case: Case) -> list[Finding]:
    """Images with another number of channels than the others, where no safe conversion exists."""
    images = case.survey.readable_images
    counts = Counter(image.channels for image in images)
    if len(counts) < 2 or set(counts) == {1, 3}:
        return []
    usual = counts.most_common(1)[0][0]
    odd = [image for image in images if image.channels != usual]
    what = f"{several(len(odd), 'image')} with another number of channels: {odd[0].file} has {odd[0].channels}, "
    what += f"{counts[usual]} images have {usual}"
    why = "a network takes one fixed number of channels, each with one meaning"
    mend = f"export these images with all {usual} channels, or move them out of the dataset"
    return [Finding("channel-mismatch", "error", _files(odd), what, why, mend)]


def grey_and_colour(case: Case) -> list[Finding]:
    """Grey images among RGB images, which is handled."""
    images = case.survey.readable_images
    counts = Counter(image.channels for image in images)
    if set(counts) != {1, 3}:
        return []
    grey = [image for image in images if image.channels == 1]
    what = f"{several(counts[1], 'grey image')} among {several(counts[3], 'RGB image')}"
    why = "grey images are read as RGB with three equal channels, so that one network takes both"
    return [Finding("grey-and-colour", "note", _files(grey), what, why, "nothing to do")]


def alpha(case: Case) -> list[Finding]:
    """Images with an alpha channel, which is dropped."""
    see_through = [i for i in case.survey.readable_images if any("alpha" in note for note in i.notes)]
    if not see_through:
        return []
    what = f"{several(len(see_through), 'image')} with an alpha channel, such as {see_through[0].file}"
    why = "alpha says how an image is shown and not what it shows; it is dropped when reading"
    mend = "nothing to do; if the fourth channel is a measurement, save it as TIFF without marking it as alpha"
    return [Finding("alpha", "note", _files(see_through), what, why, mend)]


def saturated(case: Case) -> list[Finding]:
    """Images with most pixels at the type's highest value."""
    burnt = [i for i in case.survey.readable_images if i.saturated > SATURATED and i.low < i.high]
    if not burnt:
        return []
    worst = max(burnt, key=lambda image: image.saturated)
    what = f"{several(len(burnt), 'image')} saturated: {worst.saturated:.0%} of {worst.file} is at {worst.high:g}"
    why = "what was brighter than the sensor or the export could hold cannot be told apart any more"
    mend = "record or export again with less exposure, or leave the image out"
    return [Finding("saturated", "warning", _files(burnt), what, why, mend)]


def constant(case: Case) -> list[Finding]:
    """Images of one single value."""
    flat = [i for i in case.survey.readable_images if i.whole and i.low == i.high]
    if not flat:
        return []
    what = f"{several(len(flat), 'image')} of one single value: {flat[0].file} is {flat[0].low:g} everywhere"
    why = "there is nothing to see in it; whatever its mask says can only be learnt by heart"
    return [Finding("constant", "warning", _files(flat), what, why, "export it again, or leave it and its mask out")]


def mixed_types(case: Case) -> list[Finding]:
    """Images of several number types."""
    images = case.survey.readable_images
    counts = Counter(image.dtype for image in images)
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    odd = [image for image in images if image.dtype != usual]
    what = "number types are mixed: " + ", ".join(f"{several(n, 'image')} {name}" for name, n in counts.most_common())
    why = "one brightness is then written as different numbers; unetkit evens it out image by image"
    mend = f"better export all as {usual}"
    return [Finding("mixed-types", "warning", _files(odd), what, why, mend)]


def mixed_spacing(case: Case) -> list[Finding]:
    """Images whose pixels are of different size."""
    spaced = [image for image in case.survey.readable_images if image.geometry.spacing is not None]
    counts = Counter(_rounded(image) for image in spaced)
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    odd = [image for image in spaced if _rounded(image) != usual]
    shown = " x ".join(f"{step:g}" for step in usual[0])
    what = f"{several(len(odd), 'image')} with another pixel spacing than the usual {shown} {usual[1]}"
    why = "the same object is then larger in some images than in others"
    mend = "resample all images and masks to one spacing, or widen the plan's scale augmentation"
    return [Finding("mixed-spacing", "warning", _files(odd), what, why, mend)]


def mixed_dimensions(case: Case) -> list[Finding]:
    """Flat images among volumes."""
    images = case.survey.readable_images
    counts = Counter(len(image.shape) for image in images)
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    odd = [image for image in images if len(image.shape) != usual]
    what = f"{counts[usual]} images have {usual} spatial axes and {len(odd)} do not, such as {odd[0].file}"
    why = "a network works in two dimensions or in three"
    return [Finding("mixed-dimensions", "error", _files(odd), what, why, "make two datasets of them")]


def tiny(case: Case) -> list[Finding]:
    """Images too small to show anything."""
    small = [i for i in case.survey.readable_images if min(i.shape[-2:], default=TINY) < TINY]
    if not small:
        return []
    shown = " x ".join(map(str, small[0].shape))
    what = f"{several(len(small), 'image')} with a side below {TINY} pixels: {small[0].file} is {shown}"
    why = "most of what a network sees of it is its border"
    return [Finding("tiny", "warning", _files(small), what, why, "leave it out if it is a thumbnail or a leftover")]


def huge(case: Case) -> list[Finding]:
    """Images that were looked at only in part."""
    large = [image for image in case.survey.readable_images if not image.whole]
    if not large:
        return []
    shown = " x ".join(map(str, large[0].shape))
    what = f"{several(len(large), 'image')} of {shown} pixels and more: "
    what += "only the middle was looked at" if large[0].descriptor.size else "the pixels were not looked at"
    most = max(image.size for image in large)
    why = f"training and prediction read it whole, up to {most / 1e9:.1f} GB at once; other faults are met only then"
    mend = "nothing to do where memory holds several times that; else cut images and masks into smaller files"
    return [Finding("huge", "note", _files(large), what, why, mend)]


def _files(images: Sequence[ImageFacts]) -> tuple[str, ...]:
    return tuple(image.file for image in images)


def _rounded(image: ImageFacts) -> tuple[tuple[float, ...], str]:
    return tuple(float(f"{step:.3g}") for step in image.geometry.spacing or ()), image.geometry.unit
