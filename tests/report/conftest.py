"""Report data with every section filled, made of generated pictures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unetkit.classes import Classes
from unetkit.metrics.instances import score_objects, summarise
from unetkit.objects import with_classes
from unetkit.report import AttentionSheet, AugmentationSheet, Case, ErrorCrop, ObjectSheet, ReportData, Suspect

HOSTILE = "\"><script>alert(1)</script>'&"


def _blobs(rng: np.random.Generator, size: int, classes: int) -> np.ndarray:
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), size / 24)
    levels = np.quantile(field, np.linspace(0.6, 1, classes)[:-1])
    return np.digitize(field, levels).astype(np.uint8)


def _picture(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    grey = 40 + 45.0 * labels + ndimage.gaussian_filter(rng.normal(size=labels.shape), 1) * 12
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _case(rng: np.random.Generator, index: int, size: int, classes: int) -> Case:
    truth = _blobs(rng, size, classes)
    prediction = np.roll(truth, 2 + index, axis=1)
    image = _picture(rng, truth)
    if index == 0:
        truth[: size // 4] = 255
    score = 0.4 + 0.05 * index
    objects = with_classes(ndimage.label(prediction)[0], prediction) if classes == 2 else None
    scores = {"dice": score, "hd95": None}
    return Case(f"plate/{index}{HOSTILE}", image, truth, prediction, score, scores, objects)


def object_scores(names: tuple[str, ...]) -> dict[str, object]:
    """The scores of one image: an object of each class, the last of which was missed and another invented."""
    truth = np.zeros((8, 8 * len(names)), np.int64)
    for index in range(1, len(names)):
        truth[2:6, 8 * index : 8 * index + 5] = index
    prediction = np.where(truth == len(names) - 1, 0, truth)
    prediction[:2, :3] = len(names)
    classes = np.array([*range(1, len(names)), 1])
    scores = score_objects(prediction, truth, prediction_classes=classes, truth_classes=classes)
    return summarise([scores, scores], class_names=names) | {"interval": HOSTILE, "worst": []}


def object_sheet(names: tuple[str, ...], crop: np.ndarray) -> ObjectSheet:
    """Counts, values and two places, with hostile names."""
    numbers = {"objects": 3, "objects_per_mpx": 4.5, "objects_per_um2": 1e-4, "covered": 0.6, "median_area_um2": None}
    rows = [
        {"of": of, "scope": scope, "name": name, "class": one, **numbers, "covered_low": 0.5, "covered_high": 0.7}
        for of in ("true", "predicted")
        for scope, name in (("all", ""), ("group", HOSTILE), ("image", HOSTILE))
        for one in names[1:]
    ]
    values = [("Size", f"area {HOSTILE}", [1.0, 2.0, float("nan")], [50.0]), ("Nothing", "none", [], [])]
    return ObjectSheet(rows, values, [(HOSTILE, 3, 4)], [ErrorCrop(HOSTILE, [HOSTILE], crop, crop)])


def make_report(
    *, cases: int = 3, size: int = 64, names: tuple[str, ...] = ("background", "cell", HOSTILE)
) -> ReportData:
    """A report in which everything is there, with hostile names wherever a user's text appears."""
    rng = np.random.default_rng(0)
    score = {"mean": 0.81, "low": 0.7, "high": 0.9, "n": cases, "undefined": 1}
    metrics = {"dice": score, "iou": score, "hd95": {"mean": None, "low": None, "high": None, "n": 0, "undefined": 3}}
    shown = [_case(rng, index, size, len(names)) for index in range(cases)]
    unlabelled = Case("no truth", shown[0].image, None, shown[0].prediction)
    grid = np.stack(np.meshgrid(np.linspace(0, size - 1, 5), np.linspace(0, size - 1, 5), indexing="ij"), axis=-1)
    warped = grid + rng.normal(size=grid.shape)
    counts = rng.integers(0, 10_000, (len(names), len(names)))
    counts[1] = 0
    return ReportData(
        title=f"U-Net {HOSTILE}",
        subtitle=HOSTILE,
        classes=Classes(names=names, evidence=HOSTILE),
        facts=[(HOSTILE, HOSTILE)],
        findings=[dict.fromkeys(("severity", "rule", "what", "why", "mend"), HOSTILE) | {"files": [HOSTILE] * 9}],
        plan_rows=[("model.depth", "4", HOSTILE), (HOSTILE, HOSTILE, HOSTILE)],
        split={"train": [HOSTILE], "test": [f"{HOSTILE}{i}" for i in range(40)]},
        history=[
            {"step": s, "seconds": s / 10, "train_loss": 1 / s, "val_loss": float("nan") if s == 30 else 2 / s,
             "val_score": 1 - 1 / s, "learning_rate": 1e-3 / s}
            for s in range(10, 100, 10)
        ],
        best_step=80,
        summary={
            "unit": "um", "images": cases, "groups": 2, "interval": HOSTILE, "mean": metrics,
            "classes": dict.fromkeys(names[1:], metrics), "pooled_iou": dict.fromkeys(names, 0.8), "mean_iou": 0.7,
            "confusion": counts.tolist(), "class_names": list(names), "worst": [], "objects": object_scores(names),
        },
        objects=object_sheet(names, shown[0].image),
        cases=[*shown, unlabelled],
        attention=AttentionSheet(HOSTILE, shown[0].image, {1: rng.random((-(-size // 2),) * 2)}),
        augmentation=AugmentationSheet([shown[0].image], [shown[0].prediction], [HOSTILE], warped),
        suspects=[Suspect(HOSTILE, 0.9, HOSTILE, shown[0].image, shown[0].prediction, shown[0].prediction)],
        missed=[{"class": HOSTILE, "diameter": 3.0 + i, "found": i > 2} for i in range(9)],
        unit="um",
        next_steps=[HOSTILE],
        environment={HOSTILE: HOSTILE},
        commands=[HOSTILE],
        warnings=[HOSTILE],
    )  # fmt: skip


@pytest.fixture(scope="session")
def full_report() -> ReportData:
    return make_report()


@pytest.fixture
def hostile() -> str:
    return HOSTILE
