"""What one step does: levels, averages, and a loss that is no number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unetkit.errors import RunError, UsageError
from unetkit.losses import build_loss
from unetkit.pipeline import Options, train
from unetkit.training import Hooks
from unetkit.training.networks import deep_loss, level_stride

SMALL = ("model.width=4", "model.depth=2", "training.patch=[32, 32]", "training.precision=float32")


def test_deep_loss_weighs_levels_by_halves_against_thinned_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 2, (2, 9, 7), generator=generator)
    valid = torch.rand(2, 9, 7, generator=generator) > 0.2
    fine = torch.randn(2, 2, 9, 7, generator=generator)
    coarse = torch.randn(2, 2, 5, 4, generator=generator)
    loss = build_loss("ce", num_classes=2)
    expected = 2 / 3 * loss(fine, target, valid) + 1 / 3 * loss(coarse, target[:, ::2, ::2], valid[:, ::2, ::2])
    assert deep_loss(loss, [fine, coarse], target, valid) == pytest.approx(expected.item())


def test_a_level_of_no_stride_names_both_sizes() -> None:
    assert level_stride((17, 9), (33, 17)) == 2
    with pytest.raises(UsageError, match=r"30 × 30 px for labels of 64 × 64 px"):
        level_stride((30, 30), (64, 64))
    with pytest.raises(UsageError, match="the same along every axis"):
        level_stride((32, 16), (64, 64))


def test_a_loss_that_is_no_number_stops_with_advice(discs: Path, tmp_path: Path) -> None:
    settings = (*SMALL, "training.optimizer=sgd", "training.learning_rate=1e30", "training.gradient_clip=0")
    with pytest.raises(RunError, match=r"--set training\.learning_rate=1e\+29"):
        train(discs, Options(steps=20, settings=settings), out=tmp_path / "run")


@pytest.mark.parametrize(
    "settings",
    [
        ("training.deep_supervision=true",),
        ("training.optimizer=sgd", "training.schedule=polynomial", "training.learning_rate=0.01"),
        ("training.loss=weighted-ce",),
        ("training.loss=focal", "training.loss_options={gamma: 1.5}"),
        ("training.precision=bfloat16",),
    ],
)
def test_every_way_to_train_trains(discs: Path, tmp_path: Path, settings: tuple[str, ...]) -> None:
    run = train(
        discs, Options(steps=30, settings=(*SMALL, "training.validate_every=15", *settings)), out=tmp_path / "r"
    )
    first, last = run.read_history()
    assert last["train_loss"] < first["train_loss"]


def test_patience_ends_a_run_that_has_stopped_improving(discs: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = (*SMALL, "training.learning_rate=1e-12", "training.patience=2", "training.validate_every=2")
    run = train(discs, Options(steps=60, settings=settings), out=tmp_path / "run", hooks=Hooks(say=said.append))
    assert len(run.read_history()) < 20
    assert any("stopped early" in line for line in said)
