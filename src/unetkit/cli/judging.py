"""The commands that ask how good something is: a run, anybody's masks, or variants of a network side by side."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unetkit.cli.options import AllowLeakage, Data, Device, Json, Prune, Run, Seed, Set, Steps, Time, Tta, options_of
from unetkit.cli.values import levels, listed, reporting, say_json


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


def evaluate(
    run: Run,
    data: Annotated[Path | None, typer.Argument(help="Dataset; the one it was trained on when left out.")] = None,
    split: Annotated[Part | None, typer.Option(help="Which part.  [default: test, or val where there is none]")] = None,
    tta: Tta = None,
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
                augment=tta,
            )
            if as_json:
                say_json([asdict(row) for row in rows])
            else:
                show_pruning(rows)
            return
        assessment = evaluate_run(run, data, split=split.value if split else None, device=device, augment=tta)
        if as_json:
            say_json(assessment.summary)
        else:
            show_scores(assessment.summary)
            typer.echo(f"report  {assessment.report}")


def quantize(
    run: Run,
    data: Annotated[Path | None, typer.Argument(help="Dataset; the one it was trained on when left out.")] = None,
    split: Annotated[
        Part | None, typer.Option(help="Which part to measure on.  [default: test, or val where there is none]")
    ] = None,
    prune: Prune = None,
    as_json: Json = False,
) -> None:
    """The model in 8 bits, for predict --precision int8; and what that and each runtime gain in speed and cost in Dice.

    Needs the extra 'onnx', and for OpenVINO the extra 'openvino'.
    """
    with reporting(as_json):
        from unetkit.cli.show import show_runtimes
        from unetkit.pipeline import quantize as quantize_run

        say = (lambda line: None) if as_json else typer.echo
        rows = quantize_run(run, data, split=split.value if split else None, prune=prune, say=say)
        if as_json:
            say_json([asdict(row) for row in rows])
        else:
            show_runtimes(rows)


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
    objects: Annotated[
        bool | None,
        typer.Option(
            "--objects/--no-objects",
            help="Score objects one by one, whose numbers the masks hold.  [default: if both are instance masks]",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for per_image.csv, per_image_objects.csv and summary.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score masks made by anyone, with any program, against the truth."""
    with reporting(as_json):
        from unetkit.cli.show import show_scores
        from unetkit.evaluation import write_evaluation
        from unetkit.scoring import score_folders

        evaluation = score_folders(
            predictions, truth, classes=classes, encoding=encoding.value if encoding else None, objects=objects
        )
        if out is not None:
            write_evaluation(out, evaluation)
        if as_json:
            say_json(evaluation.summary)
        else:
            show_scores(evaluation.summary)
            read = evaluation.summary
            if "numbered" in read:
                typer.echo(read["numbered"])
            typer.echo(
                f"true masks: {read['truth']}; predictions: --encoding {read['predictions']}; paired {read['paired']}"
            )


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
        from unetkit.cli.live import comparison_display
        from unetkit.cli.show import show_comparison
        from unetkit.compare import compare as compare_on
        from unetkit.compare import parse_labels, write_page

        options = options_of(time, steps, None, device, seed, settings, allow_leakage)
        names = listed(models)
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
