"""What is to be exported: networks, what their classes mean, and images to hold every copy against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from unetkit import __version__
from unetkit.classes import Classes
from unetkit.export.graph import INPUT_TYPES, Graph, InputType
from unetkit.image import Image
from unetkit.prediction import Predictor
from unetkit.runtimes.convert import record, to_onnx


@dataclass(frozen=True)
class Credit:
    """Whose work it is; nobody but its authors can say.

    Args:
        authors: their names.
        licence: of the weights, an SPDX identifier such as "CC-BY-4.0".
        cite: DOIs of what is to be cited besides the U-Net's own paper.
    """

    authors: tuple[str, ...] = ()
    licence: str | None = None
    cite: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model and everything that is written down about it.

    Args:
        name: of the run; the files are called after it.
        predictor: on the CPU, without flipped views.
        classes: what the outputs mean.
        channels: a name for each channel of the image.
        dtype: of the raw image that goes in.
        samples: images C *S of that type, one or more, each small enough for one pass.
        origin: in words, where the samples come from.
        cover: a picture of the first sample and its prediction, H W 3, twice as wide as high.
        score: in words, how good the model is; "" where nobody knows.
        credit: whose work it is.
    """

    name: str
    predictor: Predictor
    classes: Classes
    channels: tuple[str, ...]
    dtype: InputType
    samples: tuple[Image, ...]
    origin: str
    cover: npt.NDArray[np.uint8]
    score: str = ""
    credit: Credit = Credit()

    @property
    def spatial_dims(self) -> int:
        """2 or 3."""
        return self.predictor.plan.data.spatial_dims

    @property
    def apart(self) -> tuple[str, ...]:
        """In words, what the run knows of objects and no copy does: empty where it learnt nothing of them."""
        plan = self.predictor.plan
        if not plan.separates:
            return ()
        return (f"what tells touching objects apart (objects.separate: {plan.objects.separate})",)

    @property
    def values(self) -> tuple[Any, ...]:
        """What mask files hold for each class: numbers or colours; of numbered objects, 0 and "1, 2, …"."""
        stated: dict[str, tuple[Any, ...]] = {
            "values": self.classes.values,
            "colours": self.classes.colours,
            "instances": (0, *(f"{first + 1}, {first + 2}, …" for first in self._before_objects)),
        }
        return stated[self.classes.encoding]

    @property
    def _before_objects(self) -> tuple[int, ...]:
        """Of each class of numbered objects, the number before its first."""
        divisor = self.classes.label_divisor
        return tuple(value * divisor for value in self.classes.values[1:]) if divisor else (0,)

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """The model as torch records it, once for all formats: raw image 1 C *S in, probabilities 1 K *S out."""
        return record(Graph(self.predictor), len(self.channels), self.spatial_dims, INPUT_TYPES[self.dtype])

    @cached_property
    def onnx(self) -> Any:
        """The program as an `onnx.ModelProto`, once for all formats; not to be changed."""
        return to_onnx(self.program, self.spatial_dims, self.facts)

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """What travels with every copy, as texts; those that are no plain text are JSON."""
        plans = [plan.model_dump(mode="json", exclude={"reasons"}) for plan in self.predictor.plans]
        data, classes = self.predictor.plan.data, self.classes
        axes = "1 C H W" if self.spatial_dims == 2 else "1 C D H W"
        return {
            "unetkit_version": __version__,
            "name": self.name,
            "model": ", ".join(dict.fromkeys(plan.model.name for plan in self.predictor.plans)),
            "networks": str(len(plans)),
            "input": f"{axes} {self.dtype}: the raw image, any size; normalisation is part of the model",
            "output": f"{axes.replace('C', 'K')} float32: the probability of each class, 0 to 1",
            "left_out": ", ".join((*self.apart, "tiles and flipped views: one pass over the whole image")),
            "channels": json.dumps(self.channels),
            "class_names": json.dumps(classes.names, ensure_ascii=False),
            "class_values": json.dumps(self.values, ensure_ascii=False),
            "class_colours": json.dumps(classes.colours),
            "classes": classes.model_dump_json(),
            "spacing": json.dumps(data.spacing),
            "unit": data.unit,
            "plan": json.dumps(plans[0] if len(plans) == 1 else plans, ensure_ascii=False),
        }
