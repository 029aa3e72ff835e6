"""Planted label errors are found, and the jitter of borders is not taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from unetkit.augment import AugmentationSettings
from unetkit.classes import Classes
from unetkit.dataset import Sample
from unetkit.dataset.encoding import label_map
from unetkit.evaluation import evaluate_pairs
from unetkit.formats import RawMask
from unetkit.image import Image, LabelMap
from unetkit.pipeline.gallery import Gallery, attention_sheet, suspicious_places
from unetkit.pipeline.story import next_steps
from unetkit.pipeline.validation import mean_dice
from unetkit.plan import DataPlan, ModelPlan, ObjectsPlan, Plan, TrainingPlan, build_network
from unetkit.prediction import Predictor
from unetkit.prediction.attention import SIDE, attention
from unetkit.report.object_page import object_values

CLASSES = Classes(names=("background", "cell"))


def sure_of(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Log-probabilities of a model that is sure of `labels`."""
    return np.log(np.where(np.arange(2)[:, None, None] == labels, 0.999, 0.001)).astype(np.float32)


def discs(*centres: tuple[int, int]) -> npt.NDArray[np.uint8]:
    rows, columns = np.indices((96, 96))
    return np.any([(rows - r) ** 2 + (columns - c) ** 2 < 100 for r, c in centres], axis=0).astype(np.uint8)


def test_an_object_nobody_painted_is_suspected_first() -> None:
    seen = discs((20, 20), (70, 60))
    painted = discs((20, 20))
    painted[:, 90:] = 255  # ignored pixels are never suspect
    places = suspicious_places("a", Image(np.zeros((1, 96, 96), np.uint8)), painted, seen, sure_of(seen), CLASSES)
    assert len(places) == 1
    assert "painted background, the model is sure of cell" in places[0].reason
    assert places[0].image.shape[:2] == places[0].truth.shape == places[0].prediction.shape
    assert 0 < places[0].score <= 1


def test_borders_that_differ_by_a_pixel_are_not_suspect() -> None:
    painted = discs((40, 40))
    seen = np.roll(painted, 1, axis=0)
    assert suspicious_places("a", Image(np.zeros((1, 96, 96), np.uint8)), painted, seen, sure_of(seen), CLASSES) == []


def test_mean_dice_knows_absent_classes() -> None:
    assert np.isnan(mean_dice(np.array([[9, 0], [0, 0]])))
    assert mean_dice(np.array([[5, 4], [0, 0]])) == 0
    assert mean_dice(np.array([[9, 0, 0], [0, 3, 1], [0, 0, 0]])) == pytest.approx((6 / 7 + 0) / 2)


def test_advice_follows_the_curve() -> None:
    class Nothing:
        suspects = ()
        objects = ()

    class Plan:
        class training:  # noqa: N801
            time, steps = 600.0, 10

    summary = {"images": 20, "classes": {"cell": {"dice": {"mean": 0.8}}}}
    rising = [{"val_score": 0.1 * n} for n in range(9)]
    flat = [{"val_score": 0.8} for _ in range(9)]
    assert "--time 20m" in next_steps(summary, rising, Plan(), Nothing())[0]  # type: ignore[arg-type]
    assert "More labels may" in next_steps(summary, flat, Plan(), Nothing())[0]  # type: ignore[arg-type]


def attentive(dims: int) -> Predictor:
    torch.manual_seed(0)
    options = {"depth": 2, "width": 4}
    plan = Plan(
        data=DataPlan(channels=1, spatial_dims=dims, num_classes=2),
        model=ModelPlan(name="attention-unet", **options),
        training=TrainingPlan(steps=1, patch=(32,) * dims, validate_every=1),
        augmentation=AugmentationSettings(),
    )
    return Predictor([build_network(plan)], plan)


def test_attention_is_shown_on_the_middle_of_a_large_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIDE, 3, 16)
    predictor = attentive(3)
    image = Image(np.random.default_rng(0).normal(size=(1, 12, 30, 41)).astype(np.float32))
    sheet, seen = attention_sheet("a", image, predictor), attention(predictor, image)
    assert sheet is not None
    assert seen is not None
    assert sheet.name == "a (its middle 12 × 16 × 16 pixels)"
    assert sheet.image.shape == (16, 16, 3)
    assert (sheet.maps[1] == seen.maps[1][3]).all()  # plane 6 at stride 2


@pytest.mark.parametrize("names", [("good", "bad"), ("bad", "good")])
def test_attention_is_shown_on_the_worst_image(names: tuple[str, str]) -> None:
    predictor = attentive(2)
    rng = np.random.default_rng(0)
    images = {name: Image(rng.normal(size=(1, 32, 24)).astype(np.float32)) for name in names}

    class Folder:
        classes = CLASSES

        def sample(self, name: str) -> Sample:
            return Sample(name, Path(f"{name}.png"), None)

        def read_image(self, sample: Sample) -> Image:
            return images[sample.name]

        def read_mask(self, sample: Sample) -> RawMask:
            labels = predictor.labels(images[sample.name])
            return RawMask(labels if sample.name == "good" else 1 - labels)

        def read_labels(self, sample: Sample) -> LabelMap:
            return label_map(self.read_mask(sample), CLASSES)

    gallery = Gallery(Folder())  # type: ignore[arg-type]
    list(gallery.predicted(names, predictor))
    assert gallery.attention is not None
    assert gallery.attention.name == gallery.cases[0].name == "bad"
    assert (gallery.attention.image == gallery.cases[0].image).all()


def test_objects_of_several_classes_keep_their_class() -> None:
    torch.manual_seed(0)
    plan = Plan(
        data=DataPlan(channels=1, spatial_dims=2, num_classes=3),
        model=ModelPlan(name="unet", depth=2, width=4),
        training=TrainingPlan(steps=1, patch=(32, 32), validate_every=1),
        augmentation=AugmentationSettings(),
        objects=ObjectsPlan(separate="border"),
    )
    predictor = Predictor([build_network(plan)], plan)
    image = Image(np.random.default_rng(0).normal(size=(1, 32, 24)).astype(np.float32))
    truth = np.zeros((32, 24), np.uint8)
    truth[2:10, 2:10], truth[20:28, 2:10], truth[2:10, 14:22] = 1, 1, 2

    class Folder:
        classes = Classes(names=("background", "cell", "debris"), values=(0, 1, 2), encoding="values")

        def sample(self, name: str) -> Sample:
            return Sample(name, Path(f"{name}.png"), None)

        def read_image(self, sample: Sample) -> Image:
            return image

        def read_mask(self, sample: Sample) -> RawMask:
            return RawMask(truth)

        def read_labels(self, sample: Sample) -> LabelMap:
            return LabelMap(truth, self.classes)

    gallery = Gallery(Folder(), images=1)  # type: ignore[arg-type]
    (pair,) = gallery.predicted(["a"], predictor)
    assert pair.truth_classes is not None
    assert pair.truth_classes.tolist() == [1, 1, 2]
    scores = evaluate_pairs([pair], Folder.classes).summary["objects"]
    assert [scores["classes"][name]["counts"]["true_objects"] for name in ("cell", "debris")] == [2, 1]
    shown = gallery.cases[0].objects
    assert shown is not None
    assert shown.ids.shape == (32, 24)
    sheet = gallery.one_by_one.sheet()
    assert sheet is not None
    assert object_values(sheet, {"objects": scores})["scores"]["classes"] == ["cell", "debris"]
