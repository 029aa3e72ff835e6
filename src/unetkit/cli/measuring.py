"""The command that measures objects in anybody's label files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unetkit.cli.options import Json, Keep, Spacing, Thin, Unit, settings_of
from unetkit.cli.values import reporting, say_json


def measure(
    labels: Annotated[
        Path, typer.Argument(help="Label file, or folder of them: numbered objects or masks of classes.")
    ],
    out: Annotated[Path, typer.Option(help="The table, .csv or .parquet; its summary is written beside it.")],
    image: Annotated[Path | None, typer.Option(help="Image, or folder of images of the same names.")] = None,
    keep: Keep = None,
    spacing: Spacing = None,
    unit: Unit = None,
    numbered: Annotated[
        bool | None, typer.Option("--ids/--masks", help="Numbers are objects, or classes.  [default: by the values]")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="A classes.yaml: what the numbers of masks mean.")] = None,
    channels: Annotated[str | None, typer.Option(help="Names of the image's channels, with commas.")] = None,
    thin: Thin = None,
    as_json: Json = False,
) -> None:
    """Measure every object: one table, a row an object, and a summary per image and group."""
    with reporting(as_json):
        from rich.console import Console
        from rich.progress import Progress

        from unetkit.cli.show import show_summary
        from unetkit.counting import summarise, write_summary
        from unetkit.measuring import measure_files
        from unetkit.objects import write_table
        from unetkit.objects.measuring import check_table_path

        check_table_path(out)
        settings = settings_of(spacing=spacing, unit=unit, keep=keep, thin=thin, channels=channels)
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
