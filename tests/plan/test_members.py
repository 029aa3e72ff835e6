"""Every member of the family gets a plan that can be built."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unetkit.errors import MissingExtra
from unetkit.models import MODELS
from unetkit.pipeline import Options, prepare
from unetkit.plan import build_network


@pytest.mark.parametrize("name", MODELS)
def test_a_member_that_is_named_is_planned_for(name: str, discs: Path) -> None:
    try:
        plan = prepare(discs, Options(steps=20, model=name)).plan
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert plan.model.name == name
    with torch.device("meta"):
        network = build_network(plan, pretrained=False)
    assert network.num_classes == 2
    if {"depth", "width"} <= set(plan.model.options):
        assert plan.reasons["model.width"]


def test_the_nested_one_trains_all_its_levels(discs: Path) -> None:
    assert prepare(discs, Options(steps=20, model="unet++")).plan.training.deep_supervision
    assert not prepare(discs, Options(steps=20, model="unet")).plan.training.deep_supervision
