"""Objects outlined and numbered on their image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from scipy import ndimage

from unetkit.classes import Classes
from unetkit.errors import InputError
from unetkit.objects import ObjectMap
from unetkit.report.overlay import Bytes, blend, contours, label_colours

_SHADE = 140
"""Opacity of the black beside an outline, which lets the line stand out on light images too; 0 to 255."""


def paint_objects(
    image: Bytes,
    objects: ObjectMap,
    classes: Classes,
    *,
    names: Sequence[object] | None = None,
    font_size: int = 12,
) -> Bytes:
    """The image with every object outlined in the colour of its class, and numbered, as `draw_objects` does it.

    Args:
        image: H W 3; not changed.
        objects: ids H W.
        classes: names and colours.
        names: what the n objects are called, such as the ids of their table; None numbers them 1 … n, () not at all.
        font_size: height of the numbers, in pixels.

    Returns:
        H W 3.

    Raises:
        InputError: image and objects differ in size, or are no plane.

    Example:
        >>> objects = ObjectMap(np.ones((4, 4), np.uint32), np.array([1], np.uint8))
        >>> cells = Classes(names=("background", "cell"))
        >>> paint_objects(np.zeros((4, 4, 3), np.uint8), objects, cells, names=()).any()
        np.False_
    """
    if image.shape != (*objects.ids.shape, 3):
        raise InputError("image and objects differ in size", found=image.shape, expected=(*objects.ids.shape, 3))
    return blend(image, draw_objects(objects, classes, names=names, font_size=font_size))


def draw_objects(
    objects: ObjectMap, classes: Classes, *, names: Sequence[object] | None = None, font_size: int = 12
) -> Bytes:
    """Every object outlined in the colour of its class, and numbered, as a transparent picture.

    The line lies on the object's own pixels, so touching objects have two; the background beside it is darkened.
    Numbers are white with a dark rim and stand where the object is widest, or beside an object that is smaller than
    they are. Where they would cover each other, those of the narrower objects are left out, and beside an object also
    those that would cover another one: of a crowd one sees the objects first.

    Args:
        objects: ids H W.
        classes: names and colours.
        names: as for `paint_objects`.
        font_size: height of the numbers, in pixels.

    Returns:
        H W 4, RGB and opacity.

    Raises:
        InputError: the objects are no plane.

    Example:
        >>> objects = ObjectMap(np.array([[0, 1, 1]], np.uint32), np.array([1], np.uint8))
        >>> draw_objects(objects, Classes(names=("background", "cell")), names=())[0, :, 3].tolist()
        [140, 255, 0]
    """
    ids = objects.ids
    if ids.ndim != 2:
        raise InputError("objects of a volume cannot be painted at once", found=ids.shape, expected="H W")
    edge = contours(ids, 1 if max(ids.shape) < 1000 else 2)
    outline, beside = edge & (ids > 0), edge & (ids == 0)
    painted = np.zeros((*ids.shape, 4), np.uint8)
    painted[beside, 3] = _SHADE
    class_of = np.concatenate([np.zeros(1, np.uint8), objects.classes])
    painted[outline, :3], painted[outline, 3] = label_colours(classes)[class_of[ids[outline]]], 255
    called = list(range(1, objects.count + 1)) if names is None else list(names)
    if not called or not ids.any():
        return painted
    picture = Picture.fromarray(painted)
    _write_numbers(picture, ids, called, font_size)
    return np.array(picture)


def widest_places(ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Where each object that has a pixel is widest.

    Args:
        ids: H W.

    Returns:
        n 4, widest object first: id, row, column, distance from there to the object's outline in pixels.

    Example:
        >>> widest_places(np.array([[0, 0, 0], [0, 3, 0], [0, 0, 0]], np.uint32)).tolist()
        [[3.0, 1.0, 1.0, 1.0]]
    """
    apart = ids > 0
    for axis in (0, 1):
        low = tuple(slice(None, -1) if one == axis else slice(None) for one in (0, 1))
        high = tuple(slice(1, None) if one == axis else slice(None) for one in (0, 1))
        apart[low] &= (ids[low] == ids[high]) | (ids[high] == 0)  # touching objects are parted, or would be one
    distance = ndimage.distance_transform_edt(np.pad(apart, 1))[1:-1, 1:-1]
    present = np.unique(ids)
    present = present[present > 0]
    places = np.array(ndimage.maximum_position(distance, ids, present), np.int64).reshape(-1, 2)
    found = np.column_stack([present, places, distance[places[:, 0], places[:, 1]]]).astype(np.float64)
    ordered: npt.NDArray[np.float64] = found[np.argsort(-found[:, 3], kind="stable")]
    return ordered


def _write_numbers(
    picture: Picture.Image, ids: npt.NDArray[np.uint32], names: Sequence[object], font_size: int
) -> None:
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(font_size)
    taken = np.zeros((picture.height, picture.width), bool)
    for number, row, column, reach in widest_places(ids).tolist():
        said = str(names[int(number) - 1])
        beside = reach < font_size / 2
        if beside:
            column += reach + 2 + draw.textlength(said, font=font) / 2
        left, top, right, bottom = draw.textbbox((column, row), said, font=font, anchor="mm", stroke_width=1)
        shift = max(0.0, -left) - max(0.0, right - picture.width), max(0.0, -top) - max(0.0, bottom - picture.height)
        box = (
            slice(max(0, int(top + shift[1])), int(np.ceil(bottom + shift[1])) + 1),
            slice(max(0, int(left + shift[0])), int(np.ceil(right + shift[0])) + 1),
        )
        covers_another = beside and ((ids[box] > 0) & (ids[box] != number)).any()
        if not covers_another and not taken[box].any():
            taken[box] = True
            at = (column + shift[0], row + shift[1])
            draw.text(at, said, fill=(255, 255, 255), font=font, anchor="mm", stroke_width=1, stroke_fill=(0, 0, 0))
