"""Classes: names, display colours, and the values that mask files use for them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from unetkit.errors import FileError
from unetkit.files import write_text

IGNORE = 255
"""The label of pixels nobody labelled, inside the package."""

MAX_CLASSES = 255

# Okabe and Ito's colours, which people with any colour vision can tell apart; class 0 is drawn dark.
DISPLAY_COLOURS: tuple[tuple[int, int, int], ...] = (
    (40, 40, 48), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (153, 153, 153), (148, 103, 189), (140, 86, 75), (23, 190, 207),
)  # fmt: skip

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


def display_colour(index: int) -> tuple[int, int, int]:
    """The colour class `index` is drawn in when nobody stated one (repeats after twelve)."""
    return DISPLAY_COLOURS[index] if index < len(DISPLAY_COLOURS) else DISPLAY_COLOURS[1 + (index - 1) % 11]


class Classes(BaseModel):
    """What the class indices mean and how mask files write them.

    Args:
        names: one name a class, index 0 first. For binary and instance masks: ("background", "foreground").
        encoding: how a mask file holds a class. "values": one number a class; "colours": one RGB colour a class;
            "instances": 0 is background and every other number one object, of class 1 or, with a `label_divisor`, of
            several classes.
        values: for "values", and for "instances" of several classes: the number of each class, in order. Several
            numbers may not share a class.
        colours: display colour of each class; for encoding "colours" also what the file holds.
        ignore_values: numbers of mask pixels that nobody labelled; they become 255 inside the package.
        ignore_colours: the same for encoding "colours".
        label_divisor: for "instances" of several classes: a pixel's number is the class's number times this, plus the
            object's, as 26003 for car 3 in Cityscapes with 1000. Smaller numbers are those of classes alone, whose
            connected regions are objects. 0 where all objects are of one class.
        dtype: NumPy type of the mask files, so that predictions come back the same.
        palette: whether the mask files are palette PNGs (the display colours are then their palette).
        evidence: how this was found, in plain words; shown to the user.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    encoding: Literal["values", "colours", "instances"] = "values"
    values: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    ignore_values: tuple[int, ...] = ()
    ignore_colours: tuple[Colour, ...] = ()
    label_divisor: Annotated[int, Field(ge=0, le=2**31)] = 0
    dtype: Literal["bool", "uint8", "uint16", "uint32", "int32", "int64", "float32"] = "uint8"
    palette: bool = False
    evidence: str = ""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("names"), list | tuple):
            count = len(data["names"])
            data = dict(data)
            numbered = data.get("encoding", "values") == "values" or data.get("label_divisor")
            if numbered and not data.get("values"):
                data["values"] = tuple(range(count))
            if not data.get("colours") and data.get("encoding") != "colours":
                data["colours"] = tuple(display_colour(i) for i in range(count))
        return data

    @model_validator(mode="after")
    def _agree(self) -> Classes:
        count = len(self.names)
        if not 2 <= count <= MAX_CLASSES:
            raise ValueError(f"{count} classes; expected 2 to {MAX_CLASSES} (background counts as one)")
        if len(set(self.names)) != count:
            raise ValueError("two classes have the same name")
        listed = self.encoding == "values" or self.label_divisor > 0
        if listed and (len(self.values) != count or len(set(self.values)) != count):
            raise ValueError(f"values {self.values} do not give each of the {count} classes one number of its own")
        if len(self.colours) != count or (self.encoding == "colours" and len(set(self.colours)) != count):
            raise ValueError(f"colours do not give each of the {count} classes one colour of its own")
        if set(self.values) & set(self.ignore_values):
            raise ValueError("a value stands for a class and is ignored at the same time")
        if self.encoding == "instances" and count != 2 and not self.label_divisor:
            raise ValueError(
                "instance masks have two classes, background and the objects, unless a label_divisor says how a number "
                "holds class and object"
            )
        if self.label_divisor and self.encoding != "instances":
            raise ValueError(f"label_divisor goes with 'encoding: instances', not with '{self.encoding}'")
        if self.label_divisor and not (self.values[0] == 0 and min(self.values[1:]) > 0):
            raise ValueError(f"values {self.values}: with a label_divisor the background is 0, and classes are above")
        if self.label_divisor and max(self.values) >= self.label_divisor:
            raise ValueError(f"values up to {max(self.values)} need a label_divisor above that")
        return self

    def __len__(self) -> int:
        return len(self.names)

    def decode(self, raw: npt.NDArray[Any], *, file: str | PathLike[str] | None = None) -> npt.NDArray[np.uint8]:
        """A mask file's numbers to class indices.

        Args:
            raw: array *S of numbers, or *S 3 of RGB bytes for encoding "colours".
            file: named in the error.

        Returns:
            Array *S, values 0 … K-1, or 255 where ignored.

        Raises:
            FileError: the mask holds a value that stands for no class.
        """
        if self.encoding == "colours":
            if raw.ndim < 3 or raw.shape[-1] != 3:
                raise FileError("mask has no colours", file=file, found=f"shape {raw.shape}", expected="RGB")
            raw, keys = _colour_keys(raw), [_colour_key(c) for c in self.colours]
            ignored = [_colour_key(c) for c in self.ignore_colours]
        elif self.encoding == "instances":
            return self._decode_instances(raw, file)
        else:
            keys, ignored = list(self.values), list(self.ignore_values)
        return self._look_up(raw, keys, ignored, file)

    def _decode_instances(self, raw: npt.NDArray[Any], file: str | PathLike[str] | None) -> npt.NDArray[np.uint8]:
        missing = np.isin(raw, self.ignore_values)
        numbers = np.where(missing, 0, raw) if missing.any() else raw
        require_whole(numbers, file)
        if self.label_divisor:
            labels = self._look_up(class_numbers(numbers, self.label_divisor), list(self.values), [], file)
        else:
            labels = (numbers != 0).astype(np.uint8)
        labels[missing] = IGNORE
        return labels

    def _look_up(
        self, raw: npt.NDArray[Any], keys: list[int], ignored: list[int], file: str | PathLike[str] | None
    ) -> npt.NDArray[np.uint8]:
        known = np.array([*keys, *ignored], np.float64 if raw.dtype.kind == "f" else np.int64)
        target = np.array([*range(len(keys)), *[IGNORE] * len(ignored)], np.uint8)
        order = np.argsort(known)
        known, target = known[order], target[order]
        at = np.searchsorted(known, raw).clip(max=len(known) - 1)
        strange = known[at] != raw
        if strange.any():
            values = np.unique(raw[strange])
            shown = ", ".join(_show(v, self.encoding) for v in values[:8]) + (", …" if len(values) > 8 else "")
            raise FileError(
                "mask holds values that stand for no class",
                file=file,
                found=f"{shown} on {int(strange.sum())} pixels",
                expected=", ".join(_show(v, self.encoding) for v in known),
                mend="run 'unetkit check' on the dataset, or state the values in classes.yaml",
            )
        return np.asarray(target[at], np.uint8)

    def encode(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Class indices to a mask file's numbers (*S) or colours (*S 3): the inverse of `decode`.

        For encoding "instances" the caller numbers the objects; this gives 0 and 1.
        """
        table: npt.NDArray[Any]
        if self.encoding == "colours":
            table = np.zeros((256, 3), np.uint8)
            table[: len(self.colours)] = self.colours
            if self.ignore_colours:
                table[IGNORE] = self.ignore_colours[0]
        else:
            table = np.zeros(256, np.dtype(self.dtype))
            table[: len(self)] = self.values or (0, 1)
            if self.ignore_values:
                table[IGNORE] = self.ignore_values[0]
        raw: npt.NDArray[Any] = table[labels]
        return raw


def class_numbers(numbers: npt.NDArray[Any], divisor: int) -> npt.NDArray[Any]:
    """The number of the class in numbers that hold class · divisor + object, or a class alone.

    Example:
        >>> class_numbers(np.array([0, 7, 7000, 26003]), 1000).tolist()
        [0, 7, 7, 26]
    """
    return np.where(numbers < divisor, numbers, numbers // divisor)


def require_whole(numbers: npt.NDArray[Any], file: str | PathLike[str] | None = None) -> None:
    """Refuse what cannot number objects.

    Raises:
        FileError: negative numbers, fractions, or numbers that their floating-point type does not keep apart.
    """
    kind = numbers.dtype.kind
    if kind not in "buif":
        raise FileError("holds no numbers of objects", file=file, found=numbers.dtype, expected="whole numbers from 0")
    if kind in "if" and numbers.size and numbers.min() < 0:
        raise FileError(
            "holds no numbers of objects",
            file=file,
            found=f"down to {numbers.min()}",
            expected="whole numbers from 0",
            mend=f"state 'ignore_values: [{int(numbers.min())}]' in classes.yaml if nobody labelled those pixels",
        )
    if kind != "f":
        return
    if not (np.isfinite(numbers) & (numbers == np.trunc(numbers))).all():
        found = "fractions, or values that are no numbers"
        raise FileError("holds no numbers of objects", file=file, found=found, expected="whole numbers from 0")
    highest, exact = numbers.max(initial=0), 2 ** (np.finfo(numbers.dtype).nmant + 1)
    if highest > exact:
        raise FileError(
            f"holds larger numbers than {numbers.dtype} keeps apart: objects may share one",
            file=file,
            found=f"{highest:.0f}",
            expected=f"at most {exact}",
            mend="write whole numbers, such as uint32",
        )


def has_background(classes: Classes) -> bool:
    """Whether class 0 is what is left when nothing is there: of two classes always, else when it is named so."""
    return len(classes) == 2 or "background" in classes.names[0].lower() or classes.names[0].lower() == "bg"


def _colour_key(colour: Sequence[int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _colour_keys(raw: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    wide = raw.astype(np.int64)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _show(value: Any, encoding: str) -> str:
    number = int(value) if float(value).is_integer() else value
    return f"({number >> 16}, {number >> 8 & 255}, {number & 255})" if encoding == "colours" else str(number)


def read_classes(path: str | PathLike[str]) -> Classes:
    """The classes stated in a `classes.yaml`.

    Raises:
        FileError: missing, not YAML, or a field that does not fit; the message names the field.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise FileError("does not state classes", file=path, found=type(data).__name__, expected="'names: [...]'")
        return Classes.model_validate(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileError("cannot be read", file=path, found=error) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise FileError(f"{where}: {first['msg'].removeprefix('Value error, ')}", file=path) from error


def read_stated(path: str | PathLike[str]) -> dict[str, Any]:
    """The fields a `classes.yaml` states, which may be all or a single one, each checked by itself.

    Args:
        path: the file, such as one that holds only `ignore_values: [11]`.

    Returns:
        Field name to value, lists as tuples.

    Raises:
        FileError: not YAML, no fields, a field that does not exist, or a value that does not fit its field.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileError("cannot be read", file=path, found=error) from error
    if not isinstance(data, dict):
        raise FileError("does not state classes", file=path, found=type(data).__name__, expected="'names: [...]'")
    unknown = [str(name) for name in data if name not in Classes.model_fields]
    if unknown:
        known = ", ".join(Classes.model_fields)
        raise FileError("states fields that do not exist", file=path, found=", ".join(unknown), expected=known)
    stated = {}
    for name, value in data.items():
        annotation: Any = Classes.model_fields[name].annotation
        try:
            stated[name] = TypeAdapter(annotation).validate_python(value)
        except ValidationError as error:
            fault = error.errors()[0]["msg"].replace("tuple", "list")
            raise FileError(f"{name}: {fault}", file=path, found=value) from error
    return stated


def write_classes(path: str | PathLike[str], classes: Classes) -> None:
    """Write a `classes.yaml` that `read_classes` reads back."""
    write_text(path, yaml.safe_dump(classes.model_dump(mode="json"), sort_keys=False, default_flow_style=None))
