"""The augmentation record: what it accepts, refuses and stores."""

import pytest
import yaml
from pydantic import ValidationError

from unetkit.augment import AUGMENTATIONS, AugmentationSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flips", (True,)),
        ("flips", (True, True, True, True)),
        ("rotation", -1),
        ("rotation", 181),
        ("rotation", float("nan")),
        ("scale", (1.5, 0.5)),
        ("scale", (0, 1)),
        ("scale", (1, float("inf"))),
        ("contrast", (2, 1)),
        ("gamma", (1, 11)),
        ("shear", 45),
        ("elastic_sigma", -1),
        ("elastic_grid", 1),
        ("elastic_grid", 2.5),
        ("spacing", (0, 1)),
        ("spacing", (float("inf"), 1)),
        ("warp_probability", 1.1),
        ("intensity_probability", -0.1),
        ("low_resolution", 0.5),
        ("noise", -1),
        ("rotatoin", 10),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        AugmentationSettings.model_validate({field: value})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        AugmentationSettings().rotation = 3.0  # type: ignore[misc]


def test_every_field_is_described() -> None:
    assert all(field.description for field in AugmentationSettings.model_fields.values())


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_presets_are_valid_and_survive_a_yaml_file(name: str) -> None:
    stored = yaml.safe_dump(AUGMENTATIONS[name].model_dump(mode="json"))
    assert AugmentationSettings.model_validate(yaml.safe_load(stored)) == AUGMENTATIONS[name]


def test_axes_are_counted_from_the_last() -> None:
    settings = AugmentationSettings(flips=(False, True), spacing=(4.0, 2.0, 1.0))
    assert settings.axis_flips(2) == (False, True)
    assert settings.axis_flips(3) == (False, False, True)
    assert settings.coarseness(2) == (2.0, 1.0)
    assert settings.coarseness(3) == (4.0, 2.0, 1.0)


def test_a_missing_spacing_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(ValueError, match=r"expected one for each of 3 axes"):
        AugmentationSettings(spacing=(1.0, 1.0)).coarseness(3)


def test_warps_only_when_something_would_move() -> None:
    assert not AugmentationSettings(warp_probability=1.0).warps(2)
    assert not AugmentationSettings(rotation=10).warps(2)
    tilting = AugmentationSettings(rotation_out_of_plane=10, warp_probability=1.0)
    assert tilting.warps(3)
    assert not tilting.warps(2)
