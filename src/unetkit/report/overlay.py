"""Painting labels and errors on images, in colours that people with any colour vision can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from unetkit.classes import IGNORE, Classes, has_background
from unetkit.errors import InputError
from unetkit.image import Image, without_data

Bytes = npt.NDArray[np.uint8]

NOT_PAINTED, FOUND, FALSE_ALARM, MISSED, WRONG_CLASS, UNLABELLED = range(6)

ERROR_COLOURS: dict[int, tuple[int, int, int]] = {
    FOUND: (0, 191, 150),
    FALSE_ALARM: (224, 84, 0),
    MISSED: (220, 30, 220),
    WRONG_CLASS: (255, 248, 80),
    UNLABELLED: (128, 128, 128),
}
"""Colour of each kind of pixel in an error picture: apart by a CIELAB distance of 38 for any colour vision."""

_HATCH = (206, 206, 206)
_FILL = {FOUND: 72, FALSE_ALARM: 140, MISSED: 140, WRONG_CLASS: 140, UNLABELLED: 120}  # opacity, 0 to 255
_LABEL_FILL = 104

SHARE_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""From 0 to 1: five colours of viridis, evenly spaced, whose lightness alone tells them apart."""

_SHARE_OPACITY = 165


def label_colours(classes: Classes) -> Bytes:
    """Display colour of every label as a table of 256 RGB rows; what is no class, and 255, is grey."""
    table = np.full((256, 3), ERROR_COLOURS[UNLABELLED], np.uint8)
    table[: len(classes)] = classes.colours
    return table


def contours(labels: npt.NDArray[Any], width: int = 1) -> npt.NDArray[np.bool_]:
    """Pixels of a region that lie within `width` pixels of another region; the border of the image is none.

    Args:
        labels: H W, any integers.
        width: thickness of the line on each side of the edge, in pixels, ≥ 1.

    Returns:
        H W booleans.

    Example:
        >>> contours(np.array([[0, 0, 1, 1]], np.uint8)).tolist()
        [[False, True, True, False]]
    """
    cross = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), width)
    low = ndimage.minimum_filter(labels, footprint=cross, mode="nearest")
    high = ndimage.maximum_filter(labels, footprint=cross, mode="nearest")
    return np.asarray(low != high)


def error_kinds(prediction: Bytes, truth: Bytes, classes: Classes) -> Bytes:
    """What became of every pixel: FOUND, FALSE_ALARM, MISSED, WRONG_CLASS, UNLABELLED or NOT_PAINTED.

    Where class 0 is no background, every error is WRONG_CLASS and what is right stays unpainted.

    Args:
        prediction: class indices, H W.
        truth: class indices, H W, 255 where ignored.
        classes: says whether class 0 is background.

    Returns:
        H W codes.

    Raises:
        InputError: the two have different shapes.
    """
    if prediction.shape != truth.shape:
        raise InputError("prediction and truth differ in shape", found=prediction.shape, expected=truth.shape)
    same = prediction == truth
    kinds = np.where(same, NOT_PAINTED, WRONG_CLASS).astype(np.uint8)
    if has_background(classes):
        kinds[same & (truth != 0)] = FOUND
        kinds[~same & (truth == 0)] = FALSE_ALARM
        kinds[~same & (prediction == 0)] = MISSED
    kinds[truth == IGNORE] = UNLABELLED
    return kinds


def paint_errors(prediction: Bytes, truth: Bytes, classes: Classes) -> Bytes:
    """The errors as a transparent picture, H W 4 (RGB, opacity): fills with opaque contours, ignored pixels hatched."""
    kinds = error_kinds(prediction, truth, classes)
    colours, opacity = np.zeros((6, 3), np.uint8), np.zeros(6, np.uint8)
    for kind, colour in ERROR_COLOURS.items():
        colours[kind], opacity[kind] = colour, _FILL[kind]
    return _paint(kinds, colours[kinds], opacity[kinds], kinds == UNLABELLED)


def paint_labels(labels: Bytes, classes: Classes) -> Bytes:
    """Class colours as a transparent picture, H W 4 (RGB and opacity); background stays clear, ignored is hatched."""
    opacity = np.full(256, _LABEL_FILL, np.uint8)
    if has_background(classes):
        opacity[0] = 0
    return _paint(labels, label_colours(classes)[labels], opacity[labels], labels == IGNORE)


def _paint(regions: Bytes, colours: Bytes, opacity: Bytes, hatched: npt.NDArray[np.bool_]) -> Bytes:
    paint = np.concatenate([colours, opacity[..., None]], axis=2)
    width = 1 if max(regions.shape) < 400 else 2
    paint[contours(regions, width) & (opacity > 0) & ~hatched, 3] = 255
    rows, columns = np.ogrid[: regions.shape[0], : regions.shape[1]]
    paint[hatched & ((rows + columns) % 8 < 2)] = (*_HATCH, 200)
    paint[paint[..., 3] == 0] = 0  # clear pixels are all alike, which compresses
    return paint


def paint_shares(shares: npt.NDArray[np.floating[Any]]) -> Bytes:
    """Shares, H W, 0 to 1, as a transparent picture, H W 4: 0 is dark violet, 1 yellow, alike in every picture."""
    stops = np.linspace(0, 1, len(SHARE_COLOURS))
    channels = [np.interp(shares, stops, values) for values in np.transpose(SHARE_COLOURS)]
    paint: Bytes = np.rint(np.stack([*channels, np.full(shares.shape, _SHARE_OPACITY)], axis=-1)).astype(np.uint8)
    return paint


def blend(image: Bytes, paint: Bytes) -> Bytes:
    """A transparent picture (H W 4) laid on an image (H W 3)."""
    opacity = paint[..., 3:].astype(np.float32) / 255
    mixed = image * (1 - opacity) + paint[..., :3] * opacity
    return np.rint(mixed).astype(np.uint8)


def overlay(image: Bytes, prediction: Bytes, truth: Bytes | None, classes: Classes) -> Bytes:
    """The image with its errors painted on: found teal, false alarms orange, missed magenta, wrong class yellow.

    Without truth, the prediction in the classes' colours.

    Args:
        image: H W 3.
        prediction: class indices, H W.
        truth: class indices, H W, 255 where ignored (drawn grey and hatched); or None.
        classes: names and colours.

    Returns:
        H W 3; the arguments stay as they were.

    Raises:
        InputError: prediction and truth differ in shape.

    Example:
        >>> one = np.ones((1, 1), np.uint8)
        >>> overlay(np.zeros((1, 1, 3), np.uint8), one, one, Classes(names=("background", "cell"))).tolist()
        [[[0, 54, 42]]]
    """
    paint = paint_labels(prediction, classes) if truth is None else paint_errors(prediction, truth, classes)
    return blend(image, paint)


def to_rgb(image: Image) -> Bytes:
    """An image of any channels, type and dimension as a picture one can look at.

    The 0.5th to 99.5th percentile are stretched to black and white: jointly for RGB, so that hues stay; one by one for
    other channels. One channel is grey; two are green and magenta; of more, those named red, green and blue are
    shown, else the first three. Of a volume, the middle plane. Pixels without data, or not finite, become black.

    Args:
        image: pixels C H W or C D H W.

    Returns:
        H W 3.

    Example:
        >>> to_rgb(Image(np.array([[[0.0, 1.0]]], np.float32))).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    pixels = image.pixels
    if pixels.ndim == 4:
        pixels = pixels[:, pixels.shape[1] // 2]
    missing = without_data(pixels, image.nodata)
    if missing is not None:
        pixels = np.where(missing, np.nan, pixels)
    count = len(pixels)
    if count == 1:
        grey = _stretch(pixels)[0]
        return np.stack([grey, grey, grey], axis=-1)
    if count == 2:
        first, second = (_stretch(channel) for channel in pixels)
        return np.stack([second, first, second], axis=-1)
    if count == 3:
        return np.moveaxis(_stretch(pixels), 0, -1)
    names = [name.lower() for name in image.channels or ()]
    chosen = [names.index(n) for n in ("red", "green", "blue")] if {"red", "green", "blue"} <= {*names} else [0, 1, 2]
    return np.stack([_stretch(pixels[index]) for index in chosen], axis=-1)


def _stretch(pixels: npt.NDArray[Any]) -> Bytes:
    values = pixels.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(values[finite], (0.5, 99.5))
    if high <= low:  # nearly all pixels alike: the few others decide
        low, high = values[finite].min(), values[finite].max()
    if high <= low:
        return np.where(finite, 128, 0).astype(np.uint8)
    scaled: npt.NDArray[np.float64] = (np.where(finite, values, low) - low) / (high - low)
    stretched: Bytes = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
    return stretched
