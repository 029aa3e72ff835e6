"""What the numbers and colours of mask files mean: found from the masks, completed by what classes.yaml states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from unetkit.classes import (
    MAX_CLASSES,
    Classes,
    Colour,
    class_numbers,
    display_colour,
    read_classes,
    read_stated,
)
from unetkit.dataset.census import (
    Integers,
    MaskCount,
    as_colours,
    colour_of,
    count_mask,
    evenly,
    is_coloured,
    pool,
)
from unetkit.dataset.ids_or_classes import why_objects
from unetkit.errors import DatasetError, FileError
from unetkit.formats import RawMask, read_mask
from unetkit.image import LabelMap

MAX_READ = 400
"""Of more masks than this, an evenly spread sample is read to infer the encoding."""

MAX_COLOURS = 64
SOLID = 0.5
"""A value is drawn, and not noise, when at least this share of its pixels goes on in the next pixel."""

COLOUR_NAMES: dict[Colour, str] = {
    (0, 0, 0): "black", (255, 255, 255): "white", (128, 128, 128): "grey", (192, 192, 192): "silver",
    (255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (255, 255, 0): "yellow", (0, 255, 255): "cyan",
    (255, 0, 255): "magenta", (128, 0, 0): "maroon", (0, 128, 0): "dark green", (0, 0, 128): "navy",
    (128, 128, 0): "olive", (128, 0, 128): "purple", (0, 128, 128): "teal", (255, 165, 0): "orange",
}  # fmt: skip

RINGING_MEND = "'unetkit check DATA --fix OUT' snaps them to the true values; keep masks as PNG or TIFF, never as JPEG"


def infer_classes(
    masks: Sequence[Path],
    *,
    stated: Mapping[str, Any] | None = None,
    counted: Mapping[Path, MaskCount] | None = None,
) -> Classes:
    """Decide from the masks themselves what their values mean.

    Args:
        masks: mask files; of more than 400 an evenly spread sample is read.
        stated: fields of `Classes` that somebody stated (names, ignore_values, encoding, …); they win.
        counted: masks whose values were counted before. All of `masks` then count; those that are missing in it, which
            are faulty as a rule, are read.

    Returns:
        The classes, with the reasons in `evidence`.

    Raises:
        FileError: a mask is unreadable, or holds JPEG ringing or a photograph instead of classes.
        DatasetError: no masks, one single value in all of them, or masks that contradict each other.
        UnclearMasks: numbers may count objects or name classes, and nobody stated which.

    Example:
        >>> import tempfile
        >>> from unetkit.formats import write_mask
        >>> path = Path(tempfile.mkdtemp()) / "a.png"
        >>> write_mask(path, np.uint8([[0, 255], [0, 255]]))
        >>> infer_classes([path]).values
        (0, 255)
    """
    if not masks:
        raise DatasetError("there are no masks to infer classes from", mend="put at least two masks into masks/")
    chosen = evenly(masks, MAX_READ if counted is None else len(masks))
    counted = counted or {}
    counts = [counted[path] if path in counted else count_mask(path) for path in chosen]
    stated = dict(stated or {})
    coloured = stated.get("encoding") == "colours" or any(count.coloured for count in counts)
    if coloured or _palettes_disagree(counts):
        found = _colours([as_colours(count) for count in counts], stated)
    else:
        found = _numbers(counts, stated)
    scope = f"{len(masks)}" if len(chosen) == len(masks) else f"{len(chosen)} of {len(masks)} (evenly spread)"
    evidence = f"{scope} masks hold {found.pop('evidence')}"
    if stated:
        evidence += f"; stated: {', '.join(sorted(stated))}"
    try:
        return Classes.model_validate({**found, **stated, "evidence": evidence})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "classes"
        raise DatasetError(f"{where}: {first['msg'].removeprefix('Value error, ')}", found=evidence) from error


def find_classes(stated_in: Path, masks: Sequence[Path], counted: Mapping[Path, MaskCount] | None = None) -> Classes:
    """The classes stated in a file, where it states all; else inferred, with what the file states taken over.

    Args:
        stated_in: a classes.yaml, which may be absent, whole, or only a line such as `ignore_values: [11]`.
        masks: the mask files.
        counted: as for `infer_classes`.

    Raises:
        FileError: the file cannot be read or a mask is faulty.
        DatasetError: what `infer_classes` raises.
    """
    if not stated_in.exists():
        return infer_classes(masks, counted=counted)
    stated = read_stated(stated_in)
    if states_all(stated):
        classes = read_classes(stated_in)
        return classes if classes.evidence else classes.model_copy(update={"evidence": f"stated in {stated_in.name}"})
    return infer_classes(masks, stated=stated, counted=counted)


def states_all(stated: Mapping[str, Any]) -> bool:
    """Whether the fields of a classes.yaml say what masks mean, so that nothing has to be inferred."""
    numbers = "encoding" in stated and not stated.get("label_divisor")
    return "names" in stated and ("values" in stated or numbers)


def read_label_map(path: Path, classes: Classes) -> LabelMap:
    """One mask file as class indices.

    Args:
        path: the mask.
        classes: what its values mean.

    Returns:
        Labels *S, 255 where ignored.

    Raises:
        FileError: unreadable, colours where numbers are expected, or a value that stands for no class.
    """
    return label_map(read_mask(path), classes)


def label_map(raw: RawMask, classes: Classes) -> LabelMap:
    """What `read_label_map` gives, of a mask that was read already."""
    values, path = raw.values, raw.path
    if classes.encoding == "colours" and not is_coloured(values):
        shades = raw.palette or tuple((v, v, v) for v in range(256))
        if values.size and not 0 <= values.min() <= values.max() < len(shades):
            raise FileError("mask holds numbers", file=path, found=f"up to {values.max()}", expected="RGB colours")
        values = np.array(shades, np.uint8)[values.astype(np.intp)]  # *S 3
    elif classes.encoding != "colours" and is_coloured(values):
        raise FileError("mask holds colours", file=path, found=f"shape {values.shape}", expected="one number a pixel")
    return LabelMap(classes.decode(values, file=path), classes, raw.geometry, path)


def count_labels(count: MaskCount, classes: Classes) -> Integers:
    """On how many pixels of a counted mask each class lies.

    Args:
        count: the mask's values.
        classes: what they mean.

    Returns:
        256 numbers, one a class index; the last of the ignored pixels.

    Raises:
        FileError: as `read_label_map`.
    """
    values: npt.NDArray[Any] = count.values[None]  # as a mask of V pixels
    if count.coloured:
        values = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1).astype(np.uint8)
    labels = label_map(RawMask(values, count.palette, count.path), classes).labels[0]
    return np.asarray(np.bincount(labels, count.counts, 256).astype(np.int64))


def _palettes_disagree(counts: Sequence[MaskCount]) -> bool:
    """Whether an index has different colours in different files, so that only the colours can mean anything."""
    seen: dict[int, Colour] = {}
    for count in counts:
        for value in count.values[: len(count.palette)] if count.palette else ():
            if count.palette and value < len(count.palette):
                colour = count.palette[value]
                if seen.setdefault(int(value), colour) != colour:
                    return True
    return False


def _numbers(counts: Sequence[MaskCount], stated: Mapping[str, Any]) -> dict[str, Any]:
    values, pixels, repeats = pool(counts)
    stated_ignored = stated.get("ignore_values")
    kept = ~np.isin(values, stated_ignored or ())
    values, pixels, repeats = values[kept], pixels[kept], repeats[kept]
    _require_two_values(values, "value")
    dtype = _file_type(counts)
    void = _void(counts, values) if stated_ignored is None else None
    gap = () if void is None or void - 1 in values else (void,)  # objects may well be counted up to the highest number
    why = _why_instances(counts, stated_ignored or gap, stated)
    if why:
        if gap:
            why += f"; {void} is taken for 'nobody labelled this' (classes.yaml 'ignore_values: []' makes it an object)"
        return _instances(values[~np.isin(values, gap)], why, stated) | {"dtype": dtype, "ignore_values": gap}
    _refuse_ringing(counts, values, pixels, repeats)
    evidence = f"the values {_listed(values)}"
    if void is not None:
        values = values[values != void]
        evidence += f"; {void} beside small indices is taken for 'nobody labelled this' "
        evidence += "(classes.yaml 'ignore_values: []' makes it a class)"
    fields = _number_classes(values, stated)
    palettes = [count.palette for count in counts if count.palette]
    if palettes and not stated.get("colours"):
        evidence += ", with palette colours"
        longest = max(palettes, key=len)
        fields["colours"] = tuple(
            longest[v] if v < len(longest) else display_colour(i) for i, v in enumerate(fields["values"])
        )
    fields |= {"dtype": dtype, "palette": len(palettes) == len(counts), "evidence": evidence}
    return {**fields, "ignore_values": () if void is None else (void,)}


def _why_instances(counts: Sequence[MaskCount], ignored: Sequence[int], stated: Mapping[str, Any]) -> str | None:
    """Why numbers count objects: as stated, or found out; None for classes, as stated or found out."""
    if stated.get("encoding") is not None:
        return "stated" if stated["encoding"] == "instances" else None
    if stated.get("label_divisor"):
        return "stated by label_divisor"
    if stated.get("values") or len(stated.get("names", ())) > 2:
        return None
    return why_objects(counts, ignored)


def _instances(found: Integers, why: str, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of masks that number their objects, of one class or, where a divisor is stated, of several."""
    fields: dict[str, Any] = {"encoding": "instances"}
    divisor = stated.get("label_divisor", 0)
    if divisor < 2:
        evidence = f"instance ids, 0 and up to {found[-1]}: {why}"
        return {**fields, "names": ("background", "foreground"), "evidence": evidence}
    values = np.union1d([0], class_numbers(found, divisor))
    fields |= _number_classes(values, stated)
    if not stated.get("names"):
        fields["names"] = ("background", *(f"class {value}" for value in fields["values"][1:]))
    return {**fields, "evidence": f"class · {divisor} + instance id, the classes {_listed(values)}: {why}"}


def _number_classes(found: Integers, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Values and names, from what was found and what was stated of them."""
    names, values = stated.get("names"), stated.get("values")
    if values is None:
        values = tuple(int(v) for v in found)
        if names and len(names) != len(values) and found[0] >= 0 and found[-1] < len(names):
            values = tuple(range(len(names)))  # a stated class that no mask shows
        elif names and len(names) != len(values):
            raise DatasetError(
                "classes.yaml names more or fewer classes than the masks hold values",
                found=f"{len(names)} names, values {_listed(found)}",
                mend="state 'values: [...]', one a name, and 'ignore_values: [...]' for the rest",
            )
    if len(values) > MAX_CLASSES:
        raise DatasetError(
            "the masks hold more values than there can be classes",
            found=f"{len(values)} values",
            expected=f"at most {MAX_CLASSES}",
            mend="if every number is one object, state 'encoding: instances' in classes.yaml",
        )
    default = ("background", "foreground") if len(values) == 2 else tuple(f"class {v}" for v in values)
    return {"values": tuple(values), "names": tuple(names) if names else default}


def _colours(counts: Sequence[MaskCount], stated: Mapping[str, Any]) -> dict[str, Any]:
    keys, pixels, repeats = pool(counts)
    ignored = [r << 16 | g << 8 | b for r, g, b in stated.get("ignore_colours", ())]
    kept = ~np.isin(keys, ignored)
    keys, pixels, repeats = keys[kept], pixels[kept], repeats[kept]
    _require_two_values(keys, "colour")
    _refuse_ringing(counts, keys, pixels, repeats)
    if len(keys) > MAX_COLOURS:
        worst = max(counts, key=lambda count: len(count.values))
        raise FileError(
            "is no mask: it holds too many colours",
            file=worst.path,
            found=f"{len(worst.values)} colours",
            expected=f"at most {MAX_COLOURS}, one a class",
            mend="check that masks/ holds masks and not the images",
        )
    background = 0 if 0 in keys else int(keys[pixels.argmax()])
    colours = [colour_of(key) for key in (background, *(int(k) for k in keys if k != background))]
    names = [COLOUR_NAMES.get(colour, "#{:02x}{:02x}{:02x}".format(*colour)) for colour in colours]
    evidence = "the colours " + ", ".join(f"{name} {colour}" for name, colour in zip(names, colours, strict=True))
    if background == 0:
        names[0] = "background"
    names = list(stated.get("names", names))
    return {"names": names, "encoding": "colours", "colours": tuple(colours), "dtype": "uint8", "evidence": evidence}


def _require_two_values(values: Integers, what: str) -> None:
    if len(values) < 2:
        shown = str(values[0]) if len(values) else "nothing"
        raise DatasetError(
            f"the masks hold one single {what}: there is nothing to learn",
            found=shown,
            expected=f"at least two {what}s, such as 0 and 255",
            mend="add masks with labelled objects, or state all classes in classes.yaml",
        )


def _refuse_ringing(counts: Sequence[MaskCount], values: Integers, pixels: Integers, repeats: Integers) -> None:
    """Refuse masks with the in-between values that JPEG compression and smooth resizing leave along edges."""
    solid = repeats >= SOLID * pixels
    noise, drawn = values[~solid], values[solid]
    if len(noise) < 3 or values[-1] - values[0] < 16 or len(drawn) < 2 or pixels[~solid].sum() > 0.2 * pixels.sum():
        return
    touched = [np.isin(count.values, noise).sum() for count in counts]
    worst = counts[int(np.argmax(touched))]
    colours = counts[0].coloured
    raise FileError(
        "mask holds in-between values along the edges, as JPEG compression (ringing) or smooth resizing leaves them",
        file=worst.path,
        found=f"{len(noise)} rare values such as {_listed(noise, 4, colours)} in {np.count_nonzero(touched)} masks",
        expected=f"only {_listed(drawn, 6, colours)}",
        mend=RINGING_MEND,
    )


def _void(counts: Sequence[MaskCount], values: Integers) -> int | None:
    """The value that stands for 'nobody labelled this': the type's highest beside at least two small indices."""
    top, others = int(values[-1]), values[:-1]
    if values[0] == -1 and len(values) > 2:
        return -1
    if len(others) < 2 or top not in (255, 65535) or others[-1] >= max(64, 2 * len(others)):
        return None
    if list(others) == [0, 1]:
        ones = [count for count in counts if 1 in count.values]
        if not any(top in count.values for count in ones):
            high = next(count for count in counts if top in count.values)
            raise DatasetError(
                f"some masks write the foreground as 1 and others as {top}",
                found=f"1 in {ones[0].path.name}, {top} in {high.path.name}, and never both in one mask",
                mend=f"write all alike, or state 'ignore_values: [{top}]' in classes.yaml if {top} is 'not labelled'",
            )
    return top


def _file_type(counts: Sequence[MaskCount]) -> str:
    """The type most masks have, as one that predictions can be written in."""
    names = [count.dtype.name for count in counts]
    common = max(sorted(set(names)), key=names.count)
    wider = {"int8": "int32", "int16": "int32", "uint64": "int64", "float16": "float32", "float64": "float32"}
    return wider.get(common, common)


def _listed(values: Integers, most: int = 12, colours: bool = False) -> str:
    """The values for a sentence; a run of neighbours is written as "0 … 11"."""
    if len(values) > 3 and not colours and all(b - a == 1 for a, b in pairwise(values)):
        return f"{values[0]} … {values[-1]}"
    shown = [str(colour_of(int(v)) if colours else int(v)) for v in values[:most]]
    return ", ".join(shown) + (", …" if len(values) > most else "")
