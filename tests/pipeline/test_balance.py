"""The constants that the validation images choose for the classes, and where they go."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import draw_discs
from unetkit.dataset.folder import open_dataset
from unetkit.dataset.splits import stored_split
from unetkit.labels import Marks, write_marks
from unetkit.labels.simulated import simulate_scribbles
from unetkit.losses import build_loss
from unetkit.pipeline import Options, load_predictor, train
from unetkit.pipeline import balance as balancing
from unetkit.pipeline.balance import Look, _choose, balance
from unetkit.pipeline.validation import Validator
from unetkit.plan import read_plan
from unetkit.training import RunFolder

TINY = ("model.width=4", "model.depth=1", "training.patch=[32, 32]", "objects.separate=components")


def drawn(shift: list[float], images: int = 4) -> list[Look]:
    """Log-probabilities of a network that is right up to a constant a class, and noise; foreground is rare."""
    generator = np.random.default_rng(0)
    looks = []
    for _ in range(images):
        truth = generator.choice(len(shift), 4000, p=[0.8] + [0.2 / (len(shift) - 1)] * (len(shift) - 1))
        logits = 2.5 * np.eye(len(shift))[truth].T + generator.standard_normal((len(shift), 4000))
        logits += np.array(shift)[:, None]
        logits -= np.log(np.exp(logits).sum(0))
        looks.append((logits.astype(np.float32), truth.astype(np.uint8)))
    return looks


@pytest.mark.parametrize("shift", [[0.0, 2.0], [0.0, -3.0], [0.0, 2.0, -2.0]])
def test_a_shift_of_the_logits_is_taken_back(shift: list[float]) -> None:
    (first, *others), gain, images = _choose(drawn(shift), len(shift))
    plain, _, _ = _choose(drawn([0.0] * len(shift)), len(shift))
    assert first == 0
    assert gain > 0.01
    assert images == 4
    for offset, wanted, shifted in zip(others, plain[1:], shift[1:], strict=True):
        assert offset == pytest.approx(wanted - shifted, abs=0.51)


def test_a_gain_that_may_be_chance_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = drawn([0.0, 2.0])
    assert _choose(looks, 2)[1] > 0
    monkeypatch.setattr(balancing, "USUAL_SPREAD", 10.0)
    assert _choose(looks, 2) == ((0.0, 0.0), 0.0, 4)


def test_without_an_image_to_choose_by_nothing_changes() -> None:
    assert _choose([], 2)[0] == (0.0, 0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("balance")
    data = draw_discs(root / "data", size=32)
    return data, train(
        data, Options(steps=3, model="unet", settings=(*TINY, "training.balance=false")), out=root / "run"
    ).path


def held(data: Path, run: RunFolder) -> Validator:
    plan = read_plan(run.plan)
    return Validator(
        open_dataset(data),
        stored_split(run.split).val,
        plan,
        build_loss("ce", num_classes=plan.data.num_classes),
        device=torch.device("cpu"),
    )


def test_the_constants_go_into_the_weights_and_no_second_time(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = trained
    run = RunFolder(shutil.copytree(path, tmp_path / "run"))
    image = open_dataset(data).read_image(open_dataset(data).samples[0])
    before = np.log(load_predictor(run.path, augment=False).probabilities(image))
    said: list[str] = []
    monkeypatch.setattr(balancing, "_choose", lambda looks, count: ((0.0, -1.5), 0.02, len(looks)))
    assert balance(run, open_dataset(data), held(data, run), said.append) == (0.0, -1.5)
    after = np.log(load_predictor(run.path, augment=False).probabilities(image))
    moved = (after[1] - after[0]) - (before[1] - before[0])
    assert moved == pytest.approx(-1.5, abs=1e-3)
    assert said[0].startswith("balance of the classes: ")
    written = run.best.read_bytes()
    assert balance(run, open_dataset(data), held(data, run), said.append) == (0.0, -1.5)
    assert run.best.read_bytes() == written
    assert len(said) == 1


def test_images_with_marks_do_not_choose(trained: tuple[Path, Path], tmp_path: Path) -> None:
    data, path = trained
    data = shutil.copytree(data, tmp_path / "data")
    run = RunFolder(path)
    dataset = open_dataset(data)
    for name in stored_split(run.split).val:
        sample = dataset.sample(name)
        marks: Marks = simulate_scribbles(dataset.read_labels(sample).labels, dataset.classes.names)
        write_marks(data / "marks" / f"{name}.json", marks)
        sample.mask.unlink()
    assert balancing._looks(run, open_dataset(data), held(data, run)) == []


def test_a_training_chooses_by_itself(trained: tuple[Path, Path], tmp_path: Path) -> None:
    data, path = trained
    assert "balance" not in RunFolder(path).load_facts()
    run = train(data, Options(steps=3, model="unet", settings=TINY), out=tmp_path / "run")
    assert len(RunFolder(run.path).load_facts()["balance"]) == 2
