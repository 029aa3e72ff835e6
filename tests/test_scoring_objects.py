"""Objects scored one by one: from files, from pairs, and on the command line."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.test_scoring import save, state
from unetkit.classes import Classes
from unetkit.cli import app
from unetkit.errors import InputError
from unetkit.evaluation import OBJECT_COLUMNS, Pair, evaluate_pairs, write_evaluation
from unetkit.formats import read_mask
from unetkit.metrics.instances import score_objects, summarise
from unetkit.scoring import score_folders

CELL = Classes(names=("background", "cell"))


def field(count: int, side: int = 60) -> np.ndarray:
    """A grid of square objects, numbered from 1."""
    ids = np.zeros((side, side), np.uint16)
    for i in range(count):
        row, column = divmod(i, 6)
        ids[10 * row + 2 : 10 * row + 9, 10 * column + 2 : 10 * column + 9] = i + 1
    return ids


def spoilt(truth: np.ndarray) -> np.ndarray:
    """Objects 1 and 2 merged, 3 split, 4 missed, one invented; other numbers."""
    ids = truth * np.uint16(3)
    ids[2:9, 2:19] = 3
    ids[2:9, 25:29] = np.where(ids[2:9, 25:29] > 0, 1000, 0)
    ids[ids == 12] = 0
    ids[52:58, 52:58] = 2000
    return ids


def truths() -> dict[str, np.ndarray]:
    return {"a": field(20), "b": field(14), "c": field(17)}


def test_instance_masks_are_scored_object_by_object(tmp_path: Path) -> None:
    save(tmp_path / "t", truths())
    save(tmp_path / "p", {name: spoilt(mask) for name, mask in truths().items()})
    done = score_folders(tmp_path / "p", tmp_path / "t")
    assert done.summary["numbered"] == "objects are scored"
    counts = done.summary["objects"]["counts"]
    assert counts == {
        "true_objects": 51, "predicted_objects": 51, "found": 42, "merged": 6, "split": 0, "missed": 3, "invented": 3,
        "merges": 3, "splits": 3,
    }  # fmt: skip
    expected = score_objects(spoilt(field(14)), field(14))
    row = done.objects[1]
    assert tuple(row) == OBJECT_COLUMNS
    assert (row["image"], row["ap50"], row["aji"]) == ("b", expected.values["ap50"], expected.values["aji"])
    assert done.summary["objects"]["worst"][0] == "b"
    mean = done.summary["objects"]["mean"]["ap50"]
    assert mean["low"] <= mean["mean"] <= mean["high"]
    assert done.summary["mean"]["dice"]["mean"] > 0.9  # the pixels are scored as ever
    without = score_folders(tmp_path / "p", tmp_path / "t", objects=False)
    assert "objects" not in without.summary
    assert without.objects == ()


def test_pixels_alone_where_predictions_number_nothing(tmp_path: Path) -> None:
    save(tmp_path / "t", truths())
    save(tmp_path / "p", {name: (mask > 0).astype(np.uint8) * 255 for name, mask in truths().items()})
    done = score_folders(tmp_path / "p", tmp_path / "t")
    assert "objects" not in done.summary
    assert "rather classes; say --objects" in done.summary["numbered"]
    with pytest.raises(InputError, match=r"the predictions do not number their objects.*leave --objects out"):
        score_folders(tmp_path / "p", tmp_path / "t", objects=True)


def test_one_blob_is_not_taken_for_an_object_unasked(tmp_path: Path) -> None:
    """A binary mask whose objects all touch lies in one piece, too."""
    save(tmp_path / "t", truths())
    save(tmp_path / "p", {name: np.ones((60, 60), np.uint8) for name in truths()})
    assert (
        "no prediction holds more than one number" in score_folders(tmp_path / "p", tmp_path / "t").summary["numbered"]
    )
    asked = score_folders(tmp_path / "p", tmp_path / "t", objects=True)
    assert asked.summary["objects"]["counts"]["merges"] == 3


def test_classes_in_disguise_are_refused(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(24, dtype=np.uint8)[None] % 3, 24, axis=0)
    save(tmp_path / "t", {"a": labels, "b": labels.T.copy()})
    with pytest.raises(InputError, match=r"the true masks do not number their objects.*of which 0% lie in one piece"):
        score_folders(tmp_path / "t", tmp_path / "t", objects=True)
    assert "objects" not in score_folders(tmp_path / "t", tmp_path / "t").summary


def test_few_objects_in_eight_bits_are_objects_when_the_user_says_so(tmp_path: Path) -> None:
    few = {"a": field(3).astype(np.uint8), "b": field(2).astype(np.uint8)}
    save(tmp_path / "t", few)
    with pytest.raises(InputError, match=r"count objects or name classes\?.*say --objects or --no-objects"):
        score_folders(tmp_path / "t", tmp_path / "t")
    assert "objects" not in score_folders(tmp_path / "t", tmp_path / "t", objects=False).summary
    done = score_folders(tmp_path / "t", tmp_path / "t", objects=True)
    assert done.summary["objects"]["counts"]["found"] == 5
    assert "stated: encoding" in done.summary["truth"]


def test_ignored_numbers_are_no_objects(tmp_path: Path) -> None:
    truth = field(20)
    truth[40:] = 65535
    state(tmp_path / "t" / "classes.yaml", "names: [background, cell]\nencoding: instances\nignore_values: [65535]")
    save(tmp_path / "t", {"a": truth})
    save(tmp_path / "p", {"a": np.where(field(36) > 0, field(36) + 7, 0)})
    scored = score_folders(tmp_path / "p", tmp_path / "t")
    counts = scored.summary["objects"]["counts"]
    assert (counts["true_objects"], counts["found"], counts["invented"]) == (20, 20, 4)


def test_pairs_with_ids_and_classes_of_objects() -> None:
    truth = field(12)
    kinds = np.repeat(np.array([1, 2], np.uint8), 6)
    labels = np.concatenate([[0], kinds])[truth].astype(np.uint8)
    pair = Pair("a", "g", labels, labels, prediction_ids=truth, truth_ids=truth)
    pair = replace(pair, prediction_classes=kinds, truth_classes=kinds)
    done = evaluate_pairs([pair, replace(pair, name="b", group="h")], Classes(names=("background", "round", "long")))
    assert set(done.summary["objects"]["classes"]) == {"round", "long"}
    assert done.summary["objects"]["classes"]["long"]["counts"]["found"] == 12
    assert done.summary["objects"]["interval"].startswith("95 % bootstrap over groups")
    json.dumps(done.summary, allow_nan=False)


def test_errors_name_the_image() -> None:
    labels = np.ones((2, 2), np.uint8)
    pair = Pair("plate/a", None, labels, labels, prediction_ids=labels.astype(float), truth_ids=labels)
    with pytest.raises(InputError, match=r"^plate/a: prediction does not number its objects"):
        evaluate_pairs([pair], CELL)


def test_images_without_objects_are_counted_apart_and_pooled_scores_are_of_all_objects() -> None:
    empty, some = np.zeros((60, 60), np.uint16), field(4)
    images = [score_objects(empty, empty), score_objects(some, some), score_objects(field(12), some)]
    summary = summarise(images)
    assert (summary["mean"]["ap50"]["n"], summary["mean"]["ap50"]["undefined"]) == (2, 1)
    assert summary["mean"]["ap50"]["mean"] == pytest.approx((1 + 4 / 12) / 2)
    assert summary["pooled"]["ap50"] == summary["ap_at"][0] == 8 / 16
    assert summary["pooled"]["ap"] == pytest.approx(0.5)
    nothing = summarise([score_objects(empty, empty)])
    assert nothing["pooled"]["ap"] is nothing["mean"]["ap"]["mean"] is None


def test_pooled_scores_are_those_of_stardists_data_sets() -> None:
    from tests.metrics.test_instances import IMAGES, RECORD, maps

    summary = summarise([score_objects(*maps(image)) for image in IMAGES])
    expected = RECORD["pooled"][RECORD["thresholds"].index(0.5)]
    for ours, theirs in (
        ("ap50", "accuracy"), ("f1", "f1"), ("pq", "panoptic_quality"), ("sq", "mean_matched_score"),
        ("mean_true_score", "mean_true_score"), ("precision", "precision"), ("recall", "recall"),
    ):  # fmt: skip
        assert summary["pooled"][ours] == pytest.approx(expected[theirs], rel=1e-6), ours


def test_the_command_shows_and_writes_the_objects(tmp_path: Path) -> None:
    save(tmp_path / "t", truths())
    save(tmp_path / "p", {name: spoilt(mask) for name, mask in truths().items()})
    command = ["score", str(tmp_path / "p"), str(tmp_path / "t"), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "of 51 true objects 42 found, 6 merged, 0 split, 3 missed; of 51 predicted 3 invented" in shown.output
    assert "aji_plus" in shown.output
    with (tmp_path / "out" / "per_image_objects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a", "b", "c"]
    assert tuple(rows[0]) == OBJECT_COLUMNS
    again = CliRunner().invoke(app, [*command, "--no-objects", "--json"])
    assert "objects" not in json.loads(again.stdout)
    assert not (tmp_path / "out" / "per_image_objects.csv").exists()


def test_wide_numbers_survive_the_files(tmp_path: Path) -> None:
    """Ids above 65535 come as 32-bit TIFF."""
    truth = np.where(field(20) > 0, field(20).astype(np.uint32) + 100_000, 0).astype(np.uint32)
    save(tmp_path / "t", {"a": truth}, ".tif")
    assert read_mask(tmp_path / "t" / "a.tif").values.max() == 100_020
    assert score_folders(tmp_path / "t", tmp_path / "t").summary["objects"]["counts"]["found"] == 20


def test_writing_leaves_no_scores_of_an_earlier_time(tmp_path: Path) -> None:
    ids = field(3)
    labels = (ids > 0).astype(np.uint8)
    pair = Pair("a", None, labels, labels, prediction_ids=ids, truth_ids=ids)
    write_evaluation(tmp_path, evaluate_pairs([pair], CELL))
    assert (tmp_path / "per_image_objects.csv").is_file()
    write_evaluation(tmp_path, evaluate_pairs([replace(pair, truth_ids=None)], CELL))
    assert not (tmp_path / "per_image_objects.csv").exists()
