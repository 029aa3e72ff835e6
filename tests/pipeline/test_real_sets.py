"""Every member of the family makes a step on every real data set of two dimensions, and predicts an odd size."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from tests.models.test_registry import SMALL
from unetkit.dataset import Dataset
from unetkit.dataset.fingerprint import Fingerprint
from unetkit.dataset.patches import PatchSource
from unetkit.errors import MissingExtra
from unetkit.image import Image
from unetkit.losses import build_loss
from unetkit.models import MODELS
from unetkit.pipeline import Options, prepare
from unetkit.pipeline.preparation import plan_for
from unetkit.plan import build_network
from unetkit.prediction import Predictor
from unetkit.training import RunFolder, World, fit
from unetkit.training.state import Look

SETS = (
    "em_isbi2012",
    "nuclei_dsb2018",
    "camvid",
    "cropweed_cwfid",
    "magtile_defects",
    "retina_drive",
    "burnscars_s2_5band",
)
OPTIONS = Options(
    steps=1, allow_leakage=True, settings=("training.patch=[64, 64]", "training.batch=1", "training.foreground=0")
)


class Known(NamedTuple):
    dataset: Dataset
    facts: Fingerprint
    source: PatchSource


@pytest.fixture(scope="module", params=SETS)
def known(request: pytest.FixtureRequest, real_data: Path) -> Known:
    """A data set, checked, with a few of its images ready to be cut."""
    prepared = prepare(real_data / request.param, OPTIONS)
    source = PatchSource(prepared.dataset, prepared.split.train[:3], prepared.plan.normalization)
    return Known(prepared.dataset, prepared.fingerprint, source)


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if 2 in entry.spatial_dims])
def test_a_member_trains_on_a_set_and_predicts(name: str, known: Known, tmp_path: Path) -> None:
    small = [f"model.{key}={value}" for key, value in SMALL.get(name, {}).items()]
    options = Options(steps=1, model=name, settings=(*OPTIONS.settings, *small))
    try:
        plan = plan_for(known.dataset, known.facts, options)
        model = build_network(plan)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    loss = build_loss(plan.training.loss, num_classes=plan.data.num_classes)
    run = RunFolder(tmp_path)
    outcome = fit(model, plan, known.source, loss, lambda model: Look(1.0, 0.0), run, world=World.join("cpu"))
    assert outcome.step == 1
    assert np.isfinite(outcome.loss)
    again = build_network(plan, pretrained=False)
    again.load_state_dict(run.load_weights()[0])
    image = Image(np.random.default_rng(0).random((plan.data.channels, 61, 77)).astype(np.float32))
    labels = Predictor([again], plan).labels(image)
    assert labels.shape == (61, 77)
    assert labels.max() < plan.data.num_classes
    assert all(torch.isfinite(p).all() for p in model.parameters())
