"""The commands that ask what to label next, and what labels are worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unetkit.cli.options import Device, Json, Run
from unetkit.cli.values import reporting, say_json

if TYPE_CHECKING:
    from collections.abc import Callable


def suggest(
    run: Run,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Images, folders of images, or a dataset.  [default: the run's data]")
    ] = None,
    n: Annotated[int, typer.Option(help="Places to suggest.")] = 10,
    regions: Annotated[
        int | None, typer.Option(help="Side of regions in pixels, to label parts of images.  [default: whole images]")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="One of random, foreground-random, entropy, disagreement, coverage, mix.")
    ] = "foreground-random",
    race: Annotated[
        bool, typer.Option("--race/--no-race", help="Let foreground-random make every other suggestion, to compare.")
    ] = True,
    worth: Annotated[float, typer.Option(help="The least gain in Dice that is worth labelling N more.")] = 0.005,
    seed: Annotated[int, typer.Option(min=0, help="Of draws and turns.")] = 0,
    data: Annotated[
        Path | None, typer.Option(help="Where labels arrive.  [default: the data the run was trained on]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the page.  [default: RUN/suggestions]")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """What to label next, and why; which strategy finds more mistakes; and whether labelling still pays."""
    with reporting(as_json):
        from unetkit.active import Request, write_suggestions
        from unetkit.active import suggest as suggest_places
        from unetkit.active.page import require_own
        from unetkit.cli.show_labelling import show_suggestions
        from unetkit.pipeline import load_predictor

        request = Request(n, regions, strategy, race, seed, worth).checked()
        if out is not None:
            require_own(out)
        predictor = load_predictor(run, device=device)
        with _bar("looking", quiet=as_json) as progress:
            found = suggest_places(
                run, images or (), request, data=data, device=device, predictor=predictor, progress=progress
            )
        with _bar("drawing", quiet=as_json) as progress:
            page = write_suggestions(run, found, out, predictor=predictor, progress=progress)
        if as_json:
            say_json({**found.to_json(), "page": str(page)})
        else:
            show_suggestions(found)
            typer.echo(f"report  {page}")


@contextmanager
def _bar(what: str, *, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar over images."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(what)
        yield lambda name, number, count: bar.update(
            task, description=f"{what} at {name}", completed=number - 1, total=count
        )
