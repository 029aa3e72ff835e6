"""From a run folder to what its report tells: facts, plan, curves, scores, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from unetkit.augment import deformation_grid
from unetkit.classes import IGNORE
from unetkit.dataset import Split
from unetkit.dataset.folder import Dataset
from unetkit.dataset.patches import PatchSource
from unetkit.dataset.splits import stored_split
from unetkit.errors import UnetkitError
from unetkit.evaluation import Evaluation
from unetkit.image import Image
from unetkit.labels import WHOLE
from unetkit.pipeline.gallery import Gallery
from unetkit.plan import Plan, read_plan
from unetkit.report import AugmentationSheet, ObjectSheet, ReportData
from unetkit.report.overlay import to_rgb
from unetkit.training import RunFolder
from unetkit.training.batch import training_batch

LEAKS = 3
"""So many leaks are told one by one."""

FEW = 10
"""With fewer test images the report says that the interval is rough."""


def tell(
    run: RunFolder,
    members: Sequence[RunFolder],
    dataset: Dataset,
    evaluation: Evaluation,
    gallery: Gallery,
    part: str,
    objects: ObjectSheet | None = None,
) -> ReportData:
    """Everything the report of a run shows.

    Args:
        run: the run.
        members: the run itself, or its folds.
        dataset: the images that were scored.
        evaluation: their scores.
        gallery: their pictures.
        part: which images these are: "test", "val", "train", or "on_NAME" of another dataset.
        objects: true and predicted objects, where they were told apart.
    """
    first = members[0]
    plan = read_plan(first.plan)
    known = first.read_json("data.json") or {}
    split = stored_split(first.split)
    history = first.read_kept_history()
    _, facts = first.load_weights()
    environment = first.read_json("environment.json") or {}
    trained = history[-1]["seconds"] if history else 0.0
    print_ = known.get("fingerprint") or {}
    foreign = part.startswith("on_")
    return ReportData(
        title=f"{plan.model.name} on {dataset.root.resolve().name}",
        subtitle=_subtitle(plan, split, trained, len(members)) + (f"; {first.verdict}" if first.verdict else ""),
        classes=dataset.classes,
        facts=[] if foreign else [(label, value) for label, value in known.get("facts", [])],
        class_shares=None if foreign else print_.get("class_shares"),
        findings=None if foreign else known.get("findings"),
        plan_rows=plan.rows(),
        split={"train": split.train, "val": split.val, "test": split.test},
        history=history,
        best_step=facts.get("step"),
        summary=evaluation.summary,
        quality=gallery.trial.sheet(),
        objects=objects,
        cases=gallery.cases,
        attention=gallery.attention,
        augmentation=None if foreign else _sheet(dataset, split, plan),
        suspects=gallery.suspects,
        missed=gallery.objects,
        unit=evaluation.summary["unit"],
        next_steps=next_steps(evaluation.summary, history, plan, gallery),
        environment={key: str(value) for key, value in environment.items()},
        commands=_commands(run, first, str(known.get("data", "DATA")), len(members)),
        warnings=_warnings(known, part, evaluation.summary),
    )


def _commands(run: RunFolder, first: RunFolder, data: str, folds: int) -> list[str]:
    again = ["--folds", str(folds)] if folds > 1 else ["--plan", str(first.plan)]
    return [
        shlex.join(["unetkit", "train", data, *again]),
        shlex.join(["unetkit", "predict", str(run.path)]) + " IMAGES --out MASKS",
    ]


def _subtitle(plan: Plan, split: Split, seconds: float, folds: int) -> str:
    if folds > 1:
        return f"{folds} models, each trained for {seconds / 60:.1f} minutes and scored on the images it never saw"
    return (
        f"trained on {len(split.train)} labelled images for {seconds / 60:.1f} minutes; "
        f"{len(split.val)} images chose the weights, {len(split.test)} were kept for the score"
    )


def _warnings(known: Mapping[str, Any], part: str, summary: Mapping[str, Any]) -> list[str]:
    leaks = [] if part.startswith("on_") else known.get("leaks", [])
    warnings = [f"Training and test data are not independent: {leak}" for leak in leaks[:LEAKS]]
    if len(leaks) > LEAKS:
        warnings.append(f"Training and test data are not independent in {len(leaks) - LEAKS} further ways.")
    if part in ("val", "train"):
        warnings.append(f"These are scores on the {part} images, which training has used: they are too good.")
    if (share := summary.get("labelled_share", 1.0)) < WHOLE:
        warnings.append(
            f"Scores are taken on the labelled {share:.1%} of the pixels alone. What lies between the "
            "labels, where outlines are, was not judged: for a score of whole masks, paint a few for the test."
        )
    if summary["images"] < FEW:
        warnings.append(f"Only {summary['images']} images were scored: the intervals are rough.")
    return warnings


def _sheet(dataset: Dataset, split: Split, plan: Plan, count: int = 12) -> AugmentationSheet | None:
    """The first training patches, as the network saw them; None for volumes."""
    if plan.data.spatial_dims != 2:
        return None
    try:
        source = PatchSource(
            dataset, split.train[:8], plan.normalization, foreground=0.5, seed=plan.training.seed, seeds=plan.seeds
        )
    except UnetkitError:  # none of these few images has a labelled pixel: there is nothing to show
        return None
    images, target, valid = training_batch(plan, source, 0, range(count), torch.device("cpu"))
    labels = np.where(valid.numpy(), target.numpy(), IGNORE).astype(np.uint8)
    generator = torch.Generator().manual_seed(plan.training.seed)
    return AugmentationSheet(
        images=[to_rgb(Image(patch.numpy())) for patch in images],
        labels=list(labels),
        captions=[f"patch {n + 1}" for n in range(count)],
        grid=deformation_grid(plan.augmentation, plan.training.patch, generator),
    )


def next_steps(
    summary: Mapping[str, Any], history: Sequence[Mapping[str, float]], plan: Plan, gallery: Gallery
) -> list[str]:
    """Advice from what was measured, most useful first."""
    steps = []
    if gallery.suspects:
        names = ", ".join(suspect.name for suspect in gallery.suspects[:3])
        steps.append(
            f"Look at the suspected label errors first ({names}): wrong masks cost more than a short training."
        )
    if len(history) >= 6:
        third = len(history) // 3
        scores = [row["val_score"] for row in history]
        gain = max(scores[-third:]) - max(scores[:-third])
        if gain > 0.005:
            longer = (
                f"--time {2 * plan.training.time / 60:g}m"
                if plan.training.time
                else f"--steps {2 * plan.training.steps}"
            )
            steps.append(f"Train longer: the last third of the run still gained {gain:.3f}. Try {longer}.")
        else:
            steps.append("More time will not help much: the last third of the run gained nothing. More labels may.")
    weak = [(v["dice"]["mean"], name) for name, v in summary["classes"].items() if v["dice"]["mean"] is not None]
    if len(weak) > 1:
        score, name = min(weak)
        steps.append(f"Label more images that show {name}: it is the weakest class (Dice {score:.2f}).")
    small = [o["diameter"] for o in gallery.objects if not o["found"]]
    found = [o["diameter"] for o in gallery.objects if o["found"]]
    if small and found and np.median(small) < 0.6 * np.median(found):
        steps.append(
            f"Small objects are missed (median diameter {np.median(small):.0f} against {np.median(found):.0f} of those "
            "found): give images at a higher resolution, or --set training.foreground=0.6."
        )
    if summary["images"] < FEW:
        steps.append("Put more labelled images into the test part, or use --folds 5, for a score one can rely on.")
    return steps
