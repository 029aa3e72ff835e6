"""Suggestions for a trained run: what is never suggested, what is remembered, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.active.conftest import SMALL, Trained
from unetkit.active import STRATEGIES, Request, suggest, write_suggestions
from unetkit.active.suggest import Suggestions
from unetkit.cli import app
from unetkit.errors import DatasetError, FileError, RunError, UnetkitError, UnknownName, UsageError
from unetkit.formats import read_image, write_image, write_mask
from unetkit.pipeline import Options, load_predictor, train

FREE = {f"disc_{n}" for n in (8, 9, 10, 11)}


def images(found: Suggestions) -> list[str]:
    return [one.place.image for one in found.suggestions]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_what_nobody_labelled_is_suggested(trained: Trained, strategy: str) -> None:
    found = suggest(trained.run, request=Request(n=3, strategy=strategy))
    assert len(images(found)) == 3
    assert set(images(found)) < FREE
    assert found.candidates == 4
    again = suggest(trained.run, request=Request(n=3, strategy=strategy))
    assert again.suggestions == found.suggestions


def test_copies_of_labelled_images_are_never_suggested(trained: Trained, tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(trained.data / "images", pool)
    (pool / "disc_0.png").rename(pool / "renamed.png")
    assert set(images(suggest(trained.run, [pool]))) == FREE


def test_more_than_there_is_gives_all_and_says_so(trained: Trained) -> None:
    found = suggest(trained.run, request=Request(n=10))
    assert set(images(found)) == FREE
    assert any("10 were asked for, and no more than 4" in note for note in found.notes)


def test_regions_do_not_overlap_and_begin_where_nobody_labelled(trained: Trained) -> None:
    labels = np.full((64, 64), 77, np.uint8)
    labels[:20, :20] = 0
    labels[5:10, 5:10] = 255
    write_mask(trained.data / "masks" / "disc_8.png", labels)
    (trained.data / "classes.yaml").write_text("ignore_values: [77]")
    classes = trained.run / "classes.yaml"
    classes.write_text(classes.read_text().replace("ignore_values: []", "ignore_values: [77]"))
    found = suggest(trained.run, request=Request(n=100, regions=32, strategy="entropy"))
    places = [one.place for one in found.suggestions]
    assert len(places) == 15, "four of each of three images, three of the one that is labelled in part"
    assert not any(a.meets(b) for k, a in enumerate(places) for b in places[:k])
    assert ((0, 32), (0, 32)) not in [place.window for place in places if place.image == "disc_8"]


def test_regions_larger_than_an_image_are_the_image(trained: Trained) -> None:
    found = suggest(trained.run, request=Request(n=2, regions=256))
    assert all(one.place.whole for one in found.suggestions)
    assert any("smaller than 256 pixels" in note for note in found.notes)


def test_what_disagrees_is_said(trained: Trained) -> None:
    found = suggest(trained.run, request=Request(n=2, strategy="disagreement"))
    assert "disagreement is that of 4 flipped views of one network" in found.notes


def test_labels_that_arrive_are_measured_and_credited(trained: Trained) -> None:
    first = suggest(trained.run, request=Request(n=4, strategy="entropy"))
    own = {one.place.image: one.strategy for one in first.suggestions}
    for name in ("disc_8", "disc_9", "disc_10"):
        shutil.copy(trained.kept_back / f"{name}.png", trained.data / "masks" / f"{name}.png")
    grown = trained.run.parent / "grown"
    train(trained.data, Options(steps=8, model="unet", settings=SMALL), out=grown)
    found = suggest(grown, request=Request(n=1))
    assert images(found) == ["disc_11"]
    assert sum(one.labelled for one in found.standings) == 3
    ledger = json.loads(found.ledger.read_text())
    assert [one["images"] for one in ledger["rounds"]] == [4, 7]
    measured = {one["image"]: one["surprise"] for one in ledger["rounds"][0]["suggested"]}
    predictor = load_predictor(trained.run, device="cpu")
    for name, strategy in own.items():
        if name == "disc_11":
            assert measured[name] is None
            continue
        truth = read_image(trained.kept_back / f"{name}.png").pixels[0] > 0
        labels = predictor.labels(read_image(trained.data / "images" / f"{name}.png")) == 1
        dice = 2 * (truth & labels).sum() / (truth.sum() + labels.sum())
        assert measured[name] == pytest.approx(1 - dice, abs=1e-6), strategy
    assert sorted(found.advice.scores) == [4, 7]
    assert "(2 so far)" in found.advice.words


def test_the_page_the_table_and_the_pictures_are_there(trained: Trained) -> None:
    found = suggest(trained.run, request=Request(n=3, regions=32, strategy="mix"))
    page = write_suggestions(trained.run, found)
    assert page == trained.run / "suggestions" / "suggestions.html"
    text = page.read_text()
    for one in found.suggestions:
        assert one.reason in text
    assert "<script" not in text
    with (page.parent / "suggestions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == images(found)
    assert [int(row["column_stop"]) for row in rows] == [one.place.window[1][1] for one in found.suggestions]
    for row in rows:
        assert read_image(page.parent / row["picture"]).pixels.shape[0] in (1, 3)
    again = write_suggestions(trained.run, found)
    assert again.read_text() == text


def test_a_folder_of_something_else_is_not_touched(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        write_suggestions(trained.run, suggest(trained.run), tmp_path / "mine")
    assert (tmp_path / "mine" / "work.txt").read_text() == "mine"


def test_an_unreadable_image_is_left_out_and_named(trained: Trained, tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    shutil.copy(trained.data / "images" / "disc_9.png", pool / "good.png")
    (pool / "bad.png").write_bytes(b"no image")
    found = suggest(trained.run, [pool])
    assert images(found) == ["good"]
    assert any("bad.png" in note for note in found.notes)


def test_images_with_other_channels_are_refused(trained: Trained, tmp_path: Path) -> None:
    write_image(tmp_path / "pool" / "a.png", np.zeros((3, 16, 16), np.uint8))
    with pytest.raises(FileError, match="wrong number of channels"):
        suggest(trained.run, [tmp_path / "pool"])


def test_where_all_is_labelled_nothing_is_suggested(trained: Trained) -> None:
    for path in trained.kept_back.iterdir():
        shutil.copy(path, trained.data / "masks" / path.name)
    with pytest.raises(DatasetError, match="all images are labelled already"):
        suggest(trained.run)


def test_data_that_are_gone_are_asked_for(trained: Trained) -> None:
    moved = trained.data.rename(trained.data.with_name("moved"))
    with pytest.raises(RunError, match="--data"):
        suggest(trained.run)
    assert suggest(trained.run, [moved], data=moved).candidates == 4


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        (Request(strategy="entropi"), UnknownName, "entropy"),
        (Request(n=0), UsageError, "1 or more"),
        (Request(regions=4), UsageError, "8 pixels"),
        (Request(worth=0), UsageError, "above 0"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    trained_once: Trained, request_: Request, kind: type[UnetkitError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        suggest(trained_once.run, request=request_)


def test_the_command_tells_the_same(trained: Trained) -> None:
    words = ["suggest", str(trained.run), "--n", "2", "--strategy", "coverage"]
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == 0, told.output
    said = json.loads(told.stdout)
    assert len(said["suggestions"]) == 2
    assert said["advice"]["verdict"] == "open"
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    assert all(one["image"] in shown.stdout for one in said["suggestions"])
    assert CliRunner().invoke(app, ["suggest", str(trained.run), "--strategy", "best"]).exit_code == 2
