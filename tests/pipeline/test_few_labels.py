"""One folder, any mix of labels: what check and plan say of it, and that training, scores and report use it right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import draw_discs
from unetkit.classes import IGNORE
from unetkit.dataset.check import check
from unetkit.dataset.folder import open_dataset, read_objects
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.dataset.patches import PatchSource
from unetkit.dataset.splits import make_split
from unetkit.errors import DatasetError, UsageError
from unetkit.formats import read_mask, write_mask
from unetkit.labels import SeedsPlan, write_marks
from unetkit.labels.simulated import SIMULATED
from unetkit.pipeline import Options, train
from unetkit.pipeline.preparation import prepare

NAMES = ("background", "disc")
SMALL = ("model.width=4", "model.depth=2", "training.patch=[32, 32]", "training.precision=float32")


def mark(root: Path, number: int, kind: str, *, share: float = 1.0) -> None:
    """Marks in the place of a mask."""
    mask = root / "masks" / f"disc_{number}.png"
    labels = (read_mask(mask).values > 0).astype(np.uint8)
    write_marks(root / "marks" / f"disc_{number}.json", SIMULATED[kind](labels, NAMES, share=share, seed=number))
    mask.unlink()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ten images: four whole masks, one painted in part, two with points, one with boxes, one empty, one unlabelled."""
    root = draw_discs(tmp_path / "mixed", images=10)
    mark(root, 0, "points")
    mark(root, 1, "points")
    mark(root, 2, "boxes")
    (root / "masks" / "disc_3.png").unlink()
    (root / "marks" / "nothing.txt").write_text("disc_3\n", encoding="utf-8")
    (root / "masks" / "disc_4.png").unlink()
    sparse = read_mask(root / "masks" / "disc_5.png").values.copy()
    sparse[np.indices(sparse.shape)[0] % 4 > 0] = 7
    write_mask(root / "masks" / "disc_5.png", sparse)
    (root / "classes.yaml").write_text("names: [background, disc]\nignore_values: [7]\n", encoding="utf-8")
    return root


def test_the_check_counts_each_kind_of_label(mixed: Path) -> None:
    report = check(mixed)
    assert dict(report.facts)["labels"] == (
        "points (2), boxes (1), nothing in it (1), masks painted in part (1), whole masks (4), none (1)"
    )
    assert {finding.rule: finding.severity for finding in report.findings} == {
        "partly-labelled": "note",
        "unlabelled-images": "note",
    }
    assert dict(report.facts)["classes"].endswith("stated: ignore_values, names") or report.ok


def test_partial_labels_train_and_whole_ones_score(mixed: Path) -> None:
    split = make_split(open_dataset(mixed))
    assert not {"disc_0", "disc_1", "disc_2", "disc_5"} & {*split.val, *split.test}
    assert "disc_4" not in {*split.train, *split.val, *split.test}
    assert any("4 images labelled in part train" in reason for reason in split.reasons)


def test_the_plan_says_how_each_kind_is_used(mixed: Path) -> None:
    plan = prepare(mixed, Options(steps=2, settings=SMALL)).plan
    for key in ("seeds.point_radius", "seeds.point_borders", "seeds.box_core"):
        assert len(plan.reasons[key]) > 20
    assert 2 <= plan.seeds.point_radius <= 4  # a quarter of the discs' diameter
    for key in ("training.loss", "training.foreground"):
        assert "labelled in part" in plan.reasons[key]
    assert (plan.training.regulariser, "training.regulariser" in plan.reasons) == ("none", True)
    whole = prepare(draw_discs(mixed.with_name("whole")), Options(steps=2, settings=SMALL)).plan
    assert not [key for key in whole.reasons if key.startswith(("seeds.", "training.regulariser"))]
    assert "in part" not in whole.reasons["training.loss"]


def test_every_patch_of_a_partly_labelled_image_holds_a_label(mixed: Path) -> None:
    source = PatchSource(open_dataset(mixed), ["disc_0"], NormalizationPlan(), seeds=SeedsPlan())
    _, _, valid = source.draw(source.generators(0, range(40)), (8, 8), 0)
    assert valid.any(dim=(1, 2)).all()
    assert not valid.all()


def test_what_is_assumed_trains_and_what_is_said_scores(mixed: Path) -> None:
    dataset = open_dataset(mixed)
    sample = dataset.sample("disc_0")
    said, assumed = dataset.read_labels(sample).labels, dataset.read_labels(sample, seeds=SeedsPlan()).labels
    assert set(np.unique(said)) == {1, IGNORE}
    assert set(np.unique(assumed)) == {0, 1, IGNORE}
    assert sample.marks is not None
    assert read_objects(dataset, sample).count == len(sample.marks.marks)


def test_a_run_on_the_mix_resumes_with_its_regulariser_and_reports(mixed: Path, tmp_path: Path) -> None:
    settings = (*SMALL, "training.regulariser=sparse-crf", "training.regulariser_options={tau: 0.3}")
    run = train(mixed, Options(steps=3, settings=settings), out=tmp_path / "run")
    plain = train(mixed, Options(steps=3, settings=(*SMALL, "training.regulariser=none")), out=tmp_path / "plain")
    losses = [folder.read_history()[-1]["train_loss"] for folder in (run, plain)]
    assert losses[0] > losses[1]
    summary = json.loads((run.path / "test" / "summary.json").read_text(encoding="utf-8"))
    assert summary["labelled_share"] == 1
    assert "labelled in part" in run.report.read_text(encoding="utf-8")


def test_scores_on_partial_labels_say_so(tmp_path: Path) -> None:
    root = draw_discs(tmp_path / "scribbled", images=6)
    for number in range(6):
        mark(root, number, "scribbles", share=0.05)
    shutil.rmtree(root / "masks")
    assert {finding.rule for finding in check(root).findings} == {"partly-labelled", "no-whole-image"}
    run = train(root, Options(steps=2, settings=SMALL), out=tmp_path / "run")
    summary = json.loads((run.path / "test" / "summary.json").read_text(encoding="utf-8"))
    assert 0 < summary["labelled_share"] < 0.2
    assert "Scores are taken on the labelled" in run.report.read_text(encoding="utf-8")
    assert json.loads((run.path / "test" / "objects.json").read_text(encoding="utf-8")) == []


def test_separating_objects_needs_their_outlines(mixed: Path) -> None:
    with pytest.raises(UsageError, match=r"objects\.separate=distance .* marked images"):
        prepare(mixed, Options(steps=2, settings=(*SMALL, "objects.separate=distance")))


def test_a_folder_without_any_label_is_refused(tmp_path: Path) -> None:
    root = draw_discs(tmp_path / "bare", images=3)
    shutil.rmtree(root / "masks")
    (root / "marks").mkdir()
    with pytest.raises(DatasetError, match=r"no image has a label.*marks/NAME\.json"):
        open_dataset(root)
    assert not check(root).ok
    (root / "marks" / "nothing.txt").write_text("disc_0\ndisc_1\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no object is marked in any image"):
        open_dataset(root)


def test_the_foreground_of_two_valued_masks_takes_the_name_that_marks_give_it(tmp_path: Path) -> None:
    root = draw_discs(tmp_path / "named", images=4)
    mark(root, 1, "points")
    assert open_dataset(root).classes.names == NAMES
    path = root / "marks" / "disc_1.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"disc"', '"disk"'), encoding="utf-8")
    (root / "classes.yaml").write_text("names: [background, disc]\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"'disk'; expected one of background, disc\. To mend it: 'disc'\?"):
        open_dataset(root)
