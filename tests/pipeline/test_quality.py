"""Expected quality, from training to the table beside predictions: learnt, kept, written, flagged, put to the test."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import draw_discs
from unetkit.classes import read_classes
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.splits import stored_split
from unetkit.errors import RunError, UsageError
from unetkit.formats import read_image, read_mask, write_image, write_mask
from unetkit.pipeline import Options, evaluate, infer, load_predictor, predict, train
from unetkit.pipeline.quality import COLUMNS, Judge, known_qualities, read_quality
from unetkit.pipeline.quality.distance import MARGIN, fit_familiar
from unetkit.pipeline.quality.expected import ENOUGH, FLATTEST, Expectation, fit_expectation
from unetkit.pipeline.quality.fit import learn
from unetkit.prediction import Predictor, source_of
from unetkit.prediction.tiles import edges_of
from unetkit.training import RunFolder

SETTINGS = ("model.width=4", "model.depth=2", "training.patch=[64, 64]", "training.batch=4")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_discs(tmp_path_factory.mktemp("quality") / "discs", images=14)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(steps=150, model="unet", settings=SETTINGS)
    return train(data, options, out=tmp_path_factory.mktemp("runs") / "discs").path


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy of the run that may be changed."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "quality.csv").open(newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def test_a_trained_run_knows_and_its_evaluation_tells(run: Path) -> None:
    quality = read_quality(RunFolder(run))
    assert quality is not None
    assert quality.images == quality.expectation.images > 0
    assert quality.scaled_error <= quality.error + 5e-3
    rows, told = table(run / "test"), json.loads((run / "test" / "quality.json").read_text())
    assert rows
    for row in rows.values():
        assert float(row["low"]) <= float(row["expected_dice"]) <= float(row["high"])
        assert abs(float(row["expected_dice"]) - float(row["dice"])) < 0.25
    assert told["temperature"] == quality.temperature
    assert sum(row["share"] for row in told["own"]) == pytest.approx(1)
    assert "How far to trust it" in (run / "report.html").read_text()
    assert "does not know how good" not in (run / "report.html").read_text()


def test_predicting_writes_the_table_and_flags_what_is_foreign(run: Path, data: Path, tmp_path: Path) -> None:
    stripes = np.zeros((1, 64, 64), np.uint8)
    stripes[..., ::2] = 255
    write_image(tmp_path / "in" / "stripes.png", stripes)
    shutil.copy(data / "images" / "disc_0.png", tmp_path / "in")
    results = {one.name: one for one in predict(run, [tmp_path / "in"], tmp_path / "out")}
    rows = table(tmp_path / "out")
    assert list(next(iter(rows.values()))) == list(COLUMNS)
    assert set(rows) == {"stripes", "disc_0"}
    assert float(rows["stripes"]["distance"]) > MARGIN > float(rows["disc_0"]["distance"])
    assert rows["stripes"]["flag"].startswith("unlike the training images")
    assert results["stripes"].judgement.flag == rows["stripes"]["flag"]
    assert not rows["disc_0"]["flag"]
    assert 0.5 < float(rows["disc_0"]["agreement"]) <= 1


def test_rows_of_earlier_predictions_stay_and_other_tables_are_not_replaced(
    run: Path, data: Path, tmp_path: Path
) -> None:
    for n in (0, 1):
        list(predict(run, [data / "images" / f"disc_{n}.png"], tmp_path / "out"))
    assert set(table(tmp_path / "out")) == {"disc_0", "disc_1"}
    (tmp_path / "out" / "quality.csv").write_text("sample,ph\na,7\n")
    with pytest.raises(UsageError, match=r"quality\.csv"):
        list(predict(run, [data / "images" / "disc_2.png"], tmp_path / "out"))
    assert (tmp_path / "out" / "quality.csv").read_text() == "sample,ph\na,7\n"
    assert not (tmp_path / "out" / "disc_2.png").exists()


def test_a_stop_keeps_the_rows_of_what_was_predicted(run: Path, data: Path, tmp_path: Path) -> None:
    results = predict(run, [data / "images"], tmp_path / "out")
    name = next(results).name
    results.close()
    assert set(table(tmp_path / "out")) == {name}


def test_streamed_says_what_one_pass_says(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tall = np.concatenate([read_image(path).pixels for path in sorted((data / "images").iterdir())], axis=1)
    write_image(tmp_path / "tall.tif", tall)

    def judged(folder: str) -> dict[str, str]:
        predictor = load_predictor(run, augment=False, runtime="torch")
        options = {"save": ("labels", "calibrated"), "predictor": predictor}
        (done,) = predict(run, [tmp_path / "tall.tif"], tmp_path / folder, **options)
        assert done.fault is None
        return table(tmp_path / folder)["tall"]

    memory = judged("memory")
    monkeypatch.setattr(infer, "IN_MEMORY", 0)
    streamed = judged("streamed")
    assert float(streamed["expected_dice"]) == pytest.approx(float(memory["expected_dice"]), abs=1e-4)
    assert float(streamed["distance"]) == pytest.approx(float(memory["distance"]), rel=1e-4)
    assert streamed["agreement"] == memory["agreement"] == ""  # one network, one view
    pair = [read_image(tmp_path / name / "tall_calibrated.tif").pixels for name in ("memory", "streamed")]
    np.testing.assert_allclose(pair[0], pair[1], atol=1e-4)


def test_calibrated_probabilities_have_the_labels_of_the_others(run: Path, data: Path, tmp_path: Path) -> None:
    saves = ("labels", "probabilities", "calibrated")
    list(predict(run, [data / "images" / "disc_3.png"], tmp_path, save=saves))
    plain, other = (read_image(tmp_path / f"disc_3_{kind}.tif").pixels for kind in saves[1:])
    np.testing.assert_array_equal(other.argmax(0), plain.argmax(0))
    np.testing.assert_array_equal(other.argmax(0) > 0, read_mask(tmp_path / "disc_3.png").values > 0)
    temperature = read_quality(RunFolder(run)).temperature
    odds = [np.log(one[1] / one[0]) for one in (plain, other)]
    middle = np.abs(odds[0]) < 5
    np.testing.assert_allclose(odds[1][middle] * temperature, odds[0][middle], rtol=1e-2, atol=1e-2)


def test_an_older_run_says_once_that_it_does_not_know_and_evaluation_mends_it(
    own: Path, data: Path, tmp_path: Path
) -> None:
    known = (own / "quality.json").read_text()
    (own / "quality.json").unlink()
    images = [data / "images" / f"disc_{n}.png" for n in (0, 1)]
    results = list(predict(own, images, tmp_path / "out"))
    assert [sum("unetkit evaluate" in note for note in one.notes) for one in results] == [1, 0]
    assert [one.judgement for one in results] == [None, None]
    assert not (tmp_path / "out" / "quality.csv").exists()
    with pytest.raises(RunError, match="unetkit evaluate"):
        list(predict(own, images, tmp_path / "other", save=["calibrated"]))
    evaluate(own)
    assert (own / "quality.json").read_text() == known


def test_other_weights_are_not_judged_by_what_was_learnt_of_these(own: Path) -> None:
    folder = RunFolder(own)
    weights, facts = folder.load_weights()
    folder.save_weights(weights, **{**facts, "step": facts["step"] + 1})
    assert read_quality(folder) is None
    assert known_qualities(folder) == []


def test_damage_is_named_with_its_mend(own: Path, data: Path, tmp_path: Path) -> None:
    found = json.loads((own / "quality.json").read_text())
    (own / "quality.json").write_text(json.dumps({**found, "temperature": -1}))
    with pytest.raises(RunError, match=r"quality\.json.*temperature.*delete it"):
        list(predict(own, [data / "images" / "disc_0.png"], tmp_path / "out"))


def test_foreign_data_are_judged_but_teach_nothing(own: Path, tmp_path: Path) -> None:
    other = draw_discs(tmp_path / "others", images=4, seed=9)
    for path in (other / "images").iterdir():
        path.rename(path.with_name(f"new_{path.name}"))
        (other / "masks" / path.name).rename(other / "masks" / f"new_{path.name}")
    assert len(table(evaluate(own, other).folder)) == 4
    (own / "quality.json").unlink()
    done = evaluate(own, other)
    assert not (own / "quality.json").exists()
    assert not (done.folder / "quality.csv").exists()
    assert "does not know how good" in done.report.read_text()


def test_without_validation_images_the_claim_is_believed(run: Path, data: Path) -> None:
    folder = RunFolder(run)
    split = stored_split(folder.split)
    quality = learn(folder, open_dataset(data), split.model_copy(update={"val": ()}))
    assert (quality.images, quality.temperature, quality.error) == (0, 1.0, None)
    assert quality.expectation == Expectation()
    assert quality.familiar is not None  # training images tell by leaving each out in turn


def test_masks_without_foreground_teach_no_dice(run: Path, data: Path, tmp_path: Path) -> None:
    empty = Path(shutil.copytree(data, tmp_path / "empty"))
    for path in (empty / "masks").iterdir():
        write_mask(path, np.zeros((64, 64), np.uint8))
    folder = RunFolder(run)
    dataset = open_dataset(empty, classes=read_classes(folder.classes))
    quality = learn(folder, dataset, stored_split(folder.split))
    assert all(np.isfinite(quality.expectation.of(0.8)))
    assert quality.expectation.lowest in (None, 0.0)  # what is found where nothing is has Dice 0


def test_the_page_names_every_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "trust.md").read_text("utf-8")
    assert all(f"`{column}`" in page for column in COLUMNS if column != "image")


def test_few_images_move_the_claim_half_way_and_more_give_a_slope() -> None:
    few = fit_expectation([0.9] * 4, [0.7] * 4)
    assert few.of(0.9)[0] == pytest.approx(0.8)
    assert few.slope == 0
    assert few.lowest == 0.7
    claims = np.linspace(0.5, 0.95, 40)
    many = fit_expectation(claims, 2 * claims - 1)
    assert many.slope > 0.5
    assert many.of(0.6)[0] == pytest.approx(0.2, abs=0.06)
    assert many.spread < Expectation().spread


def test_expectation_never_falls_with_the_claim_and_survives_what_is_undefined() -> None:
    claims = np.linspace(0.5, 0.9, ENOUGH)
    turned = fit_expectation(claims, 1.5 - 2 * claims)
    assert turned.slope == FLATTEST
    values = [turned.of(claim)[0] for claim in claims]
    assert values == sorted(values)
    assert fit_expectation([], []) == fit_expectation([np.nan, 0.5], [0.5, np.nan]) == Expectation()
    assert all(np.isnan(Expectation().of(float("nan"))))


def test_interval_holds_what_it_promises() -> None:
    rng, inside = np.random.default_rng(0), []
    for _ in range(300):
        claims = rng.uniform(0.4, 0.8, 13)
        true = claims + rng.normal(-0.05, 0.05, 13)
        _, low, high = fit_expectation(claims[1:], true[1:]).of(claims[0])
        inside.append(low <= true[0] <= high)
    assert 0.93 < np.mean(inside) <= 1


def test_four_in_five_known_images_lie_within_1() -> None:
    rng = np.random.default_rng(0)
    trained = {f"t{n}": rng.normal(size=30) for n in range(8)}
    held_back = {f"v{n}": rng.normal(size=30) * 2 for n in range(40)}
    familiar = fit_familiar(trained, held_back)
    within = [familiar.nearest(one)[0] <= 1 for one in held_back.values()]
    assert 0.7 < np.mean(within) < 0.85
    distance, name = familiar.nearest(trained["t3"])
    assert (round(distance, 4), name) == (0, "t3")
    assert familiar.nearest(rng.normal(size=30) + 10)[0] > 4
    assert np.isnan(familiar.nearest(np.zeros(12))[0])


def test_too_few_or_equal_training_images_tell_no_distance() -> None:
    assert fit_familiar({"a": np.ones(3)}, {}) is None
    assert fit_familiar({"a": np.ones(3), "b": np.ones(3)}, {}) is None


def test_several_networks_are_judged_together(run: Path, data: Path) -> None:
    one = load_predictor(run, augment=False, runtime="torch")
    two = Predictor(one.models * 2, one.plans * 2, augment=False, runtime="torch")
    (quality,) = known_qualities(RunFolder(run))
    judged = []
    for predictor, qualities in ((one, [quality]), (two, [quality, quality])):
        judge = Judge(predictor, qualities)
        predictor.labels(read_image(data / "images" / "disc_4.png"))
        judged.append(judge.last("disc_4"))
    assert judged[1].expected_dice == pytest.approx(judged[0].expected_dice, abs=1e-5)
    assert judged[1].distance == pytest.approx(judged[0].distance)
    assert np.isnan(judged[0].agreement)
    assert judged[1].agreement == 1


def test_what_was_predicted_before_a_stop_is_not_judged_and_that_is_said(run: Path, data: Path) -> None:
    predictor = load_predictor(run, augment=False, runtime="torch")
    judge = Judge(predictor, known_qualities(RunFolder(run)))
    image = read_image(data / "images" / "disc_4.png")
    source, statistics = source_of(image), predictor.measure(image)
    first, *_ = predictor.pieces(source, statistics, tile=32)
    assert "since a stop" not in judge.last("disc_4").flag
    for _ in predictor.pieces(source, statistics, tile=32, done=frozenset({edges_of(first.window)})):
        pass
    assert "judged by the 75 % of it that were predicted since a stop" in judge.last("disc_4").flag
