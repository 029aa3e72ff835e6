"""Plans: complete, reasoned, changed by --set, and read back as they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from unetkit.augment.settings import PRESETS
from unetkit.dataset.fingerprint import Fingerprint, fingerprint
from unetkit.dataset.folder import open_dataset
from unetkit.errors import FileError, UnknownName, UsageError
from unetkit.plan import Plan, make, make_plan, read_plan, write_plan
from unetkit.plan.schema import STATED


@pytest.fixture(scope="module")
def facts(discs: Path) -> Fingerprint:
    dataset = open_dataset(discs)
    return fingerprint(dataset, [sample.name for sample in dataset.labelled])


@pytest.fixture(scope="module")
def plan(facts: Fingerprint) -> Plan:
    return make_plan(facts, num_classes=2, steps=50)


def test_every_decision_has_a_reason(plan: Plan) -> None:
    reasons = {key: reason for key, _, reason in plan.rows()}
    for key in ("model.name", "model.depth", "model.width", "training.patch", "training.batch", "training.steps",
                "training.loss", "training.learning_rate", "training.patience", "training.precision",
                "normalization.kind", "augmentation.flips", "augmentation.elastic_sigma"):  # fmt: skip
        assert len(reasons[key]) > 8, key


def test_time_becomes_steps(facts: Fingerprint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "step_seconds", lambda plan, device: 0.01 * plan.model.options["width"])
    short, long = (make_plan(facts, num_classes=2, time=t) for t in (60, 600))
    assert (short.model.options["width"], long.model.options["width"]) == (8, 32)
    assert short.training.steps == int(60 / (0.01 * 8 * make.OVERHEAD))
    assert long.training.steps == int(600 / (0.01 * 32 * make.OVERHEAD))
    assert long.training.time == 600
    stated = make_plan(facts, num_classes=2, time=600, settings=["model.width=4"])
    assert stated.model.options["width"] == 4


def test_a_pretrained_encoder_is_taken_where_there_is_time_for_it(
    facts: Fingerprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs = facts.model_copy(
        update={
            "channels": 3,
            "colour": 0.2,
            "modality_spread": 0.0,
            "thickness": (9.0, 20.0),
            "intensity": facts.intensity * 3,
        }
    )
    monkeypatch.setattr(make, "step_seconds", lambda plan, device: 0.5)
    short, long = (make_plan(photographs, num_classes=2, time=time) for time in (60, 120))
    assert (short.model.name, long.model.name) == ("unet", "unet-lite0")
    assert short.reasons["model.name"] == "in 60 s a pretrained encoder gets 100 steps; below 150 it is behind"
    assert short.training.learning_rate == 2e-3
    named = make_plan(photographs, num_classes=2, time=60, model="unet-lite0")
    varied = make_plan(photographs, num_classes=2, time=60, settings=["model.up=interpolate"])
    assert named.model.name == varied.model.name == "unet-lite0"
    assert make_plan(photographs, num_classes=2, steps=20).model.name == "unet-lite0"  # nobody asked a clock


@pytest.mark.parametrize(
    ("numbered", "touching", "objects", "gap", "classes", "way"),
    [
        (True, 0.3, 100, 40.0, 1, "boundary"),
        (True, 0.05, 100, 40.0, 1, "border"),
        (False, 0.0, 400, 5.0, 1, "border"),
        (False, 0.0, 400, 12.0, 1, "components"),  # gaps as wide as that stay open
        (False, 0.0, 40, 5.0, 1, "components"),  # four an image
        (False, 0.0, 400, 5.0, 2, "components"),
    ],
)
def test_the_way_of_separating_follows_from_the_masks(
    facts: Fingerprint, numbered: bool, touching: float, objects: int, gap: float, classes: int, way: str
) -> None:
    size = facts.object_sizes[0].model_copy(update={"objects": objects, "median": 30.0})
    thickness = (gap, *[20.0] * classes)
    told = {"numbered": numbered, "touching_share": touching, "object_sizes": (size,) * classes}
    masks = facts.model_copy(update={**told, "thickness": thickness, "labelled": 10})
    made = make_plan(masks, num_classes=1 + classes, steps=10)
    assert made.objects.separate == way
    assert len(made.reasons["objects.separate"]) > 8
    stated = make_plan(masks, num_classes=1 + classes, steps=10, settings=["objects.separate=flow"])
    assert stated.objects.separate == "flow"


def test_a_stated_length_ends_a_budget_and_its_corrections(plan: Plan) -> None:
    timed = plan.changed({"training.time": 60.0, "training.replans": [[5, 80]]}, "")
    shorter = timed.with_settings(["training.steps=20"])
    assert (shorter.training.steps, shorter.training.time, shorter.training.replans) == (20, None, ())


def test_plan_round_trip(plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", plan)
    assert read_plan(tmp_path / "plan.yaml") == plan


def test_settings_change_values_and_say_so(plan: Plan) -> None:
    changed = plan.with_settings(["training.learning_rate=3e-4", "model.depth=4", "augmentation.flips=[false, true]"])
    assert changed.training.learning_rate == 3e-4
    assert changed.model.options["depth"] == 4
    assert changed.augmentation.flips == (False, True)
    assert changed.reasons["model.depth"] == "stated by you"
    assert plan.training.learning_rate != 3e-4


@pytest.mark.parametrize(
    ("settings", "like"),
    [
        (["augmentation=none", "augmentation=flips"], ["augmentation=flips"]),
        (["augmentation=none", "augmentation=full"], []),
        (["augmentation=full", "augmentation=none"], ["augmentation=none"]),
        (["augmentation.noise=0.5", "augmentation=none"], ["augmentation=none"]),
        (["augmentation=none", "augmentation.noise=0.5"], ["augmentation=none", "augmentation.noise=0.5"]),
        (["augmentation.noise=0.5", "augmentation=none", "augmentation=full"], ["augmentation.noise=0.5"]),
        (
            ["augmentation.flips=[false, true]", "augmentation=flips"],
            ["augmentation=flips", "augmentation.flips=[0,1]"],
        ),
    ],
)
def test_what_is_said_last_of_augmentation_counts(plan: Plan, settings: list[str], like: list[str]) -> None:
    assert plan.with_settings(settings).augmentation == plan.with_settings(like).augmentation
    assert len({str(plan.with_settings([f"augmentation={word}"]).augmentation) for word in PRESETS}) == len(PRESETS)


def test_a_word_for_the_augmentation_says_who_said_it(plan: Plan) -> None:
    again = plan.with_settings(["augmentation=none", "augmentation=full"])
    assert again.reasons == plan.reasons
    assert plan.with_settings(["augmentation=none"]).reasons["augmentation.noise"] == STATED
    with pytest.raises(UsageError, match=r"augmentation\.noise"):
        plan.with_settings(["augmentation.noise=much", "augmentation=full"])


@pytest.mark.parametrize(
    ("model", "settings", "rate"),
    [
        ("unet", [], 2e-3),
        ("unet-lite0", [], 1e-3),
        ("unet-lite0", ["model.pretrained=false"], 2e-3),
        ("unet-timm", [], 2e-3),
        ("unet-timm", ["model.pretrained=true", "model.weights=FILE"], 1e-3),
        ("unet-lite0", ["training.learning_rate=5e-4"], 5e-4),
    ],
)
def test_pretrained_weights_get_smaller_steps(facts: Fingerprint, model: str, settings: list[str], rate: float) -> None:
    made = make_plan(facts, num_classes=2, steps=50, model=model, settings=settings)
    assert made.training.learning_rate == rate
    assert ("pretrained" in made.reasons["training.learning_rate"]) == (rate == 1e-3)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("training.learning_rte=1", "learning_rate"),
        ("nonsense", "SECTION.KEY=VALUE"),
        ("trainin.batch=1", "SECTION.KEY=VALUE"),
        ("training.batch=0", "greater than or equal to 1"),
        ("training.batch=many", "valid integer"),
        ("training.patch=[64]", "2 numbers"),
        ("training.loss=dise", "did you mean 'dice'"),
        ("model.name=unett", "did you mean 'unet'"),
        ("training.batch=[", "not understood"),
    ],
)
def test_settings_that_do_not_fit_say_what_would(plan: Plan, setting: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan.with_settings([setting])
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"time": 60, "steps": 5}, {"time": 1}, {"time": 60, "settings": ["training.steps=5"]}],
)
def test_budgets_that_make_no_sense(facts: Fingerprint, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make_plan(facts, num_classes=2, **arguments)


def test_unknown_models_list_the_nearest(facts: Fingerprint) -> None:
    with pytest.raises(UnknownName, match="did you mean 'unet'"):
        make_plan(facts, num_classes=2, steps=5, model="unet2")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 99}, "version 99"),
        ({"model": {"name": "no-such"}}, "no model is called"),
        ({"training": {"steps": -1}}, "training"),
    ],
)
def test_damaged_plans_are_refused(plan: Plan, tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    values = plan.model_dump(mode="json")
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises((FileError, UnknownName), match=complaint):
        read_plan(path)


@pytest.mark.parametrize("content", [b"", b"a: [", b"\xff\xfe\x00", b"- 1"])
def test_files_that_are_no_plans(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"plan\.yaml"):
        read_plan(path)


@pytest.mark.parametrize(("unlike", "chosen"), [(0, "supervised"), (1, "supervised"), (2, "histogram-matching")])
def test_unlabelled_images_are_used_where_they_look_unlike_all_labelled_ones(
    facts: Fingerprint, unlike: int, chosen: str
) -> None:
    seen = facts.model_copy(update={"labelled": 3, "unlabelled": 20, "unlike": tuple("ab"[:unlike])})
    plan = make_plan(seen, num_classes=2, steps=50)
    assert plan.training.method == chosen
    assert "3 labelled images, 20 without a label" in plan.reasons["training.method"]
    assert ("norm" in plan.model.options) == (unlike == 2)
    for patience, also in ((3, "supervised"), (0, chosen)):
        stated = make_plan(seen, num_classes=2, steps=50, settings=[f"training.patience={patience}"])
        assert stated.training.method == also
    assert "training.method" not in make_plan(facts, num_classes=2, steps=50).reasons
