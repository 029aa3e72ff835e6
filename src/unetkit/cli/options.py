"""The arguments and options that commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unetkit.cli.values import listed, numbers, seconds

if TYPE_CHECKING:
    from unetkit.measuring import Settings
    from unetkit.pipeline import Options

Data = Annotated[Path, typer.Argument(help="Folder with images/ and masks/.")]
Run = Annotated[Path, typer.Argument(help="Run folder that 'unetkit train' wrote.")]
Time = Annotated[str | None, typer.Option(help="Time budget, such as 90s, 10m or 1.5h.  [default: 10m]")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps instead of a time: repeatable bit for bit.")]
Model = Annotated[str | None, typer.Option(help="Registered model; chosen from the data when left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of the split, the weights and the patches.  [default: 0]")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the plan.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Tta = Annotated[
    bool | None,
    typer.Option("--tta/--no-tta", help="Average flipped views: slower, a little better.  [default: as the plan says]"),
]
Prune = Annotated[int | None, typer.Option(min=0, help="Poolings to keep of a UNet++: faster; 0 for all.")]
Keep = Annotated[list[str] | None, typer.Option(metavar="RULE", help='Such as "area_um2 > 20 and solidity > 0.8".')]
Spacing = Annotated[
    str | None,
    typer.Option(metavar="N[,N,N]", help="Of pixel centres, one number or one an axis; objects are measured in it."),
]
Unit = Annotated[str | None, typer.Option(help="Of the spacing, such as um.")]
Thin = Annotated[
    str | None, typer.Option(metavar="CLASSES", help="Classes that get skeleton length and width, with commas.")
]
AllowLeakage = Annotated[
    bool, typer.Option("--allow-leakage", help="Train although training and test data share images or groups.")
]


class InputTypes(StrEnum):
    """The numbers that an exported model may take."""

    uint8 = "uint8"
    uint16 = "uint16"
    float32 = "float32"


class Runtimes(StrEnum):
    """What a network runs on at prediction."""

    auto = "auto"
    torch = "torch"
    onnxruntime = "onnxruntime"
    openvino = "openvino"


class Precisions(StrEnum):
    """In what a network computes at prediction."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    int8 = "int8"


def options_of(
    time: str | None,
    steps: int | None,
    model: str | None,
    device: str,
    seed: int | None,
    settings: list[str] | None,
    allow_leakage: bool = False,
) -> Options:
    """What the options of a command say about a training."""
    from unetkit.pipeline import Options

    return Options(
        time=seconds(time),
        steps=steps,
        model=model,
        device=device,
        seed=seed,
        settings=tuple(settings or ()),
        allow_leakage=allow_leakage,
    )


def settings_of(
    *, spacing: str | None, unit: str | None, keep: list[str] | None, thin: str | None, channels: str | None = None
) -> Settings:
    """What the options of a command say about measuring objects.

    Raises:
        UsageError: a spacing without its unit, or a unit without a spacing.
    """
    from unetkit.errors import UsageError
    from unetkit.measuring import Settings

    if (spacing is None) != (unit is None):
        raise UsageError("a spacing and its unit belong together", mend="--spacing 0.5 --unit um")
    return Settings(
        spacing=None if spacing is None else numbers(spacing),
        unit=unit,
        channel_names=tuple(channels.split(",")) if channels else None,
        thin_classes=tuple(listed(thin or "")),
        rules=tuple(keep or ()),
    )
