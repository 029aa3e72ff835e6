"""The command that predicts: masks, probabilities, overlays and objects of new images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from unetkit.cli.options import (
    Device,
    Json,
    Keep,
    Precisions,
    Prune,
    Run,
    Runtimes,
    Spacing,
    Thin,
    Tta,
    Unit,
    settings_of,
)
from unetkit.cli.values import listed, reporting, say_json, tile_side

if TYPE_CHECKING:
    from unetkit.pipeline import ObjectOptions
    from unetkit.pipeline.infer import Prediction
    from unetkit.pipeline.object_files import Counted


def predict(
    run: Run,
    inputs: Annotated[list[Path], typer.Argument(help="Image files and folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    save: Annotated[str, typer.Option(help="Any of labels, probabilities, overlay, objects, with commas.")] = "labels",
    form: Annotated[
        str | None,
        typer.Option("--as", metavar="FORM", help="One of png, tif, npy, zarr, cog.  [default: like the image]"),
    ] = None,
    objects_as: Annotated[
        str | None,
        typer.Option(
            metavar="FORMATS",
            help="Objects also as tiff, png, coco, coco-rle, yolo, qupath, geojson, imagej, svg, with commas.",
        ),
    ] = None,
    keep: Keep = None,
    thin: Thin = None,
    table: Annotated[str | None, typer.Option(help="Table of objects as csv or parquet.  [default: csv]")] = None,
    spacing: Spacing = None,
    unit: Unit = None,
    match_spacing: Annotated[
        bool, typer.Option("--match-spacing", help="Resample to the trained pixel size, and the result back.")
    ] = False,
    tta: Tta = None,
    tile: Annotated[
        str | None, typer.Option(metavar="whole|N", help="One pass, or the side of the tiles in pixels; 0 chooses.")
    ] = None,
    prune: Prune = None,
    device: Device = "auto",
    runtime: Annotated[
        Runtimes, typer.Option(help="What runs the network; auto times those installed where it matters.")
    ] = Runtimes.auto,
    precision: Annotated[
        Precisions, typer.Option(help="Half precision needs a GPU, int8 a run that 'unetkit quantize' has seen.")
    ] = Precisions.float32,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Pass over images whose results exist: goes on after a stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Masks for new images, in the encoding of the masks the model was trained on, and each object by itself."""
    with reporting(as_json):
        from unetkit.cli.live import prediction_display
        from unetkit.pipeline import load_predictor
        from unetkit.pipeline import predict as predict_images

        options = _options(objects_as, keep, thin, table, spacing, unit)
        predictor = load_predictor(
            run,
            device=device,
            augment=tta,
            tile=tile_side(tile),
            prune=prune,
            runtime=runtime.value,
            precision=precision.value,
        )
        with prediction_display(quiet=as_json) as display:
            results = []
            for result in predict_images(
                run,
                inputs,
                out,
                save=listed(save),
                overwrite=overwrite,
                skip_existing=skip_existing,
                form=form,
                match_spacing=match_spacing,
                objects=options,
                predictor=predictor,
                progress=display.progress,
            ):
                display.finished(result)
                results.append(result)
        _say(results, out, as_json=as_json)
        raise typer.Exit(1 if any(result.fault for result in results) else 0)


def _options(
    formats: str | None,
    keep: list[str] | None,
    thin: str | None,
    table: str | None,
    spacing: str | None,
    unit: str | None,
) -> ObjectOptions | None:
    """What was asked for of objects; None where nothing was."""
    from unetkit.pipeline import ObjectOptions

    if not any((formats, keep, thin, table, spacing, unit)):
        return None
    settings = settings_of(spacing=spacing, unit=unit, keep=keep, thin=thin)
    return ObjectOptions(settings, table or "csv", tuple(listed(formats or "")))


def _say(results: Sequence[Prediction], out: Path, *, as_json: bool) -> None:
    """What was written, and how many objects there are."""
    written = [str(path) for result in results for path in result.written]
    faults = [str(result.fault) for result in results if result.fault]
    counted = {result.name: result.objects for result in results if result.objects is not None}
    if as_json:
        found = {"objects": {name: asdict(one) for name, one in counted.items()}} if counted else {}
        say_json({"written": written, "faults": faults, **found})
        return
    if counted:
        typer.echo(objects_line(list(counted.values())))
    typer.echo(f"{len(written)} files written to {out}" + (f", {len(faults)} images failed" if faults else ""))


def objects_line(counted: Sequence[Counted]) -> str:
    """How many objects there are in all images, and in each.

    Example:
        >>> from unetkit.pipeline.object_files import Counted
        >>> objects_line([Counted({"cell": 3}, 0), Counted({"cell": 5}, 1)])
        '8 objects in 2 images: 3 to 5 in each, 4 in the middle; 1 removed by rules'
    """
    numbers = [sum(one.kept.values()) for one in counted]
    removed = sum(one.removed for one in counted)
    line = f"{sum(numbers)} objects in {len(numbers)} image{'s' if len(numbers) > 1 else ''}"
    if len(numbers) > 1:
        line += f": {min(numbers)} to {max(numbers)} in each, {median(numbers):g} in the middle"
    return line + (f"; {removed} removed by rules" if removed else "")
