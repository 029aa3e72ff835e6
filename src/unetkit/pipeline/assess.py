"""Evaluate: a run's model on images it has never seen, in numbers, pictures and a report."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unetkit.classes import read_classes
from unetkit.counting import write_rows
from unetkit.dataset.folder import Dataset, open_dataset
from unetkit.dataset.splits import stored_split
from unetkit.errors import RunError, UsageError
from unetkit.evaluation import Evaluation, evaluate_pairs, write_evaluation
from unetkit.files import write_json, write_text
from unetkit.formats import write_image
from unetkit.pipeline.gallery import Gallery
from unetkit.pipeline.loading import load_predictor, member_runs
from unetkit.pipeline.story import tell
from unetkit.report import ObjectSheet, curves_svg, write_report
from unetkit.report.object_overlay import paint_objects
from unetkit.report.overlay import overlay
from unetkit.training import RunFolder

Part = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What an evaluation came to.

    Args:
        rows: one an image and foreground class.
        summary: means with intervals; see `unetkit.evaluation.evaluate_pairs`.
        folder: where per_image.csv, summary.json and overlays/ stand.
        report: the report that shows it.
    """

    rows: tuple[dict[str, Any], ...]
    summary: dict[str, Any]
    folder: Path
    report: Path


def evaluate(
    run: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    split: Part | None = None,
    device: str = "auto",
    augment: bool | None = None,
) -> Assessment:
    """Score a run's model and write its table, overlays and report.

    The scores on the run's test images (where there are none, its val images) stand in RUN/test/ (RUN/val/) and in
    RUN/report.html; any others have a folder of their own with a report of their own.

    Args:
        run: folder that `train` or `cross_validate` wrote.
        data: the dataset; the one it was trained on when None. All labelled images of another dataset are scored.
        split: "train", "val" or "test"; test where there is one, else val.
        device: "auto", "cpu", "cuda" or "cuda:1".
        augment: average flipped views; None takes the plan's choice.

    Returns:
        Rows and summary, and where they stand.

    Raises:
        RunError: no such run, or its data are gone.
        FileError: an image or mask cannot be read.

    Example:
        >>> evaluate("runs/cells").summary["mean"]["dice"]  # doctest: +SKIP
        {'mean': 0.91, 'low': 0.88, 'high': 0.93, 'n': 6}
    """
    scope = find_scope(run, data, split)
    gallery = Gallery(scope.dataset, images=sum(len(names) for _, names in scope.jobs))
    pairs = (
        pair
        for path, names in scope.jobs
        for pair in gallery.predicted(names, load_predictor(path, device=device, augment=augment))
    )
    evaluation = evaluate_pairs(pairs, scope.dataset.classes)
    folder, members = scope.run, scope.members
    place = folder.path / scope.part
    objects = gallery.one_by_one.sheet()
    _write(place, evaluation, gallery, objects)
    if history := members[0].read_history():
        write_text(folder.path / "curves.svg", curves_svg(history, members[0].load_weights()[1].get("step")))
    report = folder.report if scope.usual else place / "report.html"
    write_report(report, tell(folder, members, scope.dataset, evaluation, gallery, scope.part, objects))
    return Assessment(evaluation.rows, evaluation.summary, place, report)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which images are scored, and by which models.

    Args:
        run: the run.
        members: the run itself, or its folds.
        dataset: the images.
        part: "train", "val" or "test", or "on_NAME" of another dataset.
        usual: whether the run's own report shows these images.
        jobs: (run folder, names of the images that its models predict).
    """

    run: RunFolder
    members: tuple[RunFolder, ...]
    dataset: Dataset
    part: str
    usual: bool
    jobs: tuple[tuple[Path, tuple[str, ...]], ...]


def find_scope(run: str | PathLike[str], data: str | PathLike[str] | None, split: Part | None) -> Scope:
    """What `evaluate` scores; arguments and errors as there."""
    folder = RunFolder(run)
    members = tuple(member.require() for member in member_runs(folder))
    root = _data_folder(members[0], data)
    dataset = open_dataset(root, classes=read_classes(members[0].classes))
    splits = [stored_split(member.split) for member in members]
    usual: Part = "test" if any(s.test for s in splits) else "val"
    # the run's own data may have been moved: they are known by their names
    names = {name for s in splits for name in (*s.train, *s.val, *s.test)}
    labelled = tuple(sample.name for sample in dataset.labelled)
    if not names.issubset(labelled):
        if split is not None:
            raise UsageError("other data have no such part", found=f"--split {split}", mend="leave --split out")
        return Scope(folder, members, dataset, f"on_{root.resolve().name}", False, ((folder.path, labelled),))
    part = split or usual
    if len(members) > 1 and part != "test":
        raise UsageError("a cross-validation is scored on its test images", mend="leave --split out")
    jobs = tuple((member.path, tuple(getattr(own, part))) for member, own in zip(members, splits, strict=True))
    if not any(names for _, names in jobs):
        raise UsageError(f"the run has no {part} images", mend="another --split, or a dataset to score on")
    return Scope(folder, members, dataset, part, part == usual, jobs)


def _data_folder(run: RunFolder, stated: str | PathLike[str] | None) -> Path:
    """The data to score on: those stated, or those the run was trained on.

    Raises:
        RunError: the run's data are gone, and none were stated.
    """
    home = (run.read_json("data.json") or {}).get("data")
    root = Path(stated) if stated is not None else Path(home or "nowhere")
    if stated is None and not root.is_dir():
        raise RunError(
            "the data it was trained on are gone", file=run.path, found=root, mend="unetkit evaluate RUN DATA"
        )
    return root


def _write(folder: Path, evaluation: Evaluation, gallery: Gallery, objects: ObjectSheet | None) -> None:
    write_evaluation(folder, evaluation)
    write_json(folder / "objects.json", gallery.objects)
    classes = gallery.dataset.classes
    for case in gallery.cases:
        if case.objects is None:
            picture = overlay(case.image, case.prediction, case.truth, classes)
        else:
            picture = paint_objects(case.image, case.objects, classes)
        write_image(folder / "overlays" / f"{case.name}.png", np.moveaxis(picture, -1, 0))
    if objects is None:
        (folder / "objects_summary.csv").unlink(missing_ok=True)  # of an earlier scoring
        return
    write_rows(folder / "objects_summary.csv", objects.rows)
    for _, name, picture in gallery.one_by_one.pictures:
        write_image(folder / "object_errors" / f"{name}.png", np.moveaxis(picture, -1, 0))
