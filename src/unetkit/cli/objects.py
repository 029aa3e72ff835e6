"""The command that hands objects to other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unetkit.cli.options import Json
from unetkit.cli.values import listed, reporting, say_json


class Numbers(StrEnum):
    """What the numbers in label files are."""

    ids = "ids"
    classes = "classes"


def objects(
    labels: Annotated[list[Path], typer.Argument(help="Label files, and folders of them.")],
    formats: Annotated[
        str,
        typer.Option(
            "--format", help="Any of tiff, png, coco, coco-rle, yolo, qupath, geojson, imagej, svg, with commas."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    images: Annotated[
        Path | None, typer.Option(help="The image, or the folder of images, that the labels belong to.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="What the labels mean.  [default: classes.yaml in LABELS or above; else found out]"),
    ] = None,
    numbers: Annotated[
        Numbers | None,
        typer.Option("--as", help="Each number is an object, or a class of many.  [default: found out]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """The objects in label files, made by anyone, as files for QuPath, ImageJ, QGIS, CVAT, YOLO and others."""
    with reporting(as_json):
        from unetkit.vector.from_labels import export_labels

        notes: list[str] = []
        done = export_labels(
            labels,
            out,
            listed(formats),
            images=images,
            classes=classes,
            kind=numbers.value if numbers else None,
            overwrite=overwrite,
            say=notes.append,
        )
        total = sum(done.objects.values())
        if as_json:
            files = [str(path) for path in done.files]
            say_json({"files": files, "objects": done.objects, "read_as": done.classes.evidence, "notes": notes})
            return
        for note in notes:
            typer.echo(f"note: {note}")
        each = (
            "each number is an object" if done.classes.encoding == "instances" else "each connected region is an object"
        )
        typer.echo(f"labels  {each} ({done.classes.evidence}); --as ids or --as classes states it")
        typer.echo(f"{total} objects of {len(done.objects)} images in {len(done.files)} files in {out}")
