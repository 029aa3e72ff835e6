"""The commands. Nothing heavy is imported before a command runs, so that --help is there at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unetkit.cli.judging import compare, evaluate, quantize, score
from unetkit.cli.labelling import simulate, suggest
from unetkit.cli.measuring import measure
from unetkit.cli.objects import objects
from unetkit.cli.options import (
    AllowLeakage,
    Data,
    Device,
    InputTypes,
    Json,
    Model,
    Prune,
    Run,
    Seed,
    Set,
    Steps,
    Time,
    options_of,
)
from unetkit.cli.predicting import predict
from unetkit.cli.suspecting import suspect
from unetkit.cli.values import listed, reporting, say_json, seconds

app = typer.Typer(
    help="Image segmentation with U-Nets: from a folder of images and a few masks to a model you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def check(
    data: Data,
    fix: Annotated[Path | None, typer.Option(help="Write a mended copy of the data to this new folder.")] = None,
    as_json: Json = False,
) -> None:
    """What is in the folder, what is wrong with it, how to mend it. Exit code 1 when training would be wrong."""
    with reporting(as_json):
        from unetkit.cli.show import show_check
        from unetkit.dataset.check import check as check_data
        from unetkit.dataset.fix import fix as fix_data

        report = check_data(data)
        if as_json:
            say_json(report.to_json())
        else:
            show_check(report, data)
        if fix is not None:
            for line in fix_data(report, data, fix):
                typer.echo(line, err=as_json)
        raise typer.Exit(0 if report.ok else 1)


@app.command()
def plan(
    data: Data,
    time: Time = None,
    steps: Steps = None,
    model: Model = None,
    device: Device = "auto",
    seed: Seed = None,
    settings: Set = None,
    out: Annotated[Path | None, typer.Option(help="Write the plan to this file, to edit it and train by it.")] = None,
    allow_leakage: AllowLeakage = False,
    as_json: Json = False,
) -> None:
    """What training would do, and why."""
    with reporting(as_json):
        from unetkit.cli.show import show_plan
        from unetkit.pipeline import prepare
        from unetkit.plan import write_plan

        prepared = prepare(data, options_of(time, steps, model, device, seed, settings, allow_leakage))
        if out is not None:
            write_plan(out, prepared.plan)
        if as_json:
            say_json(prepared.plan.model_dump(mode="json"))
        else:
            show_plan(prepared)


@app.command()
def train(
    data: Data,
    time: Time = None,
    steps: Steps = None,
    model: Model = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.  [default: runs/DATE-NAME]")] = None,
    device: Device = "auto",
    seed: Seed = None,
    settings: Set = None,
    plan: Annotated[Path | None, typer.Option(help="Train by this plan.yaml; a run's own repeats it exactly.")] = None,
    folds: Annotated[int, typer.Option(min=0, help="Cross-validate with so many models, used together after.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    allow_leakage: AllowLeakage = False,
    as_json: Json = False,
) -> None:
    """Train on a folder of images and masks, score the test images, write the report."""
    with reporting(as_json):
        from dataclasses import replace

        from unetkit.cli.live import training_display
        from unetkit.cli.show import show_scores
        from unetkit.errors import UsageError
        from unetkit.pipeline import cross_validate
        from unetkit.pipeline import train as train_on
        from unetkit.training import RunFolder

        if folds == 1:
            raise UsageError("one fold is no cross-validation", mend="--folds 5, or leave it out")
        if resume and out is not None and not folds:
            folds = len((RunFolder(out).read_json("folds.json") or {}).get("folds", ()))
        options = replace(options_of(time, steps, model, device, seed, settings, allow_leakage), plan=plan)
        with training_display(quiet=as_json) as display:
            if folds:
                run = cross_validate(data, folds, options, out=out, resume=resume, hooks=display.hooks)
            else:
                run = train_on(data, options, out=out, resume=resume, hooks=display.hooks)
        if not display.leads:
            return
        summary = next(s for part in ("test", "val") if (s := run.read_json(f"{part}/summary.json")) is not None)
        if as_json:
            say_json({"run": str(run.path), "report": str(run.report), "summary": summary})
        else:
            show_scores(summary)
            typer.echo(f"run     {run.path}\nreport  {run.report}")


app.command()(predict)


@app.command()
def export(
    run: Run,
    formats: Annotated[
        str, typer.Option("--format", help="Any of onnx, openvino, pt2, bioimageio, html, with commas.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the files.  [default: RUN/export]")] = None,
    input_type: Annotated[
        InputTypes | None, typer.Option(help="Numbers of the images that go in.  [default: those of the training]")
    ] = None,
    prune: Prune = None,
    author: Annotated[list[str] | None, typer.Option(help="Who made the model, for bioimage.io.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="SPDX", help="Of the weights, such as CC-BY-4.0, for bioimage.io.")
    ] = None,
    cite: Annotated[list[str] | None, typer.Option(metavar="DOI", help="What to cite, for bioimage.io.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """The model as files that run without unetkit: raw image in, class probabilities out, checked against the model."""
    with reporting(as_json):
        from unetkit.export import Credit
        from unetkit.pipeline import export as export_run

        exported = export_run(
            run,
            listed(formats),
            out,
            overwrite=overwrite,
            dtype=input_type.value if input_type else None,
            prune=prune,
            credit=Credit(tuple(author or ()), licence, tuple(cite or ())),
            say=(lambda line: None) if as_json else typer.echo,
        )
        if as_json:
            say_json([{**asdict(one), "files": [str(path) for path in one.files]} for one in exported])
        else:
            for one in exported:
                typer.echo(f"{one.format:<10}  differs by {one.difference:.1e} at most  {one.files[-1]}")


app.command()(evaluate)
app.command()(quantize)
app.command()(score)
app.command()(measure)
app.command()(compare)
app.command()(objects)
app.command()(suspect)
app.command()(suggest)
app.command()(simulate)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for data, runs and reports.")] = Path("demo"),
    time: Annotated[str, typer.Option(help="Time for each of the two trainings.")] = "75s",
    device: Device = "auto",
    open_report: Annotated[bool, typer.Option("--open/--no-open", help="Open the report in the browser.")] = True,
) -> None:
    """The whole story on data that comes with the package: generated cells, and a photograph of coins."""
    with reporting():
        from unetkit.cli.live import training_display
        from unetkit.cli.show import show_scores
        from unetkit.demo import run_demo

        budget = seconds(time)
        assert budget is not None
        with training_display() as display:
            runs = run_demo(out, time=budget, device=device, hooks=display.hooks)
        for run in runs:
            typer.echo(f"\n{run.path.name}")
            show_scores(run.read_json("test/summary.json"))
            typer.echo(f"report  {run.report}")
        if open_report:
            typer.launch(str(runs[0].report))


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--version", help="The installed version.")] = False,
) -> None:
    """unetkit."""
    if show:
        from unetkit import __version__

        typer.echo(__version__)
        raise typer.Exit
    del context


def main() -> None:
    """Run the command line."""
    app()
