"""Whole patches: what a training loop may rely on."""

import numpy as np
import pytest
import torch

from unetkit.augment import AUGMENTATIONS, TRANSFORMS, AugmentationSettings, augment
from unetkit.errors import UsageError

ALL = AUGMENTATIONS["full"].model_copy(
    update={"warp_probability": 1.0, "intensity_probability": 1.0, "channel_drop": 1.0, "rotation_out_of_plane": 15.0}
)
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def seeded(count: int, start: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(start + i) for i in range(count)]


def some_batch(*shape: int, channels: int = 2, count: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (count, *shape), generator=generator)
    valid = torch.rand((count, *shape), generator=generator) < 0.9
    return torch.randn((count, channels, *shape), generator=generator), labels, valid


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("shape", [(16, 16), (5, 7), (4, 6, 6), (1, 1)])
def test_without_augmentation_nothing_changes(shape: tuple[int, ...]) -> None:
    batch = some_batch(*shape)
    result = augment(*batch, AUGMENTATIONS["none"], seeded(4))
    assert same(result, batch)
    assert all(new.data_ptr() != old.data_ptr() for new, old in zip(result, batch, strict=True))


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(16, 16), (9, 12), (1, 1), (1, 6), (5, 8, 8), (1, 3, 2)])
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_every_preset_serves_every_shape(name: str, shape: tuple[int, ...], channels: int) -> None:
    batch = some_batch(*shape, channels=channels)
    before = tuple(part.clone() for part in batch)
    images, labels, valid = augment(*batch, AUGMENTATIONS[name], seeded(4))
    assert images.shape == (4, channels, *shape)
    assert (images.dtype, labels.dtype, valid.dtype) == (torch.float32, torch.int64, torch.bool)
    assert labels.shape == valid.shape == (4, *shape)
    assert torch.isfinite(images).all()
    assert set(labels[valid].tolist()) <= {0, 1, 2}
    assert same(batch, before)


@pytest.mark.parametrize("shape", [(33, 33), (6, 12, 12)])
def test_the_same_generators_give_the_same_patches(shape: tuple[int, ...]) -> None:
    batch = some_batch(*shape)
    assert same(augment(*batch, ALL, seeded(4)), augment(*batch, ALL, seeded(4)))
    assert not torch.equal(augment(*batch, ALL, seeded(4))[0], augment(*batch, ALL, seeded(4, start=9))[0])


@pytest.mark.parametrize("settings", [ALL, AUGMENTATIONS["full"]], ids=["everything", "full"])
def test_a_split_batch_gives_the_same_patches(settings: AugmentationSettings) -> None:
    batch = some_batch(40, 40, count=6)
    whole = augment(*batch, settings, seeded(6), out_size=(32, 32))
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        images, labels, valid = (tensor[part] for tensor in batch)
        split = augment(images, labels, valid, settings, seeded(6)[part], out_size=(32, 32))
        assert same(split, tuple(tensor[part] for tensor in whole))


def test_flips_and_turns_are_exact_and_all_eight_happen() -> None:
    square = torch.arange(36.0).view(1, 1, 6, 6)
    labels = square[:, 0].long()
    seen = set()
    for generator in seeded(100):
        image, moved, _ = augment(square, labels, labels >= 0, AUGMENTATIONS["flips"], [generator])
        assert torch.equal(image[:, 0].long(), moved)
        seen.add(tuple(moved.flatten().tolist()))
    plane = np.arange(36).reshape(6, 6)
    expected = {tuple(np.rot90(p, k).ravel().tolist()) for p in (plane, plane.T) for k in range(4)}
    assert seen == expected


def test_a_patch_that_is_not_square_keeps_its_shape() -> None:
    batch = some_batch(6, 9, count=20)
    _, labels, _ = augment(*batch, AUGMENTATIONS["flips"], seeded(20))
    for before, after in zip(batch[1], labels, strict=True):
        variants = [before, before.flip(0), before.flip(1), before.flip(0, 1)]
        assert any(torch.equal(after, variant) for variant in variants)


@pytest.mark.parametrize("flips", [(False, True), (False, False, True)])
def test_pictures_with_an_up_and_a_down_are_never_turned_over(flips: tuple[bool, ...]) -> None:
    batch = some_batch(8, 8, count=40)
    images, _, _ = augment(*batch, AugmentationSettings(flips=flips), seeded(40))
    mirrored = [torch.equal(after, before.flip(2)) for before, after in zip(batch[0], images, strict=True)]
    kept = [torch.equal(after, before) for before, after in zip(batch[0], images, strict=True)]
    assert all(a or b for a, b in zip(mirrored, kept, strict=True))
    assert 8 < sum(mirrored) < 32


def test_upright_keeps_the_sky_above_the_road() -> None:
    rows = torch.arange(64.0).view(1, 1, 64, 1).expand(1, 1, 64, 64)
    labels = torch.zeros(1, 64, 64, dtype=torch.int64)
    for generator in seeded(40):
        images, _, valid = augment(rows, labels, labels == 0, AUGMENTATIONS["upright"], [generator])
        top, bottom = images[0, 0, :32][valid[0, :32]], images[0, 0, 32:][valid[0, 32:]]
        assert bottom.mean() > top.mean() + 0.3 * rows.std()


def test_the_warp_happens_as_often_as_stated_and_other_samples_stay_exact() -> None:
    batch = some_batch(12, 12, count=300)
    settings = AugmentationSettings(warp_probability=0.3, rotation=20)
    images, _, _ = augment(*batch, settings, seeded(300))
    untouched = [torch.equal(a, b) for a, b in zip(images, batch[0], strict=True)]
    assert 0.22 < 1 - np.mean(untouched) < 0.38


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_transform_happens_as_often_as_stated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only = {key: TRANSFORMS[key] for key in TRANSFORMS if key == name}
    monkeypatch.setattr("unetkit.augment.TRANSFORMS", only)
    batch = some_batch(6, 6, count=300)
    settings = ALL.model_copy(update={"warp_probability": 0.0, "intensity_probability": 0.3, "channel_drop": 0.3})
    settings = settings.model_copy(update={"flips": (False, False), "quarter_turns": False})
    images, _, _ = augment(*batch, settings, seeded(300))
    untouched = [torch.equal(a, b) for a, b in zip(images, batch[0], strict=True)]
    assert 0.22 < 1 - np.mean(untouched) < 0.38


@pytest.mark.parametrize(("source", "size"), [((10, 12), (6, 6)), ((9, 9), (4, 5)), ((5, 8, 8), (3, 8, 2))])
def test_out_size_takes_the_centre(source: tuple[int, ...], size: tuple[int, ...]) -> None:
    images, labels, valid = augment(*some_batch(*source), AUGMENTATIONS["none"], seeded(4), out_size=size)
    centre = tuple(slice((s - n) // 2, (s - n) // 2 + n) for s, n in zip(source, size, strict=True))
    expected = some_batch(*source)
    assert torch.equal(images, expected[0][(..., *centre)])
    assert torch.equal(labels, expected[1][(..., *centre)])
    assert torch.equal(valid, expected[2][(..., *centre)])


def test_instance_numbers_beyond_float_precision_survive() -> None:
    labels = torch.full((1, 16, 16), 2**24 + 1)
    _, moved, valid = augment(torch.zeros(1, 1, 16, 16), labels, labels > 0, ALL, seeded(1))
    assert (moved[valid] == 2**24 + 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(2, 8, 8)}, "images do not fit"),
        ({"images": torch.zeros(2, 1, 8, 8, dtype=torch.float64)}, "float64"),
        ({"images": torch.zeros(0, 1, 8, 8)}, "images do not fit"),
        ({"labels": torch.zeros(2, 8, 9, dtype=torch.int64)}, r"labels.*\(2, 8, 9\)"),
        ({"labels": torch.zeros(2, 8, 8)}, "labels.*integers"),
        ({"valid": torch.ones(2, 8, 8)}, "valid.*torch.bool"),
        ({"generators": seeded(1)}, "one CPU generator a sample"),
        ({"out_size": (8, 9)}, r"out_size.*\(8, 9\)"),
        ({"out_size": (0, 8)}, "out_size"),
        ({"out_size": (8,)}, "out_size"),
    ],
)
def test_what_does_not_fit_is_an_error(change: dict[str, object], message: str) -> None:
    images, labels, valid = some_batch(8, 8, channels=1, count=2)
    arguments = {"images": images, "labels": labels, "valid": valid, "generators": seeded(2), **change}
    with pytest.raises(UsageError, match=message):
        augment(settings=ALL, **arguments)  # type: ignore[arg-type]


def test_a_volume_needs_the_spacing_of_three_axes() -> None:
    with pytest.raises(UsageError, match="spacing"):
        augment(*some_batch(4, 4, 4), AugmentationSettings(spacing=(1, 1)), seeded(4))
