"""The command that measures objects in anybody's label files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unetkit.cli.options import Json
from unetkit.cli.values import numbers, reporting, say_json


def measure(
    labels: Annotated[
        Path, typer.Argument(help="Label file, or folder of them: numbered objects or masks of classes.")
    ],
    out: Annotated[Path, typer.Option(help="The table, .csv or .parquet; its summary is written beside it.")],
    image: Annotated[Path | None, typer.Option(help="Image, or folder of images of the same names.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help='Such as "area_um2 > 20 and solidity > 0.8".')
    ] = None,
    spacing: Annotated[
        str | None, typer.Option(metavar="N[,N,N]", help="Distance of pixel centres, one number or one an axis.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Of the spacing, such as um.")] = None,
    numbered: Annotated[
        bool | None, typer.Option("--ids/--masks", help="Numbers are objects, or classes.  [default: by the values]")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="A classes.yaml: what the numbers of masks mean.")] = None,
    channels: Annotated[str | None, typer.Option(help="Names of the image's channels, with commas.")] = None,
    thin: Annotated[
        str | None, typer.Option(metavar="CLASSES", help="Classes that get skeleton length and width, with commas.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure every object: one table, a row an object, and a summary per image and group."""
    with reporting(as_json):
        from rich.console import Console
        from rich.progress import Progress

        from unetkit.cli.show import show_summary
        from unetkit.counting import summarise, write_summary
        from unetkit.errors import UsageError
        from unetkit.measuring import Settings, measure_files
        from unetkit.objects import write_table
        from unetkit.objects.measuring import check_table_path

        check_table_path(out)
        if (spacing is None) != (unit is None):
            raise UsageError("a spacing and its unit belong together", mend="--spacing 0.5 --unit um")
        settings = Settings(
            spacing=None if spacing is None else numbers(spacing),
            unit=unit,
            channel_names=tuple(channels.split(",")) if channels else None,
            thin_classes=tuple(name.strip() for name in thin.split(",")) if thin else (),
            rules=tuple(keep or ()),
        )
        with Progress(transient=True, disable=as_json or not Console().is_terminal) as bar:
            task = bar.add_task("files")
            measured = measure_files(
                labels,
                image,
                settings=settings,
                numbered=numbered,
                classes=classes,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        summary = summarise(measured.table, measured.extents, measured.groups)
        write_table(out, measured.table)
        files = [out, *write_summary(out.with_name(f"{out.stem}_summary"), summary)]
        if as_json:
            say_json({"files": [str(path) for path in files], "read_as": measured.read_as, **summary.overall})
        else:
            show_summary(summary.overall)
            for note in measured.table.notes:
                typer.echo(f"note: {note}")
            typer.echo(f"read as {measured.read_as}; written: {', '.join(str(path) for path in files)}")
