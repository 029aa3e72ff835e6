"""Small models to export, and what became of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.models.test_registry import SMALL
from unetkit.augment import AugmentationSettings
from unetkit.classes import Classes
from unetkit.dataset.normalize import NormalizationPlan
from unetkit.errors import MissingExtra
from unetkit.export import EXPORTS, Subject
from unetkit.export.html import PAGE
from unetkit.image import Image
from unetkit.models import build_model
from unetkit.plan import DataPlan, ModelPlan, Plan, TrainingPlan
from unetkit.prediction import Predictor

SHALLOW = ("unet-2015", "unet++", "resunet", "lean-unet", "mobile-unet")
OPTIONS: dict[str, dict[str, Any]] = {**SMALL, **{name: {"depth": 1, "width": 4} for name in SHALLOW}}
"""As small as can be: recording a graph of free sizes takes long, layer by layer."""

NEEDS_PAGE = pytest.mark.skipif(
    not PAGE.exists(), reason="the page for browsers is not built (make web): html is not tested"
)
WRITABLE = [name for name in EXPORTS if name != "html" or PAGE.exists()]
"""The formats that can be written here."""

Member = tuple[str, NormalizationPlan]


def subject_of(
    *members: Member, dims: int = 2, channels: int = 1, dtype: Any = "uint8", spacing: float | None = None
) -> Subject:
    """Networks that look trained, together, and one random image."""
    generator = np.random.default_rng(0)
    models, plans = [], []
    for seed, (name, way) in enumerate(members):
        torch.manual_seed(seed)
        options = OPTIONS.get(name, {})
        try:
            model = build_model(name, in_channels=channels, num_classes=3, spatial_dims=dims, **options).eval()
        except MissingExtra as error:
            pytest.skip(f"{name}: {error}")
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
                module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr, operator]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]
        step = None if spacing is None else (spacing,) * dims
        plans.append(
            Plan(
                data=DataPlan(channels=channels, num_classes=3, spatial_dims=dims, spacing=step, unit="um"),
                normalization=way,
                model=ModelPlan(name=name, **options),
                training=TrainingPlan(steps=1, patch=(16,) * dims, validate_every=1),
                augmentation=AugmentationSettings(),
            )
        )
        models.append(model)
    shape = (37, 50) if dims == 2 else (9, 11, 14)
    image = Image(generator.integers(0, 256, (channels, *shape)).astype(dtype))
    return Subject(
        "tiny",
        Predictor(models, plans, augment=False),
        Classes(names=("background", "cell", "gap"), values=(0, 100, 255)),
        tuple(f"channel {n}" for n in range(channels)),
        dtype,
        (image,),
        "a random image",
        generator.integers(0, 256, (32, 64, 3)).astype(np.uint8),
    )
