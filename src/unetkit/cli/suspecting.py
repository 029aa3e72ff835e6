"""The command that looks for wrong labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unetkit.cli.options import AllowLeakage, Data, Device, Json, Model, Seed, Set, Steps, Time, options_of
from unetkit.cli.values import reporting, say_json

if TYPE_CHECKING:
    from unetkit.pipeline import Options

SHOWN = 10
"""Images that the terminal lists."""


def suspect(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the list, the page and the proposed masks.")],
    run: Annotated[
        Path | None,
        typer.Option(help="Run of 'unetkit train --folds' to judge by.  [default: one is trained, in OUT/run]"),
    ] = None,
    time: Time = None,
    steps: Steps = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Models to train and judge by.  [default: 3]")] = None,
    model: Model = None,
    device: Device = "auto",
    seed: Seed = None,
    settings: Set = None,
    allow_leakage: AllowLeakage = False,
    as_json: Json = False,
) -> None:
    """Which masks look wrong, worst first, and what would mend them, judged by models that have not seen them."""
    with reporting(as_json):
        from rich.console import Console
        from rich.progress import Progress

        from unetkit.cli.show import show_suspicion
        from unetkit.errors import UsageError
        from unetkit.pipeline import suspect as suspect_masks
        from unetkit.pipeline.suspect import rows_of

        options = options_of(time, steps, model, device, seed, settings, allow_leakage)
        if run is None:
            run = _trained(data, out, folds or 3, options, quiet=as_json)
        elif folds is not None or any(said is not None for said in (time, steps, model, seed, settings)):
            raise UsageError("--run has its models already", mend="leave --run out, or the options of a training")
        with Progress(transient=True, disable=as_json or not Console().is_terminal) as bar:
            task = bar.add_task("masks")
            found = suspect_masks(
                data,
                run,
                out,
                device=device,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        if as_json:
            say_json(list(rows_of(found.verdicts, found.proposed, out)))
            return
        show_suspicion(found.verdicts, SHOWN)
        for note in found.notes:
            typer.echo(f"note: {note}")
        typer.echo(f"list    {found.table}\npage    {found.page}")


def _trained(data: Path, out: Path, folds: int, options: Options, *, quiet: bool) -> Path:
    """The run below OUT: trained, gone on with, or as it stands where it is finished."""
    from unetkit.cli.live import training_display
    from unetkit.pipeline import cross_validate
    from unetkit.pipeline.suspect import require_apart
    from unetkit.training import RunFolder

    run = RunFolder(require_apart(out, data) / "run")
    if (run.read_json("STATUS.json") or {}).get("state") == "done":
        typer.echo(f"the models of {run.path} judge again; without that folder, new ones are trained", err=True)
        return run.path
    with training_display(quiet=quiet) as display:
        cross_validate(data, folds, options, out=run.path, spread=True, resume=run.begun, hooks=display.hooks)
    return run.path
