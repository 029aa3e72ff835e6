"""The commands that ask what to label next, and what labels are worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unetkit.cli.options import AllowLeakage, Data, Device, Json, Model, Run, Seed, Set, Steps, Time, options_of
from unetkit.cli.values import listed, reporting, say_json, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from unetkit.simulation import Watch


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


def simulate(
    data: Data,
    budget: Annotated[
        str, typer.Option(help="Labelled before each training: places, as 2,5,10,all, or a person's time, as 10m,1h.")
    ],
    strategy: Annotated[str, typer.Option(help="Strategies, with commas; see 'suggest'.")] = "foreground-random",
    labels: Annotated[
        str,
        typer.Option(help="Kinds of labels, with commas: dense, scribbles:SHARE, boxes, points, regions:SIDE."),
    ] = "dense",
    seeds: Annotated[int, typer.Option(min=1, help="Replays of each; one cannot tell luck from gain.")] = 3,
    time: Time = None,
    steps: Steps = None,
    model: Model = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; naming one that was begun goes on with it.  [default: in runs/]")
    ] = None,
    device: Device = "auto",
    seed: Seed = None,
    settings: Set = None,
    allow_leakage: AllowLeakage = False,
    as_json: Json = False,
) -> None:
    """What labels are worth: hide the labels of a labelled set, replay their making, and score against their cost."""
    with reporting(as_json):
        from unetkit.cli.show_labelling import show_simulation
        from unetkit.simulation import Kind, parse_budgets
        from unetkit.simulation import simulate as simulate_on

        options = options_of(time, steps, model, device, seed, settings, allow_leakage)
        strategies = listed(strategy)
        kinds = [Kind.parse(word) for word in listed(labels)]
        budgets = parse_budgets(budget, seconds)
        with simulation_display(quiet=as_json) as watch:
            simulation = simulate_on(
                data,
                strategies=strategies,
                kinds=kinds,
                budgets=budgets,
                seeds=seeds,
                options=options,
                out=out,
                watch=watch,
            )
        if as_json:
            say_json(simulation.to_json())
        else:
            show_simulation(simulation)


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


@contextmanager
def simulation_display(*, quiet: bool = False) -> Iterator[Watch]:
    """Show a simulation: which training is at work, and how far it is; Ctrl+C loses nothing."""
    import shlex
    import sys

    from rich.console import Console
    from rich.progress import Progress

    from unetkit.cli.live import STOPPING, naming_out
    from unetkit.simulation import Watch
    from unetkit.training import Interrupts, Stopped

    console = Console(stderr=True)
    bar = Progress(transient=True, console=console, disable=quiet or not console.is_terminal)
    task = bar.add_task("preparing", total=1.0)

    def say(line: str) -> None:
        if not quiet:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    interrupts = Interrupts(lambda: say(STOPPING))
    watch = Watch(
        progress=lambda what, share: bar.update(task, description=what, completed=share),
        say=say,
        stop=interrupts.asked,
        deferring=interrupts.deferring,
    )
    try:
        with interrupts.handled(), bar:
            yield watch
    except Stopped as end:
        folder = Path(str(end)).parents[2]  # of the run of a cell
        print(f"stopped; what was trained is kept. To go on: {shlex.join(naming_out(folder))}", file=sys.stderr)
        raise typer.Exit(130) from None
