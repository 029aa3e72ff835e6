"""Every member of the family trains with deep supervision, resumes to the same weights, and survives its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.test_registry import SMALL
from unetkit.dataset import Dataset, open_dataset
from unetkit.dataset.patches import PatchSource
from unetkit.errors import MissingExtra
from unetkit.formats import write_image, write_mask
from unetkit.image import Image
from unetkit.losses import LOSSES, build_loss
from unetkit.models import MODELS, Segmenter
from unetkit.plan import Plan, build_network
from unetkit.prediction import Predictor
from unetkit.training import Hooks, Look, RunFolder, Stopped, World, fit

CASES = [(name, dims) for name, entry in MODELS.items() for dims in entry.spatial_dims]


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Volumes as large as a hippocampus, of noise with a brighter block."""
    root = tmp_path_factory.mktemp("data") / "volumes"
    generator = np.random.default_rng(0)
    for n in range(3):
        labels = np.zeros((36, 50, 35), np.uint8)
        labels[10:24, 12:34, 8:25] = 1
        pixels = (labels * 80 + generator.normal(90, 20, labels.shape)).clip(0, 255).astype(np.uint8)
        write_image(root / "images" / f"v{n}.tif", pixels[None])
        write_mask(root / "masks" / f"v{n}.tif", labels)
    return root


def plan_of(name: str, dims: int) -> Plan:
    deep = "deep_supervision" in MODELS[name].options
    values: dict[str, Any] = {
        "data": {"channels": 1, "num_classes": 2, "spatial_dims": dims},
        "model": {"name": name, **{k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.get(name, {}).items()}},
        "training": {"steps": 4, "patch": [16] * dims, "validate_every": 2, "ema": 0.9, "deep_supervision": deep},
        "augmentation": {},
    }
    return Plan.model_validate(values)


def trained(data: Path, plan: Plan, run: Path, *, stop_after: int | None = None) -> dict[str, torch.Tensor]:
    """The weights after four steps; stopped and gone on with in between where that is asked for."""
    dataset: Dataset = open_dataset(data)
    names = [sample.name for sample in dataset.labelled]
    source = PatchSource(dataset, names, plan.normalization, foreground=0.3)
    loss = build_loss("ce+dice", num_classes=2)
    world = World.join("cpu")
    made = 0

    def stop() -> bool:
        nonlocal made
        made += 1
        return made == stop_after

    def validate(model: Segmenter) -> Look:
        return Look(0.5, 0.5)

    def once(hooks: Hooks) -> None:
        torch.manual_seed(0)
        fit(build_network(plan), plan, source, loss, validate, RunFolder(run), world=world, hooks=hooks)

    if stop_after:
        with pytest.raises(Stopped):
            once(Hooks(stop=stop))
    once(Hooks())
    state = RunFolder(run).load_state()
    assert state is not None
    assert state["step"] == 4
    weights: dict[str, torch.Tensor] = state["model"]
    return weights


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("name", "dims"), CASES)
def test_every_loss_teaches_every_member(name: str, dims: int, loss: str) -> None:
    """At every level that has logits, with unlabelled pixels: the loss is a number and reaches all weights."""
    plan = plan_of(name, dims)
    torch.manual_seed(0)
    try:
        network = build_network(plan, pretrained=False)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    x = torch.randn(2, 1, *(24, 17, 20)[-dims:])
    target = (x[:, 0] > 0).long()
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[:, :3] = False
    criterion = build_loss(loss, num_classes=2, class_weights=(1.0, 2.0) if "weighted" in loss else None)
    total = torch.zeros(())
    for logits in network.forward_levels(x):
        stride = tuple(slice(None, None, -(-n // m)) for n, m in zip(target.shape[1:], logits.shape[2:], strict=True))
        total = total + criterion(logits, target[(slice(None), *stride)], valid[(slice(None), *stride)])
    total.backward()
    assert torch.isfinite(total)
    gradients = {key: parameter.grad for key, parameter in network.named_parameters() if parameter.requires_grad}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values())
    assert any(gradient.abs().max() > 0 for gradient in gradients.values() if gradient is not None)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_a_member_trains_resumes_and_predicts(name: str, dims: int, discs: Path, volumes: Path, tmp_path: Path) -> None:
    data, plan = discs if dims == 2 else volumes, plan_of(name, dims)
    try:
        whole = trained(data, plan, tmp_path / "whole")
    except MissingExtra as missing:
        pytest.skip(str(missing))
    resumed = trained(data, plan, tmp_path / "resumed", stop_after=3)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    torch.manual_seed(0)
    fresh = build_network(plan).state_dict()
    assert any(not torch.equal(fresh[key], whole[key]) for key in whole)
    weights, _ = RunFolder(tmp_path / "whole").load_weights()
    model = build_network(plan, pretrained=False)
    model.load_state_dict(weights)
    image = Image(np.random.default_rng(1).random((1, *(19, 33, 21)[-dims:])).astype(np.float32))
    assert Predictor([model], plan).labels(image).shape == image.shape
