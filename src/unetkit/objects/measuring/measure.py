"""Measuring: from numbered objects and an image to one table, a row an object."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unetkit.errors import InputError, UsageError
from unetkit.image import Image, without_data
from unetkit.objects.measuring.accumulate import Accumulator, Sums
from unetkit.objects.measuring.columns import Columns, only
from unetkit.objects.measuring.table import Column, Table
from unetkit.objects.object_map import ObjectMap


def measure(
    objects: ObjectMap,
    image: Image | None = None,
    *,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    class_names: Sequence[str] | None = None,
    channel_names: Sequence[str] | None = None,
    thin_classes: Sequence[str | int] = (),
    ids: Column | None = None,
) -> Table:
    """Every object's place, size, form, intensities and surroundings.

    Args:
        objects: ids *S; two or three axes.
        image: pixels C *S of the same size, for the intensities; None leaves them out.
        spacing: distance between pixel centres along each axis; None takes the image's, if it states one.
        unit: of the spacing, such as "um"; it stands in the columns' names.
        class_names: of all classes, background first; None calls them by their numbers.
        channel_names: of the image's channels; None takes those of the image, or 0, 1, ….
        thin_classes: names or numbers of classes that get skeleton length and width, such as vessels and cracks.
        ids: n, what the objects are called in the table; None: 1 … n.

    Returns:
        One row an object that has a pixel, in the order of the ids; the columns are those of `DEFINITIONS`. Columns in
        a unit are there where a spacing is known.

    Raises:
        InputError: image and objects differ in size, a spacing or name is missing or does not fit.
        UsageError: a thin class that there is not.

    Example:
        >>> objects = ObjectMap(np.array([[1, 1, 0], [1, 1, 0]], np.uint32), np.array([1], np.uint8))
        >>> measure(objects, spacing=(0.5, 0.5), unit="um")["area_um2"].tolist()
        [1.0]
    """
    if image is not None and image.shape != objects.ids.shape:
        raise InputError("image and objects differ in size", found=image.shape, expected=objects.ids.shape)
    if spacing is None and image is not None and image.geometry.spacing is not None and image.geometry.unit != "px":
        spacing, unit = image.geometry.spacing, image.geometry.unit
    names = names_of_classes(objects, class_names)
    thin = is_thin(objects, names, thin_classes)
    channels = () if image is None else names_of_channels(image, channel_names)
    steps = None if spacing is None else tuple(map(float, spacing))
    seen = Accumulator(objects.ids.shape, objects.count, channels=len(channels), spacing=steps, thin=thin)
    window = slice(0, objects.ids.shape[0])
    if image is None:
        seen.add(window, objects.ids)
    else:
        seen.add(window, objects.ids, image.pixels, without_data(image.pixels, image.nodata))
    return tabulate(
        seen.finish(), objects, seen.extent, spacing=steps, unit=unit, class_names=names, channel_names=channels,
        thin=bool(thin_classes), ids=ids,
    )  # fmt: skip


def tabulate(
    sums: Sums,
    objects: ObjectMap,
    extent: tuple[int, ...],
    *,
    spacing: tuple[float, ...] | None,
    unit: str | None,
    class_names: Sequence[str],
    channel_names: Sequence[str] = (),
    thin: bool = False,
    ids: Column | None = None,
) -> Table:
    """The table of what an `Accumulator` saw.

    Args:
        sums: of all objects.
        objects: classes and confidence are taken from it.
        extent: shape of the image.
        spacing: as the accumulator had it.
        unit: of the spacing.
        class_names: of all classes, background first.
        channel_names: as they stand in columns.
        thin: whether there are columns of skeletons.
        ids: what the objects are called; None: 1 … n.

    Raises:
        InputError: a spacing without a unit, or not one id an object.
    """
    if spacing is not None and (unit is None or unit == "px"):
        raise InputError("the spacing has no unit", found=spacing, mend="state one, such as um: --unit um")
    if ids is not None and len(ids) != objects.count:
        raise InputError("not every object has an id", found=f"{len(ids)} ids", expected=f"{objects.count} objects")
    kept = sums.shape.area > 0
    several = bool((sums.bands > 1).any())
    called = (np.arange(1, objects.count + 1) if ids is None else ids)[kept]
    made = Columns(only(sums, kept), extent, spacing, unit or "px")
    made.columns["id"] = called
    made.columns["class"] = np.array(class_names, object)[objects.classes[kept]]
    made.places()
    made.sizes()
    made.forms()
    made.topology()
    made.intensities(channel_names)
    made.surroundings(called)
    if thin:
        made.skeletons()
    if objects.confidence is not None:
        made.columns["confidence"] = objects.confidence[kept]
    made.columns["removed_by"] = np.full(len(called), "", object)
    lost = "median, skeleton" + ("" if len(extent) == 2 else ", solidity, holes and tunnels")
    notes = (f"{lost}: empty for objects that lie in several bands of the image",) if several else ()
    return Table(made.columns, made.units, tuple(class_names[1:]), notes)


def names_of_classes(objects: ObjectMap, stated: Sequence[str] | None) -> tuple[str, ...]:
    """A name for every class, background first.

    Raises:
        InputError: an object's class has none.
    """
    highest = int(objects.classes.max(initial=1))
    if stated is None:
        return tuple(map(str, range(highest + 1)))
    if highest >= len(stated):
        raise InputError("a class has no name", found=f"class {highest}", expected=f"{len(stated)} names: {stated}")
    return tuple(stated)


def names_of_channels(image: Image, stated: Sequence[str] | None) -> tuple[str, ...]:
    """The channels' names as they stand in columns: letters, digits and underlines, each once.

    Raises:
        InputError: not one name a channel.
    """
    count = len(image.pixels)
    given = stated if stated is not None else image.channels
    if given is None:
        given = [str(number) for number in range(count)]
    if len(given) != count:
        raise InputError("channel names do not fit the image", found=", ".join(given), expected=f"{count} names")
    names: list[str] = []
    for name in given:
        plain = re.sub(r"\W+", "_", name).strip("_") or "channel"
        repeats = sum(re.fullmatch(rf"{plain}(_\d+)?", other) is not None for other in names)
        names.append(plain if plain not in names else f"{plain}_{repeats + 1}")
    return tuple(names)


def is_thin(objects: ObjectMap, names: Sequence[str], thin: Sequence[str | int]) -> npt.NDArray[np.bool_]:
    """Which objects are of a thin class.

    Raises:
        UsageError: a class that there is not.
    """
    numbers = []
    for one in thin:
        number = names.index(one) if isinstance(one, str) and one in names else one
        if not isinstance(number, int) or not 0 < number < len(names):
            raise UsageError(f"there is no class '{one}'", expected=", ".join(names[1:]))
        numbers.append(number)
    found: npt.NDArray[Any] = np.isin(objects.classes, numbers)
    return found


def keep_objects(objects: ObjectMap, kept: npt.NDArray[np.bool_]) -> ObjectMap:
    """The map without the objects that a rule removed; the others keep their numbers.

    Args:
        objects: n objects.
        kept: bool n, of the ids 1 … n.

    Returns:
        A map of the same n classes and confidences, in which removed objects have no pixel.

    Raises:
        InputError: not one answer an object.

    Example:
        >>> objects = ObjectMap(np.array([[1, 2]], np.uint32), np.array([1, 1], np.uint8))
        >>> keep_objects(objects, np.array([False, True])).ids.tolist()
        [[0, 2]]
    """
    if len(kept) != objects.count:
        raise InputError("not every object is kept or removed", found=len(kept), expected=objects.count)
    number = np.concatenate([np.zeros(1, np.uint32), np.where(kept, np.arange(1, objects.count + 1), 0)])
    return ObjectMap(number.astype(np.uint32)[objects.ids], objects.classes, objects.confidence)
