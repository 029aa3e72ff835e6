"""The commands. Nothing heavy is imported before a command runs, so that --help is there at once."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unetkit.cli.values import levels, reporting, say_json, seconds

if TYPE_CHECKING:
    from unetkit.pipeline import Options

app = typer.Typer(
    help="Image segmentation with U-Nets: from a folder of images and a few masks to a model you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Argument(help="Folder with images/ and masks/.")]
Run = Annotated[Path, typer.Argument(help="Run folder that 'unetkit train' wrote.")]
Time = Annotated[str | None, typer.Option(help="Time budget, such as 90s, 10m or 1.5h.  [default: 10m]")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps instead of a time: repeatable bit for bit.")]
Model = Annotated[str | None, typer.Option(help="Registered model; chosen from the data when left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of the split, the weights and the patches.  [default: 0]")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the plan.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
AllowLeakage = Annotated[
    bool, typer.Option("--allow-leakage", help="Train although training and test data share images or groups.")
]


class Encoding(StrEnum):
    """How masks to be scored are written."""

    truth = "truth"
    indices = "indices"
    binary = "binary"
    colours = "colours"


class Part(StrEnum):
    """The parts of a split."""

    train = "train"
    val = "val"
    test = "test"


def _options(
    time: str | None, steps: int | None, model: str | None, device: str, seed: int | None, settings: list[str] | None
) -> Options:
    from unetkit.pipeline import Options

    return Options(
        time=seconds(time), steps=steps, model=model, device=device, seed=seed, settings=tuple(settings or ())
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
        from dataclasses import replace

        from unetkit.cli.show import show_plan
        from unetkit.pipeline import prepare
        from unetkit.plan import write_plan

        options = _options(time, steps, model, device, seed, settings)
        prepared = prepare(data, replace(options, allow_leakage=allow_leakage))
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

        if folds == 1:
            raise UsageError("one fold is no cross-validation", mend="--folds 5, or leave it out")
        options = replace(_options(time, steps, model, device, seed, settings), plan=plan, allow_leakage=allow_leakage)
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


@app.command()
def predict(
    run: Run,
    inputs: Annotated[list[Path], typer.Argument(help="Image files and folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    save: Annotated[str, typer.Option(help="Any of labels, probabilities, overlay, with commas.")] = "labels",
    tta: Annotated[bool, typer.Option("--tta", help="Average flipped views: slower, a little better.")] = False,
    tile: Annotated[int | None, typer.Option(min=0, help="Side of the tiles in pixels; 0 chooses.")] = None,
    prune: Annotated[int | None, typer.Option(min=0, help="Poolings to keep of a UNet++: faster; 0 for all.")] = None,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Masks for new images, in the encoding of the masks the model was trained on."""
    with reporting(as_json):
        from unetkit.cli.live import prediction_display
        from unetkit.pipeline import load_predictor
        from unetkit.pipeline import predict as predict_images

        predictor = load_predictor(run, device=device, augment=tta or None, tile=tile, prune=prune)
        kinds = [kind.strip() for kind in save.split(",") if kind.strip()]
        faults, written = [], []
        with prediction_display(quiet=as_json) as display:
            results = predict_images(
                run, inputs, out, save=kinds, overwrite=overwrite, predictor=predictor, progress=display.progress
            )
            for result in results:
                display.finished(result)
                written += [str(path) for path in result.written]
                faults += [str(result.fault)] if result.fault else []
        if as_json:
            say_json({"written": written, "faults": faults})
        else:
            typer.echo(f"{len(written)} files written to {out}" + (f", {len(faults)} images failed" if faults else ""))
        raise typer.Exit(1 if faults else 0)


@app.command()
def evaluate(
    run: Run,
    data: Annotated[Path | None, typer.Argument(help="Dataset; the one it was trained on when left out.")] = None,
    split: Annotated[Part | None, typer.Option(help="Which part.  [default: test, or val where there is none]")] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Average flipped views.")] = False,
    prune: Annotated[
        str | None,
        typer.Option(metavar="LEVELS", help="Speed against score of a pruned UNet++: all, or levels with commas."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Score a run's model, per image and class, with intervals; and write its report again (not with --prune)."""
    with reporting(as_json):
        from unetkit.cli.show import show_pruning, show_scores
        from unetkit.pipeline import evaluate as evaluate_run
        from unetkit.pipeline import pruning_table

        if prune is not None:
            rows = pruning_table(
                run,
                data,
                split=split.value if split else None,
                levels=levels(prune),
                device=device,
                augment=tta or None,
            )
            if as_json:
                say_json([asdict(row) for row in rows])
            else:
                show_pruning(rows)
            return
        assessment = evaluate_run(run, data, split=split.value if split else None, device=device, augment=tta or None)
        if as_json:
            say_json(assessment.summary)
        else:
            show_scores(assessment.summary)
            typer.echo(f"report  {assessment.report}")


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="Folder of masks somebody made.")],
    truth: Annotated[Path, typer.Argument(help="Folder of true masks, paired by their names.")],
    encoding: Annotated[
        Encoding | None, typer.Option(help="How predictions are written: found out when left out.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="What the true masks mean.  [default: classes.yaml in TRUTH or above; else found out]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for per_image.csv and summary.json.")] = None,
    as_json: Json = False,
) -> None:
    """Score masks made by anyone, with any program, against the truth."""
    with reporting(as_json):
        from unetkit.cli.show import show_scores
        from unetkit.evaluation import score_folders, write_evaluation

        evaluation = score_folders(predictions, truth, classes=classes, encoding=encoding.value if encoding else None)
        if out is not None:
            write_evaluation(out, evaluation)
        if as_json:
            say_json(evaluation.summary)
        else:
            show_scores(evaluation.summary)
            read = evaluation.summary
            typer.echo(
                f"true masks: {read['truth']}; predictions: --encoding {read['predictions']}; paired {read['paired']}"
            )


@app.command()
def compare(
    data: Data,
    models: Annotated[
        str, typer.Option(help="Registered models, with commas; the first is what the others are compared with.")
    ] = "",
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B", help="Values of the plan, such as training.loss=dice,ce+dice."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Numbers of annotated training images, such as 2,5,10,all.")
    ] = None,
    time: Time = None,
    steps: Steps = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each; one cannot tell luck from gain.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder; naming one that was begun goes on with it.  [default: in runs/]")
    ] = None,
    device: Device = "auto",
    seed: Seed = None,
    settings: Set = None,
    allow_leakage: AllowLeakage = False,
    as_json: Json = False,
) -> None:
    """Train several models, or several values of the plan, for the same time; say what each costs and buys."""
    with reporting(as_json):
        from dataclasses import replace

        from unetkit.cli.live import comparison_display
        from unetkit.cli.show import show_comparison
        from unetkit.compare import compare as compare_on
        from unetkit.compare import parse_labels, write_page

        options = replace(_options(time, steps, None, device, seed, settings), allow_leakage=allow_leakage)
        names = [name.strip() for name in models.split(",") if name.strip()]
        with comparison_display(quiet=as_json) as watch:
            comparison = compare_on(
                data,
                names,
                vary=vary or (),
                labels=parse_labels(labels),
                seeds=seeds,
                options=options,
                out=out,
                watch=watch,
            )
        write_page(comparison, device=device)
        if as_json:
            say_json(comparison.to_json())
        else:
            show_comparison(comparison)
            typer.echo(f"report  {comparison.report}")
        raise typer.Exit(1 if any(row.fault for row in comparison.rows) else 0)


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
